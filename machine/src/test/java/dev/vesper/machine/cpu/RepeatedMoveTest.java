package dev.vesper.machine.cpu;

import static org.assertj.core.api.Assertions.assertThat;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import dev.vesper.machine.cpu.emit.NativeCode;
import dev.vesper.machine.cpu.interp.Interpreter;
import dev.vesper.machine.memory.Page;
import dev.vesper.machine.memory.PhysicalMemory;
import dev.vesper.x86.Assembler;
import java.util.Random;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/**
 * Repeated MOVS and STOS, of which many elements are done at once, against one element at a time:
 * in both directions, over the ends of pages, with operands that overlap and with pages that two
 * addresses name.
 */
final class RepeatedMoveTest {
  private static final int CODE = 4;

  /** Frames of data, whose addresses follow each other; two more name the first of them again. */
  private static final int DATA = 8;

  private static final int FRAMES = 4;

  private static final String[] LETTERS = {"b", "w", "d", "q"};

  private final PhysicalMemory memory = new PhysicalMemory(16 << 12, 0);
  private final Random random = new Random(5);

  private Cpu cpu(boolean natively) {
    CpuFeatures f = CpuFeatures.ALL;
    NestedMap map = frame -> frame < 16 ? NestedMap.RAM : NestedMap.ABSENT;
    Cpu cpu = new Cpu(memory, map, f, new Interpreter(f), 1);
    memory.page(1, 0).put64(0, 0x2003L);
    memory.page(2, 0).put64(0, 0x3003L);
    memory.page(3, 0).put64(0, 0x5003L);
    for (int i = 0; i < 16; i++) {
      memory.page(5, 0).put64(8 * i, (long) (i < DATA + FRAMES ? i : i - FRAMES) << 12 | 3);
    }
    for (int s = 0; s < 6; s++) {
      cpu.selector[s] = s == CpuState.CS ? 8 : 16;
      cpu.segBase[s] = 0;
      cpu.segLimit[s] = 0xFFFF_FFFFL;
      cpu.segAttr[s] = s == CpuState.CS ? 0xA9B : 0xC93;
    }
    cpu.cr0 = 0x8001_0033L;
    cpu.cr4 = CpuState.CR4_PAE;
    cpu.efer = 0xD00;
    cpu.cr3 = 0x1000;
    cpu.intercepts.vector3 = 1 << 24;
    cpu.flushTlb(true);
    cpu.modeChanged();
    if (natively) {
      cpu.runNatively(NativeCode.create(f, 1 << 16));
    }
    return cpu;
  }

  private int frame(int at) {
    int i = at >> 12;
    return i < DATA + FRAMES ? i : i - FRAMES;
  }

  private int address(int around, int n) {
    int at =
        switch (random.nextInt(3)) {
          // Near another operand, near an end of a page, and anywhere.
          case 0 -> around + (random.nextInt(9) - 4) * n + random.nextInt(2);
          case 1 -> (DATA + 1 + random.nextInt(6) << 12) + random.nextInt(64) - 32;
          default -> (DATA + 1 << 12) + random.nextInt(6 << 12);
        };
    return Math.max(DATA + 1 << 12, Math.min(at, (DATA + 7 << 12) - n));
  }

