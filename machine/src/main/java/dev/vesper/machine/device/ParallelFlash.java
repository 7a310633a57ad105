package dev.vesper.machine.device;

import dev.vesper.machine.memory.HostView;

/**
 * A parallel NOR flash with the Intel command set, as QEMU's pflash_cfi01 behaves. In array mode
 * its contents are memory that the guest reads directly; every write, and every read in another
 * mode, comes here.
 */
public final class ParallelFlash implements MmioDevice {
  /** Bytes that one erase clears. */
  public static final int BLOCK = 4096;

  private static final int READ_ARRAY = 0xFF;
  private static final int READ_STATUS = 0x70;
  private static final int CLEAR_STATUS = 0x50;
  private static final int READ_ID = 0x90;
  private static final int WRITE_BYTE = 0x10;
  private static final int WRITE_BYTE_TOO = 0x40;
  private static final int ERASE = 0x20;
  private static final int CONFIRM = 0xD0;
  private static final int READY = 0x80;
  private static final int SEQUENCE_ERROR = 0x30;
  private static final int MANUFACTURER = 0x89;
  private static final int DEVICE = 0x18;

  private final HostView memory;
  private final long base;
  private final int length;
  private final Runnable modeChanged;
  private int mode = READ_ARRAY;
  private int command;
  private int status = READY;

  /**
   * @param base where its contents lie in memory
   * @param modeChanged called when array mode begins or ends
   */
  public ParallelFlash(HostView memory, long base, int length, Runnable modeChanged) {
    this.memory = memory;
    this.base = base;
    this.length = length;
    this.modeChanged = modeChanged;
  }

  /** {@return whether the contents can be read as memory} */
  public boolean arrayMode() {
    return mode == READ_ARRAY;
  }

  private void enter(int newMode) {
    boolean changes = (mode == READ_ARRAY) != (newMode == READ_ARRAY);
    mode = newMode;
    if (changes) {
      modeChanged.run();
    }
  }

  @Override
  public long read(long offset, int bytes) {
    return switch (mode) {
      case READ_ID -> (offset & 0xFF) == 0 ? MANUFACTURER : (offset & 0xFF) == 1 ? DEVICE : 0;
      case READ_ARRAY -> memory.read(base + offset, (int) Math.min(bytes, length - offset));
      default -> status;
    };
  }

  @Override
  public void write(long offset, int bytes, long value) {
    int v = (int) value & 0xFF;
    switch (command) {
      case WRITE_BYTE -> {
        // Programming clears bits.
        long old = memory.read(base + offset, bytes);
        memory.write(base + offset, bytes, old & value);
        finish();
      }
      case ERASE -> {
        if (v == CONFIRM) {
          byte[] ones = new byte[BLOCK];
          java.util.Arrays.fill(ones, (byte) 0xFF);
          memory.write(base + (offset & -BLOCK), ones, 0, BLOCK);
        } else {
          status |= SEQUENCE_ERROR;
        }
        finish();
      }
      default -> first(v);
    }
  }

  /** An operation of two cycles has ended. */
  private void finish() {
    status |= READY;
    command = 0;
    enter(READ_STATUS);
  }

  private void first(int v) {
    switch (v) {
      case WRITE_BYTE, WRITE_BYTE_TOO -> {
        command = WRITE_BYTE;
        enter(READ_STATUS);
      }
      case ERASE -> {
        command = ERASE;
        enter(READ_STATUS);
      }
      case CLEAR_STATUS -> {
        // OVMF knows a flash by this: not ready until the next operation has ended.
        status = 0;
        enter(READ_ARRAY);
      }
      case READ_STATUS, READ_ID -> enter(v);
      default -> enter(READ_ARRAY);
    }
  }
}
