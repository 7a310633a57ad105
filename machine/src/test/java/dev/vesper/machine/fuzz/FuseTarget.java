package dev.vesper.machine.fuzz;

import dev.vesper.fixtures.fuzz.FuzzInput;
import dev.vesper.fixtures.fuzz.FuzzTarget;
import dev.vesper.machine.device.share.FuseServer;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;
import java.util.stream.Stream;

/**
 * A shared folder with a file, a folder and a link that leads out of it, and requests of FUSE, each
 * behind its length; the length in its header is made right. What lies beside the folder stays as
 * it is.
 */
public final class FuseTarget implements FuzzTarget {
  private static final int MOST_REQUESTS = 24;
  private static final String SECRET = "nobody reads this";

  @Override
  public String name() {
    return "fuse";
  }

  @Override
  public List<String> covers() {
    // What of the computer a folder may hold at all is decided before there is a guest.
    return Stream.of("FrozenFolder", "FuseError", "FuseServer", "Listing", "Posix", "SharedFolder")
        .map("dev.vesper.machine.device.share."::concat)
        .toList();
  }

  @Override
  public int longest() {
    return 2048;
  }

  @Override
  public int inputs() {
    return 500;
  }

  private static byte[] request(int code, long node, byte[] arguments) {
    byte[] r = new Words().u32(40 + arguments.length, code).u64(7, node).u32(0, 0, 0, 0).done();
    return new Words().u16(40 + arguments.length).bytes(r).bytes(arguments).done();
  }

  /** Of SETATTR: what is set, a size, and nanoseconds of both times. */
  private static byte[] attributes(int what, long size, int nanoseconds) {
    return new Words()
        .u32(what, 0)
        .u64(1, size, 0, 7, 8, 0)
        .u32(nanoseconds, nanoseconds, 0, 0640)
        .zeros(16)
        .done();
  }

  private static byte[] name(String... names) {
    return (String.join("\0", names) + "\0").getBytes(StandardCharsets.UTF_8);
  }

  private static byte[] list(byte[]... requests) {
    Words w = new Words().u8(0);
    for (byte[] r : requests) {
      w.bytes(r);
    }
    return w.done();
  }

