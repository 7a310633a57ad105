package dev.vesper.machine.device;

import static dev.vesper.machine.device.FuseClient.O_EXCL;
import static dev.vesper.machine.device.FuseClient.O_RDWR;
import static dev.vesper.machine.device.FuseClient.O_TRUNC;
import static dev.vesper.machine.device.FuseClient.O_WRONLY;
import static dev.vesper.machine.device.FuseClient.room;
import static dev.vesper.machine.device.FuseClient.with;
import static org.assertj.core.api.Assertions.assertThat;
import static org.junit.jupiter.api.Assertions.assertTimeoutPreemptively;

import dev.vesper.machine.device.share.FuseServer;
import java.io.IOException;
import java.net.StandardProtocolFamily;
import java.net.UnixDomainSocketAddress;
import java.nio.channels.ServerSocketChannel;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.FileTime;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.stream.Stream;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** A shared folder: every request with nodes, handles and names of every kind. */
final class FuseKindsTest {
  private static final int ENOENT = -2;
  private static final int EBADF = -9;
  private static final int EACCES = -13;
  private static final int EEXIST = -17;
  private static final int ENODEV = -19;
  private static final int ENOTDIR = -20;
  private static final int EISDIR = -21;
  private static final int EINVAL = -22;
  private static final int ENAMETOOLONG = -36;
  private static final int ELOOP = -40;
  private static final int ESTALE = -116;

  @TempDir Path temporary;
  private Path root;
  private FuseServer server;
  private FuseClient guest;

  @BeforeEach
  void share() throws IOException {
    root = Files.createDirectory(temporary.resolve("root"));
    server = new FuseServer(root, false);
    guest = new FuseClient(server);
  }

  @AfterEach
  void end() {
    server.close();
  }

  private static int run(ProcessBuilder b) throws IOException, InterruptedException {
    return b.redirectErrorStream(true).start().waitFor();
  }

  /** {@return the names of a pipe, a socket, and a device where one can be made} */
  private List<String> special() throws IOException, InterruptedException {
    List<String> all = new ArrayList<>(List.of("pipe", "socket"));
    assertThat(run(new ProcessBuilder("mkfifo", root.resolve("pipe").toString()))).isZero();
    ServerSocketChannel s = ServerSocketChannel.open(StandardProtocolFamily.UNIX);
    s.bind(UnixDomainSocketAddress.of(root.resolve("socket")));
    s.close();
    if (run(new ProcessBuilder("mknod", root.resolve("null").toString(), "c", "1", "3")) == 0) {
      all.add("null");
    }
    return all;
  }

  @Test
  void pipesSocketsAndDevicesCanOnlyBeSeen() throws IOException, InterruptedException {
    for (String name : special()) {
      assertTimeoutPreemptively(
          Duration.ofSeconds(20),
          () -> {
            long node = guest.lookUp(1, name);
            assertThat(node).as(name).isPositive();
            assertThat(guest.ask(3, node, new byte[16])).isZero();
            for (int flags : new int[] {0, O_WRONLY, O_RDWR, O_WRONLY | O_TRUNC}) {
              assertThat(guest.open(node, flags)).as(name).isEqualTo(EACCES);
              assertThat(guest.create(1, name, flags)).as(name).isEqualTo(EACCES);
            }
            assertThat(guest.create(1, name, O_EXCL)).isEqualTo(EEXIST);
            for (int what = 1; what < 512; what <<= 1) {
              int e = guest.ask(4, node, room(88).putInt(what).array());
              assertThat(e).as(name + " " + what).isEqualTo(what == 64 ? EBADF : EACCES);
            }
            assertThat(guest.ask(5, node, new byte[0])).isEqualTo(EACCES);
            assertThat(guest.ask(13, 1, with(room(8).putLong(node), "l"))).isEqualTo(EACCES);
            assertThat(guest.ask(34, node, new byte[8])).isEqualTo(EACCES);
            assertThat(guest.openFolder(node)).isEqualTo(ENOTDIR);
            assertThat(guest.lookUp(node, "x")).isEqualTo(ENOTDIR);
            assertThat(guest.rename(1, name, node, "x")).isEqualTo(ENOTDIR);
            // A name can go: it is one of the folder's.
            assertThat(guest.rename(1, name, 1, name + "2")).isZero();
            assertThat(guest.remove(1, name + "2")).isZero();
          });
    }
  }

