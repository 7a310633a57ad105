package dev.vesper.machine.device;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.vesper.machine.device.share.FuseServer;
import java.io.IOException;
import java.io.RandomAccessFile;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.FileTime;
import java.util.ArrayList;
import java.util.List;
import java.util.Random;
import java.util.stream.Stream;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** A shared folder, asked as a kernel asks and as a guest asks that wants out. */
final class FuseServerTest {
  private static final int ENOENT = -2;
  private static final int ENOTDIR = -20;
  private static final int EINVAL = -22;
  private static final int EROFS = -30;

  @TempDir Path temporary;
  private Path root;
  private Path outside;
  private FuseServer server;

  @BeforeEach
  void makeFolders() throws IOException {
    root = Files.createDirectory(temporary.resolve("root"));
    outside = Files.createDirectory(temporary.resolve("outside"));
    Files.writeString(outside.resolve("secret"), "secret");
    Files.createDirectories(root.resolve("a/b"));
    Files.writeString(root.resolve("a/b/file"), "inside");
    server = new FuseServer(root, false);
  }

  private static ByteBuffer bytes(int n) {
    return ByteBuffer.allocate(n).order(ByteOrder.LITTLE_ENDIAN);
  }

  private ByteBuffer ask(int code, long node, byte[] arguments) {
    ByteBuffer r = bytes(40 + arguments.length);
    r.putInt(r.capacity()).putInt(code).putLong(7).putLong(node).position(40);
    r.put(arguments);
    return ByteBuffer.wrap(server.answer(r.array())).order(ByteOrder.LITTLE_ENDIAN);
  }

  private static byte[] names(String... names) {
    return (String.join("\0", names) + "\0").getBytes(StandardCharsets.UTF_8);
  }

  private static byte[] with(ByteBuffer head, String... names) {
    byte[] n = names(names);
    return bytes(head.capacity() + n.length).put(head.array()).put(n).array();
  }

  private long lookUp(long folder, String name) {
    ByteBuffer r = ask(1, folder, names(name));
    assertThat(r.getInt(4)).as(name).isZero();
    return r.getLong(16);
  }

  private int error(int code, long node, byte[] arguments) {
    return ask(code, node, arguments).getInt(4);
  }

  @Test
  void filesAreReadAndWritten() throws IOException {
    long b = lookUp(lookUp(1, "a"), "b");
    long file = lookUp(b, "file");
    long handle = ask(14, file, bytes(8).putInt(2).array()).getLong(16);
    ByteBuffer r = ask(15, file, bytes(40).putLong(handle).putLong(2).putInt(100).array());
    assertThat(new String(r.array(), 16, r.capacity() - 16, StandardCharsets.UTF_8))
        .isEqualTo("side");
    ByteBuffer w = bytes(43).putLong(handle).putLong(6).putInt(3);
    w.position(40);
    assertThat(ask(16, file, w.put("ful".getBytes(StandardCharsets.UTF_8)).array()).getInt(16))
        .isEqualTo(3);
    assertThat(root.resolve("a/b/file")).hasContent("insideful");
    assertThat(error(12, b, with(bytes(8).putLong(1), "file", "moved"))).isZero();
    assertThat(root.resolve("moved")).hasContent("insideful");
    assertThat(error(10, 1, names("moved"))).isZero();
    assertThat(error(3, file, new byte[16])).isEqualTo(ENOENT);
  }

  @Test
  void nobodyGetsOut() throws IOException {
    assertThat(error(1, 1, names(".."))).isEqualTo(EINVAL);
    assertThat(error(1, 1, names("../outside/secret"))).isEqualTo(EINVAL);
    long a = lookUp(1, "a");
    long b = lookUp(a, "b");
    long file = lookUp(b, "file");
    // A link out of the folder can be made and seen, but not gone through.
    assertThat(error(6, 1, names("out", outside.toString()))).isZero();
    long out = lookUp(1, "out");
    assertThat(error(1, out, names("secret"))).isEqualTo(ENOTDIR);
    assertThat(error(27, out, new byte[8])).isEqualTo(ENOTDIR);
    assertThat(error(14, out, new byte[8])).isNegative();
    // A folder on the way is replaced by a link while a node below it is held.
    Files.writeString(outside.resolve("file"), "secret");
    assertThat(error(12, a, with(bytes(8).putLong(1), "b", "c"))).isZero();
    assertThat(error(6, a, names("b", outside.toString()))).isZero();
    long handle = ask(14, file, bytes(8).putInt(0).array()).getLong(16);
    ByteBuffer r = ask(15, file, bytes(40).putLong(handle).putLong(0).putInt(100).array());
    assertThat(new String(r.array(), StandardCharsets.ISO_8859_1)).contains("inside");
    // Somebody else does so: the file that was looked up is still the one that is meant.
    Files.move(root.resolve("c"), root.resolve("d"));
    Files.createSymbolicLink(root.resolve("c"), outside);
    assertThat(contents(file)).isEqualTo("inside");
    assertThat(error(1, lookUp(1, "c"), names("file"))).isEqualTo(ENOTDIR);
  }

  private String contents(long file) {
    long handle = ask(14, file, bytes(8).array()).getLong(16);
    ByteBuffer r = ask(15, file, bytes(40).putLong(handle).putLong(0).putInt(100).array());
    ask(18, file, bytes(24).putLong(handle).array());
    return new String(r.array(), 16, r.capacity() - 16, StandardCharsets.UTF_8);
  }

