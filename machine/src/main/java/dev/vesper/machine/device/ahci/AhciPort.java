package dev.vesper.machine.device.ahci;

import dev.vesper.machine.device.DeviceWork;
import dev.vesper.machine.device.disk.Disk;
import dev.vesper.machine.memory.HostView;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.util.Arrays;
import org.jspecify.annotations.Nullable;

/**
 * A port of an AHCI controller and the ATA disk behind it, or the CD-ROM drive that takes commands
 * in packets (ACS-3).
 */
final class AhciPort {
  private static final int CMD_START = 1;
  private static final int CMD_RECEIVE = 1 << 4;

  /** Spun up and powered on, which nothing here can be otherwise. */
  private static final int CMD_FIXED = 6;

  private static final int CMD_WRITABLE = 0x0300_0000 | CMD_RECEIVE | CMD_START;
  private static final int IS_D2H = 1;
  private static final int IS_PIO = 2;
  private static final int IS_SET_BITS = 8;
  private static final int IS_REGION = 1 << 5;
  private static final int IS_CONNECT = 1 << 6;
  private static final int IS_ERROR = 1 << 30;
  private static final int IE_WRITABLE = 0xFDC0_00FF;
  private static final int OFFLINE = 4;
  private static final int SERR_EXCHANGED = 1 << 26;
  private static final int READY = 0x50;
  private static final int ERROR = 1;
  private static final int ABORTED = 4;
  private static final int SIGNATURE = 0x0000_0101;
  private static final int PACKET_SIGNATURE = 0xEB14_0101;
  private static final int PACKET_COMMAND = 0xA0;

  /** In a command's table, where a packet is, and in its header, that there is one. */
  private static final int PACKET_AT = 0x40;

  private static final int HEADER_PACKET = 1 << 5;

  // What a packet's end says in the count: data to the host, and that this is the end.
  private static final int TO_HOST = 2;
  private static final int ENDED = 3;

  private static final int NOTHING = 0x7F;
  private static final int ENTRIES = 0x80;
  private static final int SLOTS = 32;
  private static final int SECTOR = Disk.SECTOR;

  /** A longer request is an error, so that a guest cannot make the host work without end. */
  private static final int MOST_SECTORS = 1 << 16;

  /** Sectors that are moved together. */
  private static final int TOGETHER = 128;

  /** What a command came to, and how it is told. */
  private enum Kind {
    NO_DATA,
    PIO,
    DMA,
    QUEUED
  }

  /** What a command costs besides the bytes that it moves. */
  private static final long COMMAND_COST = 4096;

  private final HostView memory;
  private final transient @Nullable Disk disk;
  private final @Nullable CdRom cd;
  private final DeviceWork work;

  /** Goes on with commands that were too much for one go. */
  private final Runnable rest;

  private long list;
  private long received;
  private int interrupts;
  private int enabled;
  private int command;
  private int taskFile = NOTHING;
  private int sataControl;
  private int errors;
  private int active;
  private int issued;

  /** The command that is, or was last, executed. */
  private int current;

  /** A command of which a part is done. */
  private @Nullable Command begun;

  /** Sectors that the command under way has moved. */
  private int done;

  private final byte[] buffer;

  /** A command has failed: the others wait until software has stopped the port. */
  private boolean failed;

  /**
   * @param work says how much is done in one go
   * @param changed is told when commands have been finished that were put off
   */
  AhciPort(HostView memory, @Nullable SataDrive drive, DeviceWork work, Runnable changed) {
    this.memory = memory;
    disk = drive == null ? null : drive.disk();
    cd = drive != null && drive.cdRom() ? new CdRom(drive.disk()) : null;
    this.work = work;
    buffer = new byte[disk == null ? 0 : TOGETHER * SECTOR];
    rest =
        () -> {
          work();
          changed.run();
        };
    reset();
  }

  /** Reset of the controller; where the lists are stays (AHCI 1.3.1, 10.4.3). */
  void reset() {
    interrupts = 0;
    enabled = 0;
    sataControl = 0;
    errors = 0;
    command = CMD_FIXED;
    halt();
    taskFile = disk == null ? NOTHING : READY;
  }

