package dev.vesper.machine.device.virtio;

import dev.vesper.machine.memory.HostView;

/** A driver's side of a split virtqueue (virtio 1.2, 2.7): it writes rings and reads them. */
final class RingDriver {
  static final int NEXT = 1;
  static final int WRITE = 2;
  static final int INDIRECT = 4;

  final int size;
  final long table;
  final long available;
  final long used;
  private final HostView memory;

  /** Puts the three parts one behind the other, a page each. */
  RingDriver(HostView memory, int size, long base) {
    this.memory = memory;
    this.size = size;
    table = base;
    available = base + 0x1000;
    used = base + 0x2000;
  }

  private int get(long at, int bytes) {
    return (int) memory.read(at, bytes);
  }

  void describeAt(long at, long address, long length, int flags, int next) {
    memory.write(at, 8, address);
    memory.write(at + 8, 4, length);
    memory.write(at + 12, 2, flags);
    memory.write(at + 14, 2, next);
  }

  void describe(int n, long address, long length, int flags, int next) {
    describeAt(table + 16L * n, address, length, flags, next);
  }

  int availableIndex() {
    return get(available + 2, 2);
  }

  void setAvailableIndex(int index) {
    memory.write(available + 2, 2, index);
  }

  /** Offers a chain without a notification. */
  void offer(int head) {
    int index = availableIndex();
    memory.write(available + 4 + 2L * (index % size), 2, head);
    setAvailableIndex(index + 1);
  }

  void availableFlags(int flags) {
    memory.write(available, 2, flags);
  }

  void usedEvent(int index) {
    memory.write(available + 4 + 2L * size, 2, index);
  }

  int availableEvent() {
    return get(used + 4 + 8L * size, 2);
  }

  int usedFlags() {
    return get(used, 2);
  }

  int usedIndex() {
    return get(used + 2, 2);
  }

  void setUsedIndex(int index) {
    memory.write(used + 2, 2, index);
  }

  int usedHead(int entry) {
    return get(used + 4 + 8L * entry, 4);
  }

  int usedLength(int entry) {
    return get(used + 8 + 8L * entry, 4);
  }
}
