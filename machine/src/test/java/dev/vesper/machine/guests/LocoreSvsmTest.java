package dev.vesper.machine.guests;

import static org.assertj.core.api.Assertions.assertThat;

import dev.vesper.ghcb.ExitCode;
import dev.vesper.ghcb.GhcbField;
import dev.vesper.ghcb.HvFeatures;
import dev.vesper.ghcb.MsrRequest;
import dev.vesper.guest.Locore;
import dev.vesper.guest.ServiceModule;
import dev.vesper.machine.LaunchPlan;
import dev.vesper.machine.Machine;
import dev.vesper.machine.TestMachine;
import dev.vesper.machine.host.Answer;
import dev.vesper.machine.host.Exit;
import dev.vesper.machine.host.HostMemory;
import dev.vesper.machine.observe.Event.AutomaticExit;
import dev.vesper.machine.observe.Event.GhcbExchange;
import dev.vesper.machine.observe.Event.Pvalidate;
import dev.vesper.machine.observe.check.Checker;
import dev.vesper.machine.observe.check.Finding;
import dev.vesper.machine.observe.check.Rule;
import dev.vesper.machine.spec.BootException;
import dev.vesper.machine.spec.HostCertificates;
import dev.vesper.machine.spec.MachineSpec;
import dev.vesper.machine.spec.Outcome;
import dev.vesper.machine.spec.SevMode;
import dev.vesper.machine.spec.SnpHost;
import dev.vesper.machine.spec.SnpLaunch;
import dev.vesper.machine.spec.Translator;
import java.io.IOException;
import java.io.InputStream;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.IntBuffer;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.HexFormat;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.TreeSet;
import java.util.stream.IntStream;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.MethodSource;
import org.junit.jupiter.params.provider.ValueSource;

/** The reference guest at VMPL2 under the service module, and either of them broken. */
final class LocoreSvsmTest {
  private static final long RMP_VIOLATION = 1L << 31;
  private static final long MEMORY = 26L << 20;

  /** Where the module lies: the last 2 MiB. */
  private static final long MODULE = MEMORY - (2 << 20);

  /** Its secrets page, and the guest's. */
  private static final long SECRETS = MODULE + 0x1F_D000;

  private static final long GUEST_SECRETS = 0x9_D000;
  private static final int KEY_BYTES = 32;
  private static final int KEYS = 0x20;

  private static final SnpLaunch SERVED = SnpLaunch.DEFAULT.withService(ServiceModule.image());

  private static MachineSpec.Builder spec(byte[] image, SnpLaunch snp) {
    return MachineSpec.builder(SevMode.SNP, image, b -> {})
        .memoryBytes(MEMORY)
        .processors(2)
        .snp(snp);
  }

  private static boolean converts(LocoreRun r) {
    return r.events(AutomaticExit.class)
        .anyMatch(e -> e.exit() == ExitCode.NPF && (e.info1() & RMP_VIOLATION) != 0);
  }

  @ParameterizedTest
  @ValueSource(booleans = {false, true})
  void theSelfTestPassesAtVmpl2(boolean large) throws BootException {
    SnpHost host = SERVED.host().withLargePages(large);
    LocoreRun r = LocoreRun.run(spec(Locore.image(), SERVED.withHost(host)));
    assertThat(r.outcome().status()).as(r.console()).isEqualTo(LocoreRun.PASSED);
    assertThat(r.console())
        .contains("svsm: the second CPU is served ... ok", "locore: self-test passed")
        .doesNotContain("not offered", "VMPL0");
    assertThat(converts(r)).isFalse();
    // Entries of 2 MiB are accepted at once, others page by page.
    assertThat(r.events(Pvalidate.class).filter(e -> e.large() && e.eax() == 0).count())
        .isEqualTo(large ? 2 : 0);
    assertThat(r.events(GhcbExchange.class).filter(e -> e.exit() == ExitCode.SNP_RUN_VMPL).count())
        .isGreaterThan(large ? 30 : 600);
  }

