package dev.vesper.machine.device.virtio;

import dev.vesper.machine.device.disk.Disk;
import java.io.IOException;
import java.nio.charset.StandardCharsets;

/** virtio block: reads, writes, flush and identification (virtio 1.2, 5.2). */
public final class VirtioBlock implements VirtioDevice {
  private static final int SECTOR = 512;
  private static final int HEADER = 16;
  private static final int READ = 0;
  private static final int WRITE = 1;
  private static final int FLUSH = 4;
  private static final int GET_ID = 8;
  private static final int OK = 0;
  private static final int IO_ERROR = 1;
  private static final int UNSUPPORTED = 2;
  private static final int FEATURE_SEGMENTS = 1 << 2;
  private static final int FEATURE_READ_ONLY = 1 << 5;
  private static final int FEATURE_FLUSH = 1 << 9;

  /** A longer request is an error, so that a guest cannot make the host work without end. */
  private static final long MOST = 16 << 20;

  /** Buffers in one request besides header and status. */
  private static final int MOST_SEGMENTS = 126;

  private static final int SEGMENTS_AT = 12;
  private static final int CHUNK = 1 << 16;
  private static final byte[] NAME = "vesper".getBytes(StandardCharsets.US_ASCII);

  private final Disk disk;

  /** What the disk had done before the request. */
  private long before;

  public VirtioBlock(Disk disk) {
    this.disk = disk;
  }

  @Override
  public int type() {
    return 2;
  }

  @Override
  public int classCode() {
    return 0x0100_0000;
  }

  @Override
  public long features() {
    return FEATURE_SEGMENTS | FEATURE_FLUSH | (disk.readOnly() ? FEATURE_READ_ONLY : 0);
  }

  @Override
  public int queues() {
    return 1;
  }

  @Override
  public int config(int offset) {
    if (offset < 8) {
      return (int) (disk.sectors() >>> 8 * offset);
    }
    return offset == SEGMENTS_AT ? MOST_SEGMENTS : 0;
  }

  @Override
  public long effort() {
    return disk.work() - before;
  }

  @Override
  public int process(int queue, VirtioRequest r) {
    before = disk.work();
    long writable = r.writableBytes();
    if (r.readableBytes() < HEADER || writable < 1) {
      return 0;
    }
    byte[] h = new byte[HEADER];
    r.read(0, h, HEADER);
    int type = number(h, 0, 4);
    long sector = number(h, 8, 4) & 0xFFFF_FFFFL | (long) number(h, 12, 4) << 32;
    long moved = 0;
    int result;
    try {
      switch (type) {
        case READ -> {
          moved = writable - 1;
          result = inRange(sector, moved) ? OK : IO_ERROR;
          if (result == OK) {
            transfer(r, sector, moved, false);
          } else {
            moved = 0;
          }
        }
        case WRITE -> {
          long length = r.readableBytes() - HEADER;
          result = inRange(sector, length) && !disk.readOnly() ? OK : IO_ERROR;
          if (result == OK) {
            transfer(r, sector, length, true);
          }
        }
        case FLUSH -> {
          disk.flush();
          result = OK;
        }
        case GET_ID -> {
          byte[] id = java.util.Arrays.copyOf(NAME, (int) Math.min(20, writable - 1));
          r.write(0, id, id.length);
          moved = id.length;
          result = OK;
        }
        default -> result = UNSUPPORTED;
      }
    } catch (IOException e) {
      result = IO_ERROR;
    }
    r.write(writable - 1, new byte[] {(byte) result}, 1);
    return (int) moved + 1;
  }

  private static int number(byte[] b, int at, int bytes) {
    int v = 0;
    for (int i = bytes - 1; i >= 0; i--) {
      v = v << 8 | b[at + i] & 0xFF;
    }
    return v;
  }

  private boolean inRange(long sector, long length) {
    return length % SECTOR == 0
        && length <= MOST
        && sector >= 0
        && sector <= disk.sectors()
        && length / SECTOR <= disk.sectors() - sector;
  }

  private void transfer(VirtioRequest r, long sector, long length, boolean write)
      throws IOException {
    byte[] b = new byte[CHUNK];
    for (long done = 0; done < length; done += CHUNK) {
      int n = (int) Math.min(CHUNK, length - done);
      long at = sector + done / SECTOR;
      if (write) {
        r.read(HEADER + done, b, n);
        disk.write(at, b, n);
      } else {
        disk.read(at, b, n);
        r.write(done, b, n);
      }
    }
  }
}
