package dev.vesper.machine;

import static org.assertj.core.api.Assertions.assertThat;

import dev.vesper.machine.spec.Outcome;
import org.junit.jupiter.api.Test;

/** vmd's limit on VMs that reset themselves again and again. */
final class RestartsTest {
  private static final long SECOND = 1_000_000_000L;

  @Test
  void theThirdFastResetInARowIsTheLast() {
    Restarts r = new Restarts("openbsd", true);
    assertThat(r.again(5 * SECOND)).isTrue();
    assertThat(r.again(5 * SECOND)).isTrue();
    assertThat(r.again(5 * SECOND)).isFalse();
  }

  @Test
  void aLongLifeInBetweenStartsTheCountAnew() {
    Restarts r = new Restarts("openbsd:2025-09", true);
    assertThat(r.again(SECOND)).isTrue();
    assertThat(r.again(SECOND)).isTrue();
    assertThat(r.again(6 * SECOND)).isTrue();
    assertThat(r.again(SECOND)).isTrue();
    assertThat(r.again(SECOND)).isTrue();
    assertThat(r.again(SECOND)).isFalse();
  }

  @Test
  void onlyVmdTakesAShutdownForAReset() {
    Outcome o = new Outcome(Outcome.SHUTDOWN, "");
    assertThat(new Restarts("openbsd", true).isReset(o)).isTrue();
    assertThat(new Restarts("kvm", true).isReset(o)).isFalse();
    assertThat(new Restarts("openbsd", true).isReset(new Outcome(Outcome.POWER_OFF, ""))).isFalse();
  }
}
