package dev.vesper.machine.cpu;

import static org.assertj.core.api.Assertions.assertThat;

import dev.vesper.machine.memory.LazyMemory;
import dev.vesper.machine.memory.RawMemory;
import dev.vesper.machine.state.StateImage;
import java.lang.foreign.MemorySegment;
import java.util.List;
import org.junit.jupiter.api.Test;

/** What native code is told of IRET, when a processor is taken back. */
final class SameLevelReturnTest {
  private static final long CODE = 0x00AF_9B00_0000_FFFFL;

  private final MemorySegment block = LazyMemory.map(NativeState.SIZE);
  private final SameLevelReturn last = new SameLevelReturn(block.address());

  /** A processor with another code segment, whose descriptor is the same. */
  private static CpuState with(int selector) {
    CpuState c = new CpuState() {};
    c.selector[CpuState.CS] = selector;
    return c;
  }

  @Test
  void whatIsComparedAndWhatNativeCodeComparesAreOfTheSameReturn() {
    CpuState first = with(0x10);
    CpuState second = with(0x18);
    last.note(first, CODE, 0);
    StateImage before = StateImage.of(List.of(last), null);
    last.note(second, CODE, 0);
    before.restore();
    long compared = -RawMemory.get64(block.address() + NativeState.RETURN_CS);
    assertThat(last.holds(first)).as("a return to %x", compared).isEqualTo(compared == 0x10);
    assertThat(last.holds(second)).as("a return to %x", compared).isEqualTo(compared == 0x18);
  }
}
