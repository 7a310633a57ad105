package dev.vesper.machine.fuzz;

import dev.vesper.fixtures.fuzz.FuzzInput;
import dev.vesper.fixtures.fuzz.FuzzTarget;
import dev.vesper.guest.Locore;
import dev.vesper.machine.Machine;
import dev.vesper.machine.SnapshotException;
import dev.vesper.machine.Stop;
import dev.vesper.machine.Until;
import dev.vesper.machine.observe.check.Checker;
import dev.vesper.machine.observe.format.PackedEvents;
import dev.vesper.machine.snapshot.SnapshotFile;
import dev.vesper.machine.spec.MachineSpec;
import dev.vesper.machine.spec.SevMode;
import java.io.ByteArrayInputStream;
import java.io.ByteArrayOutputStream;
import java.io.DataOutputStream;
import java.io.IOException;
import java.io.OutputStream;
import java.nio.ByteBuffer;
import java.nio.channels.SeekableByteChannel;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import org.jspecify.annotations.Nullable;

/**
 * A snapshot: what is changed in one that was written, byte by byte of the whole file or of one of
 * its parts behind which all checksums are right. It is read, and if it can be, run on.
 */
public final class SnapshotTarget implements FuzzTarget {
  /** Bits of the first byte. */
  private static final int WHOLE_FILE = 1;

  private static final int ENCRYPTED = 2;

  private static final int EDIT = 6;
  private static final int PARTS = 4;
  private static final byte[] IMAGE = Locore.image();
  private static final long FAR = 5000;
  private static final long[] INTERESTING = {
    0, 1, -1, 2, 0x7F, 0x80, 0xFF, 0x7FFF_FFFF, 0x8000_0000L, 0x1_0000, 0x7FFF, 64
  };

  /** What a file is made of. */
  private record Parts(byte[] header, byte[] state, byte[] memory, byte[] events) {
    byte[] get(int i) {
      return i == 0 ? header : i == 1 ? state : i == 2 ? memory : events;
    }

    Parts with(int i, byte[] b) {
      return new Parts(
          i == 0 ? b : header, i == 1 ? b : state, i == 2 ? b : memory, i == 3 ? b : events);
    }

    byte[] file() throws IOException {
      ByteArrayOutputStream out = new ByteArrayOutputStream();
      SnapshotFile.Writer w = new SnapshotFile.Writer(out);
      w.section("header", header);
      w.section("state", state);
      try (DataOutputStream pages = w.sections("memory")) {
        pages.write(memory);
      }
      try (OutputStream told = w.pieces("events")) {
        told.write(events);
      }
      w.end();
      return out.toByteArray();
    }
  }

  private final @Nullable Parts[] kept = new Parts[2];

  @Override
  public String name() {
    return "snapshot";
  }

  @Override
  public List<String> covers() {
    return List.of(
        "dev.vesper.machine.snapshot.",
        "dev.vesper.machine.state.",
        "dev.vesper.machine.memory.MemoryImage",
        "dev.vesper.machine.observe.format.PackedEvents");
  }

  @Override
  public int inputs() {
    return 1000;
  }

  @Override
  public int longest() {
    return 1 + 8 * EDIT;
  }

  @Override
  public List<byte[]> seeds() {
    List<byte[]> all = new ArrayList<>();
    for (int how = 0; how < 4; how++) {
      all.add(new byte[] {(byte) how});
      for (int part = 0; part < PARTS; part++) {
        for (int kind = 0; kind < 6; kind++) {
          Words w = new Words().u8(how);
          for (int k = 0; k < 3; k++) {
            w.u8(part, kind, 37 * k + part, 91 * k, 0x20 + k, k);
          }
          all.add(w.done());
        }
      }
    }
    return all;
  }

  private static Machine machine(boolean encrypted) throws Exception {
    Machine m =
        new Machine(
            MachineSpec.builder(encrypted ? SevMode.ES : SevMode.OFF, IMAGE, b -> {})
                .memoryBytes(32L << 20)
                .cpuModel("vesper-min,+xsave")
                .build());
    m.translateAfter(0);
    return m;
  }