  /** The port is stopped: commands are forgotten. */
  private void halt() {
    active = 0;
    issued = 0;
    current = 0;
    begun = null;
    failed = false;
  }

  boolean interrupting() {
    return (status() & enabled) != 0;
  }

  /** {@return PxIS: the change of the connection is that of PxSERR} */
  private int status() {
    return interrupts | ((errors & SERR_EXCHANGED) != 0 ? IS_CONNECT : 0);
  }

  private int sataStatus() {
    int detection = sataControl & 15;
    if (disk == null || detection == 1) {
      return 0;
    }
    return detection == OFFLINE ? OFFLINE : 0x113;
  }

  int read(int offset) {
    return switch (offset) {
      case 0x00 -> (int) list;
      case 0x04 -> (int) (list >>> 32);
      case 0x08 -> (int) received;
      case 0x0C -> (int) (received >>> 32);
      case 0x10 -> status();
      case 0x14 -> enabled;
      case 0x18 ->
          command
              | current << 8
              | ((command & CMD_START) != 0 ? 1 << 15 : 0)
              | ((command & CMD_RECEIVE) != 0 ? 1 << 14 : 0);
      case 0x20 -> taskFile;
      case 0x24 -> disk == null ? -1 : cd != null ? PACKET_SIGNATURE : SIGNATURE;
      case 0x28 -> sataStatus();
      case 0x2C -> sataControl;
      case 0x30 -> errors;
      case 0x34 -> active;
      case 0x38 -> issued;
      default -> 0;
    };
  }

  void write(int offset, int v) {
    switch (offset) {
      case 0x00 -> list = list & ~0xFFFF_FFFFL | v & 0xFFFF_FC00L;
      case 0x04 -> list = list & 0xFFFF_FFFFL | (long) v << 32;
      case 0x08 -> received = received & ~0xFFFF_FFFFL | v & 0xFFFF_FF00L;
      case 0x0C -> received = received & 0xFFFF_FFFFL | (long) v << 32;
      case 0x10 -> interrupts &= ~v;
      case 0x14 -> enabled = v & IE_WRITABLE;
      case 0x18 -> {
        command = v & CMD_WRITABLE | CMD_FIXED;
        if ((command & CMD_START) == 0) {
          halt();
        }
      }
      case 0x2C -> connect(v);
      case 0x30 -> errors &= ~v;
      case 0x34 -> active |= (command & CMD_START) != 0 ? v : 0;
      case 0x38 -> {
        if ((command & CMD_START) != 0 && disk != null) {
          issued |= v;
          work();
        }
      }
      default -> {
        // read-only
      }
    }
  }

  private void connect(int v) {
    int was = sataControl & 15;
    sataControl = v & 0xFFF;
    if ((was == 1 || was == OFFLINE) && (v & 15) == 0 && disk != null) {
      errors |= SERR_EXCHANGED;
      if (cd != null) {
        cd.reset();
      }
      deviceToHost(READY, 1, null);
    }
  }

  private void work() {
    Disk d = disk;
    if (d == null) {
      return;
    }
    int slot = 0;
    while (slot < SLOTS && !failed) {
      Command c = begun;
      if (c == null && (issued >>> slot & 1) == 0) {
        slot++;
        continue;
      }
      if (work.spent()) {
        work.later(rest);
        return;
      }
      if (c == null) {
        run(slot, d);
      } else {
        goOn(c, d);
      }
    }
  }

  private byte[] fetch(long at, int n) {
    byte[] b = new byte[n];
    if (memory.contains(at, n)) {
      memory.read(at, b, 0, n);
    }
    return b;
  }

  private void store(long at, byte[] b) {
    if (memory.contains(at, b.length)) {
      memory.write(at, b, 0, b.length);
    }
  }

