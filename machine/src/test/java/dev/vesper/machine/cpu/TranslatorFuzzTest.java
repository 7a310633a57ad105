package dev.vesper.machine.cpu;

import static org.assertj.core.api.Assertions.assertThat;

import dev.vesper.machine.cpu.emit.NativeCode;
import dev.vesper.machine.cpu.emit.VerifiedEmission;
import dev.vesper.machine.cpu.interp.Interpreter;
import dev.vesper.machine.cpu.jit.RegionTranslator;
import dev.vesper.machine.memory.Page;
import dev.vesper.machine.memory.PhysicalMemory;
import java.lang.foreign.ValueLayout;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Random;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.ExtendWith;

/**
 * Random programs on processors that interpret, that run regions and that run native code: after
 * each slice of random length they must agree in everything. A program that fails is made as short
 * as it can be.
 *
 * <p>{@code -Dfuzz.count} and {@code -Dfuzz.seed} make a soak of it ({@code ./vesper soak}); {@code
 * -Dfuzz.translator} names one that is compared.
 */
@ExtendWith(VerifiedEmission.class)
final class TranslatorFuzzTest {
  private static final int FRAMES = 64;
  private static final int[] WIDTHS = {64, 64, 64, 32, 32, 16};
  private static final int[] THRESHOLDS = {1, 2, 5, 20};
  private static final int INTERPRETED = 0;
  private static final int NATIVE = -1;

  /** The pages that programs can reach: tables, code, data, stack. */
  private static final int[] REACHED = {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15};

  /** Full after some programs, so that it is emptied while others run. */
  private static final int CODE_BYTES = 1 << 20;

  /** Differences after which a test ends. */
  private static final int MOST_FOUND = Integer.getInteger("fuzz.found", 3);

  private static final String ONLY = System.getProperty("fuzz.translator", "");

  private final @Nullable NativeTier natives = NativeCode.create(CpuFeatures.ALL, CODE_BYTES);

  private final List<String> found = new ArrayList<>();

  /** One processor with memory of its own. */
  private static final class Side {
    final PhysicalMemory memory = new PhysicalMemory(FRAMES << 12, 0);
    final Cpu cpu;
    private final EdgeMap edges = new EdgeMap();

    /**
     * @param counts whether edges are counted
     */
    Side(int threshold, @Nullable NativeTier natives, boolean counts) {
      CpuFeatures f = CpuFeatures.ALL;
      NestedMap map = frame -> frame >= 0 && frame < FRAMES ? NestedMap.RAM : NestedMap.ABSENT;
      cpu = new Cpu(memory, map, f, new Interpreter(f), 1);
      cpu.cover(counts ? edges : null);
      if (threshold == NATIVE) {
        cpu.runNatively(natives);
      } else {
        RegionTranslator.attach(cpu, threshold);
      }
    }

    void prepare(byte[] code, int origin, int bits, Random random) {
      memory.page(1, 0).put64(0, 0x2003L);
      memory.page(2, 0).put64(0, 0x3003L);
      memory.page(3, 0).put64(0, 0x83L);
      int first = Math.min(code.length, 0x5000 - origin);
      memory.page(4, 0).copyFrom(origin & 0xFFF, code, 0, first);
      memory.page(5, 0).copyFrom(0, code, first, code.length - first);
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
      cpu.cr4 =
          CpuState.CR4_FSGSBASE
              | CpuState.CR4_OSFXSR
              | CpuState.CR4_OSXMMEXCPT
              | (random.nextInt(8) == 0 ? 0 : CpuState.CR4_OSXSAVE)
              | (bits == 64 ? CpuState.CR4_PAE : 0);
      cpu.xcr0 = random.nextInt(8) == 0 ? 3 : random.nextInt(8) == 0 ? 0xE7 : 7;
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
      cpu.r[12] = 0x9FC0;
      cpu.r[13] = 0x9100;
      cpu.r[15] = 40;
      for (int i = 0; i < 32; i++) {
        cpu.xmm[i] = value(random);
        cpu.ymmh[i] = value(random);
      }
      cpu.segBase[CpuState.FS] = bits == 16 ? 0 : random.nextInt(0x40);
      cpu.segBase[CpuState.GS] = random.nextInt(4) == 0 ? 1 : 0;
      if (random.nextInt(4) == 0) {
        cpu.segLimit[CpuState.GS] = 0xFFFF;
      }
      cpu.setFlags(random.nextInt() & CpuState.ARITH | 2);
      cpu.rip = origin;
      cpu.flushTlb(true);
    }

