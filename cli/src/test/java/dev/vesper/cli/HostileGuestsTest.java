package dev.vesper.cli;

import static org.assertj.core.api.Assertions.assertThat;

import dev.vesper.cli.hostile.Arena;
import dev.vesper.cli.hostile.HostileGuest;
import dev.vesper.cli.hostile.HostileGuest.Board;
import dev.vesper.guest.FlatGuest;
import dev.vesper.machine.spec.Outcome;
import java.io.ByteArrayOutputStream;
import java.io.File;
import java.io.IOException;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.TreeMap;
import java.util.concurrent.TimeUnit;
import java.util.regex.Pattern;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

/**
 * Random guests that mean harm, on each board: none is a defect, none leaves a trace of Java, none
 * changes what lies around its folders and disks or reads it, and in a process of its own none
 * takes more time or memory than it may.
 *
 * <p>{@code -Dguests.minutes=N} makes a campaign of it, {@code -Dguests.seed} begins it elsewhere
 * ({@code ./vesper soak --guests}); with 0 minutes the guest of that seed is run alone.
 */
final class HostileGuestsTest {
  private static final int GUESTS = Integer.getInteger("guests.count", 20);
  private static final int EACH_IS_A_PROCESS = 20;
  private static final int CAMPAIGN_IS_A_PROCESS = 20;

  private static final String LIMIT = "400000";

  /** Seconds that a command in this process may take: one instruction may be long. */
  private static final String LONGEST = "60";

  /** When a command counts as stuck, and a thread says where. */
  private static final long STUCK = TimeUnit.SECONDS.toNanos(90);

  private static final double TIMEOUT = 2;
  private static final double GRACE = 1;

  /** More than a run takes that ends at once. */
  private static final double STARTS = 60;

  private static final long BESIDES = 600L << 20;

  /** How often a run that was late is run again: a computer may have had something else to do. */
  private static final int AGAIN = 3;

  /** What is said where the status is the guest's own. */
  private static final String OWN = "to the debug exit port";

  private static final Pattern JAVA =
      Pattern.compile("\\tat |Exception|Error:|java\\.|jdk\\.|hs_err|WARNING:|defect of Vesper");

  @TempDir Path temporary;

  private record Run(int status, String err) {}

  private Arena arena() throws IOException, InterruptedException {
    return new Arena(Files.createDirectory(temporary.resolve("arena")));
  }

  /** A command in this process. */
  private static Run here(List<String> command) throws InterruptedException {
    PrintStream old = System.err;
    ByteArrayOutputStream err = new ByteArrayOutputStream();
    int[] status = {-1};
    List<String> words = new ArrayList<>(command);
    words.addAll(List.of("--limit-insns", LIMIT, "--timeout", LONGEST));
    Thread t =
        new Thread(
            null, () -> status[0] = Main.execute(words.toArray(String[]::new)), "guest", 4 << 20);
    t.setDaemon(true);
    System.setErr(new PrintStream(err, true, StandardCharsets.UTF_8));
    try {
      t.start();
      t.join(TimeUnit.NANOSECONDS.toMillis(STUCK));
      if (t.isAlive()) {
        StringBuilder where = new StringBuilder("stuck:");
        for (StackTraceElement e : t.getStackTrace()) {
          where.append("\n\tat ").append(e);
        }
        return new Run(status[0], where.toString());
      }
    } finally {
      System.setErr(old);
    }
    return new Run(status[0], err.toString(StandardCharsets.UTF_8));
  }

  /** What processes have taken at most. */
  private static final class Most {
    double over = Double.NEGATIVE_INFINITY;
    long memory;
    final Map<Integer, Integer> statuses = new TreeMap<>();
  }