  /** What the checker has to say of both is what the self-test does on purpose. */
  @Test
  void theCheckerFindsNothing() throws Exception {
    Checker c = new Checker();
    try (Machine m = new Machine(spec(Locore.image(), SERVED).build())) {
      m.trace(c::accept, true);
      m.limit(50_000_000L, Long.MAX_VALUE);
      m.run();
    }
    assertThat(c.findings())
        .extracting(Finding::rule)
        .containsOnly(
            Rule.PAGE_NOT_VALIDATED,
            Rule.DOUBLE_VALIDATION,
            Rule.SVSM_UNKNOWN_CALL,
            Rule.SVSM_LIST);
  }

  @Test
  void allTranslatorsComeToTheSameState() throws BootException {
    TreeSet<String> states = new TreeSet<>();
    for (Translator by : Translator.values()) {
      TestMachine t = TestMachine.of(spec(Locore.image(), SERVED));
      t.machine().translator(by);
      assertThat(t.run(50_000_000L).status()).isEqualTo(LocoreRun.PASSED);
      states.add(t.machine().instructions() + " " + t.machine().stateHash());
    }
    assertThat(states).hasSize(1);
  }

  @Test
  void theMachineLaunchesWhatThePlanMeasures() throws BootException {
    MachineSpec s = spec(Locore.image(), SERVED).build();
    String planned = HexFormat.of().formatHex(LaunchPlan.of(s).digest());
    TestMachine t = TestMachine.of(spec(Locore.image(), SERVED));
    assertThat(t.machine().launchDigest()).isEqualTo(planned);
    // The module is part of it, and so is what it runs.
    String pause = "    pause\n    jmp short .take_lock";
    SnpLaunch other = SERVED.withService(ServiceModule.image(Map.of(pause, "nop\n" + pause)));
    assertThat(digest(Locore.image(), other)).isNotEqualTo(planned);
    assertThat(digest(Locore.image(), SnpLaunch.DEFAULT)).isNotEqualTo(planned);
    assertThat(digest(Locore.image("    cli\n    hlt", "    hlt"), SERVED)).isNotEqualTo(planned);
  }

  private static String digest(byte[] image, SnpLaunch snp) throws BootException {
    return HexFormat.of().formatHex(LaunchPlan.of(spec(image, snp).build()).digest());
  }

  @Test
  void theGuestHasTheSecretsOfItsOwnLevelAlone() throws BootException {
    LocoreRun r = LocoreRun.run(spec(Locore.image(), SERVED));
    byte[] all = r.machine().observer().readPrivate(SECRETS, 4096);
    byte[] given = r.machine().observer().readPrivate(GUEST_SECRETS, 4096);
    HexFormat hex = HexFormat.of();
    for (int level = 0; level < 4; level++) {
      int at = KEYS + level * KEY_BYTES;
      String key = hex.formatHex(all, at, at + KEY_BYTES);
      assertThat(key).isNotEqualTo("0".repeat(2 * KEY_BYTES));
      assertThat(hex.formatHex(given, at, at + KEY_BYTES))
          .as("VMPCK%d", level)
          .isEqualTo(level < 2 ? "0".repeat(2 * KEY_BYTES) : key);
    }
    assertThat(hex.formatHex(given, 0x140, 0x160))
        .as("base, size, calling area, version, level")
        .isEqualTo("00008001000000000000200000000000" + "00f00900000000000100000002000000");
    HostMemory host = r.machine().hostView();
    assertThat(host.bytes(SECRETS, 4096)).isNotEqualTo(all);
  }

  /** The module's memory is nobody's but its own: the guest that reads it is not served. */
  @ParameterizedTest
  @ValueSource(
      strings = {
        "mov al, [rdx]",
        "mov [rdx], al",
        "mov al, [rdx+0x1fd000]",
        "mov [rdx+0xfff], al",
        // The save area that the guest was started with is not the guest's to be given.
        "push rdx\nmov ecx, "
            + (MODULE + 0x83000)
            + "\nmov eax, SVSM_CORE_DELETE_VCPU\n"
            + "call svsm_call\npop rdx\nmov [rdx+0x83000], al"
      })
  void theModulesMemoryIsItsOwn(String access) throws BootException {
    TestMachine t =
        TestMachine.of(
            spec(
                Locore.withMain("mov rdx, DIRECT_MAP+" + MODULE + "\n" + access + "\nret\n"),
                SERVED));
    Outcome o = t.run(50_000_000L);
    assertThat(o.status()).as(o.reason()).isEqualTo(Outcome.PAGE_REFUSED);
    assertThat(o.reason()).contains("the VMPL that runs lacks the permission", "GPA 0x1");
  }