  @Test
  void foldersAndLinksAreNoFiles() throws IOException {
    Files.createDirectory(root.resolve("d"));
    Files.createSymbolicLink(root.resolve("l"), Path.of("d"));
    Files.writeString(root.resolve("f"), "f");
    long d = guest.lookUp(1, "d");
    long l = guest.lookUp(1, "l");
    long f = guest.lookUp(1, "f");
    assertThat(guest.open(d, 0)).isEqualTo(EISDIR);
    assertThat(guest.open(l, 0)).isEqualTo(ELOOP);
    assertThat(guest.create(1, "d", O_RDWR)).isEqualTo(EISDIR);
    assertThat(guest.create(1, "l", O_RDWR)).isEqualTo(ELOOP);
    assertThat(guest.resize(d, 0, 0)).isEqualTo(EISDIR);
    assertThat(guest.resize(l, 0, 0)).isEqualTo(ELOOP);
    assertThat(guest.ask(5, f, new byte[0])).isEqualTo(EINVAL);
    assertThat(guest.ask(5, d, new byte[0])).isEqualTo(EINVAL);
    assertThat(guest.openFolder(f)).isEqualTo(ENOTDIR);
    assertThat(guest.openFolder(l)).isEqualTo(ENOTDIR);
    assertThat(guest.remove(1, "d")).isEqualTo(EISDIR);
    assertThat(guest.ask(11, 1, with(room(0), "f"))).isEqualTo(ENOTDIR);
    assertThat(guest.ask(13, 1, with(room(8).putLong(d), "x"))).isEqualTo(-1);
    assertThat(guest.open(f, 3)).isEqualTo(EINVAL);
    // The times of a link are its own.
    long[] t = {1_000_000_000, 5};
    byte[] a = room(88).putInt(32).putLong(40, t[0]).putInt(60, (int) t[1]).array();
    assertThat(guest.ask(4, l, a)).isZero();
    assertThat(guest.ask(4, d, a)).isZero();
    assertThat(
            Files.getLastModifiedTime(root.resolve("l"), java.nio.file.LinkOption.NOFOLLOW_LINKS))
        .isEqualTo(FileTime.from(java.time.Instant.ofEpochSecond(t[0], t[1])));
    assertThat(guest.ask(4, d, room(88).putInt(32).putInt(60, 1_000_000_000).array()))
        .isEqualTo(EINVAL);
  }

  @Test
  void aHandleDoesWhatItWasOpenedFor() throws IOException {
    Files.writeString(root.resolve("f"), "contents");
    long f = guest.lookUp(1, "f");
    long w = guest.open(f, O_WRONLY);
    long r = guest.open(f, 0);
    long made = guest.create(1, "made", O_WRONLY);
    long made0 = guest.create(1, "made0", 0);
    long folder = guest.openFolder(1);
    for (int size : new int[] {0, 1, 16, 1 << 30}) {
      assertThat(guest.read(w, 0, size)).isEqualTo(EBADF);
      assertThat(guest.read(made, 0, size)).isEqualTo(EBADF);
      assertThat(guest.read(folder, 0, size)).isEqualTo(EBADF);
      assertThat(guest.read(12345, 0, size)).isEqualTo(EBADF);
    }
    for (int size : new int[] {0, 1, 300_000}) {
      assertThat(guest.write(r, 0, new byte[size])).isEqualTo(EBADF);
      assertThat(guest.write(made0, 0, new byte[size])).isEqualTo(EBADF);
      assertThat(guest.write(folder, 0, new byte[size])).isEqualTo(EBADF);
    }
    assertThat(root.resolve("f")).hasContent("contents");
    assertThat(guest.resize(f, r, 0)).isEqualTo(EINVAL);
    assertThat(guest.resize(f, 12345, 0)).isEqualTo(EBADF);
    assertThat(guest.read(r, -1, 4)).isEqualTo(EINVAL);
    assertThat(guest.write(w, -1, new byte[1])).isEqualTo(EINVAL);
    for (int code : new int[] {20, 25}) {
      assertThat(guest.ask(code, f, room(24).putLong(12345).array())).isEqualTo(EBADF);
      assertThat(guest.ask(code, f, room(24).putLong(folder).array())).isEqualTo(EBADF);
      assertThat(guest.ask(code, f, room(24).putLong(w).array())).isZero();
    }
    assertThat(guest.ask(30, 1, room(24).putLong(w).array())).isEqualTo(EBADF);
    assertThat(guest.ask(28, 1, room(40).putLong(w).array())).isEqualTo(EBADF);
    assertThat(guest.release(r)).isZero();
    assertThat(guest.read(r, 0, 4)).isEqualTo(EBADF);
    // What is open lives on without a name, and its size and attributes are asked by the handle.
    assertThat(guest.remove(1, "f")).isZero();
    assertThat(guest.ask(3, f, new byte[16])).isEqualTo(ENOENT);
    assertThat(guest.resize(f, w, 3)).isZero();
    assertThat(guest.ask(3, f, room(16).putInt(1).putInt(0).putLong(w).array())).isZero();
    assertThat(guest.body().getLong(24)).isEqualTo(3);
  }