  private Parts parts(boolean encrypted) throws Exception {
    Parts p = kept[encrypted ? 1 : 0];
    if (p == null) {
      Machine m = machine(encrypted);
      PackedEvents told = new PackedEvents();
      m.trace(told, true);
      m.run(Until.instructions(30_000));
      ByteArrayOutputStream out = new ByteArrayOutputStream();
      m.save(out, told);
      SnapshotFile.Reader r = new SnapshotFile.Reader(new ByteArrayInputStream(out.toByteArray()));
      p =
          new Parts(
              r.content("header"),
              r.content("state"),
              r.contents("memory").readAllBytes(),
              r.pieces("events").readAllBytes());
      kept[encrypted ? 1 : 0] = p;
    }
    return p;
  }

  /** Makes a change. */
  private static byte[] changed(byte[] b, int kind, int place, int value) {
    if (b.length == 0) {
      return b;
    }
    int at = place % b.length;
    long number = INTERESTING[value % INTERESTING.length];
    byte[] c = b.clone();
    switch (kind % 6) {
      case 0 -> c[at] = (byte) value;
      case 1 -> c[at] ^= (byte) (1 << (value & 7));
      case 2 -> put(c, at, 4, number);
      case 3 -> put(c, at, 8, value % 3 == 0 ? number << 32 : number);
      case 4 -> {
        int n = Math.min(value + 1, b.length - at);
        c = Arrays.copyOf(b, b.length - n);
        System.arraycopy(b, at + n, c, at, c.length - at);
      }
      default -> {
        int n = Math.min(value + 1, b.length - at);
        c = Arrays.copyOf(b, b.length + n);
        System.arraycopy(b, at, c, at + n, b.length - at);
      }
    }
    return c;
  }

  private static void put(byte[] b, int at, int bytes, long v) {
    for (int i = 0; i < bytes && at + i < b.length; i++) {
      b[at + i] = (byte) (v >> 8 * (bytes - 1 - i));
    }
  }

  @Override
  public void take(byte[] input) throws Exception {
    FuzzInput in = new FuzzInput(input);
    int how = in.more() ? in.u8() : 0;
    boolean encrypted = (how & ENCRYPTED) != 0;
    Parts p = parts(encrypted);
    byte[] file = (how & WHOLE_FILE) != 0 ? p.file() : new byte[0];
    while (in.more()) {
      int part = in.u8() % PARTS;
      int kind = in.u8();
      int place = in.u16() << 8 | in.u8();
      int value = in.u8();
      if ((how & WHOLE_FILE) != 0) {
        file = changed(file, kind, place, value);
      } else {
        p = p.with(part, changed(p.get(part), kind, place, value));
      }
    }
    run(encrypted, (how & WHOLE_FILE) != 0 ? file : p.file());
  }

  private static void run(boolean encrypted, byte[] file) throws Exception {
    Machine m = machine(encrypted);
    try {
      m.load(new Bytes(file), new Checker());
    } catch (SnapshotException e) {
      Refusals.requireLine(e);
      return;
    }
    long to = Math.max(0, m.instructions()) + FAR;
    Stop s = m.run(Until.instructions(Math.max(0, to)).within(Duration.ofSeconds(1)));
    if (s.description().contains("\n")) {
      throw new IllegalStateException("a run ends with more than a line: " + s);
    }
  }

  /** A file in memory, to be read. */
  private static final class Bytes implements SeekableByteChannel {
    private final ByteBuffer bytes;

    Bytes(byte[] b) {
      bytes = ByteBuffer.wrap(b);
    }

    @Override
    public int read(ByteBuffer to) {
      if (!bytes.hasRemaining()) {
        return -1;
      }
      int n = Math.min(to.remaining(), bytes.remaining());
      to.put(bytes.slice(bytes.position(), n));
      bytes.position(bytes.position() + n);
      return n;
    }

    @Override
    public int write(ByteBuffer from) {
      throw new UnsupportedOperationException("nobody writes a snapshot that is read");
    }

    @Override
    public long position() {
      return bytes.position();
    }

    @Override
    public SeekableByteChannel position(long at) {
      bytes.position((int) at);
      return this;
    }

    @Override
    public long size() {
      return bytes.limit();
    }

    @Override
    public SeekableByteChannel truncate(long length) {
      throw new UnsupportedOperationException("nobody writes a snapshot that is read");
    }

    @Override
    public boolean isOpen() {
      return true;
    }

    @Override
    public void close() {
      // It is in memory.
    }
  }
}