  @Test
  void whatIsReadOnlyStaysAsItIs() throws IOException {
    server = new FuseServer(root, true);
    assertThat(error(9, 1, with(bytes(8), "new"))).isEqualTo(EROFS);
    assertThat(error(35, 1, with(bytes(16).putInt(1), "new"))).isEqualTo(EROFS);
    assertThat(error(10, lookUp(lookUp(1, "a"), "b"), names("file"))).isEqualTo(EROFS);
    assertThat(error(14, lookUp(lookUp(lookUp(1, "a"), "b"), "file"), bytes(8).putInt(2).array()))
        .isEqualTo(EROFS);
    assertThat(root.resolve("a/b/file")).hasContent("inside");
  }

  /** {@return all that a guest finds, by the same requests} */
  private List<byte[]> everything() {
    List<byte[]> all = new ArrayList<>();
    all.add(ask(26, 0, bytes(16).putInt(7).putInt(31).array()).array());
    all.add(ask(17, 1, new byte[0]).array());
    for (long node = 1; node < 8; node++) {
      all.add(ask(3, node, new byte[16]).array());
      all.add(ask(5, node, new byte[0]).array());
      all.add(ask(14, node, new byte[8]).array());
      all.add(ask(15, node, bytes(40).putInt(16, 100).array()).array());
      all.add(ask(28, node, bytes(40).putInt(16, 4096).array()).array());
      for (String name : List.of("a", "b", "file", "link", "other")) {
        all.add(ask(1, node, names(name)).array());
      }
    }
    return all;
  }

  @Test
  void aFrozenFolderIsWhatItWas() throws IOException {
    Files.createSymbolicLink(root.resolve("link"), outside.resolve("secret"));
    FileTime then = FileTime.fromMillis(1_700_000_000_000L);
    for (String f : List.of("a/b/file", "a/b", "a", "")) {
      Files.setLastModifiedTime(root.resolve(f), then);
    }
    server = FuseServer.frozen(root);
    final List<byte[]> first = everything();
    // By the order of names of each folder: a, link, a/b, a/b/file.
    assertThat(lookUp(1, "link")).isEqualTo(3);
    assertThat(lookUp(lookUp(2, "b"), "file")).isEqualTo(5);
    assertThat(contents(5)).isEqualTo("inside");
    assertThat(error(1, 1, names(".."))).isEqualTo(EINVAL);
    assertThat(new String(ask(5, 3, new byte[0]).array(), StandardCharsets.ISO_8859_1))
        .endsWith(outside.resolve("secret").toString());
    assertThat(error(27, 3, new byte[8])).isEqualTo(ENOTDIR);
    for (int code : new int[] {4, 6, 8, 9, 10, 11, 12, 13, 16, 35, 45}) {
      assertThat(error(code, 1, with(bytes(104), "a", "b"))).as("%s", code).isEqualTo(EROFS);
    }
    assertThat(error(14, 5, bytes(8).putInt(2).array())).isEqualTo(EROFS);
    assertThat(error(14, 5, bytes(8).putInt(0x200).array())).isEqualTo(EROFS);
    // Neither what becomes of the folder nor who has it closed is seen.
    Files.writeString(root.resolve("a/b/file"), "changed");
    Files.writeString(root.resolve("other"), "new");
    server.close();
    assertThat(everything()).usingRecursiveComparison().isEqualTo(first);
    assertThat(server.takeCalls()).isZero();
  }

  /** A copy that somebody else has made at another time is the same. */
  @Test
  void aFrozenCopyIsTheSame() throws IOException {
    FileTime then = FileTime.fromMillis(1_700_000_000_000L);
    Path copy = temporary.resolve("copy");
    Files.createDirectories(copy.resolve("a/b"));
    Files.writeString(copy.resolve("a/b/file"), "inside");
    List<List<byte[]>> both = new ArrayList<>();
    for (Path p : List.of(root, copy)) {
      for (String f : List.of("a/b/file", "a/b", "a", "")) {
        Files.setLastModifiedTime(p.resolve(f), then);
      }
      server = FuseServer.frozen(p);
      both.add(everything());
    }
    assertThat(both.get(0)).usingRecursiveComparison().isEqualTo(both.get(1));
  }

  @Test
  void aFrozenFolderHasItsLimit() throws IOException {
    try (RandomAccessFile f = new RandomAccessFile(root.resolve("large").toFile(), "rw")) {
      f.setLength((64L << 20) + 1);
    }
    assertThatThrownBy(() -> FuseServer.frozen(root)).hasMessageContaining("more than 64 MiB");
  }

  /** Whatever is asked: nothing is thrown, and nothing outside changes. */
  @Test
  void anyRequestIsBorne() throws IOException {
    Random r = new Random(9);
    String[] some = {"a", "b", "c", "file", "..", "out", "/etc/passwd", outside.toString(), ""};
    for (int i = 0; i < 30_000; i++) {
      ByteBuffer head = bytes(8 * r.nextInt(7));
      while (head.remaining() >= 8) {
        head.putLong(r.nextInt(6) == 0 ? r.nextLong() : r.nextInt(12));
      }
      byte[] a = with(head, some[r.nextInt(some.length)], some[r.nextInt(some.length)]);
      ask(r.nextInt(50), r.nextInt(10) == 0 ? r.nextLong() : 1 + r.nextInt(12), a);
    }
    try (Stream<Path> s = Files.list(outside)) {
      assertThat(s.map(p -> p.getFileName().toString())).containsExactly("secret");
    }
    assertThat(outside.resolve("secret")).hasContent("secret");
    server.close();
  }
}
