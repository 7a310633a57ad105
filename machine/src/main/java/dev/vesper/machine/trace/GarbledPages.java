package dev.vesper.machine.trace;

import dev.vesper.machine.memory.MemoryObserver;
import dev.vesper.machine.observe.PageUses;

/** Tells of private pages that the host writes to; nothing else of memory is of interest. */
public record GarbledPages(PageUses to) implements MemoryObserver {
  @Override
  public void converted(int frame, int from, int to) {
    // Processors tell of that themselves, with the access.
  }

  @Override
  public void hostReads(int frame, boolean device) {
    // ciphertext
  }

  @Override
  public void hostWrites(int frame, int offset, int length, boolean device) {
    to.garbled((long) frame << 12);
  }

  @Override
  public void hostRefused(int frame, int offset, int length, boolean device) {
    // Nothing is written.
  }
}