  /** Tells the end of a command by a register FIS. */
  private void deviceToHost(int status, int error, byte @Nullable [] fis) {
    taskFile = error << 8 | status;
    byte[] f = new byte[20];
    f[0] = 0x34;
    f[1] = 0x40;
    f[2] = (byte) status;
    f[3] = (byte) error;
    if (fis != null) {
      System.arraycopy(fis, 4, f, 4, 10);
      f[11] = 0;
    } else {
      sign(f);
    }
    if ((command & CMD_RECEIVE) != 0) {
      store(received + 0x40, f);
      interrupts |= IS_D2H;
    }
  }

  /** Writes a drive's signature into a frame. */
  private void sign(byte[] fis) {
    int signature = cd != null ? PACKET_SIGNATURE : SIGNATURE;
    fis[12] = (byte) signature;
    fis[4] = (byte) (signature >> 8);
    fis[5] = (byte) (signature >> 16);
    fis[6] = (byte) (signature >> 24);
  }

  private void run(int slot, Disk d) {
    byte[] header = fetch(list + 32L * slot, 32);
    ByteBuffer h = ByteBuffer.wrap(header).order(ByteOrder.LITTLE_ENDIAN);
    long table = h.getLong(8) & -128L;
    byte[] fis = fetch(table, 64);
    int bit = 1 << slot;
    current = slot;
    if (fis[0] != 0x27 || (fis[1] & 0x80) == 0) {
      // A write of the control register: the end of a software reset gives the signature.
      issued &= ~bit;
      if ((fis[15] & 4) == 0) {
        deviceToHost(READY, 1, null);
      }
      return;
    }
    Transfer t = new Transfer(table, h.getShort(2) & 0xFFFF);
    work.spend(COMMAND_COST);
    if (cd != null) {
      boolean packet = (h.getInt(0) & HEADER_PACKET) != 0;
      runPacket(cd, slot, fis, t, packet ? fetch(table + PACKET_AT, CdRom.PACKET) : null, d);
      return;
    }
    Command c = Command.of(slot, fis, t);
    if (c.count > 0) {
      begin(c, d);
    } else {
      boolean fine;
      try {
        fine = execute(c, d);
      } catch (IOException e) {
        fine = false;
      }
      finish(c, fine);
    }
  }

  /** A command for a drive that takes packets. */
  private void runPacket(
      CdRom drive, int slot, byte[] fis, Transfer t, byte @Nullable [] packet, Disk d) {
    if ((fis[2] & 0xFF) != PACKET_COMMAND || packet == null) {
      Command c = Command.packet(slot, fis, t, 0, 0);
      finish(c, packet == null && executeOnCd(c, drive));
      return;
    }
    CdRom.Answer a = drive.execute(packet);
    byte[] data = a.data();
    int perBlock = CdRom.BLOCK / SECTOR;
    Command c = Command.packet(slot, fis, t, a.block() * perBlock, a.blocks() * perBlock);
    if (data == null) {
      finish(c, false);
    } else if (c.count > 0) {
      done = 0;
      goOn(c, d);
    } else {
      finish(c, data.length == 0 || t.store(this, data, data.length));
    }
  }

  /** Executes a command that is no packet; {@return whether it is one} */
  private boolean executeOnCd(Command c, CdRom drive) {
    return switch (c.code) {
      case 0xA1 -> c.memory.store(this, packetIdentity(), SECTOR);
      // Settings and power states that make no difference here.
      case 0xEF, 0xE0, 0xE1, 0xE2, 0xE3, 0xE6 -> true;
      case 0xE5 -> {
        c.fis[12] = (byte) 0xFF;
        yield true;
      }
      case 0x08 -> {
        // DEVICE RESET.
        drive.reset();
        sign(c.fis);
        yield true;
      }
      default -> {
        // A command of disks is answered by the signature, from which software knows better.
        sign(c.fis);
        yield false;
      }
    };
  }

  private void begin(Command c, Disk d) {
    done = 0;
    if (c.sector > d.sectors() || c.count > d.sectors() - c.sector || c.write && d.readOnly()) {
      finish(c, false);
    } else {
      goOn(c, d);
    }
  }