  @Test
  void namesAreBytesWhateverTheLocaleIs() throws IOException, InterruptedException {
    ProcessBuilder b =
        new ProcessBuilder(
            Path.of(System.getProperty("java.home"), "bin/java").toString(),
            "--enable-native-access=ALL-UNNAMED",
            "-cp",
            System.getProperty("java.class.path"),
            FuseNames.class.getName(),
            root.toString());
    b.environment().put("LC_ALL", "C");
    Process p = b.redirectErrorStream(true).start();
    String said = new String(p.getInputStream().readAllBytes());
    p.waitFor();
    assertThat(said).isEqualTo("0 0 0 0 0 0 0 0 0 0 0 0 true");
  }

  @Test
  void aNameIsNoWay() {
    String[] wrong = {"", ".", "..", "a/b", "/"};
    for (String n : wrong) {
      assertThat(guest.lookUp(1, n)).isEqualTo(EINVAL);
      assertThat(guest.create(1, n, O_RDWR)).isEqualTo(EINVAL);
      assertThat(guest.makeFolder(1, n)).isEqualTo(EINVAL);
      assertThat(guest.link(1, n, "x")).isEqualTo(EINVAL);
      assertThat(guest.remove(1, n)).isEqualTo(EINVAL);
      assertThat(guest.rename(1, n, 1, "x")).isEqualTo(EINVAL);
      assertThat(guest.rename(1, "x", 1, n)).isEqualTo(EINVAL);
      assertThat(guest.ask(8, 1, with(room(16).putInt(0x81A4), n))).isEqualTo(EINVAL);
    }
    assertThat(guest.lookUp(1, "n".repeat(256))).isEqualTo(ENAMETOOLONG);
    assertThat(guest.lookUp(1, "n".repeat(100_000))).isEqualTo(ENAMETOOLONG);
    assertThat(guest.link(1, "l", "n".repeat(4096))).isEqualTo(ENAMETOOLONG);
    assertThat(guest.link(1, "l", "n".repeat(4095))).isZero();
    assertThat(guest.ask(5, guest.lookUp(1, "l"), new byte[0])).isZero();
    assertThat(guest.body().remaining()).isEqualTo(4095);
  }

  /** Chains of folders that are moved into each other: deeper than any path is long. */
  @Test
  void foldersInFoldersEndInAnError() throws IOException, InterruptedException {
    long leaf = 0;
    for (int k = 0; k < 40; k++) {
      assertThat(guest.makeFolder(1, "c" + k)).isZero();
      long p = guest.body().getLong(0);
      for (int i = 0; i < 60; i++) {
        assertThat(guest.makeFolder(p, "d")).isZero();
        p = guest.body().getLong(0);
      }
      if (k == 0) {
        leaf = p;
      } else {
        assertThat(guest.rename(1, "c" + (k - 1), p, "n")).isZero();
      }
    }
    assertThat(guest.ask(3, leaf, new byte[16])).isEqualTo(ENAMETOOLONG);
    byte[] byHandle = room(16).putInt(1).putInt(0).putLong(12345).array();
    assertThat(guest.ask(3, leaf, byHandle)).isEqualTo(ENAMETOOLONG);
    assertThat(guest.makeFolder(leaf, "x")).isEqualTo(ENAMETOOLONG);
    // No path of Java's leads there.
    assertThat(run(new ProcessBuilder("rm", "-rf", root.toString()))).isZero();
  }

