package dev.vesper.machine.device.ahci;

import dev.vesper.machine.device.disk.Disk;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.util.Arrays;
import org.jspecify.annotations.Nullable;

/**
 * A CD-ROM drive with a tray, as its packet commands show it (MMC-3; SPC-2 for those that all
 * devices have): a data medium of one session with one track, which nobody can write. Blocks have
 * 2,048 bytes.
 */
final class CdRom {
  /** Bytes of a block. */
  static final int BLOCK = 2048;

  /** Bytes of a command. */
  static final int PACKET = 12;

  // Operation codes.
  private static final int TEST_UNIT_READY = 0x00;
  private static final int REQUEST_SENSE = 0x03;
  private static final int INQUIRY = 0x12;
  private static final int START_STOP_UNIT = 0x1B;
  private static final int PREVENT_ALLOW_MEDIUM_REMOVAL = 0x1E;
  private static final int READ_CAPACITY = 0x25;
  private static final int READ_10 = 0x28;
  private static final int SEEK_10 = 0x2B;
  private static final int READ_TOC = 0x43;
  private static final int GET_CONFIGURATION = 0x46;
  private static final int GET_EVENT_STATUS = 0x4A;
  private static final int READ_DISC_INFORMATION = 0x51;
  private static final int MODE_SENSE_10 = 0x5A;
  private static final int READ_12 = 0xA8;
  private static final int MECHANISM_STATUS = 0xBD;

  // Sense keys.
  private static final int NOT_READY = 2;
  private static final int MEDIUM_ERROR = 3;
  private static final int ILLEGAL_REQUEST = 5;
  private static final int UNIT_ATTENTION = 6;

  // Additional sense codes with their qualifiers.
  private static final int UNRECOVERED_READ = 0x1100;
  private static final int INVALID_COMMAND = 0x2000;
  private static final int OUT_OF_RANGE = 0x2100;
  private static final int INVALID_FIELD = 0x2400;
  private static final int MEDIUM_CHANGED = 0x2800;
  private static final int RESET = 0x2900;
  private static final int NO_MEDIUM = 0x3A00;
  private static final int REMOVAL_PREVENTED = 0x5302;

  /** A longer request is an error, so that a guest cannot make the host work without end. */
  private static final int MOST_BLOCKS = 1 << 14;

  private static final int LEAD_OUT = 0xAA;
  private static final int DATA_TRACK = 0x14;
  private static final int TWO_SECONDS = 150;

  /** More blocks than 80 minutes have are a DVD's. */
  private static final long MOST_CD_BLOCKS = 80 * 60 * 75;

  private static final int PROFILE_CD_ROM = 0x08;
  private static final int PROFILE_DVD_ROM = 0x10;

  // Events of a medium.
  private static final int NO_CHANGE = 0;
  private static final int NEW_MEDIUM = 2;
  private static final int REMOVED = 3;

  private final transient Disk medium;
  private boolean trayOpen;
  private boolean locked;
  private int event = NO_CHANGE;

  private int senseKey;
  private int senseCode;

  /** What has happened that the next command is told instead of being done, or 0. */
  private int attention = RESET;

  /**
   * What a command comes to.
   *
   * @param data what it returns, or null if it has failed
   * @param block the first block to read
   * @param blocks how many blocks to read, 0 for a command that reads none
   */
  record Answer(byte @Nullable [] data, long block, int blocks) {}

  private static final Answer DONE = new Answer(new byte[0], 0, 0);
  private static final Answer FAILED = new Answer(null, 0, 0);

  CdRom(Disk medium) {
    this.medium = medium;
  }

  /** A reset of the drive: the next command is told. */
  void reset() {
    locked = false;
    attention = RESET;
  }

  /** {@return the sense key of what failed last} */
  int senseKey() {
    return senseKey;
  }

  /** Blocks could not be read. */
  void unreadable() {
    fail(MEDIUM_ERROR, UNRECOVERED_READ);
  }

  private Answer fail(int key, int code) {
    senseKey = key;
    senseCode = code;
    return FAILED;
  }

  private long blocks() {
    return medium.sectors() / (BLOCK / Disk.SECTOR);
  }

  private static long number(byte[] b, int at, int bytes) {
    long v = 0;
    for (int i = 0; i < bytes; i++) {
      v = v << 8 | b[at + i] & 0xFF;
    }
    return v;
  }

  /** {@return a command's answer, as much of it as the command has room for} */
  private static Answer data(byte[] all, long room) {
    return new Answer(Arrays.copyOf(all, (int) Math.min(all.length, room)), 0, 0);
  }

