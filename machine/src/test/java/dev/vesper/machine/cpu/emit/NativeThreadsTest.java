package dev.vesper.machine.cpu.emit;

import static org.assertj.core.api.Assertions.assertThat;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import dev.vesper.machine.cpu.Cpu;
import dev.vesper.machine.cpu.CpuFeatures;
import dev.vesper.machine.cpu.CpuState;
import dev.vesper.machine.cpu.NestedMap;
import dev.vesper.machine.cpu.interp.Interpreter;
import dev.vesper.machine.memory.PhysicalMemory;
import dev.vesper.x86.Assembler;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** Native code in all kinds of threads, and the memory that it lies in. */
final class NativeThreadsTest {
  private static final int CODE_BYTES = 1 << 14;
  private static final int FRAMES = 64;
  private static final int SLICE = 1000;

  /** Counts and stores, and writes new code over its own each time round. */
  private static final String PROGRAM =
      """
      LOOP: add rax, r15
      mov [0x8000], rax
      rol rax, 5
      xor rax, [0x8008]
      mov [0x8008], rax
      inc byte [CHANGED+1]
      CHANGED: mov cl, 1
      add al, cl
      dec r15
      jne LOOP
      hlt
      """;

  @BeforeEach
  void needsNativeCode() {
    assumeTrue(NativeCode.lack() == null);
  }

  private static Cpu cpu(boolean natively, int rounds) {
    CpuFeatures f = CpuFeatures.ALL;
    PhysicalMemory memory = new PhysicalMemory(FRAMES << 12, 0);
    NestedMap map = frame -> frame >= 0 && frame < FRAMES ? NestedMap.RAM : NestedMap.ABSENT;
    memory.page(1, 0).put64(0, 0x2003L);
    memory.page(2, 0).put64(0, 0x3003L);
    memory.page(3, 0).put64(0, 0x83L);
    Assembler a = new Assembler(0x4000, 64);
    a.add(PROGRAM);
    byte[] code = a.finish();
    memory.page(4, 0).copyFrom(0, code, 0, code.length);
    Cpu c = new Cpu(memory, map, f, new Interpreter(f), 1);
    for (int s = 0; s < 6; s++) {
      c.selector[s] = s == CpuState.CS ? 8 : 16;
      c.segBase[s] = 0;
      c.segLimit[s] = 0xFFFF_FFFFL;
      c.segAttr[s] = s == CpuState.CS ? 0xA9B : 0xC93;
    }
    c.cr0 = 0x8000_0033L;
    c.cr4 = CpuState.CR4_PAE;
    c.efer = 0xD01;
    c.cr3 = 0x1000;
    c.intercepts.vector3 = 1 << 24;
    c.r[15] = rounds;
    c.rip = 0x4000;
    c.flushTlb(true);
    c.modeChanged();
    if (natively) {
      c.runNatively(NativeCode.create(f, CODE_BYTES));
    }
    return c;
  }

  private static boolean slice(Cpu c) {
    c.exitCode = 0;
    c.run(c.icount + SLICE);
    return c.exitCode == 0x60;
  }

  private static String state(Cpu c) {
    return c.icount + " " + c.r[0] + " " + c.r[1] + " " + c.flags() + " " + c.rip;
  }

  private static String expected(int rounds) {
    Cpu c = cpu(false, rounds);
    while (slice(c)) {
      // until HLT
    }
    return state(c);
  }

  /** Its code memory is full again and again, because each round has new code. */
  @Test
  void aMachineMayBeRunInOtherThreadsThanTheOneThatMadeIt() throws Exception {
    Cpu c = cpu(true, 2000);
    boolean[] more = {true};
    while (more[0]) {
      Thread t =
          new Thread(
              () -> {
                boolean first = slice(c);
                more[0] = first && slice(c);
              });
      t.start();
      t.join();
    }
    assertThat(state(c)).isEqualTo(expected(2000));
  }

  @Test
  void machinesTakeTurnsInAThread() {
    Cpu one = cpu(true, 700);
    Cpu two = cpu(true, 900);
    boolean first = true;
    boolean second = true;
    while (first || second) {
      first = first && slice(one);
      second = second && slice(two);
    }
    assertThat(state(one)).isEqualTo(expected(700));
    assertThat(state(two)).isEqualTo(expected(900));
  }

  @ParameterizedTest
  @ValueSource(booleans = {false, true})
  void machinesRunInThreadsOfTheirOwn(boolean virtual) throws Exception {
    List<Cpu> all = new ArrayList<>();
    List<Thread> threads = new ArrayList<>();
    for (int i = 0; i < 4; i++) {
      Cpu c = cpu(true, 800 + i);
      all.add(c);
      Runnable r =
          () -> {
            while (slice(c)) {
              Thread.yield();
            }
          };
      threads.add(virtual ? Thread.startVirtualThread(r) : Thread.ofPlatform().start(r));
    }
    for (int i = 0; i < 4; i++) {
      threads.get(i).join();
      assertThat(state(all.get(i))).isEqualTo(expected(800 + i));
    }
  }

  @Test
  void aVirtualThreadRunsNoNativeCode() throws Exception {
    NativeCode n = NativeCode.create(CpuFeatures.ALL, CODE_BYTES);
    boolean[] admitted = {true};
    Thread.startVirtualThread(() -> admitted[0] = n == null || n.admits(1L << 40)).join();
    assertThat(admitted[0]).isFalse();
  }

  @Test
  void nothingIsWritableAndExecutable() throws IOException {
    Cpu c = cpu(true, 10);
    slice(c);
    List<String> maps =
        Files.readAllLines(Path.of("/proc/self/maps")).stream()
            .filter(l -> l.contains("vesper-code"))
            .map(l -> l.split(" ")[1])
            .distinct()
            .sorted()
            .toList();
    assertThat(maps).containsExactly("r-xs", "rw-s");
  }
}