  /** What others move about makes a ring of names. */
  @Test
  void aRingOfFoldersEndsInAnError() throws IOException {
    Files.createDirectories(root.resolve("x/y"));
    long x = guest.lookUp(1, "x");
    long y = guest.lookUp(x, "y");
    Files.move(root.resolve("x/y"), root.resolve("y"));
    assertThat(guest.rename(1, "x", y, "x")).isZero();
    forgetDescriptors();
    assertThat(guest.ask(3, x, new byte[16])).isEqualTo(ENAMETOOLONG);
    assertThat(guest.lookUp(guest.lookUp(1, "y"), "x")).isPositive();
  }

  /** Uses so many other nodes that no descriptor of earlier ones is left. */
  private void forgetDescriptors() throws IOException {
    for (int i = 0; i < 300; i++) {
      Files.writeString(root.resolve("other" + i), "");
      assertThat(guest.lookUp(1, "other" + i)).isPositive();
    }
  }

  @Test
  void whatComesInTheWayOfANodeIsNotTakenForIt() throws IOException {
    Path outside = Files.createDirectory(temporary.resolve("outside"));
    Files.writeString(outside.resolve("f"), "secret");
    Files.createDirectories(root.resolve("a/b"));
    Files.writeString(root.resolve("a/b/f"), "inside");
    long a = guest.lookUp(1, "a");
    long b = guest.lookUp(a, "b");
    long f = guest.lookUp(b, "f");
    forgetDescriptors();
    Files.move(root.resolve("a/b"), root.resolve("moved"));
    Files.createSymbolicLink(root.resolve("a/b"), outside);
    assertThat(guest.open(f, 0)).isEqualTo(ESTALE);
    Files.delete(root.resolve("a/b"));
    Files.createDirectory(root.resolve("a/b"));
    Files.writeString(root.resolve("a/b/f"), "another");
    assertThat(guest.open(f, 0)).isEqualTo(ESTALE);
    assertThat(guest.ask(3, b, new byte[16])).isEqualTo(ESTALE);
    assertThat(guest.lookUp(a, "b")).isNotEqualTo(b);
    Files.move(root.resolve("a/b"), temporary.resolve("gone"));
    Files.move(root.resolve("moved"), root.resolve("a/b"));
    assertThat(guest.lookUp(guest.lookUp(a, "b"), "f")).isPositive();
  }

  @Test
  void theFolderStaysTheOneThatWasShared() throws IOException {
    Files.writeString(root.resolve("f"), "inside");
    Path outside = Files.createDirectory(temporary.resolve("outside"));
    Files.writeString(outside.resolve("f"), "secret");
    Files.move(root, temporary.resolve("elsewhere"));
    Files.createSymbolicLink(root, outside);
    long h = guest.open(guest.lookUp(1, "f"), O_RDWR);
    assertThat(guest.read(h, 0, 100)).isZero();
    assertThat(new String(guest.body().array())).isEqualTo("inside");
    assertThat(guest.create(1, "new", O_RDWR)).isPositive();
    assertThat(outside.resolve("new")).doesNotExist();
    assertThat(temporary.resolve("elsewhere/new")).exists();
  }

  private static long descriptors() throws IOException {
    try (Stream<Path> s = Files.list(Path.of("/proc/self/fd"))) {
      return s.count();
    }
  }

