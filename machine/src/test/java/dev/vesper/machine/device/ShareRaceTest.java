package dev.vesper.machine.device;

import static dev.vesper.machine.device.FuseClient.O_RDWR;
import static dev.vesper.machine.device.FuseClient.O_TRUNC;
import static dev.vesper.machine.device.FuseClient.O_WRONLY;
import static dev.vesper.machine.device.FuseClient.room;
import static dev.vesper.machine.device.FuseClient.with;
import static org.assertj.core.api.Assertions.assertThat;

import dev.vesper.machine.device.share.FuseServer;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.LinkOption;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.Set;
import java.util.TreeMap;
import java.util.concurrent.ConcurrentLinkedQueue;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicLong;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

/**
 * Guests that share one folder, each by a server of its own, rename and link against each other:
 * whatever the moment, nothing outside is read, written or seen. Some seconds; ten minutes with
 * {@code -Dlong=true}.
 */
final class ShareRaceTest {
  private static final String SECRET = "SECRET-OF-THE-COMPUTER";
  private static final int GUESTS = 3;
  private static final int ROUND_SECONDS = 3;
  private static final int LONG_SECONDS = 600;

  private static final String[] NAMES = {"a", "b", "f", "g", "sub"};

  @TempDir Path temporary;

  /** {@return all that can be said of a tree} */
  private static Map<String, String> described(Path tree) throws IOException {
    Map<String, String> all = new TreeMap<>();
    try (Stream<Path> s = Files.walk(tree)) {
      for (Path p : s.toList()) {
        Map<String, Object> m =
            Files.readAttributes(
                p, "unix:ino,mode,nlink,size,lastModifiedTime,ctime", LinkOption.NOFOLLOW_LINKS);
        String text = Files.isRegularFile(p) ? Files.readString(p) : "";
        all.put(p.toString(), new TreeMap<>(m) + text);
      }
    }
    return all;
  }

  private static Set<Long> inodes(Path tree) throws IOException {
    Set<Long> all = new HashSet<>();
    try (Stream<Path> s = Files.walk(tree)) {
      for (Path p : s.toList()) {
        all.add((Long) Files.getAttribute(p, "unix:ino", LinkOption.NOFOLLOW_LINKS));
      }
    }
    return all;
  }

  /** A guest that wants out. */
  private static final class Guest implements Runnable {
    private final FuseClient fuse;
    private final Random random;
    private final String[] targets;
    private final Set<Long> outside;
    private final long until;
    private final ConcurrentLinkedQueue<String> breaches;
    private final AtomicLong uses;
    private final List<Long> nodes = new ArrayList<>(List.of(1L));

    Guest(
        FuseServer server,
        long seed,
        String[] targets,
        Set<Long> outside,
        long until,
        ConcurrentLinkedQueue<String> breaches,
        AtomicLong uses) {
      fuse = new FuseClient(server);
      random = new Random(seed);
      this.targets = targets;
      this.outside = outside;
      this.until = until;
      this.breaches = breaches;
      this.uses = uses;
    }

    private String name() {
      return NAMES[random.nextInt(NAMES.length)];
    }

    private long node() {
      return nodes.get(random.nextInt(nodes.size()));
    }

    private void note(long node) {
      if (node > 0) {
        if (nodes.size() > 40) {
          nodes.set(1 + random.nextInt(40), node);
        } else {
          nodes.add(node);
        }
      }
    }

    /** Looks at attributes in the last answer. */
    private void see(String by, int error, int at) {
      if (error == 0 && outside.contains(fuse.body().getLong(at))) {
        breaches.add(by + " has shown something outside");
      }
    }

    private void use(long handle) {
      if (handle <= 0) {
        return;
      }
      uses.incrementAndGet();
      if (fuse.read(handle, 0, 4096) == 0) {
        String s = StandardCharsets.ISO_8859_1.decode(fuse.body()).toString();
        if (s.contains(SECRET)) {
          breaches.add("the secret was read");
        }
      }
      fuse.write(handle, 0, "written by a guest".getBytes(StandardCharsets.ISO_8859_1));
      fuse.resize(1, handle, 20);
      fuse.release(handle);
    }

    private void list(long folder) {
      long h = fuse.openFolder(folder);
      if (h > 0) {
        if (fuse.list(h, 4096).contains("secret")) {
          breaches.add("a folder outside was listed");
        }
        fuse.ask(29, folder, room(24).putLong(h).array());
      }
    }