  @Override
  public List<byte[]> seeds() {
    byte[] init = request(26, 0, new Words().u32(7, 31, 1 << 17, 0).done());
    byte[] find = request(1, 1, name("file"));
    byte[] open = new Words().u32(2, 0).done();
    byte[] read = new Words().u64(1, 0).u32(100, 0).u64(0).u32(0, 0).done();
    byte[] write =
        new Words().u64(1, 2).u32(3, 0).u64(0).u32(0, 0).bytes(new byte[] {1, 2, 3}).done();
    List<byte[]> all = new ArrayList<>();
    all.add(list(init, find, request(14, 2, open), request(15, 2, read)));
    all.add(list(init, find, request(14, 2, open), request(16, 2, write), request(18, 2, read)));
    all.add(list(init, request(27, 1, open), request(28, 1, read), request(44, 1, read)));
    all.add(
        list(
            init,
            request(35, 1, new Words().u32(0x42, 0644, 0, 0).bytes(name("new")).done()),
            request(9, 1, new Words().u32(0755, 0).bytes(name("dir")).done()),
            request(12, 1, new Words().u64(1).bytes(name("new", "other")).done()),
            request(10, 1, name("other")),
            request(11, 1, name("dir"))));
    all.add(
        list(
            init,
            request(6, 1, name("to", "../outside")),
            request(1, 1, name("link")),
            request(5, 2, new byte[0]),
            request(14, 2, open)));
    all.add(
        list(
            init,
            find,
            request(3, 2, new byte[16]),
            request(4, 2, new Words().u32(8, 0).u64(0, 5).zeros(72).done()),
            request(17, 1, new byte[0]),
            request(13, 1, new Words().u64(2).bytes(name("hard")).done()),
            request(2, 2, new Words().u64(1).done())));
    byte[] handle = new Words().u64(1).zeros(8).done();
    all.add(
        list(
            init,
            find,
            request(14, 2, open),
            request(4, 2, attributes(0x8 | 0x40, 3, 0)),
            request(4, 2, attributes(0x1 | 0x10 | 0x20 | 0x40, 0, 999)),
            request(4, 2, attributes(0x1 | 0x10 | 0x20 | 0x80 | 0x100, 0, 0)),
            request(4, 2, attributes(0x30, 0, -1)),
            request(3, 2, new Words().u32(1, 0).u64(1).done()),
            request(20, 2, handle),
            request(25, 2, handle),
            request(34, 2, handle),
            request(36, 2, handle),
            request(18, 2, handle)));
    all.add(
        list(
            init,
            request(8, 1, new Words().u32(0x81A4, 0, 0, 0).bytes(name("node")).done()),
            request(8, 1, new Words().u32(0x11A4, 0, 0, 0).bytes(name("pipe")).done()),
            request(9, 1, new Words().u32(0755, 0).bytes(name("a")).done()),
            request(1, 1, name("a")),
            request(9, 3, new Words().u32(0755, 0).bytes(name("b")).done()),
            request(1, 3, name("b")),
            request(6, 4, name("to", "away")),
            request(1, 4, name("to")),
            request(4, 5, attributes(0x30, 0, 5)),
            request(4, 3, attributes(0x1 | 0x10, 0, 5)),
            request(35, 4, new Words().u32(0xC2, 0600, 0, 0).bytes(name("deep")).done()),
            request(35, 1, new Words().u32(0x241, 0600, 0, 0).bytes(name("node")).done()),
            request(45, 1, new Words().u64(4).u32(1, 0).bytes(name("node", "deep")).done()),
            request(45, 1, new Words().u64(4).u32(2, 0).bytes(name("node", "deep")).done()),
            request(12, 1, new Words().u64(4).bytes(name("a", "a")).done()),
            request(14, 3, open),
            request(14, 5, open),
            request(11, 1, name("a")),
            request(1, 1, name("x".repeat(300)))));
    all.add(
        list(
            init,
            request(27, 1, open),
            request(28, 1, new Words().u64(1, 0).u32(60, 0).u64(0).u32(0, 0).done()),
            request(28, 1, new Words().u64(1, 1).u32(500, 0).u64(0).u32(0, 0).done()),
            request(28, 1, new Words().u64(1, 0).u32(500, 0).u64(0).u32(0, 0).done()),
            request(28, 1, new Words().u64(1, 0x7FFF_FFFF).u32(500, 0).u64(0).u32(0, 0).done()),
            request(30, 1, handle),
            request(29, 1, handle),
            find,
            request(42, 0, new Words().u32(2, 0).u64(2, 1, 3, 1).done()),
            request(38, 0, new byte[0]),
            request(3, 2, new byte[16])));
    for (byte[] b : List.copyOf(all)) {
      // As if it could only be read, and as it was.
      for (byte kind = 1; kind <= 2; kind++) {
        byte[] r = b.clone();
        r[0] = kind;
        all.add(r);
      }
    }
    return all;
  }

  @Override
  public void take(byte[] input) throws IOException {
    Path all = Files.createTempDirectory("vesper-fuzz");
    try {
      Path shared = Files.createDirectory(all.resolve("shared"));
      Path secret = Files.writeString(all.resolve("secret"), SECRET);
      Files.writeString(shared.resolve("file"), "inside");
      Files.createDirectory(shared.resolve("folder"));
      Files.createSymbolicLink(shared.resolve("link"), secret);
      FuzzInput in = new FuzzInput(input);
      int kind = in.u8();
      FuseServer server = kind == 2 ? FuseServer.frozen(shared) : new FuseServer(shared, kind == 1);
      try {
        for (int i = 0; i < MOST_REQUESTS && in.more(); i++) {
          byte[] r = in.bytes(in.u16() & 0x7FF);
          if (r.length >= 4) {
            r[0] = (byte) r.length;
            r[1] = (byte) (r.length >> 8);
            r[2] = 0;
            r[3] = 0;
          }
          byte[] answer = server.answer(r);
          if (new String(answer, StandardCharsets.ISO_8859_1).contains(SECRET)) {
            throw new IllegalStateException("the guest has read what it was not given");
          }
        }
      } finally {
        server.close();
      }
      try (Stream<Path> s = Files.list(all)) {
        if (s.count() != 2 || !Files.readString(secret).equals(SECRET)) {
          throw new IllegalStateException("the guest has changed what it was not given");
        }
      }
    } finally {
      try (Stream<Path> s = Files.walk(all)) {
        for (Path p : s.sorted(Comparator.reverseOrder()).toList()) {
          Files.delete(p);
        }
      }
    }
  }
}