  /** A command in a process of its own, confined. */
  private Run process(
      List<String> command, double timeout, Arena arena, Most most, List<String> faults)
      throws IOException, InterruptedException {
    List<String> words = new ArrayList<>(launcher(command));
    words.addAll(command);
    words.addAll(List.of("--sandbox", "on", "--timeout", String.valueOf(timeout)));
    Path err = temporary.resolve("err");
    Path out = temporary.resolve("out");
    long start = System.nanoTime();
    Process p =
        new ProcessBuilder(words)
            .directory(arena.kept().toFile())
            .redirectInput(Path.of("/dev/null").toFile())
            .redirectOutput(out.toFile())
            .redirectError(err.toFile())
            .start();
    long memory = 0;
    long waited = 0;
    while (!p.waitFor(20, TimeUnit.MILLISECONDS)) {
      memory = Math.max(memory, resident(p.pid()));
      waited = Math.max(waited, waited(p.pid()));
      if (System.nanoTime() - start > STUCK) {
        p.destroyForcibly().waitFor();
        return new Run(-1, "stuck: " + Files.readString(err, StandardCharsets.ISO_8859_1));
      }
    }
    double over = (System.nanoTime() - start - waited) / 1e9 - timeout - started;
    most.over = Math.max(most.over, over);
    most.memory = Math.max(most.memory, memory - touched(command));
    if (over > GRACE) {
      faults.add("%.1f s over its time".formatted(over));
    }
    if (memory > touched(command) + BESIDES) {
      faults.add((memory >> 20) + " MiB resident");
    }
    return new Run(p.exitValue(), Files.readString(err, StandardCharsets.ISO_8859_1));
  }

  /** What a process takes to start and to end, which is no part of its time. */
  private double started;

  private static List<String> launcher(List<String> command) {
    String vesper = System.getProperty("guests.vesper");
    if (vesper != null) {
      return List.of(vesper);
    }
    return OwnJvm.command(
        List.of(
            "-Xss4m",
            "-Xmx" + ((touched(command) >> 20) * 33 / 32 + 512) + "m",
            "--enable-native-access=ALL-UNNAMED"),
        Main.class);
  }

  /** {@return the most memory that a guest can have touched} */
  private static long touched(List<String> command) {
    String m = command.get(command.indexOf("-m") + 1);
    return Long.parseLong(m.substring(0, m.length() - 1)) << 20;
  }

  /** {@return the most that a process has had in memory, or 0 if it is gone} */
  private static long resident(long pid) throws IOException {
    Path status = Path.of("/proc", String.valueOf(pid), "status");
    try {
      return Files.readAllLines(status, StandardCharsets.ISO_8859_1).stream()
          .filter(l -> l.startsWith("VmHWM:"))
          .mapToLong(l -> Long.parseLong(l.replaceAll("\\D", "")) << 10)
          .findFirst()
          .orElse(0);
    } catch (IOException e) {
      if (Files.exists(status)) {
        throw e;
      }
      return 0;
    }
  }

  /**
   * {@return how long the thread of a process that had to wait longest for a processor has waited,
   * in nanoseconds} A computer that has much else to do is no fault of the process.
   */
  private static long waited(long pid) throws IOException {
    File[] threads = new File("/proc/" + pid + "/task").listFiles();
    long longest = 0;
    for (File t : threads == null ? new File[0] : threads) {
      try {
        String[] w = Files.readString(t.toPath().resolve("schedstat")).split(" ");
        longest = Math.max(longest, Long.parseLong(w[1]));
      } catch (IOException e) {
        if (t.exists()) {
          throw e;
        }
      }
    }
    return longest;
  }

  /** Runs a guest; {@return what is wrong} */
  private List<String> run(HostileGuest g, Arena arena, boolean process, Most most)
      throws IOException, InterruptedException {
    List<String> faults = new ArrayList<>();
    for (int i = 0; i < AGAIN; i++) {
      faults.clear();
      arena.reset();
      Files.write(arena.output("image"), g.image());
      Map<String, String> before = arena.described();
      List<String> command = g.command(arena);
      Run r = process ? process(command, TIMEOUT, arena, most, faults) : here(command);
      boolean late = !faults.isEmpty();
      if (!process || i == 0) {
        most.statuses.merge(r.status, 1, Integer::sum);
      }
      // What a guest writes to its exit port may be any number.
      if (!r.err.contains(OWN)
          && List.of(-1, Outcome.USAGE, Outcome.EXHAUSTED, Outcome.DEFECT).contains(r.status)) {
        faults.add("status " + r.status);
      }
      if (JAVA.matcher(r.err).find()) {
        faults.add("a trace of Java");
      }
      if (!faults.isEmpty()) {
        faults.add(r.err);
      }
      Map<String, String> after = arena.described();
      if (!after.equals(before)) {
        before.entrySet().removeAll(Map.copyOf(after).entrySet());
        faults.add("changed: " + before);
      }
      Path console = arena.output("console");
      if (Files.exists(console)
          && Files.readString(console, StandardCharsets.ISO_8859_1).contains(Arena.SECRET)) {
        faults.add("the guest has read a secret");
      }
      if (!late) {
        break;
      }
    }
    return faults;
  }

