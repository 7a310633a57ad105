package dev.vesper.machine.guests;

import static org.assertj.core.api.Assertions.assertThat;

import dev.vesper.fixtures.DebianKernel;
import dev.vesper.fixtures.DebianPackages;
import dev.vesper.fixtures.DebianSuite;
import dev.vesper.ghcb.ExitCode;
import dev.vesper.machine.Machine;
import dev.vesper.machine.TestMachine;
import dev.vesper.machine.Until;
import dev.vesper.machine.VcpuView;
import dev.vesper.machine.host.HostMemory;
import dev.vesper.machine.launch.SevFeature;
import dev.vesper.machine.observe.Event;
import dev.vesper.machine.observe.Event.GhcbRegistered;
import dev.vesper.machine.observe.Event.Pvalidate;
import dev.vesper.machine.observe.Event.RmpChanged;
import dev.vesper.machine.observe.Event.Rmpadjust;
import dev.vesper.machine.observe.RmpMap;
import dev.vesper.machine.observe.RmpState;
import dev.vesper.machine.spec.BootException;
import dev.vesper.machine.spec.Hardware;
import dev.vesper.machine.spec.KernelHashing;
import dev.vesper.machine.spec.MachineSpec;
import dev.vesper.machine.spec.Outcome;
import dev.vesper.machine.spec.SevMode;
import dev.vesper.machine.spec.SnpHost;
import dev.vesper.machine.spec.SnpLaunch;
import dev.vesper.machine.spec.Translator;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.condition.EnabledIfSystemProperty;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

/**
 * Unmodified kernels of Debian as SEV-SNP guests, booted directly and by Debian's OVMF. Debian 12's
 * own OVMF cannot start one: docs/findings.md says why.
 */
@Tag("slow")
final class LinuxSnpTest {
  /** The secret is computed, so that no initial RAM disk that the host hands on has it. */
  private static final String INIT =
      """
      #!/bin/busybox sh
      b=/bin/busybox
      $b mount -t proc proc /proc
      SECRET=$(echo vesper | $b sha256sum)
      echo MARK-INIT $($b uname -r) $($b nproc) PROCESSORS
      echo MARK-DONE
      $b poweroff -f
      """;

  private static final String SECRET =
      "5577e8ca93f2b050d0bab1bb0dc69119fa6bbde9ea2320167b4aa17f0e7cfb20";

  private static final long MOST = 6_000_000_000L;
  private static final Outcome POWERED_OFF = new Outcome(0, "guest powered off");
  private static final String FEATURES =
      "Memory Encryption Features active: AMD SEV SEV-ES SEV-SNP";

  /** What sid had when this was written; where it is gone, so are the tests. */
  private static final String SID_KERNEL = "7.2.13+deb14-cloud-amd64";

  private static final String SID_KERNEL_VERSION = "7.2.13-1";
  private static final String SID_FIRMWARE_VERSION = "2026.08+ds-2";

  /** {@return a kernel of a release and flavour, unmodified} */
  private static byte[] kernel(String release, String flavour)
      throws IOException, InterruptedException {
    return switch (release) {
      case "bookworm" ->
          flavour.equals("amd64") ? DebianPackages.fullKernel() : DebianKernel.image();
      case "sid" ->
          DebianSuite.of(release)
              .file("linux-binary-" + SID_KERNEL, SID_KERNEL_VERSION, SID_KERNEL + "/vmlinuz");
      default -> DebianSuite.of(release).kernel(flavour);
    };
  }

  /** {@return the firmware of a release; that of sid is its build for SEV-SNP alone} */
  private static MachineSpec.Firmware firmware(String release)
      throws IOException, InterruptedException {
    DebianSuite s = DebianSuite.of(release);
    return MachineSpec.Firmware.of(
        release.equals("sid")
            ? s.file("ovmf-amdsev", SID_FIRMWARE_VERSION, "ovmf/OVMF.amdsev.fd")
            : s.file("ovmf", "ovmf/OVMF.fd"));
  }

