package dev.vesper.machine.cpu;

import static org.assertj.core.api.Assertions.assertThat;

import dev.vesper.machine.cpu.emit.VerifiedEmission;
import dev.vesper.machine.cpu.interp.Interpreter;
import dev.vesper.machine.memory.Page;
import dev.vesper.machine.memory.PhysicalMemory;
import java.io.BufferedReader;
import java.io.IOException;
import java.io.InputStream;
import java.io.InputStreamReader;
import java.io.UncheckedIOException;
import java.nio.charset.StandardCharsets;
import java.util.HexFormat;
import java.util.List;
import java.util.Objects;
import org.junit.jupiter.api.extension.ExtendWith;
import org.junit.jupiter.params.ParameterizedClass;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;
import org.junit.jupiter.params.provider.ValueSource;

/** Single steps and breakpoints of user programs come where an AMD processor has them. */
@ParameterizedClass
@ValueSource(ints = {Execution.STANDARD, Execution.NATIVE})
@ExtendWith(VerifiedEmission.class)
final class DebugTrapsTest {
  private static final int CODE = 0x2_0000;
  private static final int DATA = 0x3_0000;
  private static final int STACK = 0x5_0000;
  private static final int FRAMES = 0x60;
  private static final int CODE_64 = 0x33;
  private static final int CODE_32 = 0x23;
  private static final int USER_DATA = 0x2B;

  /** Handlers are 16 bytes apart: HLT, which exits, then IRETQ. */
  private static final int HANDLERS = 0x8000;

  private static final int HANDLER_BYTES = 16;
  private static final long HLT = 0x78;
  private static final int MOST_EVENTS = 40;

  /** One line of the table. */
  record Program(String name, int bits, String start, String[] dr, byte[] code, String events) {
    static Program of(String line) {
      String[] f = line.split(" \\| ", -1);
      return new Program(
          f[0],
          Integer.parseInt(f[1]),
          f[2],
          new String[] {f[3], f[4]},
          HexFormat.of().parseHex(f[5]),
          f[6]);
    }

    @Override
    public String toString() {
      return name;
    }
  }