  @ParameterizedTest
  @ValueSource(booleans = {false, true})
  void isAsIfElementsWereMovedInTurn(boolean natively) {
    assumeTrue(!natively || NativeCode.lack() == null);
    Cpu cpu = cpu(natively);
    for (int i = 0; i < 4000; i++) {
      int size = random.nextInt(4);
      int n = 1 << size;
      boolean moves = random.nextBoolean();
      boolean down = random.nextBoolean();
      int step = down ? -n : n;
      int from = address(DATA + 4 << 12, n);
      int to = address(from, n);
      int room = down ? Math.min(from, to) - (DATA << 12) : (DATA + 8 << 12) - Math.max(from, to);
      int count = random.nextInt(Math.max(1, Math.min(room / n, random.nextInt(1200) + 1)));
      long value = random.nextLong();
      for (int p = DATA; p < DATA + FRAMES; p++) {
        for (int k = 0; k < Page.SIZE; k += 8) {
          memory.page(p, 0).put64(k, random.nextLong());
        }
      }
      byte[][] want = new byte[16][];
      for (int p = DATA; p < DATA + FRAMES; p++) {
        want[p] = memory.page(p, 0).bytes();
      }
      for (int k = 0; k < count; k++) {
        byte[] element = new byte[n];
        for (int b = 0; b < n; b++) {
          int a = from + k * step + b;
          element[b] = moves ? want[frame(a)][a & 0xFFF] : (byte) (value >> 8 * b);
        }
        for (int b = 0; b < n; b++) {
          int a = to + k * step + b;
          want[frame(a)][a & 0xFFF] = element[b];
        }
      }
      byte[] code =
          Assembler.assemble(
              64,
              (down ? "std" : "cld")
                  + "\nrep "
                  + (moves ? "movs" : "stos")
                  + LETTERS[size]
                  + "\nhlt");
      memory.page(CODE, 0).copyFrom(0, code, 0, code.length);
      memory.page(CODE, 0).dropCode();
      cpu.rip = CODE << 12;
      cpu.r[0] = value;
      cpu.r[1] = count;
      cpu.r[6] = from;
      cpu.r[7] = to;
      cpu.run(cpu.icount + 10_000);
      String what =
          "%d: %s of %d bytes, %d times %d, from %x to %x"
              .formatted(i, moves ? "MOVS" : "STOS", n, count, step, from, to);
      assertThat(cpu.exitCode).as(what).isEqualTo(0x78);
      assertThat(cpu.r[1]).as(what).isZero();
      assertThat(cpu.r[6]).as(what).isEqualTo(moves ? from + count * step : from);
      assertThat(cpu.r[7]).as(what).isEqualTo(to + count * step);
      for (int p = DATA; p < DATA + FRAMES; p++) {
        assertThat(memory.page(p, 0).bytes()).as(what).isEqualTo(want[p]);
      }
    }
  }

  /** {@return instructions that a repeated move of bytes counts, with its end} */
  private long counted(Cpu cpu, String mnemonic, int from, int to, int count, boolean decoded) {
    byte[] code = Assembler.assemble(64, mnemonic + "\nhlt");
    memory.page(CODE, 0).copyFrom(0, code, 0, code.length);
    memory.page(CODE, 0).dropCode();
    for (int p = DATA; p < DATA + FRAMES; p++) {
      memory.page(p, 0).dropCode();
      if (decoded) {
        memory.page(p, 0).markCode(0, Page.SIZE);
      }
    }
    cpu.rip = CODE << 12;
    cpu.r[1] = count;
    cpu.r[6] = from;
    cpu.r[7] = to;
    long before = cpu.icount;
    cpu.flushTlb(true);
    cpu.run(before + 100_000);
    assertThat(cpu.exitCode).isEqualTo(0x78);
    return cpu.icount - before;
  }

  @Test
  void countsTheSameWhereDecodedCodeIsOverwrittenAndWhereNot() {
    Cpu cpu = cpu(false);
    for (int i = 0; i < 200; i++) {
      int from = address(DATA + 2 << 12, 1);
      int to = address(from, 1);
      int count = 1 + random.nextInt((DATA + 8 << 12) - Math.max(from, to) - 1);
      for (String m : new String[] {"cld\nrep movsb", "cld\nrep stosb"}) {
        long plain = counted(cpu, m, from, to, count, false);
        assertThat(counted(cpu, m, from, to, count, true))
            .as("%s of %d bytes from %x to %x", m, count, from, to)
            .isEqualTo(plain);
      }
    }
  }
}