    /** {@return a number that floating-point arithmetic treats in one way or another} */
    private static long value(Random random) {
      return switch (random.nextInt(8)) {
        case 0 -> Double.doubleToRawLongBits(random.nextInt(100) - 50);
        case 1 -> (long) Float.floatToRawIntBits(random.nextInt(9) - 4) << 32 | 0x3F80_0000;
        case 2 -> 0x7FF0_0000_0000_0000L | random.nextInt(3);
        case 3 -> 0x7F80_0001_FF80_0000L;
        case 4 -> random.nextInt(1 << 20);
        default -> random.nextLong();
      };
    }

    /** {@return everything that programs can see or change} */
    String state() {
      StringBuilder b = new StringBuilder();
      b.append(Arrays.toString(Arrays.copyOf(cpu.r, 16))).append(" rip ").append(cpu.rip);
      b.append(" flags ").append(Integer.toHexString(cpu.flags())).append(" count ");
      b.append(cpu.icount).append(" exit ").append(cpu.exitCode).append(' ');
      b.append(cpu.exitInfo1).append(' ').append(cpu.exitInfo2).append(" cr2 ").append(cpu.cr2);
      b.append(" xmm ").append(Arrays.toString(cpu.xmm));
      b.append(" ymmh ").append(Arrays.toString(cpu.ymmh));
      b.append(" zmm ").append(Arrays.hashCode(cpu.zmmh)).append(Arrays.hashCode(cpu.k));
      b.append(" mxcsr ").append(Integer.toHexString(cpu.mxcsr)).append(" x87 ");
      b.append(Arrays.toString(cpu.fpMant)).append(Arrays.toString(cpu.fpExp));
      b.append(cpu.fcw).append(' ').append(cpu.fsw).append(' ').append(cpu.ftop).append(' ');
      b.append(cpu.fvalid).append(' ').append(cpu.fip).append(' ').append(cpu.fdp);
      b.append(' ').append(cpu.fop).append(" cr0 ").append(cpu.cr0).append(" memory");
      for (int p : REACHED) {
        b.append(' ').append(Arrays.hashCode(memory.page(p, 0).bytes()));
      }
      byte[] counters = edges.counters().toArray(ValueLayout.JAVA_BYTE);
      b.append(" edges ").append(Arrays.hashCode(counters));
      b.append(' ').append(cpu.edgeFrom() & 0xFFFF);
      return b.toString();
    }
  }

  /**
   * A program and how it is run.
   *
   * @param threshold of the translator, or {@link #NATIVE}
   */
  private record Case(List<String> lines, int bits, int origin, int threshold, long seed) {
    Case with(List<String> others) {
      return new Case(others, bits, origin, threshold, seed);
    }

    @Override
    public String toString() {
      return String.format(
          "seed %d, %d bits, origin %x, %s:\n%s",
          seed,
          bits,
          origin,
          threshold == NATIVE ? "native" : "threshold " + threshold,
          String.join("\n", lines));
    }
  }

  /** {@return what differs, or null} */
  private @Nullable String difference(Case c) {
    byte[] code = RandomProgram.assemble(c.lines, c.bits, c.origin);
    // Some after the other, because native code is made anew when that changes.
    boolean counts = (c.seed >>> 4 & 1) == 0;
    Side plain = new Side(INTERPRETED, null, counts);
    Side translated = new Side(c.threshold, natives, counts);
    plain.prepare(code, c.origin, c.bits, new Random(c.seed));
    translated.prepare(code, c.origin, c.bits, new Random(c.seed));
    Random slices = new Random(c.seed);
    for (int i = 0; i < 40; i++) {
      int slice = 1 + slices.nextInt(slices.nextInt(4) == 0 ? 10 : 700);
      plain.cpu.run(plain.cpu.icount + slice);
      translated.cpu.run(translated.cpu.icount + slice);
      String a = plain.state();
      String b = translated.state();
      if (!a.equals(b)) {
        return difference(a, b);
      }
      if (plain.cpu.exitCode != 0x60) {
        break;
      }
    }
    return null;
  }

