package dev.vesper.machine.guests;

import static org.assertj.core.api.Assertions.assertThat;

import dev.vesper.ghcb.ExitCode;
import dev.vesper.ghcb.GhcbField;
import dev.vesper.ghcb.MsrRequest;
import dev.vesper.guest.FlatGuest;
import dev.vesper.guest.Locore;
import dev.vesper.machine.observe.At;
import dev.vesper.machine.observe.Event.AutomaticExit;
import dev.vesper.machine.observe.Event.GhcbExchange;
import dev.vesper.machine.observe.Event.MsrExchange;
import dev.vesper.machine.observe.Event.VcRaised;
import dev.vesper.machine.observe.Event.WriteTrap;
import dev.vesper.machine.observe.format.EventCodec;
import dev.vesper.machine.spec.BootException;
import dev.vesper.machine.spec.MachineSpec;
import dev.vesper.machine.spec.Outcome;
import dev.vesper.machine.spec.SevMode;
import java.util.List;
import java.util.stream.Collectors;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

/**
 * The questions of the review thread "SEV-ES guest: locore #VC trap handling", each answered by a
 * guest that runs; docs/thread.md goes through them.
 */
final class ThreadTest {
  private static final String OFF_END =
      "    call check\n    mov al, PASS\n    out DEBUG_EXIT, al\n";

  private static LocoreRun es(String profile, byte[] image) throws BootException {
    return LocoreRun.run(profile, SevMode.ES, image);
  }

  private static long info1(GhcbExchange x) {
    return x.request().get(GhcbField.SW_EXITINFO1);
  }

  // ---- "*when* is this used by vmd?" and "Legacy mode should also work, no?"

  @ParameterizedTest
  @CsvSource({
    "kvm, vc_cpuid32, 32",
    "openbsd:2025-06, vc_cpuid64, 64",
    "openbsd:2025-09, vc_cpuid64, 64",
    "openbsd:2026, vc_cpuid32, 32"
  })
  void whenTheEarlyHandlersAreUsed(String profile, String handler, int bits) throws BootException {
    LocoreRun r = es(profile, Locore.image());
    List<At> early =
        r.events(MsrExchange.class)
            .filter(e -> MsrRequest.info(e.request()) == MsrRequest.CPUID_REQ && e.vc() != 0)
            .map(MsrExchange::at)
            .toList();
    assertThat(early).isNotEmpty();
    // VMGEXIT is in the handler of the entry mode; the CPUID itself is always in 32-bit code.
    assertThat(early).allMatch(e -> e.bits() == bits && e.symbol().startsWith(handler + "+"));
    assertThat(
            r.events(VcRaised.class)
                .map(VcRaised::at)
                .filter(at -> at.symbol().startsWith("start+"))
                .toList())
        .isNotEmpty()
        .allMatch(e -> e.bits() == 32);
  }

  @Test
  void legacyModeWouldDoForDirectLaunch() throws BootException {
    // A kernel without the 64-bit handler starts where vmd launches in legacy mode, and only there.
    byte[] image = Locore.image("mov word [early_idt_vc64+4-KERNBASE], 0x8e00", "nop");
    assertThat(es("openbsd:2026", image).outcome().status()).isEqualTo(LocoreRun.PASSED);
    assertThat(es("kvm", image).outcome().status()).isEqualTo(LocoreRun.PASSED);
    LocoreRun r = es("openbsd:2025-06", image);
    assertThat(r.outcome().status()).isEqualTo(Outcome.SHUTDOWN);
    assertThat(r.place()).contains("cpuid in start+");
  }

  // ---- "Can this just be '5'?" and "Why do we need to adjust again?"

  @ParameterizedTest
  @CsvSource({"ES, 2", "SEV, 0", "OFF, 0"})
  void whoTakesTheFivePages(SevMode mode, int ghcbs) throws BootException {
    LocoreRun r = LocoreRun.run("openbsd:2026", mode, Locore.image());
    long lowest = r.variable("proc0paddr") + 0xD000;
    long earlyPte = r.variable("early_pte_pages");
    assertThat(earlyPte).isEqualTo(lowest + ghcbs * 0x1000L);
    // Later users of first_avail start behind all of them, and leave the early page tables alone.
    assertThat(r.variable("first_avail")).isGreaterThan(earlyPte + 0x3000);
    assertThat(r.machine().observer().readPrivate(earlyPte, 0x3000)).containsOnly(0);
    assertThat(r.events(GhcbExchange.class).map(GhcbExchange::ghcb).distinct().toList())
        .isEqualTo(ghcbs == 0 ? List.of() : List.of(lowest));
  }

