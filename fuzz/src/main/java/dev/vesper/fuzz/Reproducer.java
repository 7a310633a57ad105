package dev.vesper.fuzz;

import dev.vesper.fuzz.store.CampaignException;
import org.jspecify.annotations.Nullable;

/** Executes one input again, outside of a campaign: to look at a finding, or to make it smaller. */
public final class Reproducer implements AutoCloseable {
  private static final int MOST = 20_000;

  private final Executor executor;

  /** What is asked for is known of a guest that is told no lie. */
  private boolean knowsUntouched;

  /**
   * Takes the guest to where executions begin.
   *
   * @throws CampaignException if it does not come there
   */
  public Reproducer(Harness harness) throws CampaignException {
    executor = new Executor(harness);
  }

  /**
   * What an input comes to.
   *
   * @param end how the execution has ended, in a line
   * @param instructions that were executed
   * @param signature of what was found, empty for nothing
   * @param file the finding with its script; with what was asked about if nothing was found
   */
  public record Result(String end, long instructions, String signature, FindingFile file) {}

  /**
   * {@return what an input comes to}
   *
   * @param asked a finding of the input
   */
  public Result run(Input input, Finding asked) throws CampaignException {
    if (asked.kind().isAskedFor() && !knowsUntouched) {
      executor.subtract(executor.untouched());
      knowsUntouched = true;
    }
    Execution e = asked.kind().isFlow() ? executor.follow(input) : executor.run(input);
    Finding f = found(e, asked);
    return new Result(
        e.end(),
        e.instructions(),
        f == null ? "" : f.signature(),
        new FindingFile(
            f == null ? asked : f,
            input,
            FindingFile.script(input, executor.told()),
            executor.console()));
  }

  private @Nullable Finding found(Execution e, Finding asked) {
    Finding same = e.withSignature(asked.signature());
    if (same != null) {
      return same;
    }
    if (e.finding() == null && e.limited() && asked.kind() == Finding.Kind.HANG) {
      return Worker.hang(executor);
    }
    return e.finding() == null && asked.kind().isAskedFor() && !e.others().isEmpty()
        ? e.others().get(0)
        : e.finding();
  }

  /**
   * {@return the same finding by a smaller input} The same if the input does not lead to it.
   *
   * @throws CampaignException if the guest cannot be run
   */
  public FindingFile minimise(FindingFile f) throws CampaignException {
    String signature = f.finding().signature();
    Input small =
        Minimiser.minimise(f.input(), i -> run(i, f.finding()).signature().equals(signature), MOST);
    return run(small, f.finding()).file();
  }

  @Override
  public void close() {
    executor.close();
  }
}