  /** {@return the words that are not the same in two states} */
  private static String difference(String a, String b) {
    String[] x = a.split(" ", -1);
    String[] y = b.split(" ", -1);
    StringBuilder s = new StringBuilder();
    String name = "";
    for (int i = 0; i < Math.min(x.length, y.length); i++) {
      if (x[i].matches("[a-z]\\w*")) {
        name = x[i];
      }
      if (!x[i].equals(y[i])) {
        s.append(name).append(' ').append(i).append(": interpreted ").append(x[i]);
        s.append(", translated ").append(y[i]).append('\n');
      }
    }
    return s.toString();
  }

  private Case minimise(Case whole) {
    Case shortest = whole;
    for (int i = shortest.lines.size() - 1; i >= 0; i--) {
      List<String> less = new ArrayList<>(shortest.lines);
      less.remove(i);
      if (difference(shortest.with(less)) != null) {
        shortest = shortest.with(less);
      }
    }
    return shortest;
  }

  private void check(Case c) {
    if (difference(c) != null) {
      Case small = minimise(c);
      found.add(small + "\n" + difference(small));
      assertThat(found).as(String.join("\n\n", found)).hasSizeLessThan(MOST_FOUND);
    }
  }

  @AfterEach
  void nothingWasFound() {
    assertThat(found).as(String.join("\n\n", found)).isEmpty();
  }

  /**
   * LOCK with a register, and bytes that begin nothing: the decoder reads them, the CPU does not.
   */
  @Test
  void leavesWhatIsUndefinedToTheInterpreter() {
    for (String bytes : List.of("db 0xf0, 0x01, 0xc8", "db 0x0f, 0x0c", "db 0xc6, 0xc8, 0x00")) {
      for (int bits : new int[] {16, 32, 64}) {
        for (int threshold : new int[] {1, NATIVE}) {
          check(new Case(List.of("inc eax", bytes), bits, 0x4000, threshold, 1));
        }
      }
    }
  }

  /** VMOVD, VPINSRD and VPEXTRD: with VEX.W they are eight bytes wide in 64-bit code alone. */
  @Test
  void theWidthBitOfVexWidensNoGeneralRegisterOf32BitCode() {
    for (String bytes :
        List.of(
            "db 0xc4, 0xe1, 0xf9, 0x6e, 0x03",
            "db 0xc4, 0xe1, 0xf9, 0x6e, 0xc1",
            "db 0xc4, 0xe1, 0xf9, 0x7e, 0x03",
            "db 0xc4, 0xe1, 0xf9, 0x7e, 0xc1",
            "db 0xc4, 0xe3, 0xf1, 0x22, 0x03, 0x01",
            "db 0xc4, 0xe3, 0xf1, 0x22, 0xc1, 0x01",
            "db 0xc4, 0xe3, 0xf9, 0x16, 0x03, 0x01",
            "db 0xc4, 0xe3, 0xf9, 0x16, 0xc1, 0x01")) {
      for (long seed = 1; seed < 4; seed++) {
        check(new Case(List.of("inc eax", bytes), 32, 0x4000, NATIVE, seed));
      }
    }
  }

  @Test
  void agreesWithTheInterpreter() {
    int count = Integer.getInteger("fuzz.count", 2000);
    long seed = Long.getLong("fuzz.seed", 6);
    for (int i = 0; i < count; i++) {
      long s = seed * 1_000_003 + i;
      Random random = new Random(s);
      int bits = WIDTHS[random.nextInt(WIDTHS.length)];
      int threshold = THRESHOLDS[random.nextInt(THRESHOLDS.length)];
      RandomProgram program = new RandomProgram(random, bits);
      int origin = program.origin();
      List<String> lines = program.lines();
      if (!ONLY.equals("native")) {
        check(new Case(lines, bits, origin, threshold, s));
      }
      if (natives != null && bits > 16 && !ONLY.equals("regions")) {
        check(new Case(lines, bits, origin, NATIVE, s));
      }
    }
  }
}
