package dev.vesper.cli;

import dev.vesper.fuzz.Campaign;
import dev.vesper.fuzz.FindingFile;
import dev.vesper.fuzz.Harness;
import dev.vesper.fuzz.Reproducer;
import dev.vesper.fuzz.Statistics;
import dev.vesper.fuzz.Status;
import dev.vesper.fuzz.store.CampaignException;
import dev.vesper.fuzz.store.CampaignStore;
import dev.vesper.fuzz.store.DirectoryStore;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Objects;
import java.util.Set;
import org.jspecify.annotations.Nullable;

/** {@code vesper fuzz}: campaigns against what a guest believes of its host. */
final class FuzzCommand implements Options.Command {
  /** Exit status if something was found and {@code --fail-on-crash} asks for it. */
  static final int FOUND = 4;

  /** Exit status if a finding does not repeat. */
  static final int GONE = 9;

  private static final Set<String> VERBS = Set.of("show", "min", "html", "certs");
  private static final String WORDS = "cmdline";
  private static final int LONGEST_LINE = 1 << 16;

  private final FuzzOptions said = new FuzzOptions();
  private final ClusterOptions cluster = new ClusterOptions();
  private List<Path> names = List.of();
  private List<String> words = List.of();
  private @Nullable Path directory;
  private boolean resume;
  private boolean failOnCrash;
  private long executions = Long.MAX_VALUE;
  private double seconds = Double.MAX_VALUE;
  private int workers = Runtime.getRuntime().availableProcessors();
  private long seed = 1;

  @Override
  public Options options() {
    Options o =
        new Options(
            "Runs a guest over and over from one moment, each time with other answers of its host,"
                + " led by the code that is reached, and keeps what makes it fail.",
            "",
            "'show FILE' runs a finding again, 'min FILE' makes it smaller, 'html DIR' draws a"
                + " page; 'certs DIR' makes an authority and --member's certificates.",
            "Exit status: 0 the campaign has come to its end; 4 --fail-on-crash and something was"
                + " found; 9 show: it does not happen again.",
            "Example: vesper fuzz -kernel vmlinuz -append console=ttyS0 --from start_kernel"
                + " --limit-insns 50M -o campaign",
            "Example: vesper fuzz show campaign/crashes/id_000000,...");
    o.positionals("WORD", "IMAGE; or show FILE, min FILE, html DIR, certs DIR", v -> names = v);
    said.addTo(o);
    o.path("DIR", "the campaign's directory, as AFL has it", v -> directory = v, "-o", "--out");
    o.flag("go on with the campaign that DIR has", () -> resume = true, "--resume");
    o.count("N", "end after so many executions", v -> executions = v, "--executions");
    o.duration("S", "end after so many seconds", v -> seconds = v, "--seconds");
    o.integer(
        "N", "threads, each with a machine (default: processors)", v -> workers = v, "--workers");
    o.number("N", "decides which inputs are made (default: 1)", v -> seed = v, "--fuzz-seed");
    o.flag("end with status 4 if something was found", () -> failOnCrash = true, "--fail-on-crash");
    cluster.addTo(o);
    return o;
  }

  @Override
  public void typed(List<String> line) {
    words = line.isEmpty() ? line : line.subList(1, line.size());
  }

  @Override
  public Integer call() {
    String verb = names.isEmpty() ? "" : names.get(0).toString();
    try (said) {
      if (VERBS.contains(verb)) {
        if (names.size() != 2) {
          throw new UserError(
              "fuzz "
                  + verb
                  + " takes one "
                  + (verb.equals("html") || verb.equals("certs") ? "directory" : "file"));
        }
        Path p = names.get(1);
        return switch (verb) {
          case "show" -> show(p);
          case "min" -> min(p);
          case "certs" -> cluster.certificates(p);
          default -> FuzzPages.write(p);
        };
      }
      if (names.size() > 1) {
        throw new UserError("fuzz takes one image, not " + names.size());
      }
      names.forEach(said::image);
      return campaign();
    } catch (CampaignException e) {
      throw new UserError(String.valueOf(e.getMessage()));
    } catch (UncheckedIOException e) {
      throw new UserError(
          "the campaign's directory cannot be written: "
              + UserError.reason(Objects.requireNonNull(e.getCause())));
    }
  }

