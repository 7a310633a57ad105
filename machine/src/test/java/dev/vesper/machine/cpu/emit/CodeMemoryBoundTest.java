package dev.vesper.machine.cpu.emit;

import static org.assertj.core.api.Assertions.assertThat;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import dev.vesper.machine.cpu.Cpu;
import dev.vesper.machine.cpu.CpuFeatures;
import dev.vesper.machine.cpu.NativeWorld;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;

/**
 * Code that is replaced all the time, and machines that come and go, take no more memory the longer
 * it lasts. {@code -Dlong=true} lasts a hundred times as long.
 */
final class CodeMemoryBoundTest {
  private static final boolean LONG = Boolean.getBoolean("long");
  private static final int CODE_BYTES = 1 << 18;

  /** Each round changes two routines in pages of their own and calls them. */
  private static final String PROGRAM =
      """
      LOOP: mov [0x6001], ebx
      mov [0x7001], ebx
      mov rcx, 0x6000
      call rcx
      mov rcx, 0x7000
      call rcx
      add ebx, 77
      dec rbp
      jne LOOP
      hlt
      """;

  private static final String ROUTINE = "mov eax, 1\nadd rdx, rax\nret";

  @BeforeEach
  void needsNativeCode() {
    assumeTrue(NativeCode.lack() == null, () -> "no native code: " + NativeCode.lack());
  }

  private static long heap() {
    System.gc();
    Runtime r = Runtime.getRuntime();
    return r.totalMemory() - r.freeMemory();
  }

  private static long mappings() throws IOException {
    return Files.readAllLines(Path.of("/proc/self/maps")).stream()
        .filter(l -> l.contains("vesper-code"))
        .count();
  }

  @Test
  void codeThatIsReplacedAllTheTimeTakesNoMoreMemory() throws IOException {
    long rounds = LONG ? 2_000_000 : 20_000;
    NativeCode code = NativeCode.create(CpuFeatures.ALL, CODE_BYTES);
    assumeTrue(code != null);
    NativeWorld w = new NativeWorld(64, code);
    w.program(0x4000, PROGRAM);
    w.program(0x6000, ROUTINE);
    w.program(0x7000, ROUTINE);
    Cpu c = w.cpu;
    c.r[3] = 5;
    c.r[4] = 0xB800;
    c.r[5] = rounds;
    int generation = code.generation();
    long generations = 0;
    long early = 0;
    long most = mappings();
    for (long slices = 0; c.exitCode == 0 || c.exitCode == 0x60; slices++) {
      c.exitCode = 0;
      c.run(c.icount + 15 * rounds / 100);
      if (code.generation() != generation) {
        generation = code.generation();
        generations++;
      }
      if (slices == 30) {
        early = heap();
      }
    }
    assertThat(c.exitCode).isEqualTo(0x78);
    assertThat(c.r[5]).isZero();
    // The sum of two of each number.
    long sum = 0;
    for (long i = 0, n = 5; i < rounds; i++, n = n + 77 & 0xFFFF_FFFFL) {
      sum += 2 * n;
    }
    assertThat(c.r[2]).isEqualTo(sum);
    assertThat(generations).as("code was forgotten").isGreaterThan(5);
    assertThat(heap() - early).as("heap").isLessThan(8 << 20);
    assertThat(mappings()).isLessThanOrEqualTo(most);
  }

  /** Nobody unmaps code memory but the collector, when its machine has gone. */
  @Test
  void codeMemoryGoesWithItsMachine() throws Exception {
    long before = mappings();
    List<NativeCode> all = new ArrayList<>();
    for (int i = 0; i < 40; i++) {
      all.add(NativeCode.create(CpuFeatures.ALL));
    }
    assertThat(mappings()).isGreaterThanOrEqualTo(before + 40);
    all.clear();
    for (int i = 0; i < 200 && mappings() > before + 2; i++) {
      System.gc();
      Thread.sleep(10);
    }
    assertThat(mappings()).isLessThanOrEqualTo(before + 2);
  }
}
