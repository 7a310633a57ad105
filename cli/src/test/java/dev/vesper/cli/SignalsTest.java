package dev.vesper.cli;

import static org.assertj.core.api.Assertions.assertThat;

import dev.vesper.machine.spec.Outcome;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import sun.misc.Signal;

/** Signals while a guest is launched, and when it runs. */
@Timeout(60)
final class SignalsTest {
  private static final int SIGHUP = 129;

  @Test
  void aLaunchThatDoesNotEndEndsWithTheProcess() throws Exception {
    Ending ending = new Ending();
    CompletableFuture<Integer> halted = new CompletableFuture<>();
    CompletableFuture<String> hurried = new CompletableFuture<>();
    try (Signals s = new Signals(ending, halted::complete)) {
      s.hurry(() -> hurried.complete("hurried"));
      Signal.raise(new Signal("HUP"));
      assertThat(hurried.get(30, TimeUnit.SECONDS)).isEqualTo("hurried");
      assertThat(halted.get(30, TimeUnit.SECONDS)).isEqualTo(SIGHUP);
      assertThat(ending.isWanted()).isTrue();
    }
  }

  @Test
  void aRunThatHasBegunIsEndedByItself() throws Exception {
    Ending ending = new Ending();
    CompletableFuture<Integer> halted = new CompletableFuture<>();
    try (Signals s = new Signals(ending, halted::complete)) {
      s.launched();
      Signal.raise(new Signal("HUP"));
      Outcome o = null;
      while (o == null) {
        o = ending.await(100);
      }
      assertThat(o.status()).isEqualTo(SIGHUP);
      assertThat(halted).isNotDone();
    }
  }
}