  private static MachineSpec.Builder options(byte[] kernel, Hardware.Board board) {
    return MachineSpec.builder(SevMode.SNP, kernel, b -> {})
        .append("console=ttyS0 cryptomgr.notests=1")
        .initrd(DebianKernel.initramfs(INIT))
        .hardware(new Hardware(board, List.of()));
  }

  /**
   * Release and flavour of the kernel, release of the firmware, board, number of processors, which
   * are started by AP creation, and processor.
   */
  @ParameterizedTest
  @CsvSource({
    "bookworm, cloud-amd64, none, PC, 1, EPYC-Milan",
    "bookworm, cloud-amd64, none, Q35, 4, EPYC-Genoa",
    "bookworm, amd64, none, PC, 4, EPYC-Milan",
    "trixie, cloud-amd64, none, Q35, 4, EPYC-Milan",
    "trixie, cloud-amd64, trixie, PC, 1, EPYC-Genoa",
    "trixie, cloud-amd64, none, Q35, 2, EPYC-Turin",
    "bookworm, cloud-amd64, trixie, Q35, 4, EPYC-Milan",
    "sid, cloud-amd64, sid, PC, 4, EPYC-Milan"
  })
  void bootsToInitAndPowersOff(
      String release,
      String flavour,
      String firmware,
      Hardware.Board board,
      int processors,
      String cpu)
      throws BootException, IOException, InterruptedException {
    String version =
        switch (release) {
          case "bookworm" -> "6.1.";
          case "trixie" -> "6.12.";
          default -> "7.2.";
        };
    MachineSpec.Builder o =
        options(kernel(release, flavour), board).processors(processors).cpuModel(cpu);
    if (!firmware.equals("none")) {
      o.firmware(firmware(firmware));
    }
    TestMachine t = TestMachine.of(o);
    assertThat(t.run(MOST)).as(t.console()).isEqualTo(POWERED_OFF);
    assertThat(t.console())
        .contains(FEATURES)
        .contains("SEV: Using SNP CPUID table")
        .containsPattern("MARK-INIT " + version + "\\S*-" + flavour)
        .contains(processors + " PROCESSORS")
        .contains("MARK-DONE")
        .doesNotContain("cut here");
    assertNothingLeaks(t.machine(), "Linux version " + version);
  }

  /** The rest of the combinations. */
  @ParameterizedTest
  @EnabledIfSystemProperty(named = "long", matches = "true")
  @CsvSource({
    "bookworm, cloud-amd64, none, PC, 4, EPYC-Milan",
    "bookworm, cloud-amd64, none, Q35, 1, EPYC-Milan",
    "bookworm, amd64, none, PC, 1, EPYC-Genoa",
    "bookworm, amd64, none, Q35, 1, EPYC-Milan",
    "bookworm, amd64, none, Q35, 4, EPYC-Milan",
    "bookworm, cloud-amd64, trixie, PC, 1, EPYC-Milan",
    "bookworm, amd64, trixie, PC, 4, EPYC-Genoa",
    "trixie, cloud-amd64, none, PC, 1, EPYC-Milan",
    "trixie, cloud-amd64, none, PC, 4, EPYC-Genoa",
    "trixie, cloud-amd64, none, Q35, 1, EPYC-Milan",
    "trixie, amd64, none, PC, 4, EPYC-Milan",
    "trixie, cloud-amd64, trixie, PC, 4, EPYC-Milan",
    "trixie, cloud-amd64, trixie, Q35, 1, EPYC-Milan",
    "trixie, cloud-amd64, trixie, Q35, 4, EPYC-Milan",
    "trixie, amd64, trixie, Q35, 4, EPYC-Genoa",
    "sid, cloud-amd64, none, PC, 1, EPYC-Genoa",
    "sid, cloud-amd64, none, Q35, 4, EPYC-Milan",
    "sid, cloud-amd64, trixie, PC, 1, EPYC-Milan",
    "sid, cloud-amd64, sid, PC, 1, EPYC-Milan",
    "sid, cloud-amd64, sid, Q35, 4, EPYC-Genoa",
    "trixie, cloud-amd64, sid, Q35, 1, EPYC-Milan",
    "bookworm, cloud-amd64, sid, PC, 4, EPYC-Milan"
  })
  void otherKernelsBoardsAndFirmwareToo(
      String release,
      String flavour,
      String firmware,
      Hardware.Board board,
      int processors,
      String cpu)
      throws BootException, IOException, InterruptedException {
    bootsToInitAndPowersOff(release, flavour, firmware, board, processors, cpu);
  }