  @Test
  void hostsWithoutWhatTheModuleNeedsAreRefused() throws BootException {
    TestMachine t = TestMachine.of(spec(Locore.image(), SERVED.withHost(SnpHost.KVM)));
    Outcome o = t.run(50_000_000L);
    assertThat(o.status()).isEqualTo(Outcome.GUEST_TERMINATED);
    assertThat(o.reason()).contains("SNP features not supported");
  }

  /** A host that says that it ran the module and did not: the guest looks at its calling area. */
  @Test
  void aHostThatRunsNoModuleIsNoticed() throws BootException {
    TestMachine t = TestMachine.of(spec(Locore.image(), SERVED));
    t.machine()
        .hypervisor()
        .onEvent(
            ExitCode.SNP_RUN_VMPL,
            (exit, next) -> {
              if (exit.request(GhcbField.SW_EXITINFO1) == 0) {
                exit.set(GhcbField.SW_EXITINFO1, 0);
                exit.set(GhcbField.SW_EXITINFO2, 0);
              } else {
                next.run();
              }
            });
    assertThat(t.run(50_000_000L).status()).isNotEqualTo(LocoreRun.PASSED);
    assertThat(t.console()).contains("panic: svsm: the service module has not served a call");
  }

  @Test
  void theModuleAsksForWhatItNeedsBeforeTheGuestRuns() throws BootException {
    TestMachine t = TestMachine.of(spec(Locore.image(), SERVED));
    t.machine()
        .hypervisor()
        .onMsr(
            MsrRequest.HV_FEATURES_REQ,
            (exit, next) ->
                exit.respond(MsrRequest.features(HvFeatures.SNP | HvFeatures.AP_CREATION)));
    assertThat(t.run(50_000_000L).status()).isEqualTo(Outcome.GUEST_TERMINATED);
    assertThat(t.console()).isEmpty();
  }

  /** What a guest gets for calls that each leave their result at r13. */
  private static List<Integer> results(String calls) throws BootException {
    String end = "jmp pass\nkeep:\nmov [r13], eax\nadd r13, 4\nret\npass:\n" + PASS_TEST;
    TestMachine t =
        TestMachine.of(spec(Locore.withMain("mov r13, scratch\n" + calls + end), SERVED));
    Outcome o = t.run(50_000_000L);
    assertThat(o.status()).as("%s%n%s", o, t.console()).isEqualTo(LocoreRun.PASSED);
    long at = t.machine().symbols().address("scratch") & 0x7FFF_FFFFL;
    int count = (calls.length() - calls.replace("call keep", "").length()) / "call keep".length();
    IntBuffer b =
        ByteBuffer.wrap(t.machine().observer().readPrivate(at, 4 * count))
            .order(ByteOrder.LITTLE_ENDIAN)
            .asIntBuffer();
    return IntStream.range(0, count).mapToObj(b::get).toList();
  }

  /** Page 0 is one as any other: as a save area it can be nothing else until it is given back. */
  @Test
  void aSaveAreaAtAddressZeroIsOneToo() throws BootException {
    String delete = "mov eax, SVSM_CORE_DELETE_VCPU\nxor ecx, ecx\ncall svsm_call\ncall keep\n";
    String create =
        "mov eax, SVSM_CORE_CREATE_VCPU\nxor ecx, ecx\nmov rdx, rbx\nmov r8d, 1\n"
            + "call svsm_call\ncall keep\n";
    String rescind =
        "mov rdx, [gs:CI_CAA_VADDR]\nmov qword [rdx+8], 1\nmov qword [rdx+16], 0\n"
            + "mov eax, SVSM_CORE_PVALIDATE\nmov rcx, [gs:CI_CAA_PADDR]\nadd rcx, 8\n"
            + "call svsm_call\ncall keep\n";
    String fill =
        "call page_alloc\nmov rbx, rax\nmov rdi, DIRECT_MAP\nmov byte [rdi+VMSA_VMPL], 2\n"
            + "mov qword [rdi+VMSA_EFER], 0x1000\nmov rax, [sev_features]\n"
            + "mov [rdi+VMSA_SEV_FEATURES], rax\n";
    assertThat(results(delete + fill + create + rescind + create + delete + delete + rescind))
        .containsExactly(ERROR_PARAMETER, 0, ERROR_ADDRESS, ERROR_ADDRESS, 0, ERROR_PARAMETER, 0);
  }

