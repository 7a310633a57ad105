package dev.vesper.fuzz.store;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Objects;
import java.util.concurrent.TimeUnit;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Stores of one process: in memory and in a directory. */
final class StoreTest {
  @TempDir Path dir;

  private static byte[] bytes(String s) {
    return s.getBytes(StandardCharsets.US_ASCII);
  }

  private static String name(String s) {
    return Entries.name(bytes(s));
  }

  private static void behaves(CampaignStore s) {
    assertThat(s.claim("a")).isEmpty();
    assertThat(s.add(CampaignStore.Kind.QUEUE, name("one"), bytes("one"))).isTrue();
    assertThat(s.add(CampaignStore.Kind.QUEUE, name("one"), bytes("one"))).isFalse();
    assertThat(s.add(CampaignStore.Kind.QUEUE, name("two"), bytes("two"))).isTrue();
    assertThat(s.entry(CampaignStore.Kind.QUEUE, name("two"))).isEqualTo(bytes("two"));
    assertThat(s.entry(CampaignStore.Kind.CRASH, name("two"))).isNull();
    assertThat(s.names(CampaignStore.Kind.QUEUE)).isSorted().hasSize(2);
    String first = s.claim("a").orElseThrow();
    String second = s.claim("b").orElseThrow();
    assertThat(second).isNotEqualTo(first);
    assertThat(s.claim("a")).contains(first);
    byte[] seen = new byte[CampaignStore.MAP];
    seen[7] = 1;
    s.merge(seen);
    seen[7] = 4;
    assertThat(s.merge(seen)[7]).isEqualTo((byte) 5);
    assertThatThrownBy(() -> s.add(CampaignStore.Kind.QUEUE, "../../x", bytes("x")))
        .isInstanceOf(IllegalArgumentException.class);
    Progress p = new Progress("m", 1, 2, 3, 4, 5, 6, 7, 8, 9, 10);
    s.report(p);
    assertThat(s.members()).containsExactly(p);
  }

  @Test
  void bothDoTheSame() throws CampaignException {
    behaves(new MemoryStore());
    try (DirectoryStore s = new DirectoryStore(dir.resolve("new"))) {
      behaves(s);
    }
  }

  @Test
  void aDirectoryKeepsWhatItWasGivenAndIsOneProcesss() throws Exception {
    try (DirectoryStore s = new DirectoryStore(dir)) {
      s.add(CampaignStore.Kind.CRASH, name("c"), bytes("crash"));
      byte[] seen = new byte[CampaignStore.MAP];
      seen[1] = 2;
      s.merge(seen);
      assertThatThrownBy(() -> new DirectoryStore(dir).close())
          .isInstanceOf(CampaignException.class)
          .hasMessageContaining("another campaign");
    }
    try (DirectoryStore s = new DirectoryStore(dir)) {
      assertThat(s.entry(CampaignStore.Kind.CRASH, name("c"))).isEqualTo(bytes("crash"));
      assertThat(s.merge(new byte[CampaignStore.MAP])[1]).isEqualTo((byte) 2);
      s.add(CampaignStore.Kind.CRASH, name("d"), bytes("more"));
      Path d = Objects.requireNonNull(s.file(CampaignStore.Kind.CRASH, name("d")));
      assertThat(d.getFileName().toString()).startsWith("id_000001,");
    }
  }

  @Test
  void whatNoCampaignHasLeftIsPassedOverOrRefusedInALine() throws Exception {
    Path queue = Files.createDirectories(dir.resolve("queue"));
    Files.writeString(queue.resolve("notes.txt"), "mine");
    Files.createSymbolicLink(queue.resolve("id_000000," + name("l")), Path.of("/etc/passwd"));
    Files.createDirectory(queue.resolve("id_000001," + name("d")));
    Files.writeString(queue.resolve(".id_000002," + name("p") + ".part"), "half");
    try (DirectoryStore s = new DirectoryStore(dir)) {
      assertThat(s.names(CampaignStore.Kind.QUEUE)).isEmpty();
    }
    Path large = queue.resolve("id_000003," + name("g"));
    Files.write(large, new byte[CampaignStore.LARGEST_ENTRY + 1]);
    assertThatThrownBy(() -> new DirectoryStore(dir).close())
        .isInstanceOf(CampaignException.class)
        .hasMessageContaining("remove it");
    Files.delete(large);
    Files.write(dir.resolve("fuzz_bitmap"), new byte[3]);
    assertThatThrownBy(() -> new DirectoryStore(dir).close())
        .isInstanceOf(CampaignException.class)
        .hasMessageContaining("a map has");
    Path file = Files.writeString(dir.resolve("file"), "x");
    assertThatThrownBy(() -> new DirectoryStore(file).close())
        .isInstanceOf(CampaignException.class);
  }

  /** Adds entries until it is ended. */
  static final class Adder {
    private Adder() {}

    /** Begins. */
    public static void main(String[] args) throws Exception {
      try (DirectoryStore s = new DirectoryStore(Path.of(args[0]))) {
        for (int i = 0; ; i++) {
          byte[] b = bytes("entry " + i + " ".repeat(5000));
          s.add(CampaignStore.Kind.QUEUE, Entries.name(b), b);
          s.merge(new byte[CampaignStore.MAP]);
          Files.writeString(Path.of(args[1]), String.valueOf(i));
        }
      }
    }
  }

  @Test
  void aProcessThatIsKilledLosesNothingThatWasSaved() throws Exception {
    Path said = dir.resolve("said");
    Path store = dir.resolve("killed");
    Process p =
        new ProcessBuilder(
                Path.of(System.getProperty("java.home"), "bin", "java").toString(),
                "-XX:TieredStopAtLevel=1",
                "-cp",
                System.getProperty("java.class.path"),
                Adder.class.getName(),
                store.toString(),
                said.toString())
            .inheritIO()
            .start();
    while (p.isAlive() && (!Files.exists(said) || Files.size(said) < 2)) {
      Thread.sleep(20);
    }
    p.destroyForcibly();
    assertThat(p.waitFor(60, TimeUnit.SECONDS)).isTrue();
    String text = Files.readString(said);
    int saved = text.isEmpty() ? 9 : Integer.parseInt(text);
    try (DirectoryStore s = new DirectoryStore(store)) {
      List<String> names = s.names(CampaignStore.Kind.QUEUE);
      assertThat(names.size()).isGreaterThan(saved);
      for (String n : names) {
        byte[] entry = Objects.requireNonNull(s.entry(CampaignStore.Kind.QUEUE, n));
        assertThat(Entries.name(entry)).isEqualTo(n);
      }
    }
    try (Stream<Path> left = Files.list(store.resolve("queue"))) {
      assertThat(left.filter(f -> f.getFileName().toString().endsWith(".part")).count())
          .isLessThan(2);
    }
  }
}