  /** A kernel before 6.14 knows nothing of Secure TSC, and says so before anything else. */
  @ParameterizedTest
  @CsvSource({"bookworm, 0x201, SecureTSC (0x200)"})
  void olderKernelsRefuseWhatTheyDoNotKnow(String release, long features, String names)
      throws BootException, IOException, InterruptedException {
    TestMachine t =
        TestMachine.of(
            options(kernel(release, "cloud-amd64"), Hardware.Board.PC)
                .snp(SnpLaunch.DEFAULT.withFeatures(features)));
    Outcome o = t.run(MOST);
    assertThat(o.status()).isEqualTo(Outcome.GUEST_TERMINATED);
    assertThat(o.reason())
        .contains("reason set 0 code 2: SNP features not supported")
        .endsWith(names + ", see --guest-features");
  }

  @ParameterizedTest
  @EnabledIfSystemProperty(named = "long", matches = "true")
  @CsvSource({
    "trixie, 0x201, SecureTSC (0x200)",
    "trixie, 0x231, 'AlternateInjection (0x10), SecureTSC (0x200)'"
  })
  void soDoLaterOnes(String release, long features, String names)
      throws BootException, IOException, InterruptedException {
    olderKernelsRefuseWhatTheyDoNotKnow(release, features, names);
  }

  /** The guest asks the secure processor for scale and offset, and gives them to its other vCPU. */
  @Test
  @EnabledIfSystemProperty(named = "long", matches = "true")
  void secureTscIsItsClock() throws BootException, IOException, InterruptedException {
    SnpLaunch snp =
        SnpLaunch.DEFAULT
            .withFeatures(SevFeature.SNP_ACTIVE.mask | SevFeature.SECURE_TSC.mask)
            .withTscKilohertz(2_000_000);
    TestMachine t =
        TestMachine.of(
            options(kernel("sid", "cloud-amd64"), Hardware.Board.PC)
                .processors(2)
                .cpuModel("EPYC-Genoa")
                .snp(snp));
    assertThat(t.run(MOST)).as(t.console()).isEqualTo(POWERED_OFF);
    assertThat(t.console())
        .contains("SEV: Status: SEV SEV-ES SEV-SNP SecureTSC")
        .as("0.2 % below 2 GHz, as the secrets page says")
        .contains("tsc: Detected 1996.000 MHz processor")
        .contains("clocksource: Switched to clocksource tsc\r")
        .contains("2 PROCESSORS")
        .contains("MARK-DONE")
        .doesNotContain("cut here");
  }

  /** The reverse map table has entries of 2 MiB, which the guest has the host split. */
  @Test
  void bootsOnEntriesOfTwoMebibytes() throws BootException {
    SnpLaunch snp = SnpLaunch.DEFAULT.withHost(SnpHost.KVM.withLargePages(true));
    TestMachine t = TestMachine.of(options(2).snp(snp));
    assertThat(t.run(MOST)).isEqualTo(POWERED_OFF);
    assertThat(t.console()).contains(FEATURES, "MARK-DONE");
  }

  private static MachineSpec.Builder options(int processors) {
    return options(DebianKernel.image(), Hardware.Board.PC).processors(processors);
  }

