package dev.vesper.machine.cpu.jit;

import static org.assertj.core.api.Assertions.assertThat;

import dev.vesper.machine.cpu.Cpu;
import dev.vesper.machine.cpu.CpuFeatures;
import dev.vesper.machine.cpu.CpuState;
import dev.vesper.machine.cpu.NestedMap;
import dev.vesper.machine.cpu.interp.Interpreter;
import dev.vesper.machine.memory.Page;
import dev.vesper.machine.memory.PhysicalMemory;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Random;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.Test;

/**
 * Random programs on two processors, one with the translator and one without: after each slice of
 * random length they must agree in everything. A program that fails is made as short as it can be.
 *
 * <p>{@code -Dfuzz.count} and {@code -Dfuzz.seed} make a soak of it ({@code ./vesper soak}).
 */
final class TranslatorFuzzTest {
  private static final int FRAMES = 64;
  private static final int[] WIDTHS = {64, 64, 64, 32, 16};
  private static final int[] THRESHOLDS = {1, 2, 5, 20};

  /** One processor with memory of its own. */
  private static final class Side {
    final PhysicalMemory memory = new PhysicalMemory(FRAMES << 12, 0);
    final Cpu cpu;

    Side(int threshold) {
      CpuFeatures f = CpuFeatures.ALL;
      NestedMap map = frame -> frame >= 0 && frame < FRAMES ? NestedMap.RAM : NestedMap.ABSENT;
      cpu = new Cpu(memory, map, f, new Interpreter(f), 1);
      RegionTranslator.attach(cpu, threshold);
    }

    void prepare(byte[] code, int bits, Random random) {
      memory.page(1, 0).put64(0, 0x2003L);
      memory.page(2, 0).put64(0, 0x3003L);
      memory.page(3, 0).put64(0, 0x83L);
      memory.page(4, 0).copyFrom(0, code, 0, code.length);
      for (int p = 8; p < 12; p++) {
        byte[] noise = new byte[Page.SIZE];
        random.nextBytes(noise);
        memory.page(p, 0).copyFrom(0, noise, 0, Page.SIZE);
      }
      memory.page(8, 0).put16(0x800, 40);
      boolean is16 = bits == 16;
      for (int s = 0; s < 6; s++) {
        cpu.selector[s] = is16 ? 0 : s == CpuState.CS ? 8 : 16;
        cpu.segBase[s] = 0;
        cpu.segLimit[s] = is16 ? 0xFFFF : 0xFFFF_FFFFL;
        cpu.segAttr[s] = is16 ? 0x93 : s == CpuState.CS ? bits == 64 ? 0xA9B : 0xC9B : 0xC93;
      }
      cpu.cr0 = is16 ? 0x10 : bits == 64 ? 0x8000_0033L : 0x33;
      cpu.cr4 = CpuState.CR4_OSFXSR | (bits == 64 ? CpuState.CR4_PAE : 0);
      cpu.efer = bits == 64 ? 0xD01 : 0;
      cpu.cr3 = 0x1000;
      cpu.intercepts.exceptions = -1;
      cpu.intercepts.vector3 = 1 << 24 | 1 << 31;
      for (int i = 0; i < 16; i++) {
        cpu.r[i] = random.nextInt(3) == 0 ? random.nextInt(300) : random.nextLong();
      }
      cpu.r[1] &= 0x3F;
      cpu.r[3] = 0x8100;
      cpu.r[4] = 0xB800;
      cpu.r[5] = 0x8F80;
      cpu.r[6] = 0x9000;
      cpu.r[7] = 0xA000;
      cpu.r[15] = 40;
      cpu.setFlags(random.nextInt() & CpuState.ARITH | 2);
      cpu.rip = 0x4000;
      cpu.flushTlb(true);
    }

    /** {@return everything that programs can see or change} */
    String state() {
      StringBuilder b = new StringBuilder();
      b.append(Arrays.toString(Arrays.copyOf(cpu.r, 16))).append(" rip ").append(cpu.rip);
      b.append(" flags ").append(Integer.toHexString(cpu.flags())).append(" count ");
      b.append(cpu.icount).append(" exit ").append(cpu.exitCode).append(' ');
      b.append(cpu.exitInfo1).append(' ').append(cpu.exitInfo2).append(" cr2 ").append(cpu.cr2);
      b.append(" xmm ").append(Arrays.toString(cpu.xmm)).append(" memory");
      for (int p = 0; p < FRAMES; p++) {
        b.append(' ').append(Arrays.hashCode(memory.page(p, 0).bytes()));
      }
      return b.toString();
    }
  }

  /** {@return what differs, or null} */
  private static @Nullable String difference(
      List<String> lines, int bits, int threshold, long seed) {
    byte[] code = RandomProgram.assemble(lines, bits);
    Side plain = new Side(0);
    Side translated = new Side(threshold);
    plain.prepare(code, bits, new Random(seed));
    translated.prepare(code, bits, new Random(seed));
    Random slices = new Random(seed);
    for (int i = 0; i < 40; i++) {
      int slice = 1 + slices.nextInt(slices.nextInt(4) == 0 ? 10 : 700);
      plain.cpu.run(plain.cpu.icount + slice);
      translated.cpu.run(translated.cpu.icount + slice);
      String a = plain.state();
      String b = translated.state();
      if (!a.equals(b)) {
        return "interpreted " + a + "\ntranslated  " + b;
      }
      if (plain.cpu.exitCode != 0x60) {
        break;
      }
    }
    return null;
  }

  private static List<String> minimise(List<String> lines, int bits, int threshold, long seed) {
    List<String> shortest = lines;
    for (int i = shortest.size() - 1; i >= 0; i--) {
      List<String> less = new ArrayList<>(shortest);
      less.remove(i);
      if (difference(less, bits, threshold, seed) != null) {
        shortest = less;
      }
    }
    return shortest;
  }

  /**
   * LOCK with a register, and bytes that begin nothing: the decoder reads them, the CPU does not.
   */
  @Test
  void leavesWhatIsUndefinedToTheInterpreter() {
    for (String bytes : List.of("db 0xf0, 0x01, 0xc8", "db 0x0f, 0x0c", "db 0xc6, 0xc8, 0x00")) {
      for (int bits : new int[] {16, 32, 64}) {
        assertThat(difference(List.of("inc eax", bytes), bits, 1, 1)).isNull();
      }
    }
  }

  @Test
  void agreesWithTheInterpreter() {
    int count = Integer.getInteger("fuzz.count", 4000);
    long seed = Long.getLong("fuzz.seed", 6);
    for (int i = 0; i < count; i++) {
      long s = seed * 1_000_003 + i;
      Random random = new Random(s);
      int bits = WIDTHS[random.nextInt(WIDTHS.length)];
      int threshold = THRESHOLDS[random.nextInt(THRESHOLDS.length)];
      List<String> lines = new RandomProgram(random, bits).lines();
      String found = difference(lines, bits, threshold, s);
      if (found != null) {
        List<String> small = minimise(lines, bits, threshold, s);
        assertThat(difference(small, bits, threshold, s))
            .as("seed %d, %d bits, threshold %d:\n%s", s, bits, threshold, String.join("\n", small))
            .isNull();
      }
    }
  }
}
