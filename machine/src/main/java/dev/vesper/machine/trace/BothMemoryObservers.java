package dev.vesper.machine.trace;

import dev.vesper.machine.memory.MemoryObserver;
import dev.vesper.machine.memory.RmpEntry;

/** Two observers of memory, the first of which is told first. */
public record BothMemoryObservers(MemoryObserver first, MemoryObserver second)
    implements MemoryObserver {
  @Override
  public void converted(int frame, int from, int to) {
    first.converted(frame, from, to);
    second.converted(frame, from, to);
  }

  @Override
  public void hostReads(int frame, boolean device) {
    first.hostReads(frame, device);
    second.hostReads(frame, device);
  }

  @Override
  public void hostWrites(int frame, int offset, int length, boolean device) {
    first.hostWrites(frame, offset, length, device);
    second.hostWrites(frame, offset, length, device);
  }

  @Override
  public void hostReadShared(int frame, int offset, int length, boolean device) {
    first.hostReadShared(frame, offset, length, device);
    second.hostReadShared(frame, offset, length, device);
  }

  @Override
  public void hostWroteShared(int frame, int offset, int length, boolean device) {
    first.hostWroteShared(frame, offset, length, device);
    second.hostWroteShared(frame, offset, length, device);
  }

  @Override
  public void hostRefused(int frame, int offset, int length, boolean device) {
    first.hostRefused(frame, offset, length, device);
    second.hostRefused(frame, offset, length, device);
  }

  @Override
  public void entryChanged(String instruction, long address, RmpEntry before, RmpEntry after) {
    first.entryChanged(instruction, address, before, after);
    second.entryChanged(instruction, address, before, after);
  }
}
