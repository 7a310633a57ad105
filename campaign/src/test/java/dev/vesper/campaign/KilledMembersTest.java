package dev.vesper.campaign;

import static org.assertj.core.api.Assertions.assertThat;

import dev.vesper.fuzz.store.CampaignException;
import dev.vesper.fuzz.store.CampaignStore;
import dev.vesper.fuzz.store.CampaignStore.Kind;
import dev.vesper.fuzz.store.Entries;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeMap;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.condition.EnabledIfSystemProperty;
import org.junit.jupiter.api.io.TempDir;

/**
 * Three members, processes of their own with certificates, of which one after the other is killed
 * without a word and comes back. What the store has told one of them is kept has to be there.
 */
@Tag("slow")
final class KilledMembersTest {
  private static final List<String> NAMES = List.of("m0", "m1", "m2");
  private static final long PATIENCE_NANOS = Duration.ofSeconds(300).toNanos();

  @TempDir private Path folder;
  private Path certificates;
  private final Map<String, String> places = new TreeMap<>();
  private final Map<String, Process> running = new HashMap<>();

  @BeforeEach
  void prepare() throws IOException {
    certificates = Members.certificates(folder.resolve("tls"), "m0", "m1", "m2", "witness");
    for (String n : NAMES) {
      places.put(n, Members.free());
    }
  }

  @AfterEach
  void end() throws InterruptedException {
    for (String n : NAMES) {
      kill(n);
    }
  }

  private void start(String name, boolean first) throws IOException {
    List<String> others = new ArrayList<>(places.values());
    others.remove(places.get(name));
    Path out = folder.resolve(name + ".out");
    Files.deleteIfExists(out);
    List<String> line =
        List.of(
            ProcessHandle.current().info().command().orElse("java"),
            "-Xmx192m",
            "-XX:+UseSerialGC",
            "-XX:TieredStopAtLevel=1",
            "--sun-misc-unsafe-memory-access=allow",
            "--enable-native-access=ALL-UNNAMED",
            "-cp",
            System.getProperty("java.class.path"),
            LedgerMember.class.getName(),
            name,
            folder.resolve(name).toString(),
            String.valueOf(places.get(name)),
            first ? "" : String.join(",", others),
            certificates.toString());
    running.put(
        name,
        new ProcessBuilder(line).redirectErrorStream(true).redirectOutput(out.toFile()).start());
  }

  private void awaitJoined(String name) throws IOException, InterruptedException {
    long since = System.nanoTime();
    Path out = folder.resolve(name + ".out");
    while (!Files.readString(out).contains("joined")) {
      Process p = running.get(name);
      assertThat(p != null && p.isAlive()).as(Files.readString(out)).isTrue();
      assertThat(System.nanoTime() - since).as("%s joins", name).isLessThan(PATIENCE_NANOS);
      Thread.sleep(50);
    }
  }

  private void kill(String name) throws InterruptedException {
    Process p = running.remove(name);
    if (p != null) {
      p.destroyForcibly().waitFor();
    }
  }

  private void killedByTurns(Duration whole, Duration between)
      throws IOException, InterruptedException, CampaignException {
    start("m0", true);
    awaitJoined("m0");
    start("m1", false);
    start("m2", false);
    awaitJoined("m1");
    awaitJoined("m2");
    long until = System.nanoTime() + whole.toNanos();
    int kills = 0;
    while (System.nanoTime() < until) {
      Thread.sleep(between);
      String victim = NAMES.get(kills++ % NAMES.size());
      kill(victim);
      start(victim, false);
      awaitJoined(victim);
    }
    try (Members m = new Members(folder, certificates)) {
      check(m.join("witness", places.values().toArray(new String[0])));
    }
    // All at once, and all come back.
    for (String n : NAMES) {
      kill(n);
    }
    start("m1", false);
    awaitJoined("m1");
    start("m2", false);
    start("m0", false);
    awaitJoined("m2");
    awaitJoined("m0");
    List<Path> witness =
        List.of(folder.resolve("witness/journal"), folder.resolve("witness/neighbours"));
    for (Path p : witness) {
      Files.deleteIfExists(p);
    }
    long entries;
    try (Members m = new Members(folder, certificates)) {
      entries = check(m.join("witness", places.values().toArray(new String[0])));
    }
    System.out.println(kills + " kills, " + entries + " entries, none lost");
  }

  /** Compares what the members were told is kept with what there is. */
  private long check(CampaignStore witness) throws IOException, InterruptedException {
    Map<Kind, Map<String, Long>> kept = new TreeMap<>();
    byte[] bits = new byte[CampaignStore.MAP];
    for (String n : NAMES) {
      read(LedgerMember.ledger(folder.resolve(n)), kept, bits);
    }
    long all = 0;
    for (Map.Entry<Kind, Map<String, Long>> k : kept.entrySet()) {
      awaitNames(witness, k.getKey(), k.getValue().keySet());
      for (Map.Entry<String, Long> e : k.getValue().entrySet()) {
        assertThat(witness.entry(k.getKey(), e.getKey()))
            .isEqualTo(LedgerMember.entry(e.getValue()));
        all++;
      }
    }
    assertThat(all).isGreaterThan(30);
    byte[] map = witness.merge(new byte[CampaignStore.MAP]);
    for (int i = 0; i < map.length; i++) {
      assertThat(~map[i] & bits[i] & 0xFF).as("bits that place %d of the map lacks", i).isZero();
    }
    return all;
  }

  private static void awaitNames(CampaignStore witness, Kind k, Set<String> names)
      throws InterruptedException {
    long since = System.nanoTime();
    Set<String> there = Set.of();
    while (!there.containsAll(names) && System.nanoTime() - since < PATIENCE_NANOS) {
      Thread.sleep(200);
      there = new HashSet<>(witness.names(k));
    }
    assertThat(there).containsAll(names);
  }

  private static void read(Path ledger, Map<Kind, Map<String, Long>> kept, byte[] bits)
      throws IOException {
    String text = Files.readString(ledger, StandardCharsets.US_ASCII);
    // A death may have cut the last line short.
    for (String line : text.substring(0, text.lastIndexOf('\n') + 1).lines().toList()) {
      String[] w = line.split(" ", -1);
      if (w[0].equals("bit") && w.length == 3) {
        bits[Integer.parseInt(w[1])] |= (byte) (1 << Integer.parseInt(w[2]));
      } else if (w[0].equals("entry") && w.length == 3) {
        long number = Long.parseLong(w[2]);
        kept.computeIfAbsent(Kind.valueOf(w[1]), x -> new TreeMap<>())
            .put(Entries.name(LedgerMember.entry(number)), number);
      }
    }
  }

  @Test
  void nothingIsLostWhenMembersAreKilled()
      throws IOException, InterruptedException, CampaignException {
    killedByTurns(Duration.ofSeconds(4), Duration.ofSeconds(1));
  }

  @Test
  @Timeout(value = 30, unit = TimeUnit.MINUTES)
  @EnabledIfSystemProperty(named = "long", matches = "true")
  void nothingIsLostInTenMinutesInWhichOneIsKilledEachTwentySeconds()
      throws IOException, InterruptedException, CampaignException {
    killedByTurns(Duration.ofMinutes(10), Duration.ofSeconds(20));
  }
}