  /** Firmware for SEV-SNP starts what was measured and nothing else. */
  @Test
  @EnabledIfSystemProperty(named = "long", matches = "true")
  void aKernelWithoutHashesIsNotStarted() throws Exception {
    MachineSpec.Builder o =
        options(kernel("sid", "cloud-amd64"), Hardware.Board.PC).firmware(firmware("sid"));
    MachineSpec.Launch l = MachineSpec.Launch.DEFAULT;
    TestMachine t =
        TestMachine.of(
            o.launch(
                new MachineSpec.Launch(
                    l.policy(), l.reset(), l.signature(), KernelHashing.OFF, null, l.secret())));
    t.run(700_000_000L);
    assertThat(t.console()).contains("No bootable option").doesNotContain("Linux version");
  }

  /**
   * A host moves a kernel's stack while the kernel runs on it, with the ciphertext as it was or to
   * another page: nothing that was there is ever read again.
   */
  @ParameterizedTest
  @ValueSource(strings = {"remap:%s@%d", "swap:%s:0x1000@%d"})
  void aStackThatTheHostHasMovedIsNotUsed(String fault) throws BootException {
    long instructions = 40_000_000;
    TestMachine before = TestMachine.of(options(1));
    before.machine().run(Until.instructions(instructions));
    VcpuView v = before.machine().observer().vcpu(0);
    long top = v.physical(v.gpr(VcpuView.RSP)) & -4096L;
    TestMachine t =
        TestMachine.of(
                options(1).hostFaults(fault.formatted("0x" + Long.toHexString(top), instructions)))
            .traced();
    Outcome o = t.run(2 * instructions);
    List<Event> refused =
        t.events().stream()
            .filter(
                e ->
                    e instanceof Event.RmpViolation r && r.gpa() >>> 12 == top >>> 12
                        || e instanceof Event.VcRaised c && c.exit() == ExitCode.PAGE_NOT_VALIDATED)
            .toList();
    assertThat(refused).as(o.reason()).isNotEmpty();
    assertThat(o.status()).as(o.reason()).isIn(Outcome.SHUTDOWN, Outcome.PAGE_REFUSED);
    assertThat(t.machine().instructions())
        .as("it ends when the stack is needed next")
        .isBetween(instructions, 2 * instructions - 1);
  }

  private static void assertNothingLeaks(Machine m, String version) {
    HostMemory host = m.hostView();
    byte[] seen = new byte[1 << 20];
    boolean banner = false;
    boolean secret = false;
    for (long a = 0; a < host.guestBytes(); a += seen.length) {
      host.read(a, seen, 0, seen.length);
      String outside = new String(seen, StandardCharsets.ISO_8859_1);
      assertThat(outside.contains(version)).as("banner in the host's view at 0x%x", a).isFalse();
      assertThat(outside.contains(SECRET)).as("secret at 0x%x", a).isFalse();
      byte[] plain = m.observer().readPrivate(a, seen.length);
      String inside = new String(plain, StandardCharsets.ISO_8859_1);
      banner |= inside.contains(version);
      secret |= inside.contains(SECRET);
      if (inside.contains(version)) {
        // No page of the guest's takes what a host writes.
        host.write(a, new byte[seen.length], 0, seen.length);
        String after =
            new String(m.observer().readPrivate(a, seen.length), StandardCharsets.ISO_8859_1);
        assertThat(after.contains(version)).as("banner at 0x%x after a write", a).isTrue();
      }
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
  void isTheSameGuestWithAnyTranslatorEachTime() throws BootException {
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
    String whole = state(Translator.REGIONS, MOST);
    assertThat(whole).contains("MARK-DONE");
    assertThat(state(Translator.NATIVE, MOST)).isEqualTo(whole);
    assertThat(state(Translator.NATIVE, MOST)).isEqualTo(whole);
  }

  /** The test above has three. */
  @Test
  @EnabledIfSystemProperty(named = "long", matches = "true")
  void tenRunsHaveOneHash() throws BootException {
    String first = state(Translator.NATIVE, MOST);
    assertThat(first).contains("MARK-DONE");
    for (int i = 1; i < 10; i++) {
      assertThat(state(Translator.NATIVE, MOST)).isEqualTo(first);
    }
  }
}