  static List<Program> programs() {
    try (InputStream in = DebugTrapsTest.class.getResourceAsStream("debug-traps.txt");
        BufferedReader lines =
            new BufferedReader(
                new InputStreamReader(Objects.requireNonNull(in), StandardCharsets.US_ASCII))) {
      return lines.lines().filter(l -> !l.startsWith("#")).map(Program::of).toList();
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }

  private final PhysicalMemory memory = new PhysicalMemory(FRAMES << 12, 0);
  private final Cpu cpu;

  DebugTrapsTest(int execution) {
    CpuFeatures f = CpuFeatures.ALL;
    NestedMap map = frame -> frame >= 0 && frame < FRAMES ? NestedMap.RAM : NestedMap.ABSENT;
    cpu = new Cpu(memory, map, f, new Interpreter(f), 1);
    Execution.choose(cpu, f, execution);
  }

  private Page page(int frame) {
    return memory.page(frame, Page.SHARED);
  }

  private void segment(int s, int selector, int attributes) {
    cpu.selector[s] = selector;
    cpu.segAttr[s] = attributes;
    cpu.segBase[s] = 0;
    cpu.segLimit[s] = 0xFFFF_FFFFL;
  }

  /** Long mode at CPL 3: the program's pages belong to it, everything else is not there for it. */
  private void prepare(Program p) {
    cpu.resetRegisters();
    page(1).put64(0, 0x2007L);
    page(2).put64(0, 0x3007L);
    page(3).put64(0, 0x4007L);
    for (int i = 1; i < FRAMES; i++) {
      int address = i << 12;
      boolean user =
          address == CODE
              || address >= DATA && address < DATA + 0x2000
              || address >= STACK - 0x8000 && address < STACK + 0x8000;
      page(4).put64(i * 8, (long) address | (user ? 7 : 3));
    }
    Page gdt = page(6);
    gdt.put64(0x08, 0x00AF_9B00_0000_FFFFL);
    gdt.put64(0x10, 0x00CF_9300_0000_FFFFL);
    gdt.put64(CODE_32 & ~7, 0x00CF_FB00_0000_FFFFL);
    gdt.put64(USER_DATA & ~7, 0x00CF_F300_0000_FFFFL);
    gdt.put64(CODE_64 & ~7, 0x00AF_FB00_0000_FFFFL);
    cpu.gdtBase = 0x6000;
    cpu.gdtLimit = 0x3F;
    cpu.idtBase = 0x7000;
    cpu.idtLimit = 0x1FF;
    for (int v = 0; v < 32; v++) {
      int at = HANDLERS + v * HANDLER_BYTES;
      page(7).put64(v * 16, at & 0xFFFFL | 8L << 16 | 0xEE00L << 32);
      page(HANDLERS >> 12)
          .copyFrom(at - HANDLERS, new byte[] {(byte) 0xF4, 0x48, (byte) 0xCF}, 0, 3);
    }
    page(9).put64(4, 0xB000L);
    segment(CpuState.TR, 0x38, 0x8B);
    cpu.segBase[CpuState.TR] = 0x9000;
    cpu.segLimit[CpuState.TR] = 0x67;
    page(CODE >> 12).copyFrom(0, p.code, 0, p.code.length);
    page(CODE >> 12).put8(p.code.length, 0xF4);
    page(DATA >> 12).put8(0, USER_DATA);
    page((DATA >> 12) + 1).fill(0, Page.SIZE, (byte) 0x55);
    segment(CpuState.CS, p.bits == 64 ? CODE_64 : CODE_32, p.bits == 64 ? 0xAFB : 0xCFB);
    for (int s : new int[] {CpuState.SS, CpuState.DS, CpuState.ES}) {
      segment(s, USER_DATA, 0xCF3);
    }
    cpu.cr0 = 0x8001_0033L;
    cpu.cr4 = CpuState.CR4_PAE | CpuState.CR4_OSFXSR | CpuState.CR4_OSXSAVE;
    cpu.xcr0 = 7;
    cpu.efer = 0xD01;
    cpu.cr3 = 0x1000;
    cpu.cpl = 3;
    cpu.r[1] = 3;
    cpu.r[3] = DATA;
    cpu.r[4] = STACK;
    cpu.r[5] = STACK;
    cpu.r[6] = DATA + 0x100;
    cpu.r[7] = DATA + 0x1100;
    cpu.rip = CODE;
    cpu.setFlags(
        2
            | CpuState.IF
            | (p.start.startsWith("1") ? CpuState.TF : 0)
            | (p.start.endsWith("o") ? CpuState.OF : 0));
    for (int i = 0; i < 2; i++) {
      breakpoint(i, p.dr[i]);
    }
    cpu.intercepts.vector3 = 1 << 24;
    cpu.flushTlb(true);
  }

  private void breakpoint(int n, String what) {
    if (what.equals("-")) {
      return;
    }
    String[] f = what.substring(1).split(",", -1);
    boolean code = what.charAt(0) == 'x';
    int bytes = code ? 1 : Integer.parseInt(f[1]);
    long kind = code ? 0 : what.charAt(0) == 'w' ? 1 : 3;
    cpu.dr[n] = (code ? CODE : DATA) + Integer.parseInt(f[0], 16);
    cpu.dr[7] |= 1L << 2 * n | kind << 16 + 4 * n | (bytes == 8 ? 2L : bytes - 1L) << 18 + 4 * n;
  }

  private static String fault(int vector) {
    return switch (vector) {
      case 0 -> "#DE";
      case 6 -> "#UD";
      case 13 -> "#GP";
      case 14 -> "#PF";
      default -> "#" + vector;
    };
  }

  /** Runs the program to its fault; at #DB and #BP the handler returns. */
  private String events(Program p) {
    StringBuilder s = new StringBuilder();
    for (int i = 0; i < MOST_EVENTS; i++) {
      cpu.dr[6] = 0xFFFF_0FF0L;
      cpu.run(cpu.icount + 10_000);
      assertThat(cpu.exitCode).as(s.toString()).isEqualTo(HLT);
      int vector = ((int) cpu.rip - HANDLERS) / HANDLER_BYTES;
      boolean hasCode = vector == 13 || vector == 14;
      long frame = cpu.r[4] + (hasCode ? 8 : 0);
      String at = "@" + Long.toHexString(cpu.sysRead(frame, 8) - CODE);
      if (vector != 1 && vector != 3) {
        return s + fault(vector) + at;
      }
      boolean user = (cpu.sysRead(frame + 8, 8) & 3) == 3;
      if (user) {
        s.append(vector == 3 ? "bp" + at : debug(p, frame, at)).append(' ');
      }
      cpu.rip++;
    }
    return s.toString();
  }

  private String debug(Program p, long frame, String at) {
    long flags = cpu.sysRead(frame + 16, 8);
    int bits = (int) cpu.dr[6] & 0xE00F;
    for (int n = 0; n < 2; n++) {
      if ((bits >> n & 1) != 0 && p.dr[n].startsWith("x")) {
        flags |= CpuState.RF;
        cpu.sysWrite(frame + 16, 8, flags);
      }
    }
    return Integer.toHexString(bits)
        + at
        + ((flags & CpuState.RF) != 0 ? "r" : "")
        + (p.name.contains("rep") ? "/" + Long.toHexString(cpu.r[1]) : "");
  }

  @ParameterizedTest
  @MethodSource("programs")
  void aProgramSeesTheDebugExceptionsOfTheProcessor(Program p) {
    prepare(p);
    assertThat(events(p)).isEqualTo(p.events);
  }
}