  private int campaign() throws CampaignException {
    Path d = directory;
    if (d == null) {
      throw new UserError("fuzz: name the campaign's directory with -o DIR");
    }
    if (workers < 1 || workers > 256) {
      throw new UserError("--workers takes 1 to 256, not " + workers);
    }
    Harness harness = said.harness(List.of(d));
    try (DirectoryStore store = new DirectoryStore(d)) {
      if (!resume && Files.exists(d.resolve(WORDS))) {
        throw new UserError(
            "-o " + d + ": there is a campaign in it: --resume goes on with it, or take another");
      }
      try (CampaignStore shared = cluster.share(store, d)) {
        // Not before it is sure that the line can be done: what says that a campaign is here stays.
        store.write(WORDS, String.join("\n", words).getBytes(StandardCharsets.UTF_8));
        return campaign(harness, store, shared);
      }
    }
  }

  /** Runs a campaign that is in a directory, and that others share if there is a store for that. */
  private int campaign(Harness harness, DirectoryStore store, @Nullable CampaignStore shared)
      throws CampaignException {
    Campaign c =
        new Campaign(
            harness,
            shared == null ? store : shared,
            new Campaign.Options(
                cluster.member(), workers, seed, executions, seconds, shared != null));
    Ending ending = new Ending();
    try (Signals signals = new Signals(ending);
        FuzzScreen screen =
            new FuzzScreen(
                c,
                new Statistics(store, "vesper fuzz " + String.join(" ", words), said.title()),
                said.title())) {
      signals.hurry(c::stop);
      screen.start();
      c.run();
    }
    Status s = c.status();
    Terminal.out(FuzzScreen.line(s));
    return failOnCrash && s.crashes() + s.hangs() > 0 ? FOUND : 0;
  }

  private record Read(FindingFile file, Harness harness) {}

  /** {@return a finding and how to run it again, as its campaign's directory says} */
  private Read read(Path p) throws CampaignException {
    byte[] bytes = UserFiles.read(p, "finding");
    FindingFile f;
    try {
      f = FindingFile.read(bytes);
    } catch (CampaignException e) {
      throw new UserError(p + ": " + e.getMessage());
    }
    Path folder = p.toAbsolutePath().normalize().getParent();
    Path line = folder == null ? p : folder.resolveSibling(WORDS);
    String text = UserFiles.text(line, "command line of the campaign");
    if (text.length() > LONGEST_LINE) {
      throw new UserError(line + ": a command line has at most " + LONGEST_LINE + " characters");
    }
    FuzzCommand before = new FuzzCommand();
    if (!before.options().readPlain(text.lines().toList())
        || !before.names.isEmpty() && VERBS.contains(before.names.get(0).toString())) {
      throw new UserError(line + ": it is not the command line of a campaign, a word a line");
    }
    before.names.forEach(before.said::image);
    return new Read(f, before.said.harness(List.of()));
  }

  private int show(Path p) throws CampaignException {
    Read r = read(p);
    try (Reproducer x = new Reproducer(r.harness)) {
      Reproducer.Result now = x.run(r.file.input(), r.file.finding());
      boolean same = now.signature().equals(r.file.finding().signature());
      FindingFile f = now.file();
      List<String> all = new ArrayList<>();
      all.add("found: " + r.file.finding().kind().word() + ": " + r.file.finding().title());
      all.add(
          "now: " + (same ? "the same" : now.signature().isEmpty() ? "nothing" : now.signature()));
      all.add("end: " + now.end() + ", after " + now.instructions() + " instructions");
      f.finding().stack().forEach(s -> all.add("  in " + s));
      r.file.input().lies().forEach(l -> all.add("lie: " + l));
      f.script().lines().forEach(all::add);
      List<String> lines = f.console().lines().toList();
      lines.subList(Math.max(0, lines.size() - 40), lines.size()).forEach(l -> all.add("| " + l));
      all.add("as a run: vesper run ... --hostile " + p + ", with the guest's options");
      all.forEach(Terminal::out);
      return same ? 0 : GONE;
    }
  }

  private int min(Path p) throws CampaignException {
    Read r = read(p);
    try (Reproducer x = new Reproducer(r.harness)) {
      FindingFile f = x.minimise(r.file);
      if (!f.finding().signature().equals(r.file.finding().signature())) {
        Terminal.say(p + ": it does not happen again; nothing is changed");
        return GONE;
      }
      Path part = p.resolveSibling("." + p.getFileName() + ".part");
      try {
        Files.write(part, f.encode());
        Files.move(part, p, java.nio.file.StandardCopyOption.REPLACE_EXISTING);
      } catch (IOException e) {
        throw new UserError("cannot write " + p + ": " + UserError.reason(e));
      }
      Terminal.out(
          p + ": " + r.file.input().size() + " changes before, " + f.input().size() + " now");
      return 0;
    }
  }
}