  /** Without the adjustment the early page tables would lie on the GHCB. */
  @Test
  void withoutTheAdjustmentTheGhcbIsHandedOutAgain() throws BootException {
    LocoreRun r =
        es("openbsd:2026", Locore.image("    add rdi, 0x2000\n.init_no_es:", ".init_no_es:"));
    assertThat(r.variable("early_pte_pages")).isEqualTo(r.variable("proc0paddr") + 0xD000);
    assertThat(r.place()).contains("first_avail accounts for GHCBs");
  }

  // ---- "Out of curiosity, why is the rep prefix needed here?"

  @ParameterizedTest
  @CsvSource({
    // bytes, mode, what is seen
    "'0xf3, 0x0f, 0x01, 0xd9', ES, VMGEXIT",
    "'0xf2, 0x0f, 0x01, 0xd9', ES, VMGEXIT",
    "'0x0f, 0x01, 0xd9', ES, VMMCALL as #VC",
    "'0xf3, 0x0f, 0x01, 0xd9', SEV, VMMCALL",
    "'0xf2, 0x0f, 0x01, 0xd9', SEV, VMMCALL",
    "'0x0f, 0x01, 0xd9', SEV, VMMCALL",
    "'0xf3, 0x0f, 0x01, 0xd9', OFF, VMMCALL",
    "'0x0f, 0x01, 0xd9', OFF, VMMCALL"
  })
  void whyTheRepPrefix(String bytes, SevMode mode, String seen) throws BootException {
    String source =
        "mov ecx, 0xc0010130\nmov eax, 2\nxor edx, edx\n"
            + (mode == SevMode.ES ? "wrmsr\n" : "")
            + "db "
            + bytes
            + "\ncli\nhlt\n";
    LocoreRun r =
        LocoreRun.run(
            MachineSpec.builder(mode, FlatGuest.image(source), b -> {}).memoryBytes(64L << 20));
    String names =
        r.events().stream()
            .map(
                e ->
                    switch (e) {
                      case MsrExchange x -> "VMGEXIT";
                      case AutomaticExit x when x.exit() == ExitCode.VMMCALL -> "VMMCALL";
                      case VcRaised x when x.exit() == ExitCode.VMMCALL -> "VMMCALL as #VC";
                      default -> "";
                    })
            .filter(n -> !n.isEmpty())
            .collect(Collectors.joining(","));
    assertThat(names).isEqualTo(seen);
  }

  // ---- "Doesn't this break with XO kernels?"

  @Test
  void executeOnlyTextBreaksTheHandlersThatReadIt() throws BootException {
    LocoreRun r =
        LocoreRun.run(
            MachineSpec.builder(SevMode.ES, Locore.image(), b -> {})
                .memoryBytes(64L << 20)
                .executeOnlyText());
    // The first #VC in 64-bit mode is a CPUID before there is a page fault handler.
    assertThat(r.outcome().status()).isEqualTo(Outcome.SHUTDOWN);
    assertThat(r.place()).contains("cmp WORD PTR [rbx],0xa20f in vc_cpuid");
    // CPUID could do without the bytes, as OpenBSD's does: then the first port access dies, and so
    // does the console that wants to say it.
    byte[] blind =
        Locore.image("vc_cpuid:\n    cmp word [rbx], 0xa20f\n    jne vc_mismatch\n", "vc_cpuid:\n");
    r =
        LocoreRun.run(
            MachineSpec.builder(SevMode.ES, blind, b -> {})
                .memoryBytes(64L << 20)
                .executeOnlyText());
    assertThat(r.outcome().status()).isEqualTo(Outcome.GUEST_TERMINATED);
    assertThat(r.events(VcRaised.class).toList().getLast().exit()).isEqualTo(ExitCode.IOIO);
    assertThat(r.events(VcRaised.class).anyMatch(e -> e.exit() == ExitCode.CPUID)).isTrue();
  }

  // ---- "0xe4 just means in $xxx, %al, it doesn't mean $0x71"

