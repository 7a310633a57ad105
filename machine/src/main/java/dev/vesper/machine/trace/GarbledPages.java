package dev.vesper.machine.trace;

import dev.vesper.machine.memory.MemoryObserver;
import dev.vesper.machine.memory.PhysicalMemory;
import dev.vesper.machine.memory.RmpEntry;
import dev.vesper.machine.observe.PageUses;

/** Tells of private pages that the host writes to, or makes its own. */
public record GarbledPages(PageUses to, PhysicalMemory memory) implements MemoryObserver {
  private static final int PAGES = 512;

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

  @Override
  public void entryChanged(String instruction, long address, RmpEntry before, RmpEntry after) {
    if (before.assigned() && !after.assigned()) {
      for (int i = 0; i < (before.large() ? PAGES : 1); i++) {
        long page = address + ((long) i << 12);
        if (memory.existing((int) (page >>> 12)) != null) {
          to.given(page);
        }
      }
    }
  }
}