  /** Moves sectors, as many as may be moved in one go. */
  private void goOn(Command c, Disk d) {
    begun = null;
    boolean fine = true;
    try {
      while (fine && done < c.count) {
        if (done > 0 && work.spent()) {
          begun = c;
          return;
        }
        fine = move(c, d);
      }
    } catch (IOException e) {
      fine = false;
    }
    if (!fine && cd != null) {
      cd.unreadable();
    }
    finish(c, fine);
  }

  private boolean move(Command c, Disk d) throws IOException {
    int n = Math.min(c.count - done, TOGETHER);
    long before = d.work() + c.memory.cost();
    boolean fine;
    if (c.write) {
      fine = c.memory.fetch(this, buffer, n * SECTOR);
      if (fine) {
        d.write(c.sector + done, buffer, n * SECTOR);
      }
    } else {
      d.read(c.sector + done, buffer, n * SECTOR);
      fine = c.memory.store(this, buffer, n * SECTOR);
    }
    work.spend(d.work() + c.memory.cost() - before);
    done += n;
    return fine;
  }

  /** Tells what a command has come to. */
  private void finish(Command c, boolean fine) {
    int bit = 1 << c.slot;
    store(list + 32L * c.slot + 4, little(c.memory.moved));
    if (fine || c.kind == Kind.QUEUED) {
      // One that has failed stays, for software to find.
      issued &= ~bit;
    }
    int state = READY | (fine ? 0 : ERROR);
    int error = fine ? 0 : ABORTED;
    CdRom drive = c.code == PACKET_COMMAND ? cd : null;
    boolean packet = drive != null;
    if (drive != null && !fine) {
      error |= drive.senseKey() << 4;
    }
    if (c.kind == Kind.QUEUED) {
      finishQueued(bit, fine, state, error);
    } else {
      if (packet) {
        c.fis[12] = TO_HOST;
      }
      if (c.kind == Kind.PIO && fine && (!packet || c.memory.moved > 0)) {
        pioSetup(c.fis, c.lastPart(), c.write);
      }
      if (packet) {
        c.fis[12] = ENDED;
      }
      deviceToHost(state, error, c.fis);
    }
    if (!fine) {
      failed = true;
      interrupts |= IS_ERROR;
    }
  }

  private void finishQueued(int bit, boolean fine, int state, int error) {
    active &= ~(fine ? bit : 0);
    taskFile = error << 8 | state;
    byte[] f = new byte[8];
    f[0] = (byte) 0xA1;
    f[1] = 0x40;
    f[2] = (byte) (state & 0x77);
    f[3] = (byte) error;
    for (int i = 0; i < 4; i++) {
      f[4 + i] = (byte) ((fine ? bit : 0) >> 8 * i);
    }
    if ((command & CMD_RECEIVE) != 0) {
      store(received + 0x58, f);
      interrupts |= IS_SET_BITS;
    }
  }

  /** Tells of data by programmed I/O; the host hears of what it is to send without interrupt. */
  private void pioSetup(byte[] fis, int moved, boolean fromHost) {
    byte[] f = new byte[20];
    f[0] = 0x5F;
    f[1] = (byte) (fromHost ? 0 : 0x60);
    f[2] = 0x58;
    System.arraycopy(fis, 4, f, 4, 10);
    f[11] = 0;
    f[15] = READY;
    f[16] = (byte) moved;
    f[17] = (byte) (moved >> 8);
    if ((command & CMD_RECEIVE) != 0) {
      store(received + 0x20, f);
      interrupts |= fromHost ? 0 : IS_PIO;
    }
  }

  private static byte[] little(int v) {
    return new byte[] {(byte) v, (byte) (v >> 8), (byte) (v >> 16), (byte) (v >> 24)};
  }

  // ---- commands

  private static Kind kind(int code) {
    return switch (code) {
      case 0x20, 0x24, 0x30, 0x34, 0xEC -> Kind.PIO;
      case 0x25, 0x35, 0xC8, 0xCA -> Kind.DMA;
      case 0x60, 0x61 -> Kind.QUEUED;
      default -> Kind.NO_DATA;
    };
  }

