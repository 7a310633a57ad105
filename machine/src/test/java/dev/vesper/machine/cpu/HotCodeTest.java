package dev.vesper.machine.cpu;

import static org.assertj.core.api.Assertions.assertThat;

import dev.vesper.machine.cpu.interp.Interpreter;
import dev.vesper.machine.memory.Page;
import dev.vesper.machine.memory.PhysicalMemory;
import dev.vesper.x86.Assembler;
import java.util.ArrayList;
import java.util.List;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.Test;

/** When code is translated: as soon as the interpreter spent on it what HotSpot will. */
final class HotCodeTest {
  private static final int CODE = 0x4000;
  private static final int THRESHOLD = 1000;

  /** Instructions that a region costs besides its own. */
  private static final int FIXED = 5;

  private final Cpu cpu;

  HotCodeTest() {
    PhysicalMemory memory = new PhysicalMemory(16 << 12, 0);
    CpuFeatures f = CpuFeatures.ALL;
    NestedMap map = frame -> frame < 16 ? NestedMap.RAM : NestedMap.ABSENT;
    cpu = new Cpu(memory, map, f, new Interpreter(f), 1);
    for (int s = 0; s < 6; s++) {
      cpu.selector[s] = s == CpuState.CS ? 8 : 16;
      cpu.segBase[s] = 0;
      cpu.segLimit[s] = 0xFFFF_FFFFL;
      cpu.segAttr[s] = s == CpuState.CS ? 0xC9B : 0xC93;
    }
    cpu.cr0 = 0x33;
    cpu.intercepts.vector3 = 1 << 24;
    String cold = "inc eax\n".repeat(16);
    byte[] code = Assembler.assemble(32, cold + "l:\ndec ecx\njnz l\nhlt");
    memory.page(4, Page.SHARED).copyFrom(0, code, 0, code.length);
    cpu.flushTlb(true);
    cpu.rip = CODE;
    cpu.r[1] = 100_000;
  }

  /** Plans regions that it never makes, and notes how often their heads were interpreted. */
  private final class Notes implements Translator {
    final List<Integer> counts = new ArrayList<>();
    private final boolean withCold;

    Notes(boolean withCold) {
      this.withCold = withCold;
    }

    @Override
    public Plan plan(Cpu c, Block head, boolean onePage) {
      List<Block> blocks = new ArrayList<>(List.of(head));
      Block cold = c.blockAt(CODE);
      if (withCold && cold != null) {
        blocks.add(cold);
      }
      return new Plan() {
        @Override
        public List<Block> blocks() {
          return blocks;
        }

        @Override
        public @Nullable Region region() {
          counts.add(head.count);
          return null;
        }
      };
    }

    @Override
    public int threshold() {
      return THRESHOLD;
    }
  }

  private List<Integer> run(boolean withCold) {
    Notes notes = new Notes(withCold);
    cpu.translateWith(notes);
    cpu.run(Long.MAX_VALUE);
    assertThat(cpu.r[1]).isZero();
    return notes.counts;
  }

  @Test
  void aLoopIsTranslatedWhenItHasEarnedIt() {
    int earned = (2 + FIXED) * THRESHOLD / 2;

    assertThat(run(false))
        .singleElement()
        .satisfies(n -> assertThat(n).isBetween(earned, earned + earned / 8 + 256));
  }

  @Test
  void coldCodeInARegionMakesItWaitLonger() {
    int earned = ((2 + 18 + FIXED) * THRESHOLD - 18) / 2;

    assertThat(run(true))
        .singleElement()
        .satisfies(n -> assertThat(n).isBetween(earned, earned + earned / 8 + 256));
  }
}