  @ParameterizedTest
  @ValueSource(strings = {"kvm", "openbsd:2025-06", "openbsd:2026"})
  void isE4AlwaysPort71(String profile) throws BootException {
    String source =
        IntStream.range(0, 256)
                .filter(i -> i != 0x71)
                .mapToObj(i -> "    in al, " + i)
                .collect(Collectors.joining("\n"))
            + "\n    in al, 0x71\n    xor eax, eax\n"
            + OFF_END;
    LocoreRun r = es(profile, Locore.withMain(source));
    assertThat(r.outcome().status()).isEqualTo(LocoreRun.PASSED);
    List<Long> ports =
        r.events(GhcbExchange.class)
            .filter(e -> e.exit() == ExitCode.IOIO && (info1(e) & 0xFF) == 0x11)
            .map(ThreadTest::info1)
            .filter(i -> i >>> 16 < 0x100)
            .distinct()
            .toList();
    assertThat(ports).hasSize(256).contains(0x71_0011L, 0x11L, 0xFF_0011L);
  }

  // ---- "What does this XXX mean": XCR0

  @Test
  void xcr0UnderSevEsIsTheGuestsOwn() throws BootException {
    String source =
        """
            mov rax, cr4
            or eax, 0x40000
            mov cr4, rax
            xor ecx, ecx
            xor edx, edx
            mov eax, 3
            xsetbv
            xor eax, eax
            xgetbv
            cmp eax, 3
        """;
    LocoreRun es = es("openbsd", Locore.withMain(source + OFF_END));
    assertThat(es.outcome().status()).isEqualTo(LocoreRun.PASSED);
    assertThat(es.events()).noneMatch(e -> EventCodec.name(e).contains("XSETBV"));
    // A guest whose XCR0 the host can reach exits.
    LocoreRun sev = LocoreRun.run("openbsd", SevMode.SEV, Locore.withMain(source + OFF_END));
    assertThat(sev.outcome().status()).isEqualTo(LocoreRun.PASSED);
    assertThat(sev.events(AutomaticExit.class)).anyMatch(e -> e.exit() == ExitCode.XSETBV);
  }

  // ---- "no state for CR8?"

  @ParameterizedTest
  @CsvSource({
    "openbsd:2025-06, true",
    "openbsd:2025-09, false",
    "openbsd:2026, false",
    "'openbsd:2026,cr8=trap', true"
  })
  void whatCr8WritesLeave(String profile, boolean trap) throws BootException {
    String source = "    mov eax, 9\n    mov cr8, rax\n    mov rbx, cr8\n    cmp ebx, 9\n";
    LocoreRun r = es(profile, Locore.withMain(source + OFF_END));
    assertThat(r.outcome().status()).isEqualTo(LocoreRun.PASSED);
    List<WriteTrap> traps =
        r.events(WriteTrap.class)
            .filter(e -> ExitCode.name(e.exit()).contains("CR8_WRITE_TRAP"))
            .toList();
    assertThat(traps).hasSize(trap ? 1 : 0);
    assertThat(traps).allMatch(e -> e.info1() == 9);
    // V_TPR of the VMCB holds it: the host needs no state of its own.
    assertThat(r.machine().virtualTpr()).isEqualTo(9);
  }

  // ---- the port number that was shifted as a signed int

  @Test
  void aSignedShiftOfThePortShows() throws BootException {
    String source =
        "    mov edx, 0x8000\n"
            + "    in al, dx\n"
            + "    mov edx, 0x7fff\n"
            + "    in al, dx\n"
            + "    xor eax, eax\n";
    String june = "    movsx rcx, cx\n    shl rcx, 16\n    or rcx, r9\n    mov edi, GHCB_RAX";
    byte[] signed =
        Locore.withMain(
            source + OFF_END, "    shl rcx, 16\n    or rcx, r9\n    mov edi, GHCB_RAX", june);
    List<Long> wrong =
        es("openbsd:2025-06", signed).events(GhcbExchange.class).map(ThreadTest::info1).toList();
    assertThat(wrong).contains(0xFFFF_FFFF_8000_0011L, 0x7FFF_0011L).doesNotContain(0x8000_0011L);
    List<Long> right =
        es("openbsd:2025-06", Locore.withMain(source + OFF_END))
            .events(GhcbExchange.class)
            .map(ThreadTest::info1)
            .toList();
    assertThat(right).contains(0x8000_0011L, 0x7FFF_0011L);
  }

  // ---- rows of the difference table (spec openbsd 5.2) that show in a guest

