package dev.vesper.machine.device.virtio;

import dev.vesper.machine.device.disk.Disk;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.util.Arrays;
import org.jspecify.annotations.Nullable;

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

  private final transient Disk disk;
  private final byte[] chunk = new byte[CHUNK];

  /** The transfer that is under way, or was last. */
  private @Nullable Transfer transfer;

  /** Bytes of it that are moved. */
  private long done;

  /** Sectors that a request moves. */
  private record Transfer(VirtioRequest request, long sector, long length, boolean write) {}

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
  public void reset() {
    transfer = null;
  }

  @Override
  public int process(int queue, VirtioRequest r) {
    Transfer t = transfer;
    if (t != null && t.request == r) {
      return goOn(t);
    }
    long writable = r.writableBytes();
    if (r.readableBytes() < HEADER || writable < 1) {
      return 0;
    }
    byte[] h = new byte[HEADER];
    r.read(0, h, HEADER);
    long sector = number(h, 8, 4) & 0xFFFF_FFFFL | (long) number(h, 12, 4) << 32;
    return switch (number(h, 0, 4)) {
      case READ -> begin(new Transfer(r, sector, writable - 1, false));
      case WRITE -> begin(new Transfer(r, sector, r.readableBytes() - HEADER, true));
      case FLUSH -> end(r, 0, flush());
      case GET_ID -> {
        byte[] id = Arrays.copyOf(NAME, (int) Math.min(20, writable - 1));
        r.write(0, id, id.length);
        yield end(r, id.length, OK);
      }
      default -> end(r, 0, UNSUPPORTED);
    };
  }

  private int flush() {
    try {
      disk.flush();
      return OK;
    } catch (IOException e) {
      return IO_ERROR;
    }
  }

  /** Tells what a request came to; {@return what was written into its buffers, in bytes} */
  private static int end(VirtioRequest r, long moved, int result) {
    r.write(r.writableBytes() - 1, new byte[] {(byte) result}, 1);
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

  private int begin(Transfer t) {
    if (!inRange(t.sector, t.length) || t.write && disk.readOnly()) {
      return end(t.request, 0, IO_ERROR);
    }
    transfer = t;
    done = 0;
    return goOn(t);
  }

  private int goOn(Transfer t) {
    int result;
    try {
      while (done < t.length) {
        move(t);
        if (done < t.length && t.request.spent()) {
          return UNFINISHED;
        }
      }
      result = OK;
    } catch (IOException e) {
      result = IO_ERROR;
    }
    transfer = null;
    return end(t.request, t.write ? 0 : t.length, result);
  }

  private void move(Transfer t) throws IOException {
    int n = (int) Math.min(CHUNK, t.length - done);
    long at = t.sector + done / SECTOR;
    long before = disk.work();
    if (t.write) {
      t.request.read(HEADER + done, chunk, n);
      disk.write(at, chunk, n);
    } else {
      disk.read(at, chunk, n);
      t.request.write(done, chunk, n);
    }
    t.request.spend(disk.work() - before);
    done += n;
  }
}