  /** A calling area that is not there would end the module when the processor calls. */
  @Test
  void aCallingAreaThatIsNotThereIsRefused() throws BootException {
    String create =
        "mov eax, SVSM_CORE_CREATE_VCPU\nmov rcx, r14\nmov rdx, rbx\nmov r8d, 1\n"
            + "call svsm_call\ncall keep\n";
    String calls =
        "call page_alloc\nmov r14, rax\nlea rdi, [rax+KERNBASE]\nmov byte [rdi+VMSA_VMPL], 2\n"
            + "mov qword [rdi+VMSA_EFER], 0x1000\nmov rax, [sev_features]\n"
            + "mov [rdi+VMSA_SEV_FEATURES], rax\ncall page_alloc\nmov rbx, rax\n"
            + "mov byte [rax+KERNBASE], 1\nmov rdi, rbx\nxor esi, esi\ncall snp_validate\n"
            + create
            + "mov rdi, rbx\nmov esi, 1\ncall snp_validate\nmov byte [rbx+KERNBASE], 1\n"
            + create
            + "mov al, [rbx+KERNBASE]\nmovzx eax, al\ncall keep\n";
    assertThat(results(calls)).containsExactly(ERROR_ADDRESS, 0, 0);
  }

  /** Asks three times for a report: what each call gave is in the scratch page. */
  private static final String THREE_REPORTS =
      """
      call page_alloc
      mov rbx, rax
      call page_alloc
      mov r12d, 3
      mov r13, scratch
      ask:
      mov rdi, rbx
      mov rsi, rbx
      lea rdx, [rbx+NBPG]
      mov rcx, [gs:CI_CAA_VADDR]
      call attest_operation
      mov rcx, [gs:CI_CAA_VADDR]
      mov qword [rcx+8+48], 0x1700000
      mov qword [rcx+8+56], CERTIFICATES
      mov rax, SVSM_ATTEST_SERVICES
      mov rcx, [gs:CI_CAA_PADDR]
      add rcx, 8
      call svsm_call
      mov [r13], rax
      add r13, 8
      dec r12d
      jne ask
      """;

  /** Ends the guest well. */
  private static final String PASS_TEST = "mov eax, " + Locore.PASS + "\nout 0xf4, eax\n";

  private static final int ERROR_ADDRESS = 0x8000_0003;
  private static final int ERROR_PARAMETER = 0x8000_0005;
  private static final int ERROR_REQUEST = 0x8000_0006;

  /**
   * {@return the results of three calls, and behind them how many requests the host had}
   *
   * @param certificates bytes that the guest has for them
   */
  private static List<Integer> reports(int certificates, Answer<Exit.Event> host)
      throws BootException {
    SnpLaunch snp = SERVED.withHost(SERVED.host().withCertificates(HostCertificates.TEST));
    byte[] image =
        Locore.withMain(THREE_REPORTS.replace("CERTIFICATES", "" + certificates) + PASS_TEST);
    TestMachine t = TestMachine.of(spec(image, snp));
    int[] asked = {0};
    for (int code : new int[] {ExitCode.SNP_GUEST_REQUEST, ExitCode.SNP_EXTENDED_GUEST_REQUEST}) {
      t.machine()
          .hypervisor()
          .onEvent(
              code,
              (exit, next) -> {
                asked[0]++;
                host.answer(exit, next);
              });
    }
    Outcome o = t.run(50_000_000L);
    assertThat(o.status()).as("%s%n%s", o, t.console()).isEqualTo(LocoreRun.PASSED);
    byte[] b =
        t.machine()
            .observer()
            .readPrivate(t.machine().symbols().address("scratch") & 0x7FFF_FFFFL, 24);
    ByteBuffer results = ByteBuffer.wrap(b).order(ByteOrder.LITTLE_ENDIAN);
    return List.of(results.getInt(0), results.getInt(8), results.getInt(16), asked[0]);
  }