  @Test
  void descriptorsAreCounted() throws IOException {
    for (int i = 0; i < 2000; i++) {
      Files.writeString(root.resolve("f" + i), "" + i);
    }
    long before = descriptors();
    long[] nodes = new long[2000];
    for (int i = 0; i < 2000; i++) {
      nodes[i] = guest.lookUp(1, "f" + i);
    }
    assertThat(descriptors() - before).isLessThan(300);
    for (int i = 0; i < 2000; i += 7) {
      assertThat(guest.ask(3, nodes[i], new byte[16])).isZero();
    }
    List<Long> files = new ArrayList<>();
    long h = guest.open(nodes[0], 0);
    while (h > 0 && files.size() < 10_000) {
      files.add(h);
      h = guest.open(nodes[files.size() % 2000], 0);
    }
    assertThat(h).isEqualTo(-23);
    assertThat(files).hasSizeBetween(16, 4096);
    assertThat(guest.create(1, "more", O_RDWR)).isEqualTo(-23);
    assertThat(root.resolve("more")).doesNotExist();
    files.forEach(guest::release);
    // A guest that starts anew has nothing open.
    assertThat(guest.open(nodes[1], 0)).isPositive();
    assertThat(guest.openFolder(1)).isPositive();
    assertThat(guest.ask(26, 0, room(16).putInt(7).putInt(31).array())).isZero();
    assertThat(descriptors()).isEqualTo(before);
    assertThat(guest.ask(3, nodes[1], new byte[16])).isEqualTo(ENOENT);
    server.close();
    server.close();
    assertThat(descriptors()).isEqualTo(before - 1);
    assertThat(guest.lookUp(1, "f1")).isEqualTo(ENODEV);
  }

  @Test
  void largeFoldersAreListedAsTheyAreRead() throws IOException {
    String long200 = "n".repeat(195);
    for (int i = 0; i < 20_000; i++) {
      Files.createFile(root.resolve(long200 + i));
    }
    List<Long> handles = new ArrayList<>();
    long start = System.nanoTime();
    for (int i = 0; i < 128; i++) {
      handles.add(guest.openFolder(1));
    }
    for (long h : handles) {
      assertThat(guest.ask(28, 1, room(40).putLong(h).putLong(0).putInt(4096).array())).isZero();
      assertThat(guest.body().remaining()).isBetween(3000, 4096);
    }
    assertThat(System.nanoTime() - start).isLessThan(2_000_000_000L);
    List<String> all = guest.list(handles.get(5), 1 << 17);
    assertThat(all).hasSize(20_002).doesNotHaveDuplicates().contains(".", "..", long200 + 19_999);
    assertThat(guest.list(handles.get(6), 333)).hasSize(20_002).doesNotHaveDuplicates();
  }

  @Test
  void smallFoldersAreListedInOrder() throws IOException {
    List<String> names = new ArrayList<>(List.of(".", ".."));
    for (int i = 0; i < 1000; i++) {
      Files.createFile(root.resolve("f" + i));
      names.add("f" + i);
    }
    Collections.sort(names);
    long h = guest.openFolder(1);
    assertThat(guest.list(h, 1000)).isEqualTo(names);
    // While others change it, what has been begun goes on; from the start on it is as it is.
    Files.delete(root.resolve("f0"));
    assertThat(guest.list(h, 1 << 17)).hasSize(names.size() - 1).doesNotContain("f0");
    // All that is kept at a time is bounded; the rest is given as it comes.
    List<Long> many = new ArrayList<>();
    for (int i = 0; i < 600; i++) {
      many.add(guest.openFolder(1));
      assertThat(guest.list(many.get(i), 1 << 17)).as("%d", i).hasSize(names.size() - 1);
    }
  }

  @Test
  void nothingIsRenamedOverWhatMustStay() throws IOException {
    Files.writeString(root.resolve("a"), "a");
    Files.writeString(root.resolve("b"), "b");
    byte[] keep = with(room(16).putLong(1).putInt(1).putInt(0), "a", "b");
    assertThat(guest.ask(45, 1, keep)).isEqualTo(EEXIST);
    assertThat(guest.ask(45, 1, with(room(16).putLong(1).putInt(2), "a", "b"))).isEqualTo(EINVAL);
    long a = guest.lookUp(1, "a");
    long b = guest.lookUp(1, "b");
    assertThat(guest.rename(1, "a", 1, "b")).isZero();
    assertThat(guest.ask(3, a, new byte[16])).isZero();
    assertThat(guest.ask(3, b, new byte[16])).isEqualTo(ENOENT);
    assertThat(guest.lookUp(1, "b")).isEqualTo(a);
  }
}