  /** Row 4: pages re-mapped shared in every mode are shared where nobody needs it. */
  @Test
  void row4GhcbPagesAreSharedOnlyUnderSevEs() throws BootException {
    byte[] unconditional =
        Locore.image("SEV_STAT_ES_ENABLED\n    je .no_ghcb", "SEV_STAT_ES_ENABLED");
    assertThat(es("openbsd", unconditional).outcome().status()).isEqualTo(LocoreRun.PASSED);
    LocoreRun r = LocoreRun.run("openbsd", SevMode.SEV, unconditional);
    assertThat(r.place()).contains("two GHCB pages shared under SEV-ES only");
  }

  /** Row 7: a trap gate would leave interrupts on while the GHCB is in use. */
  @Test
  void row7TheGateKeepsInterruptsOff() throws BootException {
    String source = "    mov byte [idt+469], 0x8f\n    sti\n    mov eax, 1\n    cpuid\n";
    LocoreRun r = es("openbsd", Locore.withMain(source + OFF_END));
    assertThat(r.outcome().status()).isEqualTo(Outcome.GUEST_TERMINATED);
    source = source.replace("0x8f", "0x8e") + "    cli\n    xor eax, eax\n";
    assertThat(es("openbsd", Locore.withMain(source + OFF_END)).outcome().status())
        .isEqualTo(LocoreRun.PASSED);
  }

  /** Row 22: a kernel whose early handler knows only CPUID dies where the host intercepts DR7. */
  @Test
  void row22DebugRegisterWritesAreSkippedForKvm() throws BootException {
    byte[] june =
        Locore.image(
            "    cmp eax, 0x36\n    je .vc32_dr\n    cmp eax, 0x37\n    je .vc32_dr\n", "");
    LocoreRun r = es("kvm", june);
    assertThat(r.outcome().reason()).contains("reason set 0 code 0");
    assertThat(r.events(VcRaised.class).toList().getLast().exit()).isEqualTo(ExitCode.DR7_WRITE);
    assertThat(es("openbsd:2026", june).outcome().status()).isEqualTo(LocoreRun.PASSED);
  }

  /** Row 24: the GHCB MSR must be written before each VMGEXIT, not once. */
  @Test
  void row24TheGhcbIsAnnouncedBeforeEachExit() throws BootException {
    String source =
        """
            mov ecx, MSR_SEV_GHCB
            mov eax, MSRPROTO_CPUID_REQ
            xor edx, edx
            wrmsr
            rep vmmcall
            mov edx, 0x3fb
            in al, dx
            xor eax, eax
        """;
    assertThat(es("openbsd", Locore.withMain(source + OFF_END)).outcome().status())
        .isEqualTo(LocoreRun.PASSED);
    byte[] once =
        Locore.withMain(
            source + OFF_END,
            "    mov ecx, MSR_SEV_GHCB\n    wrmsr\n    cmp qword [gs:CI_NEST_PROBE]",
            "    cmp qword [gs:CI_NEST_PROBE]");
    LocoreRun r = es("openbsd", once);
    assertThat(r.outcome().reason()).contains("EINVAL").contains("CPUID_RESP");
  }

  /** Row 26: drivers are told that they run in a confidential VM. */
  @ParameterizedTest
  @CsvSource({"OFF, 0", "SEV, 0x40000", "ES, 0x40000"})
  void row26RbCocovm(SevMode mode, String bit) throws BootException {
    LocoreRun r = LocoreRun.run("openbsd", mode, Locore.image());
    assertThat(r.variable("boothowto") & 0x4_0000).isEqualTo(Long.decode(bit));
  }

  /** Row 28: the early termination request is reason set 0, code 0. */
  @Test
  void row28TerminationReason() throws BootException {
    LocoreRun r =
        es(
            "openbsd:2026",
            Locore.image("    cmp eax, 0x72\n    jne vc_terminate32", "    jmp vc_terminate32"));
    assertThat(r.outcome().status()).isEqualTo(Outcome.GUEST_TERMINATED);
    assertThat(r.outcome().reason()).contains("reason set 0 code 0: general termination request");
  }

  /** Row 29: this guest's early handlers look at the response code, OpenBSD's do not. */
  @Test
  void row29TheResponseCodeIsChecked() throws BootException {
    byte[] wrong = Locore.image("equ MSRPROTO_CPUID_RESP 0x5", "equ MSRPROTO_CPUID_RESP 0x7");
    assertThat(es("openbsd:2026", wrong).place()).contains("in vc_terminate32");
    assertThat(es("openbsd:2025-09", wrong).place()).contains("in vc_terminate64");
  }
}
