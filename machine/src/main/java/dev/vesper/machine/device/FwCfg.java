package dev.vesper.machine.device;

import dev.vesper.machine.memory.HostView;
import dev.vesper.machine.state.OwnState;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.util.ArrayDeque;
import java.util.Arrays;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.TreeMap;
import java.util.function.Supplier;

/**
 * QEMU's firmware configuration device (QEMU, docs/specs/fw_cfg.rst): selector at 510h, data at
 * 511h, DMA at 514h and 518h. Items are read-only; numbers in the DMA interface are big-endian.
 */
public final class FwCfg implements PortDevice, OwnState {
  public static final int SIGNATURE = 0x00;
  public static final int ID = 0x01;
  public static final int UUID = 0x02;
  public static final int RAM_SIZE = 0x03;
  public static final int NB_CPUS = 0x05;
  public static final int KERNEL_SIZE = 0x08;
  public static final int INITRD_SIZE = 0x0B;
  public static final int BOOT_MENU = 0x0E;
  public static final int MAX_CPUS = 0x0F;
  public static final int KERNEL_DATA = 0x11;
  public static final int INITRD_DATA = 0x12;
  public static final int CMDLINE_SIZE = 0x14;
  public static final int CMDLINE_DATA = 0x15;
  public static final int SETUP_SIZE = 0x17;
  public static final int SETUP_DATA = 0x18;
  private static final int DIRECTORY = 0x19;
  private static final int FIRST_FILE = 0x20;

  private static final int NAME_LENGTH = 56;
  private static final long DMA_SIGNATURE = 0x5145_4D55_2043_4647L;
  private static final int DMA_ERROR = 1;
  private static final int DMA_READ = 2;
  private static final int DMA_SKIP = 4;
  private static final int DMA_SELECT = 8;
  private static final int DMA_WRITE = 16;

  private static final int CHUNK = 1 << 16;

  /** What an operation costs besides the bytes that it moves. */
  private static final long OPERATION_COST = 4096;

  private final HostView memory;
  private final DeviceWork work;
  private final transient Map<Integer, byte[]> items = new TreeMap<>();
  private final transient Map<String, Supplier<byte[]>> files = new TreeMap<>();
  private final transient Map<Integer, Supplier<byte[]>> late = new HashMap<>();

  /** By file: what was replaced, by offset, the last one last. */
  private final Map<String, Map<Integer, byte[]>> replaced = new HashMap<>();

  /** The item that is selected, whose bytes are never changed. */
  private transient byte[] item = {};

  private int selected;
  private int at;
  private int dmaHigh;

  /** Descriptors of operations that were asked for, the one that is under way first. */
  private final ArrayDeque<Long> operations = new ArrayDeque<>();

  private final Runnable rest = this::operate;

  /** Where the read that is under way goes on, and how many bytes it has left. */
  private long destination;

  private int wanted;

  /**
   * @param work says how much is done in one go
   */
  public FwCfg(HostView memory, DeviceWork work) {
    this.memory = memory;
    this.work = work;
    items.put(SIGNATURE, "QEMU".getBytes(StandardCharsets.US_ASCII));
    // Bit 0: the port interface; bit 1: DMA.
    number(ID, 4, 3);
    late.put(DIRECTORY, this::directory);
  }

  /** Sets an item to a little-endian number. */
  public void number(int key, int bytes, long v) {
    byte[] b = new byte[bytes];
    for (int i = 0; i < bytes; i++) {
      b[i] = (byte) (v >> 8 * i);
    }
    items.put(key, b);
  }

  /** Sets an item. */
  public void put(int key, byte[] value) {
    items.put(key, value);
  }

  /** Adds a named file. */
  public void file(String name, byte[] value) {
    file(name, () -> value);
  }

  /** Adds a named file whose content is made when it is selected; its length stays the same. */
  public void file(String name, Supplier<byte[]> value) {
    // What was replaced is looked for when the file is read: it goes back with the machine.
    files.put(name, () -> patched(value.get(), replaced.getOrDefault(name, Map.of())));
    int key = FIRST_FILE;
    for (Supplier<byte[]> f : files.values()) {
      late.put(key++, f);
    }
  }

  /**
   * Replaces bytes of a named file, which grows if they reach behind its end.
   *
   * @return false if there is no such file, or the bytes would not follow what it has
   */
  public boolean replace(String name, int offset, byte[] bytes) {
    Supplier<byte[]> own = files.get(name);
    if (own == null || offset < 0 || offset > own.get().length) {
      return false;
    }
    Map<Integer, byte[]> all = replaced.computeIfAbsent(name, n -> new LinkedHashMap<>());
    // What was replaced last is seen, however often that is done.
    all.remove(offset);
    all.put(offset, bytes.clone());
    return true;
  }