  /**
   * Executes a command.
   *
   * @param c its {@link #PACKET} bytes
   */
  Answer execute(byte[] c) {
    int code = c[0] & 0xFF;
    if (attention != 0 && !isAlwaysAnswered(code)) {
      int what = attention;
      attention = 0;
      return fail(UNIT_ATTENTION, what);
    }
    if (code != REQUEST_SENSE) {
      senseKey = 0;
      senseCode = 0;
    }
    if (trayOpen && needsMedium(code)) {
      return fail(NOT_READY, NO_MEDIUM);
    }
    return switch (code) {
      case TEST_UNIT_READY -> DONE;
      case REQUEST_SENSE -> requestSense(c);
      case INQUIRY -> inquiry(c);
      case START_STOP_UNIT -> startStop(c[4] & 3);
      case PREVENT_ALLOW_MEDIUM_REMOVAL -> {
        locked = (c[4] & 1) != 0;
        yield DONE;
      }
      case READ_CAPACITY -> {
        ByteBuffer b = ByteBuffer.allocate(8).putInt((int) (blocks() - 1)).putInt(BLOCK);
        yield data(b.array(), 8);
      }
      case READ_10 -> read(number(c, 2, 4), number(c, 7, 2));
      case READ_12 -> read(number(c, 2, 4), number(c, 6, 4));
      case SEEK_10 -> read(number(c, 2, 4), 0);
      case READ_TOC -> contents(c);
      case GET_CONFIGURATION -> configuration(c);
      case GET_EVENT_STATUS -> events(c);
      case READ_DISC_INFORMATION -> discInformation(c);
      case MODE_SENSE_10 -> modeSense(c);
      case MECHANISM_STATUS ->
          data(new byte[] {0, (byte) (trayOpen ? 0x10 : 0), 0, 0, 0, 0, 0, 0}, number(c, 8, 2));
      default -> fail(ILLEGAL_REQUEST, INVALID_COMMAND);
    };
  }

  /** {@return whether a command is executed before a unit attention has been told} */
  private static boolean isAlwaysAnswered(int code) {
    return switch (code) {
      case INQUIRY, REQUEST_SENSE, GET_CONFIGURATION, GET_EVENT_STATUS -> true;
      default -> false;
    };
  }

  private static boolean needsMedium(int code) {
    return switch (code) {
      case TEST_UNIT_READY,
          READ_CAPACITY,
          READ_10,
          READ_12,
          SEEK_10,
          READ_TOC,
          READ_DISC_INFORMATION ->
          true;
      default -> false;
    };
  }

  private Answer read(long block, long count) {
    long all = blocks();
    if (block >= all || count > all - block) {
      return fail(ILLEGAL_REQUEST, OUT_OF_RANGE);
    }
    return count > MOST_BLOCKS
        ? fail(ILLEGAL_REQUEST, INVALID_FIELD)
        : new Answer(new byte[0], block, (int) count);
  }

  private Answer requestSense(byte[] c) {
    if (senseKey == 0 && attention != 0) {
      senseKey = UNIT_ATTENTION;
      senseCode = attention;
      attention = 0;
    }
    byte[] b = new byte[18];
    b[0] = 0x70;
    b[2] = (byte) senseKey;
    b[7] = 10;
    b[12] = (byte) (senseCode >> 8);
    b[13] = (byte) senseCode;
    senseKey = 0;
    senseCode = 0;
    return data(b, c[4] & 0xFF);
  }

  private Answer inquiry(byte[] c) {
    if ((c[1] & 1) != 0 || c[2] != 0) {
      // There are no pages of vital product data.
      return fail(ILLEGAL_REQUEST, INVALID_FIELD);
    }
    byte[] b = new byte[36];
    b[0] = 5;
    b[1] = (byte) 0x80;
    b[3] = 0x21;
    b[4] = 31;
    byte[] names = "VESPER  CD-ROM          1.0 ".getBytes(StandardCharsets.US_ASCII);
    System.arraycopy(names, 0, b, 8, names.length);
    return data(b, number(c, 3, 2));
  }

  /**
   * START STOP UNIT.
   *
   * @param how bit 0 start, bit 1 load or eject
   */
  private Answer startStop(int how) {
    if ((how & 2) == 0) {
      return DONE;
    }
    boolean open = (how & 1) == 0;
    if (open && locked) {
      return fail(ILLEGAL_REQUEST, REMOVAL_PREVENTED);
    }
    if (open != trayOpen) {
      trayOpen = open;
      event = open ? REMOVED : NEW_MEDIUM;
      attention = open ? 0 : MEDIUM_CHANGED;
    }
    return DONE;
  }

  /** An address in tables of contents: a block, or minute, second and frame. */
  private static int address(long block, boolean time) {
    if (!time) {
      return (int) block;
    }
    long f = block + TWO_SECONDS;
    return (int) Math.min(0xFF, f / (75 * 60)) << 16 | (int) (f / 75 % 60) << 8 | (int) (f % 75);
  }