  private static long address(byte[] f, boolean wide) {
    long low = f[4] & 0xFF | (f[5] & 0xFF) << 8 | (long) (f[6] & 0xFF) << 16;
    if (!wide) {
      return low | (long) (f[7] & 15) << 24;
    }
    return low
        | (long) (f[8] & 0xFF) << 24
        | (long) (f[9] & 0xFF) << 32
        | (long) (f[10] & 0xFF) << 40;
  }

  /** Executes a command that moves no sectors; {@return whether it is one} */
  private boolean execute(Command c, Disk d) throws IOException {
    switch (c.code) {
      case 0xE7, 0xEA -> {
        d.flush();
        return true;
      }
      case 0xEC -> {
        c.memory.store(this, identity(d), SECTOR);
        return true;
      }
      // Settings and power states that make no difference here; verifying what is there.
      case 0xEF, 0x40, 0x42, 0xE0, 0xE1, 0xE2, 0xE3, 0xE6, 0x91, 0xC6 -> {
        return true;
      }
      case 0xE5 -> {
        c.fis[12] = (byte) 0xFF;
        return true;
      }
      default -> {
        return false;
      }
    }
  }

  /** IDENTIFY DEVICE (ACS-3, 7.12). */
  private static byte[] identity(Disk d) {
    short[] w = new short[256];
    w[0] = 0x0040;
    w[1] = (short) Math.min(16383, d.sectors() / (16 * 63) + 1);
    w[3] = 16;
    w[6] = 63;
    words(w, 10, 10, "VESPER01");
    words(w, 23, 4, "1.0");
    words(w, 27, 20, "VESPER HARDDISK");
    w[47] = (short) 0x8010;
    w[49] = 0x0300;
    w[53] = 7;
    long small = Math.min(d.sectors(), 0x0FFF_FFFF);
    w[60] = (short) small;
    w[61] = (short) (small >> 16);
    w[63] = 0x0007;
    w[64] = 3;
    for (int i = 65; i <= 68; i++) {
      w[i] = 120;
    }
    w[75] = 31;
    w[76] = 0x0102;
    w[80] = 0x00F0;
    w[82] = 0x0020;
    w[83] = 0x7400;
    w[84] = 0x4000;
    w[85] = 0x0020;
    w[86] = 0x3400;
    w[87] = 0x4000;
    w[88] = 0x203F;
    for (int i = 0; i < 4; i++) {
      w[100 + i] = (short) (d.sectors() >> 16 * i);
    }
    byte[] b = new byte[SECTOR];
    ByteBuffer.wrap(b).order(ByteOrder.LITTLE_ENDIAN).asShortBuffer().put(w);
    return b;
  }

  /** IDENTIFY PACKET DEVICE (ACS-3, 7.13). */
  private static byte[] packetIdentity() {
    short[] w = new short[256];
    // A CD-ROM drive with a removable medium that takes packets of 12 bytes at once.
    w[0] = (short) 0x85C0;
    words(w, 10, 10, "VESPER02");
    words(w, 23, 4, "1.0");
    words(w, 27, 20, "VESPER CD-ROM");
    w[49] = 0x0300;
    w[53] = 7;
    w[63] = 0x0007;
    w[64] = 3;
    for (int i = 65; i <= 68; i++) {
      w[i] = 120;
    }
    w[76] = 0x0002;
    w[80] = 0x00F0;
    w[82] = 0x4210;
    w[83] = 0x4000;
    w[84] = 0x4000;
    w[85] = 0x4210;
    w[87] = 0x4000;
    w[88] = 0x203F;
    byte[] b = new byte[SECTOR];
    ByteBuffer.wrap(b).order(ByteOrder.LITTLE_ENDIAN).asShortBuffer().put(w);
    return b;
  }

  /** Text as ATA has it: two characters a word, the first one above. */
  private static void words(short[] w, int at, int n, String text) {
    byte[] t = Arrays.copyOf(text.getBytes(StandardCharsets.US_ASCII), 2 * n);
    for (int i = 0; i < n; i++) {
      int high = t[2 * i] == 0 ? ' ' : t[2 * i];
      int low = t[2 * i + 1] == 0 ? ' ' : t[2 * i + 1];
      w[at + i] = (short) (high << 8 | low);
    }
  }

