package dev.vesper.machine.guests;

import static org.assertj.core.api.Assertions.assertThat;

import dev.vesper.ghcb.HvFeatures;
import dev.vesper.machine.Machine;
import dev.vesper.machine.SnpGuest;
import dev.vesper.machine.cpu.Execution;
import dev.vesper.machine.observe.RmpMap;
import dev.vesper.machine.observe.check.Checker;
import dev.vesper.machine.spec.MachineSpec;
import dev.vesper.machine.spec.Outcome;
import dev.vesper.machine.spec.SevMode;
import dev.vesper.machine.spec.SnpHost;
import dev.vesper.machine.spec.SnpLaunch;
import java.util.Map;
import java.util.TreeMap;
import org.junit.jupiter.api.Test;

/**
 * Guests under SEV-SNP of two processors and several VMPLs that ask their host for anything at all,
 * and give it save areas of any contents: each run ends by its limit or by name, and comes to the
 * same state whether somebody observes it or not, however it is executed.
 */
final class HostileSnpGuestTest {
  private static final int LIMIT = 60_000;
  private static final int GUESTS = Boolean.getBoolean("long") ? 3_000 : 40;
  private static final long SEED = 9_000;

  private record Run(Outcome end, String state) {}

  private static Run run(byte[] image, SnpLaunch snp, int execution, boolean observed)
      throws Exception {
    MachineSpec.Builder b =
        MachineSpec.builder(SevMode.SNP, image, c -> {})
            .memoryBytes(HostileSnpSource.MEMORY)
            .processors(2)
            .snp(snp);
    try (Machine m = new Machine(b.build())) {
      Execution.choose(m, execution);
      if (observed) {
        Checker c = new Checker();
        RmpMap map = new RmpMap();
        m.trace(
            e -> {
              c.accept(e);
              map.accept(e);
              assertThat(e.toString()).isNotEmpty();
            },
            true);
      }
      m.limit(LIMIT, Long.MAX_VALUE);
      Outcome end = m.run();
      return new Run(end, m.instructions() + " " + m.stateHash());
    }
  }

  /** SEV_FEATURES: restricted and alternate injection, and Secure TSC. */
  private static final long[] FEATURES = {0x9, 0x1, 0x209, 0x201, 0x9, 0x11, 0x9};

  @Test
  void whateverTheyAskForEndsByName() throws Exception {
    int[] executions = Execution.andNative(0, Execution.STANDARD);
    Map<Integer, Integer> ends = new TreeMap<>();
    for (int i = 0; i < GUESTS; i++) {
      long features = FEATURES[i % FEATURES.length];
      SnpLaunch snp =
          SnpLaunch.DEFAULT
              .withFeatures(features)
              .withHost(
                  SnpHost.KVM
                      .offering(i % 5 == 0 ? 0 : HvFeatures.APIC_ID_LIST | HvFeatures.MULTI_VMPL)
                      .withLargePages(i % 3 == 0)
                      .converting(i % 4 != 0));
      byte[] image = SnpGuest.image(HostileSnpSource.of(SEED + i, snp.features()));
      try {
        Run r = run(image, snp, executions[i % executions.length], false);
        assertThat(r.end.reason()).isNotEmpty();
        assertThat(r.end.status()).as("%s", r.end).isNotEqualTo(Outcome.DEFECT);
        assertThat(run(image, snp, executions[(i + 1) % executions.length], true)).isEqualTo(r);
        ends.merge(r.end.status(), 1, Integer::sum);
      } catch (Throwable t) {
        throw new AssertionError("guest " + (SEED + i), t);
      }
    }
    assertThat(ends.keySet()).as("ends of all kinds").hasSizeGreaterThan(3);
  }
}