  /** The same message again until it is answered: another would have the same sequence number. */
  @Test
  void aBusyHostIsAskedAgain() throws BootException {
    int[] times = {0};
    List<Long> first = new ArrayList<>();
    assertThat(
            reports(
                0,
                (exit, next) -> {
                  first.add(exit.memory().read(exit.request(GhcbField.SW_EXITINFO1), 8));
                  if (times[0]++ % 3 == 2) {
                    next.run();
                  } else {
                    exit.set(GhcbField.SW_EXITINFO1, 0);
                    exit.set(GhcbField.SW_EXITINFO2, 2L << 32);
                  }
                }))
        .containsExactly(0, 0, 0, 9);
    assertThat(new TreeSet<>(first)).as("messages by their tags").hasSize(3);
  }

  @Test
  void certificatesThatDoNotFitAreSaidWithoutLosingTheSequence() throws BootException {
    int[] times = {0};
    assertThat(
            reports(
                0x4000,
                (exit, next) -> {
                  if (times[0]++ == 0) {
                    exit.set(GhcbField.SW_EXITINFO1, 0);
                    exit.set(GhcbField.SW_EXITINFO2, 1L << 32);
                    exit.set(GhcbField.RBX, 5);
                  } else {
                    next.run();
                  }
                }))
        .as("too short, the same as a plain request, and two that are answered")
        .containsExactly(ERROR_PARAMETER, 0, 0, 4);
    assertThat(reports(0x3FFF, (exit, next) -> next.run()))
        .as("the guest has no room for them")
        .containsExactly(ERROR_PARAMETER, ERROR_PARAMETER, ERROR_PARAMETER, 3);
  }

  /** Any answer but the one costs the key: nobody knows whether the number was used. */
  @ParameterizedTest
  @ValueSource(strings = {"status", "tag", "sequence", "payload", "size", "event"})
  void anAnswerThatIsNoneCostsTheKey(String what) throws BootException {
    Answer<Exit.Event> host =
        (exit, next) -> {
          long response = exit.request(GhcbField.SW_EXITINFO2);
          next.run();
          HostMemory m = exit.memory();
          switch (what) {
            case "status" -> exit.set(GhcbField.SW_EXITINFO2, 0x16);
            case "event" -> exit.set(GhcbField.SW_EXITINFO1, 2);
            case "tag" -> m.write(response, 1, m.read(response, 1) ^ 1);
            case "sequence" -> m.write(response + 0x20, 1, 4);
            case "size" -> m.write(response + 0x36, 2, 0x10);
            default -> m.write(response + 0x100, 1, m.read(response + 0x100, 1) ^ 1);
          }
        };
    assertThat(reports(0, host)).containsExactly(ERROR_REQUEST, ERROR_REQUEST, ERROR_REQUEST, 1);
  }

  private static Stream<Arguments> mutants() throws IOException {
    try (InputStream in = LocoreSvsmTest.class.getResourceAsStream("mutants-svsm.txt")) {
      return new String(Objects.requireNonNull(in).readAllBytes(), StandardCharsets.UTF_8)
              .lines()
              .filter(l -> !l.isBlank() && !l.startsWith("#"))
              .map(l -> Arguments.of((Object[]) l.split("\\|", -1)))
              .toList()
              .stream();
    }
  }

  /** One thing broken on purpose, in the guest or in the module: the self-test says where. */
  @ParameterizedTest
  @MethodSource("mutants")
  void aBrokenGuestOrModuleIsNoticedByName(String of, String place, String find, String replacement)
      throws BootException {
    String from = find.replace("\\n", "\n");
    String to = replacement.replace("\\n", "\n");
    boolean module = of.equals("module");
    byte[] service = module ? ServiceModule.image(Map.of(from, to)) : ServiceModule.image();
    byte[] guest = module ? Locore.image() : Locore.image(from, to);
    assertThat(module ? service : guest)
        .as("the mutation applies")
        .isNotEqualTo(module ? ServiceModule.image() : Locore.image());
    LocoreRun r = LocoreRun.run(spec(guest, SnpLaunch.DEFAULT.withService(service)));
    assertThat(r.outcome().status()).isNotIn(LocoreRun.PASSED, Outcome.DEFECT);
    assertThat(r.outcome().reason() + "\n" + r.place())
        .as("%s%n%s", r.outcome(), r.console())
        .contains(place);
  }
}