  private static byte[] patched(byte[] own, Map<Integer, byte[]> patches) {
    if (patches.isEmpty()) {
      return own;
    }
    byte[] b = own.clone();
    for (Map.Entry<Integer, byte[]> p : patches.entrySet()) {
      int end = p.getKey() + p.getValue().length;
      b = end > b.length ? Arrays.copyOf(b, end) : b;
      System.arraycopy(p.getValue(), 0, b, p.getKey(), p.getValue().length);
    }
    return b;
  }

  private byte[] directory() {
    ByteBuffer d = ByteBuffer.allocate(4 + 64 * files.size());
    d.putInt(files.size());
    int key = FIRST_FILE;
    for (Map.Entry<String, Supplier<byte[]>> f : files.entrySet()) {
      byte[] name = f.getKey().getBytes(StandardCharsets.US_ASCII);
      d.putInt(f.getValue().get().length).putShort((short) key++).putShort((short) 0);
      d.put(name, 0, Math.min(name.length, NAME_LENGTH - 1));
      d.position(d.position() + NAME_LENGTH - Math.min(name.length, NAME_LENGTH - 1));
    }
    return d.array();
  }

  private void select(int key) {
    selected = key & 0xBFFF;
    Supplier<byte[]> file = late.get(selected);
    item = file != null ? file.get() : items.getOrDefault(selected, new byte[0]);
    at = 0;
  }

  /**
   * {@return the content of a file that was made when it was selected; other items stay the same}
   */
  @Override
  public Object ownState() {
    return late.containsKey(selected) ? item : new byte[0];
  }

  @Override
  public void ownState(Object state) {
    item = late.containsKey(selected) ? (byte[]) state : items.getOrDefault(selected, new byte[0]);
    if (at < 0 || at > item.length) {
      throw new IllegalArgumentException("fw_cfg is behind the end of its item");
    }
  }

  private int next() {
    return at < item.length ? item[at++] & 0xFF : 0;
  }

  @Override
  public int width(int port) {
    return port >= 0x514 ? Integer.lowestOneBit(port & 3 | 4) : port == 0x510 ? 2 : 1;
  }

  @Override
  public int read(int port, int bytes) {
    if (port == 0x511) {
      return next();
    }
    if (port >= 0x514 && port < 0x51C) {
      // The signature, big-endian over both registers.
      long s = Long.reverseBytes(DMA_SIGNATURE) >>> 8 * (port - 0x514);
      return (int) s;
    }
    return 0;
  }

  @Override
  public void write(int port, int bytes, int value) {
    if (port == 0x510 && bytes == 2) {
      select(value);
    } else if (port == 0x514 && bytes == 4) {
      dmaHigh = Integer.reverseBytes(value);
    } else if (port == 0x518 && bytes == 4) {
      operations.add((long) dmaHigh << 32 | Integer.reverseBytes(value) & 0xFFFF_FFFFL);
      dmaHigh = 0;
      if (operations.size() == 1) {
        operate();
      }
    }
  }

  /** Works on what the DMA interface was asked for. */
  private void operate() {
    while (!operations.isEmpty()) {
      if (work.spent()) {
        work.later(rest);
        return;
      }
      if (wanted == 0 ? begin(operations.getFirst()) : proceed(operations.getFirst())) {
        operations.removeFirst();
      }
    }
  }

  /** Begins an operation; {@return whether it is done} */
  private boolean begin(long descriptor) {
    work.spend(OPERATION_COST);
    if (!memory.contains(descriptor, 16)) {
      return true;
    }
    byte[] d = new byte[16];
    memory.read(descriptor, d, 0, 16);
    ByteBuffer b = ByteBuffer.wrap(d).order(ByteOrder.BIG_ENDIAN);
    int control = b.getInt(0);
    int length = b.getInt(4);
    long address = b.getLong(8);
    if ((control & DMA_SELECT) != 0) {
      select(control >>> 16);
    }
    boolean bad = (control & DMA_WRITE) != 0 || length < 0;
    if (!bad && (control & DMA_READ) != 0) {
      bad = !memory.contains(address, length);
      if (!bad && length > 0) {
        destination = address;
        wanted = length;
        return proceed(descriptor);
      }
    } else if (!bad && (control & DMA_SKIP) != 0) {
      at = (int) Math.min(item.length, (long) at + length);
    }
    memory.write(descriptor, 4, bad ? Integer.reverseBytes(DMA_ERROR) : 0);
    return true;
  }

  /** Goes on with a read, behind whose item there are zeros; {@return whether it is done} */
  private boolean proceed(long descriptor) {
    byte[] data = new byte[Math.min(wanted, CHUNK)];
    while (wanted > 0 && !work.spent()) {
      int n = Math.min(wanted, data.length);
      int there = Math.min(n, item.length - at);
      System.arraycopy(item, at, data, 0, there);
      Arrays.fill(data, there, n, (byte) 0);
      at += there;
      memory.write(destination, data, 0, n);
      destination += n;
      wanted -= n;
      work.spend(n);
    }
    if (wanted > 0) {
      return false;
    }
    memory.write(descriptor, 4, 0);
    return true;
  }
}