  /**
   * A command as its FIS says it.
   *
   * @param sector the first one to move
   * @param count of sectors to move, 0 if it moves none
   */
  private record Command(
      int slot,
      byte[] fis,
      Transfer memory,
      int code,
      Kind kind,
      long sector,
      int count,
      boolean write) {
    /** A command for a drive that takes packets: what it moves is not in the frame. */
    static Command packet(int slot, byte[] fis, Transfer memory, long sector, int count) {
      int code = fis[2] & 0xFF;
      boolean data = code == PACKET_COMMAND || code == 0xA1;
      boolean dma = code == PACKET_COMMAND && (fis[3] & 1) != 0;
      Kind kind = dma ? Kind.DMA : data ? Kind.PIO : Kind.NO_DATA;
      return new Command(slot, fis, memory, code, kind, sector, count, false);
    }

    /** {@return how much the last frame of programmed I/O is about} */
    int lastPart() {
      int most = code == PACKET_COMMAND ? fis[5] & 0xFF | (fis[6] & 0xFF) << 8 : 0;
      return most == 0 || memory.moved == 0 ? memory.moved : (memory.moved - 1) % most + 1;
    }

    static Command of(int slot, byte[] fis, Transfer memory) {
      int code = fis[2] & 0xFF;
      boolean write = code == 0x30 || code == 0x34 || code == 0x35 || code == 0xCA || code == 0x61;
      int low = fis[12] & 0xFF;
      int both = low | (fis[13] & 0xFF) << 8;
      int features = fis[3] & 0xFF | (fis[11] & 0xFF) << 8;
      long sector = 0;
      int count = 0;
      switch (code) {
        case 0x20, 0x30, 0xC8, 0xCA -> {
          sector = address(fis, false);
          count = low == 0 ? 256 : low;
        }
        case 0x24, 0x25, 0x34, 0x35 -> {
          sector = address(fis, true);
          count = both == 0 ? MOST_SECTORS : both;
        }
        case 0x60, 0x61 -> {
          sector = address(fis, true);
          count = features == 0 ? MOST_SECTORS : features;
        }
        default -> {
          // It moves none.
        }
      }
      return new Command(slot, fis, memory, code, AhciPort.kind(code), sector, count, write);
    }
  }

  /** The memory of a command, as its table of regions gives it. */
  private static final class Transfer {
    private long table;
    private int entries;
    private int entry;
    private int inEntry;
    int moved;

    /** What a region costs besides the bytes that it has. */
    private static final long REGION_COST = 64;

    /** One that is to have the state of another, which is read from a file. */
    Transfer() {}

    Transfer(long table, int entries) {
      this.table = table;
      this.entries = entries;
    }

    /** {@return what moving has cost, in bytes} */
    long cost() {
      return moved + REGION_COST * entry;
    }

    boolean store(AhciPort port, byte[] b, int n) {
      return move(port, b, n, true);
    }

    boolean fetch(AhciPort port, byte[] b, int n) {
      return move(port, b, n, false);
    }

    private boolean move(AhciPort port, byte[] b, int n, boolean toMemory) {
      HostView memory = port.memory;
      for (int done = 0; done < n; ) {
        if (entry >= entries || !memory.contains(table + ENTRIES + 16L * entry, 16)) {
          return false;
        }
        long at = table + ENTRIES + 16L * entry;
        long address = memory.read(at, 8);
        int control = (int) memory.read(at + 12, 4);
        int length = (control & 0x3F_FFFF) + 1;
        int part = Math.min(n - done, length - inEntry);
        if (!memory.contains(address + inEntry, part)) {
          return false;
        }
        if (toMemory) {
          memory.write(address + inEntry, b, done, part);
        } else {
          memory.read(address + inEntry, b, done, part);
        }
        done += part;
        moved += part;
        inEntry += part;
        if (inEntry == length) {
          entry++;
          inEntry = 0;
          port.interrupts |= control < 0 ? IS_REGION : 0;
        }
      }
      return true;
    }
  }
}