    @Override
    public void run() {
      fuse.ask(26, 0, room(16).putInt(7).putInt(31).array());
      while (System.nanoTime() < until && breaches.isEmpty()) {
        for (int i = 0; i < 100; i++) {
          step();
        }
      }
    }

    private void step() {
      switch (random.nextInt(16)) {
        case 0, 1, 2 -> {
          String n = random.nextInt(8) == 0 ? "secret" : name();
          int e = fuse.ask(1, node(), with(room(0), n));
          see("LOOKUP", e, 40);
          note(e == 0 ? fuse.body().getLong(0) : 0);
        }
        case 3 -> fuse.makeFolder(node(), name());
        case 4, 5 -> fuse.link(node(), name(), targets[random.nextInt(targets.length)]);
        case 6, 7, 8 -> fuse.rename(node(), name(), node(), name());
        case 9 -> fuse.remove(node(), name());
        case 10 -> use(fuse.open(node(), random.nextBoolean() ? O_RDWR : O_WRONLY | O_TRUNC));
        case 11 -> use(fuse.create(node(), name(), O_RDWR));
        case 12 -> {
          // Mode and times: 0600 for what is outside would be seen.
          int e = fuse.ask(4, node(), room(88).putInt(1 | 8 | 32).putInt(68, 0711).array());
          see("SETATTR", e, 16);
        }
        case 13 -> {
          fuse.ask(13, node(), with(room(8).putLong(node()), name()));
          fuse.ask(11, node(), with(room(0), name()));
        }
        case 14 -> list(node());
        default -> see("GETATTR", fuse.ask(3, node(), new byte[16]), 16);
      }
      if (random.nextInt(64) == 0 && nodes.size() > 1) {
        long gone = nodes.remove(1 + random.nextInt(nodes.size() - 1));
        fuse.ask(2, gone, room(8).putLong(random.nextInt(3)).array());
      }
    }
  }

  /** Races for a while, in a folder of its own that may grow as deep as it likes. */
  private void race(int round, Path outside, Set<Long> inodes)
      throws IOException, InterruptedException {
    Path root = Files.createDirectory(temporary.resolve("root"));
    String[] targets = {
      "..",
      "../outside",
      "../outside/sub",
      "../../outside",
      "a",
      "b",
      "../outside/secret",
      outside.toString(),
      outside.resolve("f").toString(),
      "/",
      "/etc/passwd"
    };
    ConcurrentLinkedQueue<String> breaches = new ConcurrentLinkedQueue<>();
    AtomicLong uses = new AtomicLong();
    long until = System.nanoTime() + ROUND_SECONDS * 1_000_000_000L;
    List<FuseServer> servers = new ArrayList<>();
    List<Thread> threads = new ArrayList<>();
    for (int i = 0; i < GUESTS; i++) {
      FuseServer s = new FuseServer(root, false);
      servers.add(s);
      long seed = (long) round * GUESTS + i;
      threads.add(new Thread(new Guest(s, seed, targets, inodes, until, breaches, uses)));
    }
    threads.forEach(t -> t.setUncaughtExceptionHandler((s, e) -> breaches.add(e.toString())));
    threads.forEach(Thread::start);
    for (Thread t : threads) {
      t.join();
    }
    servers.forEach(FuseServer::close);
    assertThat(breaches).isEmpty();
    assertThat(uses.get()).isGreaterThan(100 * ROUND_SECONDS);
    assertThat(temporary.toFile().list()).containsExactlyInAnyOrder("root", "outside");
    // It may be deeper than any path of Java's.
    assertThat(new ProcessBuilder("rm", "-rf", root.toString()).start().waitFor()).isZero();
  }

  @Test
  @Timeout(value = 40, unit = TimeUnit.MINUTES)
  void nobodyGetsOutWhateverOthersRename() throws IOException, InterruptedException {
    Path outside = Files.createDirectory(temporary.resolve("outside"));
    for (String n : NAMES) {
      Files.createDirectories(outside.resolve("sub").resolve(n));
    }
    for (String n : List.of("secret", "a", "f", "sub/secret", "sub/a/f")) {
      Files.writeString(outside.resolve(n), SECRET);
    }
    Map<String, String> before = described(outside);
    Set<Long> inodes = inodes(outside);
    inodes.add((Long) Files.getAttribute(temporary, "unix:ino"));
    int rounds = Boolean.getBoolean("long") ? LONG_SECONDS / ROUND_SECONDS : 1;
    for (int i = 0; i < rounds; i++) {
      race(i, outside, inodes);
      assertThat(described(outside)).as("round %d", i).isEqualTo(before);
    }
  }
}
