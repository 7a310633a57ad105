package dev.vesper.machine.guests;

import static org.assertj.core.api.Assertions.assertThat;

import dev.vesper.fixtures.DebianKernel;
import dev.vesper.machine.Machine;
import dev.vesper.machine.TestMachine;
import dev.vesper.machine.host.HostMemory;
import dev.vesper.machine.observe.Event;
import dev.vesper.machine.observe.Event.GhcbRegistered;
import dev.vesper.machine.observe.Event.Pvalidate;
import dev.vesper.machine.observe.Event.RmpChanged;
import dev.vesper.machine.observe.Event.Rmpadjust;
import dev.vesper.machine.observe.RmpMap;
import dev.vesper.machine.observe.RmpState;
import dev.vesper.machine.spec.BootException;
import dev.vesper.machine.spec.MachineSpec;
import dev.vesper.machine.spec.Outcome;
import dev.vesper.machine.spec.SevMode;
import dev.vesper.machine.spec.SnpHost;
import dev.vesper.machine.spec.SnpLaunch;
import dev.vesper.machine.spec.Translator;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** The unmodified kernel of Debian 12 as an SEV-SNP guest, booted directly. */
@Tag("slow")
final class LinuxSnpTest {
  private static final String SECRET = "vesper-secret-0b6a1f94c2d7e835";
  private static final String INIT =
      """
      #!/bin/busybox sh
      SECRET=%s
      echo MARK-INIT $(/bin/busybox uname -r | /bin/busybox cut -c1-3)
      echo MARK-DONE
      /bin/busybox poweroff -f
      """
          .formatted(SECRET);

  private static final long MOST = 3_000_000_000L;
  private static final Outcome POWERED_OFF = new Outcome(0, "guest powered off");

  private static MachineSpec.Builder options(int processors) {
    return MachineSpec.builder(SevMode.SNP, DebianKernel.image(), b -> {})
        .processors(processors)
        .append("console=ttyS0 cryptomgr.notests=1")
        .initrd(DebianKernel.initramfs(INIT));
  }

  /** Entries of 2 MiB in the reverse map table, which the guest has the host split. */
  @ParameterizedTest
  @CsvSource({"1, false", "4, false", "2, true"})
  void bootsToInitAndPowersOff(int processors, boolean large) throws BootException {
    SnpLaunch snp = SnpLaunch.DEFAULT.withHost(SnpHost.KVM.withLargePages(large));
    TestMachine t = TestMachine.of(options(processors).snp(snp));
    assertThat(t.run(MOST)).isEqualTo(POWERED_OFF);
    assertThat(t.console())
        .contains("Memory Encryption Features active: AMD SEV SEV-ES SEV-SNP")
        .contains("SEV: Using SNP CPUID table")
        .contains("Brought up 1 node, " + processors + " CPU")
        .contains("MARK-INIT 6.1")
        .contains("MARK-DONE");
    assertNothingLeaks(t.machine());
  }

  private static void assertNothingLeaks(Machine m) {
    HostMemory host = m.hostView();
    byte[] seen = new byte[1 << 20];
    boolean banner = false;
    boolean secret = false;
    for (long a = 0; a < host.guestBytes(); a += seen.length) {
      host.read(a, seen, 0, seen.length);
      String outside = new String(seen, StandardCharsets.ISO_8859_1);
      assertThat(outside).as("the host's view at 0x%x", a).doesNotContain("Linux version 6.1");
      assertThat(outside.contains(SECRET)).as("secret at 0x%x", a).isFalse();
      byte[] plain = m.observer().readPrivate(a, seen.length);
      String inside = new String(plain, StandardCharsets.ISO_8859_1);
      banner |= inside.contains("Linux version 6.1");
      secret |= inside.contains(SECRET);
    }
    // The strings are there for the guest, so that their absence above means something.
    assertThat(banner).isTrue();
    assertThat(secret).isTrue();
  }

  private static String state(Translator by, long instructions) throws BootException {
    return state(TestMachine.of(options(2)), by, instructions);
  }

  private static String state(TestMachine t, Translator by, long instructions) {
    t.machine().translator(by);
    t.run(instructions);
    return t.machine().instructions() + " " + t.machine().stateHash() + " " + t.console();
  }

  /**
   * {@return memory by state, but for what is shared: of that, events say what became so, and the
   * machine all}
   */
  private static List<RmpMap.Area> ofGuest(RmpMap map) {
    return map.areas().stream()
        .filter(
            a -> a.kind() == RmpState.Kind.GUEST_VALID || a.kind() == RmpState.Kind.GUEST_INVALID)
        .toList();
  }

  /** {@return the state of a guest that is looked at} */
  private static String seen(Translator by, long instructions, List<Event> to)
      throws BootException {
    TestMachine t = TestMachine.of(options(2)).traced();
    String state = state(t, by, instructions);
    to.addAll(t.events());
    RmpMap told = new RmpMap();
    to.forEach(told::accept);
    assertThat(ofGuest(told)).isEqualTo(ofGuest(t.machine().memoryMap())).hasSizeGreaterThan(3);
    return state;
  }

  @Test
  void isTheSameGuestWithAnyTranslator() throws BootException {
    long some = 60_000_000;
    String there = state(Translator.NATIVE, some);
    List<Event> events = new ArrayList<>();
    assertThat(seen(Translator.NONE, some, events)).isEqualTo(there);
    List<Event> again = new ArrayList<>();
    assertThat(seen(Translator.NATIVE, some, again)).isEqualTo(there);
    assertThat(again).isEqualTo(events);
    assertThat(events)
        .extracting(Event::getClass)
        .contains(RmpChanged.class, Pvalidate.class, Rmpadjust.class, GhcbRegistered.class);
    long many = 400_000_000;
    String regions = state(Translator.REGIONS, many);
    assertThat(state(Translator.NATIVE, many)).isEqualTo(regions);
    assertThat(state(Translator.NATIVE, many)).isEqualTo(regions);
  }
}
