package dev.vesper.cli;

import dev.vesper.fuzz.Campaign;
import dev.vesper.fuzz.Statistics;
import dev.vesper.fuzz.Status;
import java.io.UncheckedIOException;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.concurrent.Executors;
import java.util.concurrent.ScheduledExecutorService;
import java.util.concurrent.TimeUnit;

/** Shows how far a campaign is while it runs, and has it written into its directory. */
final class FuzzScreen implements AutoCloseable {
  private static final int PLOT = 5;
  private static final int LINE = 30;
  private static final int WIDTH = 76;

  private final Campaign campaign;
  private final Statistics statistics;
  private final String what;
  private final boolean live;
  private final ScheduledExecutorService timer;
  private int ticks;

  FuzzScreen(Campaign campaign, Statistics statistics, String what) {
    this.campaign = campaign;
    this.statistics = statistics;
    this.what = what;
    live = Terminal.isSeen();
    timer =
        Executors.newSingleThreadScheduledExecutor(
            r -> Thread.ofPlatform().name("status").daemon().unstarted(r));
  }

  /** Begins to show. */
  void start() {
    var unused = timer.scheduleAtFixedRate(this::tick, 1, 1, TimeUnit.SECONDS);
  }

  private void tick() {
    try {
      Status s = campaign.status();
      statistics.write(s);
      if (++ticks % PLOT == 0) {
        statistics.plot(s);
      }
      if (live) {
        Terminal.screen(lines(what, s));
      } else if (ticks % LINE == 0) {
        Terminal.say(line(s));
      }
    } catch (UncheckedIOException e) {
      Terminal.say("the campaign's directory cannot be written: " + e.getCause());
      campaign.stop();
    }
  }

  /** {@return how far it is, in a line} */
  static String line(Status s) {
    return String.format(
        Locale.ROOT,
        "%d executions in %s (%.0f/s), %d edges, %d in the queue, %d crashes, %d hangs",
        s.executions(),
        time(s.seconds()),
        s.perSecond(),
        s.edges(),
        s.queue(),
        s.crashes(),
        s.hangs());
  }

  /** {@return the lines of the screen} */
  static List<String> lines(String what, Status s) {
    List<String> all = new ArrayList<>();
    all.add("vesper fuzz: " + what);
    all.add("");
    all.add(row("run time", time(s.seconds()), "executions", s.executions()));
    all.add(row("last new", time(s.sinceNew()), "per second", (long) s.perSecond()));
    all.add(
        row(
            "last crash",
            s.sinceCrash() < 0 ? "none yet" : time(s.sinceCrash()),
            "edges",
            s.edges()));
    all.add(row("cycles", String.valueOf(s.cycles()), "queue", s.queue()));
    all.add(row("pending", String.valueOf(s.pending()), "favored", s.favored()));
    all.add(row("depth", String.valueOf(s.depth()), "crashes", s.crashes()));
    all.add(row("found again", String.valueOf(s.again()), "hangs", s.hangs()));
    all.add(row("not repeated", String.valueOf(s.unstable()), "begins at", s.begins()));
    if (s.followed() + s.unfollowed() > 0) {
      all.add(row("followed", String.valueOf(s.followed()), "to be followed", s.unfollowed()));
    }
    all.add("");
    s.last().forEach(l -> all.add(l.length() > WIDTH ? l.substring(0, WIDTH) : l));
    all.add("");
    all.add("Ctrl-C ends it; what was found is kept");
    return all;
  }

  private static String row(String a, String av, String b, long bv) {
    return String.format(Locale.ROOT, "%14s : %-18s %14s : %d", a, av, b, bv);
  }

  private static String time(double seconds) {
    long s = (long) seconds;
    return s < 60
        ? s + " s"
        : s < 3600 ? s / 60 + " min " + s % 60 + " s" : s / 3600 + " h " + s / 60 % 60 + " min";
  }

  @Override
  public void close() {
    timer.shutdownNow();
    try {
      boolean done = timer.awaitTermination(10, TimeUnit.SECONDS);
      assert done;
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
    }
    Status s = campaign.status();
    statistics.write(s);
    statistics.plot(s);
  }
}
