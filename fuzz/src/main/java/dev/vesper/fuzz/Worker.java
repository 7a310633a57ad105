package dev.vesper.fuzz;

import dev.vesper.fuzz.store.CampaignException;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Deque;
import java.util.List;

/** One thread of a campaign: chooses an entry, makes inputs of it, executes and judges them. */
final class Worker {
  /** Inputs that are made of an entry of middling cost and depth at a time. */
  private static final int ENERGY = 64;

  private static final int MOST_ENERGY = 512;

  /** Executions for making an input smaller: one that has reached something, and a finding's. */
  private static final int TRIMMING = 24;

  private static final int MINIMISING = 400;
  private static final int REPEATS = 3;

  /** The same where values are followed, which takes a hundred times as long. */
  private static final int MINIMISING_FOLLOWED = 40;

  private static final int REPEATS_FOLLOWED = 1;

  /** How many instructions are executed in the time in which one is followed. */
  private static final long FOLLOWING = 64;

  private final Campaign campaign;
  private final Executor executor;
  private final Mutator mutator;

  /** Inputs that have reached something new and are to be followed, the oldest first. */
  private final Deque<Input> unfollowed = new ArrayDeque<>();

  /** Instructions that were executed for new inputs, and what following has cost in such. */
  private long executed;

  private long followed;

  /** Whether it is the thread that speaks with other members. */
  private final boolean first;

  Worker(Campaign campaign, Executor executor, long seed, boolean first) {
    this.campaign = campaign;
    this.executor = executor;
    mutator = new Mutator(seed, campaign.harness().sites());
    this.first = first;
  }

  /** Works until the campaign ends. */
  void work() throws CampaignException {
    while (true) {
      Entry e = campaign.next(mutator);
      Noted noted = noted(e);
      int round = e.rounds++;
      if (round == 0) {
        for (Input i : mutator.first(e.input, noted, campaign::isUntried)) {
          if (!attempt(i, e)) {
            return;
          }
        }
      }
      for (int n = energy(e, round); n > 0; n--) {
        Input third = campaign.corpus().any(mutator).input;
        if (!attempt(mutator.mutate(e.input, noted, third), e)) {
          return;
        }
      }
    }
  }

  private Noted noted(Entry e) throws CampaignException {
    Noted noted = e.noted;
    if (noted == null) {
      executor.run(e.input, true);
      noted = executor.noted();
      e.noted = noted;
    }
    mutator.learn(noted);
    return noted;
  }

  /** {@return how many inputs are made of an entry: more of cheap and deep ones} */
  private int energy(Entry e, int round) {
    long usual = campaign.harness().limit() / 4 + 1;
    int n = e.instructions < usual ? ENERGY * 2 : ENERGY;
    n += ENERGY / 4 * Math.min(8, e.depth);
    n = round == 0 ? n * 2 : n;
    return Math.min(MOST_ENERGY, n);
  }

  private boolean attempt(Input input, Entry of) throws CampaignException {
    if (!campaign.takes(executor, first)) {
      return false;
    }
    Execution e = executor.run(input);
    Finding f = e.finding();
    if (f == null && campaign.isHang(e)) {
      f = hang(executor);
    }
    boolean isNew = f == null && campaign.corpus().isNew(e.edges());
    // Findings are executed again, and the map of edges is that of the last execution.
    byte[] edges = isNew ? e.edges().clone() : e.edges();
    if (f != null) {
      found(input, e, f, false);
    }
    // A guest that does what was asked for goes on: it may reach something besides.
    for (Finding other : e.others()) {
      found(input, e, other, false);
    }
    if (isNew) {
      reached(input, edges, e.instructions(), of);
    }
    executed += e.instructions();
    follow();
    return true;
  }

  /**
   * Follows values in inputs that have reached something new, as long as that takes no more than
   * half of the time; counted in instructions, so that a campaign does not depend on the computer.
   */
  private void follow() throws CampaignException {
    while (!unfollowed.isEmpty() && followed <= executed) {
      Input i = unfollowed.removeFirst();
      Execution e = execute(i, true);
      campaign.wasFollowed();
      for (Finding f : e.others()) {
        found(i, e, f, f.kind().isFlow());
      }
    }
  }

  private Execution execute(Input input, boolean follows) throws CampaignException {
    if (!follows) {
      return executor.run(input);
    }
    Execution e = executor.follow(input);
    followed += FOLLOWING * e.instructions();
    return e;
  }

  private void reached(Input input, byte[] edges, long instructions, Entry of)
      throws CampaignException {
    // What goes on without a lie, lies not: a smaller input has fewer places to change.
    Input small =
        Minimiser.leaveOut(
            input,
            i -> {
              Execution x = executor.run(i);
              return x.finding() == null && Arrays.equals(x.edges(), edges);
            },
            TRIMMING);
    campaign.reached(
        new Entry(small, small.name(), of.depth + 1, instructions, Arrays.hashCode(edges)), edges);
    if (campaign.harness().oracles().flow() != null) {
      unfollowed.add(small);
      campaign.isToBeFollowed();
    }
  }

  /**
   * Keeps a finding that is new.
   *
   * @param follows whether it is found only where values are followed
   */
  private void found(Input input, Execution e, Finding f, boolean follows)
      throws CampaignException {
    if (!campaign.isNew(f)) {
      return;
    }
    String signature = f.signature();
    List<String> unlike = new ArrayList<>();
    for (int i = 0; i < (follows ? REPEATS_FOLLOWED : REPEATS); i++) {
      Execution x = execute(input, follows);
      if (!has(x, signature) || x.instructions() != e.instructions()) {
        unlike.add(String.valueOf(x.finding()));
      }
    }
    if (!unlike.isEmpty()) {
      campaign.wasUnstable();
      f =
          new Finding(
              Finding.Kind.DEFECT,
              "executions of one input differ: " + f.title() + "; " + unlike.get(0),
              List.of());
      campaign.keep(new FindingFile(f, input, "", ""));
      return;
    }
    Input small =
        Minimiser.minimise(
            input,
            i -> has(execute(i, follows), signature),
            follows ? MINIMISING_FOLLOWED : MINIMISING);
    executor.run(small);
    campaign.keep(
        new FindingFile(f, small, FindingFile.script(small, executor.told()), executor.console()));
  }

  private boolean has(Execution x, String signature) {
    return x.withSignature(signature) != null
        || x.finding() == null
            && campaign.isHang(x)
            && hang(executor).signature().equals(signature);
  }

  /** {@return that the last execution did not come to an end, and where it was} */
  static Finding hang(Executor x) {
    return new Finding(Finding.Kind.HANG, "the guest does not come to an end", x.stack());
  }
}
