package dev.vesper.fuzz;

import dev.vesper.fuzz.store.DirectoryStore;
import java.nio.charset.StandardCharsets;
import java.util.Locale;

/**
 * Writes how far a campaign is into its directory, as AFL does: {@code fuzzer_stats}, one value a
 * line, and {@code plot_data}, a line each time.
 */
public final class Statistics {
  /** Edges that the map can tell apart. */
  private static final double MAP = 1 << 16;

  private static final String HEAD =
      "# relative_time, cycles_done, cur_item, corpus_count, pending_total, pending_favs, map_size,"
          + " saved_crashes, saved_hangs, max_depth, execs_per_sec, total_execs, edges_found\n";

  private final DirectoryStore store;
  private final String commandLine;
  private final String banner;
  private final long started = System.currentTimeMillis() / 1000;
  private boolean headed;

  /**
   * Makes it.
   *
   * @param commandLine how the campaign was begun
   * @param banner what is fuzzed
   */
  public Statistics(DirectoryStore store, String commandLine, String banner) {
    this.store = store;
    this.commandLine = commandLine.replaceAll("[^ -~]", "?");
    this.banner = banner.replaceAll("[^ -~]", "?");
  }

  /** Writes {@code fuzzer_stats}. */
  public void write(Status s) {
    StringBuilder b = new StringBuilder();
    long now = System.currentTimeMillis() / 1000;
    put(b, "start_time", started);
    put(b, "last_update", now);
    put(b, "run_time", (long) s.seconds());
    put(b, "fuzzer_pid", ProcessHandle.current().pid());
    put(b, "cycles_done", s.cycles());
    put(b, "execs_done", s.executions());
    put(b, "execs_per_sec", decimals(s.executions() / Math.max(0.001, s.seconds())));
    put(b, "execs_ps_last_min", decimals(s.perSecond()));
    put(b, "corpus_count", s.queue());
    put(b, "corpus_favored", s.favored());
    put(b, "max_depth", s.depth());
    put(b, "pending_total", s.pending());
    put(b, "stability", s.unstable() == 0 ? "100.00%" : "0.00%");
    put(b, "bitmap_cvg", decimals(s.edges() * 100 / MAP) + "%");
    put(b, "execs_followed", s.followed());
    put(b, "pending_followed", s.unfollowed());
    put(b, "saved_crashes", s.crashes());
    put(b, "saved_hangs", s.hangs());
    put(b, "last_find", now - (long) s.sinceNew());
    put(b, "last_crash", s.sinceCrash() < 0 ? 0 : now - (long) s.sinceCrash());
    put(b, "edges_found", s.edges());
    put(b, "total_edges", (long) MAP);
    put(b, "afl_banner", banner);
    put(b, "afl_version", "vesper");
    put(b, "target_mode", "snapshot");
    put(b, "command_line", commandLine);
    store.write("fuzzer_stats", b.toString().getBytes(StandardCharsets.US_ASCII));
  }

  private static String decimals(double v) {
    return String.format(Locale.ROOT, "%.2f", v);
  }

  private static void put(StringBuilder b, String key, Object value) {
    b.append(String.format(Locale.ROOT, "%-18s: %s%n", key, value).replace("\r\n", "\n"));
  }

  /** Adds a line to {@code plot_data}. */
  public void plot(Status s) {
    String line =
        String.format(
            Locale.ROOT,
            "%d, %d, %d, %d, %d, %d, %.2f%%, %d, %d, %d, %.2f, %d, %d\n",
            (long) s.seconds(),
            s.cycles(),
            0,
            s.queue(),
            s.pending(),
            s.favored(),
            s.edges() * 100 / MAP,
            s.crashes(),
            s.hangs(),
            s.depth(),
            s.perSecond(),
            s.executions(),
            s.edges());
    store.append("plot_data", ((headed ? "" : HEAD) + line).getBytes(StandardCharsets.US_ASCII));
    headed = true;
  }
}
