package dev.vesper.machine.cpu;

import static org.assertj.core.api.Assertions.assertThat;

import dev.vesper.machine.cpu.interp.Interpreter;
import dev.vesper.machine.memory.Page;
import dev.vesper.machine.memory.PhysicalMemory;
import java.util.ArrayList;
import java.util.HexFormat;
import java.util.List;
import java.util.Set;
import java.util.TreeSet;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/**
 * Every opcode with every prefix and ModRM.reg at CPL 0: it executes, faults or exits; none is
 * missing and none throws out of the processor.
 */
@Tag("slow")
final class EveryOpcodeTest {
  private static final int CODE = 0x4000;

  private final PhysicalMemory memory = new PhysicalMemory(64 << 12, 0);
  private final Cpu cpu;

  EveryOpcodeTest() {
    CpuFeatures f = CpuFeatures.ALL;
    NestedMap map = frame -> frame >= 0 && frame < 64 ? NestedMap.RAM : NestedMap.ABSENT;
    cpu = new Cpu(memory, map, f, new Interpreter(f), 1);
    memory.page(1, 0).put64(0, 0x2003L);
    memory.page(2, 0).put64(0, 0x3003L);
    memory.page(3, 0).put64(0, 0x83L);
  }

  private void prepare(int bits) {
    cpu.resetRegisters();
    for (int i = 0; i < 16; i++) {
      cpu.r[i] = 0x8000 + 16 * i;
    }
    boolean is16 = bits == 16;
    for (int s = 0; s < 6; s++) {
      cpu.selector[s] = is16 ? 0 : s == CpuState.CS ? 8 : 16;
      cpu.segBase[s] = 0;
      cpu.segLimit[s] = is16 ? 0xFFFF : 0xFFFF_FFFFL;
      cpu.segAttr[s] = is16 ? 0x93 : s == CpuState.CS ? bits == 64 ? 0xA9B : 0xC9B : 0xC93;
    }
    cpu.cr0 = is16 ? 0x10 : bits == 64 ? 0x8000_0033L : 0x33;
    cpu.xcr0 = 0xE7;
    cpu.cr4 =
        CpuState.CR4_OSFXSR
            | CpuState.CR4_OSXSAVE
            | (bits == 64 ? CpuState.CR4_PAE : 0)
            | CpuState.CR4_FSGSBASE;
    cpu.efer = bits == 64 ? 0xD01 : 0;
    cpu.cr3 = 0x1000;
    cpu.gdtBase = 0x6000;
    cpu.gdtLimit = 0xFF;
    cpu.idtBase = 0x7000;
    cpu.idtLimit = 0xFF;
    cpu.fcw = 0x37F;
    cpu.fvalid = 0;
    cpu.interruptShadow = false;
    cpu.rip = CODE;
    cpu.intercepts.exceptions = -1;
    cpu.intercepts.vector3 = -1;
    cpu.intercepts.vector4 = 0x7FFF;
    cpu.flushTlb(true);
  }

  @ParameterizedTest
  @ValueSource(ints = {16, 32, 64})
  void isDoneOrUndefined(int bits) {
    Set<String> missing = new TreeSet<>();
    List<byte[]> prefixes = new ArrayList<>();
    for (String p : new String[] {"", "66", "f3", "f2", "f0", "67"}) {
      prefixes.add(HexFormat.of().parseHex(p));
    }
    int run = 0;
    for (byte[] prefix : prefixes) {
      for (int op = 0; op < 1024; op++) {
        for (int modrm = 0; modrm < 256; modrm += modrm < 192 ? 8 : 1) {
          prepare(bits);
          Page d = memory.page(CODE >> 12, 0);
          int at = 0;
          for (byte b : prefix) {
            d.put8(at++, b);
          }
          if (op >= 256) {
            d.put8(at++, 0x0F);
          }
          if (op >= 512) {
            d.put8(at++, op < 768 ? 0x38 : 0x3A);
          }
          d.put8(at++, op);
          d.put8(at++, modrm);
          d.fill(at, 64 - at, (byte) 0x20);
          run += execute(missing);
        }
      }
    }
    run += vex(bits, missing);
    run += evex(bits, missing);
    assertThat(run).isGreaterThan(700_000);
    assertThat(missing).isEmpty();
  }

  /** Every opcode of the VEX maps with each prefix, length and W; vvvv is free or names nothing. */
  private int vex(int bits, Set<String> missing) {
    int run = 0;
    for (int map = 1; map < 4; map++) {
      for (int third = 0; third < 16; third++) {
        // pp, L, and W; vvvv is 1111 or 1110.
        int w = (third & 8) << 4;
        for (int op = 0; op < 256; op++) {
          for (int modrm = 0; modrm < 256; modrm += modrm < 192 ? 8 : 5) {
            prepare(bits);
            Page d = memory.page(CODE >> 12, 0);
            int at = 0;
            d.put8(at++, 0xC4);
            d.put8(at++, 0xE0 | map);
            d.put8(at++, w | ((modrm & 8) != 0 ? 0x78 : 0x70) | third & 7);
            d.put8(at++, op);
            d.put8(at++, modrm);
            d.fill(at, 64 - at, (byte) 0x20);
            run += execute(missing);
          }
        }
      }
    }
    return run;
  }

  /** Every opcode of the EVEX maps with each prefix, W, length and broadcast, masked and not. */
  private int evex(int bits, Set<String> missing) {
    int run = 0;
    for (int map = 1; map < 4; map++) {
      for (int second = 0; second < 8; second++) {
        for (int third = 0; third < 8; third++) {
          for (int op = 0; op < 256; op++) {
            for (int modrm : new int[] {0xC1, 0x07, 0x34}) {
              prepare(bits);
              int wpp = (second & 4) << 5 | second & 3;
              byte[] b = {
                0x62,
                (byte) (0xF0 | map),
                (byte) (wpp | ((op & 1) != 0 ? 0x7C : 0x74)),
                (byte) (third << 4 | 8 | (modrm == 7 ? 0 : 1)),
                (byte) op,
                (byte) modrm,
                0x20,
                0x20
              };
              Page d = memory.page(CODE >> 12, 0);
              d.copyFrom(0, b, 0, b.length);
              run += execute(missing);
            }
          }
        }
      }
    }
    return run;
  }

  /** Executes what was written to the code page; one if it is an instruction, or undefined. */
  private int execute(Set<String> missing) {
    memory.page(CODE >> 12, 0).dropCode();
    cpu.modeChanged();
    try {
      cpu.run(cpu.icount + 1);
      return 1;
    } catch (Unimplemented e) {
      missing.add(String.valueOf(e.getMessage()).replaceAll(" at RIP.*", ""));
      return 0;
    }
  }
}