  /** Says how a guest that has shown a fault is run again, and keeps it. */
  private static String repeat(HostileGuest g, boolean process, Arena arena, List<String> faults)
      throws IOException {
    Path kept =
        Files.createDirectories(
            Path.of(System.getProperty("guests.kept", "target/guests"))
                .resolve(g.board().name().toLowerCase(Locale.ROOT) + "-" + g.seed()));
    Files.write(kept.resolve("image"), g.image());
    Files.writeString(kept.resolve("image.s"), g.source());
    String said =
        "guest %d on %s%s: repeat with ./vesper soak --guests 0 %d; kept in %s\n%s\n%s"
            .formatted(
                g.seed(),
                g.board(),
                process ? ", in a process" : "",
                g.seed(),
                kept.toAbsolutePath(),
                String.join(" ", g.command(arena)),
                String.join("\n", faults));
    Files.writeString(kept.resolve("fault.txt"), said);
    return said;
  }

  @ParameterizedTest
  @EnumSource(Board.class)
  @Timeout(value = 1, unit = TimeUnit.DAYS)
  void noneGetsOutOrBreaksTheHost(Board board) throws Exception {
    long seed = Long.getLong("guests.seed", 1);
    String minutes = System.getProperty("guests.minutes");
    long time = minutes == null ? 0 : TimeUnit.MINUTES.toNanos(Long.parseLong(minutes));
    boolean campaign = time > 0;
    int most = campaign ? Integer.MAX_VALUE : minutes == null ? GUESTS : 1;
    int each = campaign ? CAMPAIGN_IS_A_PROCESS : EACH_IS_A_PROCESS;
    Arena arena = arena();
    Most inside = new Most();
    Most apart = new Most();
    started = start(arena);
    List<String> faults = new ArrayList<>();
    long end = System.nanoTime() + time;
    int done = 0;
    for (; done < most && (!campaign || System.nanoTime() < end); done++) {
      HostileGuest g = HostileGuest.of(board, seed + done, arena);
      boolean alone = minutes != null && !campaign;
      boolean process = done % each == each - 1 || alone;
      if (!process || alone) {
        List<String> f = run(g, arena, false, inside);
        if (!f.isEmpty()) {
          faults.add(repeat(g, false, arena, f));
        }
      }
      if (process) {
        List<String> f = run(g, arena, true, apart);
        if (!f.isEmpty()) {
          faults.add(repeat(g, true, arena, f));
        }
      }
      if (faults.size() > 20) {
        break;
      }
    }
    if (minutes != null) {
      System.out.printf(
          "%s: %d guests from %d on; by status: here %s, in processes %s; the latest was %.2f s"
              + " over its time, the largest had %d MiB besides the guest's%n",
          board, done, seed, inside.statuses, apart.statuses, apart.over, apart.memory >> 20);
    }
    assertThat(faults).as(String.join("\n\n", faults)).isEmpty();
    // Most of them got as far as to end as they wanted, or to be stopped.
    if (most > 1) {
      assertThat(inside.statuses.keySet()).hasSizeGreaterThan(4);
    }
  }

  /** {@return what a run takes that ends at once} */
  private double start(Arena arena) throws IOException, InterruptedException {
    arena.reset();
    Files.write(arena.output("image"), FlatGuest.image("out 0xf4, al"));
    double longest = 0;
    for (int i = 0; i < 2; i++) {
      Most most = new Most();
      started = 0;
      Run r =
          process(
              Arrays.asList("run", "--sev", "off", "-m", "32M", arena.output("image").toString()),
              STARTS,
              arena,
              most,
              new ArrayList<>());
      if (r.status % 2 != 1) {
        throw new AssertionError(r.err);
      }
      longest = Math.max(longest, most.over + STARTS);
    }
    return longest;
  }

  /** The same number is the same guest. */
  @Test
  void guestsAreMadeFromNumbers() throws Exception {
    Arena a = arena();
    for (Board b : Board.values()) {
      for (int i = 0; i < 8; i++) {
        HostileGuest one = HostileGuest.of(b, i, a);
        HostileGuest other = HostileGuest.of(b, i, a);
        assertThat(other.image()).isEqualTo(one.image());
        assertThat(other.command(a)).isEqualTo(one.command(a));
        assertThat(HostileGuest.of(b, i + 1, a).source()).isNotEqualTo(one.source());
      }
    }
  }
}