  /** READ TOC/PMA/ATIP: tracks, or sessions. */
  private Answer contents(byte[] c) {
    boolean time = (c[1] & 2) != 0;
    int format = (c[2] & 15) != 0 ? c[2] & 15 : c[9] >> 6 & 3;
    int first = c[6] & 0xFF;
    ByteBuffer b = ByteBuffer.allocate(20).putShort((short) 0).put((byte) 1).put((byte) 1);
    if (format == 1) {
      descriptor(b, 1, address(0, time));
    } else if (format == 0 && (first <= 1 || first == LEAD_OUT)) {
      if (first <= 1) {
        descriptor(b, 1, address(0, time));
      }
      descriptor(b, LEAD_OUT, address(blocks(), time));
    } else {
      return fail(ILLEGAL_REQUEST, INVALID_FIELD);
    }
    byte[] all = Arrays.copyOf(b.array(), b.position());
    all[1] = (byte) (all.length - 2);
    return data(all, number(c, 7, 2));
  }

  private static void descriptor(ByteBuffer b, int track, int address) {
    b.put((byte) 0).put((byte) DATA_TRACK).put((byte) track).put((byte) 0).putInt(address);
  }

  private int profile() {
    return trayOpen ? 0 : blocks() > MOST_CD_BLOCKS ? PROFILE_DVD_ROM : PROFILE_CD_ROM;
  }

  /** GET CONFIGURATION: profiles, core, and removable medium. */
  private Answer configuration(byte[] c) {
    int wanted = c[1] & 3;
    int start = (int) number(c, 2, 2);
    if (wanted == 3) {
      return fail(ILLEGAL_REQUEST, INVALID_FIELD);
    }
    int now = profile();
    byte[][] features = {
      {
        0,
        0,
        3,
        8,
        0,
        PROFILE_DVD_ROM,
        bit(now == PROFILE_DVD_ROM),
        0,
        0,
        PROFILE_CD_ROM,
        bit(now == PROFILE_CD_ROM),
        0
      },
      // The physical interface is ATAPI.
      {0, 1, 3, 4, 0, 0, 0, 2},
      // A tray, which can be ejected, loaded and locked.
      {0, 3, 3, 4, 0x39, 0, 0, 0}
    };
    ByteBuffer b = ByteBuffer.allocate(64).putInt(0).putShort((short) 0).putShort((short) now);
    for (byte[] f : features) {
      if (wanted == 2 ? f[1] == start : f[1] >= start) {
        b.put(f);
      }
    }
    b.putInt(0, b.position() - 4);
    return data(Arrays.copyOf(b.array(), b.position()), number(c, 7, 2));
  }

  private static byte bit(boolean on) {
    return (byte) (on ? 1 : 0);
  }

  /** GET EVENT STATUS NOTIFICATION: media events, polled. */
  private Answer events(byte[] c) {
    if ((c[1] & 1) == 0) {
      return fail(ILLEGAL_REQUEST, INVALID_FIELD);
    }
    boolean media = (c[4] & 0x10) != 0;
    byte[] b =
        media
            ? new byte[] {0, 6, 4, 0x10, (byte) event, (byte) (trayOpen ? 1 : 2), 0, 0}
            : new byte[] {0, 2, (byte) 0x80, 0x10};
    if (media) {
      event = NO_CHANGE;
    }
    return data(b, number(c, 7, 2));
  }

  /** READ DISC INFORMATION: complete, with one session of one track. */
  private Answer discInformation(byte[] c) {
    byte[] b = new byte[34];
    b[1] = 32;
    b[2] = 0x0E;
    b[3] = 1;
    b[4] = 1;
    b[5] = 1;
    b[6] = 1;
    b[7] = 0x20;
    Arrays.fill(b, 16, 24, (byte) 0xFF);
    return data(b, number(c, 7, 2));
  }

  /** MODE SENSE (10): error recovery and capabilities as they are, which are as they were. */
  private Answer modeSense(byte[] c) {
    int control = c[2] >> 6 & 3;
    int page = c[2] & 0x3F;
    if (control == 3 || page != 0x01 && page != 0x2A && page != 0x3F) {
      return fail(ILLEGAL_REQUEST, INVALID_FIELD);
    }
    // Nothing can be changed.
    boolean values = control != 1;
    ByteBuffer b = ByteBuffer.allocate(64).putLong(0);
    if (page != 0x2A) {
      b.put(new byte[] {0x01, 6, 0, (byte) (values ? 5 : 0), 0, 0, 0, 0});
    }
    if (page != 0x01) {
      int at = b.position();
      b.put((byte) 0x2A).put((byte) 20).position(at + 22);
      if (values) {
        // Reads CD-R, CD-RW and DVD-ROM; locks and ejects with a tray; no audio.
        b.put(at + 2, (byte) 0x0B);
        b.put(at + 4, (byte) 0x60);
        b.put(at + 6, (byte) (0x29 | (locked ? 2 : 0)));
        b.putShort(at + 8, (short) 706);
        b.putShort(at + 12, (short) 512);
        b.putShort(at + 14, (short) 706);
      }
    }
    b.putShort(0, (short) (b.position() - 2));
    b.put(2, (byte) (trayOpen ? 0x71 : 0x01));
    return data(Arrays.copyOf(b.array(), b.position()), number(c, 7, 2));
  }
}
