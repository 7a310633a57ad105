package dev.vesper.campaign;

import static org.assertj.core.api.Assertions.assertThat;

import dev.vesper.fuzz.Campaign;
import dev.vesper.fuzz.Harness;
import dev.vesper.fuzz.SiteFilter;
import dev.vesper.fuzz.store.CampaignException;
import dev.vesper.fuzz.store.CampaignStore;
import dev.vesper.guest.Locore;
import dev.vesper.machine.Until;
import dev.vesper.machine.spec.MachineSpec;
import dev.vesper.machine.spec.SevMode;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/**
 * A guest with few ways, all of which are found: one member and three, which share a store, reach
 * the same edges.
 */
final class SameCampaignTest {
  /** Many more than one member needs for all ways. */
  private static final long EXECUTIONS = 1_500;

  private static final String MAIN =
      """
        mov eax, 0x40000001
        cpuid
        mov r12d, ebx
        mov edx, 0x61
        in al, dx
        movzx r13d, al
        cmp r12d, 0x1234567
        je ways_first
        cmp r12d, 0x7fffffff
        ja ways_high
        cmp r12d, 0x800
        ja ways_middle
        jmp ways_port
      ways_first:
        cmp r13b, 0x5a
        je ways_end
        jmp ways_port
      ways_high:
        test r12d, 0x10
        je ways_port
        dec r13d
        jmp ways_port
      ways_middle:
        inc r13d
        jmp ways_port
      ways_port:
        cmp r13b, 0x7f
        ja ways_end
        cmp r13b, 0
        je ways_end
        nop
      ways_end:
        mov al, 0x10
        out 0xf4, al
        hlt
      """;

  @TempDir private Path folder;

  private static Harness harness() throws CampaignException {
    byte[] image = Locore.withMain(MAIN);
    return new Harness(
        () ->
            MachineSpec.builder(SevMode.ES, image, c -> {})
                .memoryBytes(64L << 20)
                .cpuModel("vesper-min,+xsave")
                .build(),
        Until.symbol("main"),
        null,
        100_000,
        SiteFilter.of("cpuid:0x40000001,port:0x61", ""),
        null);
  }

  private byte[] reached(List<String> said, String... names) throws Exception {
    try (Members members = new Members(folder.resolve("of" + names.length), null)) {
      List<CampaignStore> stores = new ArrayList<>();
      for (String n : names) {
        stores.add(stores.isEmpty() ? members.join(n) : members.join(n, names[0]));
      }
      List<Throwable> failures = Collections.synchronizedList(new ArrayList<>());
      List<Thread> threads = new ArrayList<>();
      for (int i = 0; i < names.length; i++) {
        Campaign c =
            new Campaign(
                harness(),
                stores.get(i),
                new Campaign.Options(names[i], 1, 7, EXECUTIONS, 1e9, true));
        Thread t = Thread.ofPlatform().unstarted(() -> run(c));
        t.setUncaughtExceptionHandler((x, e) -> failures.add(e));
        t.start();
        threads.add(t);
      }
      for (Thread t : threads) {
        t.join();
      }
      assertThat(failures).isEmpty();
      stores.get(0).members().forEach(p -> said.add(p.member()));
      assertThat(stores.get(0).names(CampaignStore.Kind.CRASH)).isEmpty();
      return stores.get(0).merge(new byte[CampaignStore.MAP]);
    }
  }

  private static void run(Campaign c) {
    try {
      c.run();
    } catch (CampaignException e) {
      throw new IllegalStateException(e);
    }
  }

  @Test
  void oneMemberAndThreeReachTheSameEdges() throws Exception {
    List<String> alone = new ArrayList<>();
    List<String> together = new ArrayList<>();
    byte[] one = reached(alone, "a");
    byte[] three = reached(together, "a", "b", "c");
    assertThat(alone).containsExactly("a");
    assertThat(together).containsExactlyInAnyOrder("a", "b", "c");
    assertThat(three).isEqualTo(one);
    int edges = 0;
    for (byte b : one) {
      edges += b == 0 ? 0 : 1;
    }
    assertThat(edges).isGreaterThan(40);
  }
}
