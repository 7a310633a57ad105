package dev.vesper.machine;

import static org.assertj.core.api.Assertions.assertThat;

import dev.vesper.guest.Locore;
import dev.vesper.machine.hostile.ScriptParser;
import dev.vesper.machine.hostile.ScriptReport;
import dev.vesper.machine.observe.Event;
import dev.vesper.machine.spec.Hardware;
import dev.vesper.machine.spec.MachineSpec;
import dev.vesper.machine.spec.Outcome;
import dev.vesper.machine.spec.SevMode;
import java.util.ArrayList;
import java.util.List;
import java.util.Objects;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.EnumSource;
import org.junit.jupiter.params.provider.ValueSource;

/**
 * Each action of a script's text on a guest that writes an old number and a new one to a page, and
 * reads it: R13 has what it read, R14 what is in another page, R15 counts #VC, R11 has the error
 * code of the last one. A #VC for a nested page fault goes on behind the read.
 */
final class HostileActionsTest {
  private static final long OLD = 0x1111_2222_3333_4444L;
  private static final long NEW = 0x5555_6666_7777_8888L;
  private static final long OTHER = 0x9999_AAAA_BBBB_CCCCL;

  private static final String MEMORY =
      """
      begin:
          mov r9d, 0x320000
          mov r8d, 0x330000
          mov rax, 0x1111222233334444
          mov rdx, 0x9999aaaabbbbcccc
          mov [r9], rax
          mov [r8], rdx
      old:
          mov rax, 0x5555666677778888
          mov [r9], rax
      new:
          nop
          mov r13, [r9]
          mov r14, [r8]
      read:
          push rax
          push rdx
      popped:
          pop rcx
          pop rcx
      done:
          jmp end
      vc:
          inc r15
          pop r11
          cmp r11d, 0x400
          jne back
          lea rbx, [rel read]
          mov [rsp], rbx
      back:
          cmp r11d, 0x404
          je ended
          iretq
      """;

  private final List<Event> events = new ArrayList<>();

  /** A machine that has run with a script, and how that ended. */
  private record Ran(Machine machine, Outcome end) {
    long gpr(int n) {
      return machine.observer().current().gpr(n);
    }

    ScriptReport report() {
      return Objects.requireNonNull(machine.hostile());
    }

    long note(String name) {
      return report().notes().getOrDefault(name, -1L);
    }
  }

  private Ran run(SevMode mode, String source, String... script) throws Exception {
    return run(HostileScriptTest.spec(mode, source), script);
  }

  private Ran run(MachineSpec.Builder spec, String... script) throws Exception {
    Machine m = new Machine(spec.hostile(ScriptParser.parse(String.join("\n", script))).build());
    m.limit(20_000_000, Long.MAX_VALUE);
    m.on(Event.class, events::add);
    Outcome o = m.run();
    assertThat(Objects.requireNonNull(m.hostile()).neverFired()).isEmpty();
    return new Ran(m, o);
  }

  private static void assertRead(Ran r, long one, long other) {
    assertThat(r.end.status()).as(r.end.reason()).isEqualTo(1);
    assertThat(r.gpr(13)).isEqualTo(one);
    assertThat(r.gpr(14)).isEqualTo(other);
  }

  // ---- memory

  @ParameterizedTest
  @CsvSource({"ES, 0x1111222233334444", "SNP, 0x5555666677778888"})
  void aPageIsReplayedWhereNothingKeepsTheHostFromIt(SevMode mode, String read) throws Exception {
    Ran r =
        run(
            mode,
            MEMORY,
            "when rip symbol old",
            " capture was from 0x320000",
            "when rip symbol new",
            " replay was to 0x320000");
    assertRead(r, Long.decode(read), OTHER);
    assertThat(r.report().aided()).isTrue();
    assertThat(r.report().broken()).isFalse();
  }

  @Test
  void aByteOnTheBusGarblesABlockOfPlaintext() throws Exception {
    Ran r = run(SevMode.ES, MEMORY, "when rip symbol new", " write-ct 0x320000 = \"00\"");
    assertThat(r.gpr(13)).isNotIn(OLD, NEW, OTHER);
    assertThat(r.gpr(14)).isEqualTo(OTHER);
  }

  @Test
  void aMappedPageIsAnother() throws Exception {
    Ran r = run(SevMode.ES, MEMORY, "when rip symbol new", " map 0x320000 to 0x330000");
    assertRead(r, OTHER, OTHER);
    Ran s = run(SevMode.SNP, MEMORY, "when rip symbol new", " map 0x320000 to 0x330000");
    assertThat(s.end.status()).isEqualTo(Outcome.PAGE_REFUSED);
    assertThat(s.gpr(13)).isZero();
  }

  @Test
  void swappedPagesAreEachOther() throws Exception {
    Ran r = run(SevMode.ES, MEMORY, "when rip symbol new", " swap 0x320000 with 0x330000");
    assertRead(r, OTHER, NEW);
  }

  @Test
  void whatIsNotMemoryIsSaidAndNotDone() throws Exception {
    Ran r =
        run(
            SevMode.ES,
            MEMORY,
            "when rip symbol new",
            " map 0x320000 to 0xfffffffff000",
            " capture x from 0x7fffffffffffffff",
            " replay x to 0",
            " write-ct 0xffffffffffffffff = \"00\"",
            " poke u64[0xfffff9] = u64[0xfffffffffffffffa]",
            " poke u64[0x1000000 - 4] = 1",
            " fw-cfg \"none\" = \"00\"",
            " take 0x1000",
            " sipi 7");
    assertRead(r, NEW, OTHER);
    assertThat(r.report().firings().getFirst().what())
        .contains("no guest memory at 0xfffffffff000", "nothing was captured as x yet")
        .contains("fw_cfg has no file none", "without SEV-SNP", "there is no vCPU 7");
  }

  @Test
  void nestedEntriesAreAsTheyAreSet() throws Exception {
    Ran mmio = run(SevMode.ES, MEMORY, "when rip symbol new", " mmio 0x320000");
    assertThat(mmio.gpr(11)).isEqualTo(0x400);
    assertThat(mmio.gpr(15)).isEqualTo(1);
    for (String deny : List.of("absent 0x320000", "ro 0x320000", "nx 0x100000", "ro-nx 0x100000")) {
      Ran r = run(SevMode.ES, MEMORY, "when rip symbol old", " " + deny);
      assertThat(r.end.status()).as(deny).isEqualTo(Outcome.GAVE_UP);
      assertThat(r.end.reason())
          .contains(
              "nested page fault at GPA 0x" + deny.substring(deny.length() - 6, deny.length() - 3));
    }
    Ran back =
        run(SevMode.ES, MEMORY, "when rip symbol old", " absent 0x320000", " present 0x320000");
    assertRead(back, NEW, OTHER);
  }

  @Test
  void aPageThatIsTakenIsNotValidWhenItIsGivenBack() throws Exception {
    for (String again : List.of(" assign 0x320000 as 0x320000", "")) {
      Ran r = run(SevMode.SNP, MEMORY, "when rip symbol new", " take 0x320000", again);
      assertThat(r.gpr(11)).isEqualTo(0x404);
      assertThat(r.gpr(13)).isZero();
    }
  }

  @Test
  void whatIsLoadedChangesBeforeItIsMeasured() throws Exception {
    String end = "when launch finished\n note begins = plain u8[0x100000]";
    Ran good = run(SevMode.ES, MEMORY, end);
    Ran bad = run(SevMode.ES, MEMORY, end, "when launch loaded", " poke u8[0x100000] = 0xf4");
    assertThat(bad.machine.launchDigest()).isNotEqualTo(good.machine.launchDigest());
    assertThat(bad.note("begins")).isEqualTo(0xF4);
    assertThat(good.note("begins")).isNotEqualTo(0xF4);
    Ran late = run(SevMode.ES, MEMORY, end, "when launch measured", " write-ct 0x100000 = \"f4\"");
    assertThat(late.machine.launchDigest()).isEqualTo(good.machine.launchDigest());
    assertThat(late.end.status()).as("a block of code is garbled").isNotEqualTo(1);
  }

  // ---- events

  @Test
  void anEventWhoseDeliveryIsInterruptedIsLostOrNot() throws Exception {
    String inject = "when rip symbol new\n inject 6 exception\n goto delivering";
    Ran lost = run(SevMode.ES, MEMORY, inject, "when read 0x204000 in delivering", " drop-event");
    assertRead(lost, NEW, OTHER);
    assertThat(lost.report().firings().getLast().what()).isEqualTo("event 0x80000306 dropped");
    Ran kept =
        run(SevMode.ES, MEMORY, inject, "when read 0x204000 in delivering", " note nothing = 0");
    assertThat(kept.end.status()).as("#UD").isEqualTo((0x46 << 1 | 1) & 0xFF);
  }

  @ParameterizedTest
  @CsvSource({"13 exception error 7, 77", "2 nmi, 66", "8 interrupt, 72"})
  void eventsOfAllTypesAreInjected(String event, int value) throws Exception {
    Ran r = run(SevMode.ES, MEMORY, "when rip symbol old", " inject " + event);
    assertThat(r.end.status()).isEqualTo((value << 1 | 1) & 0xFF);
  }

  @Test
  void aSoftwareInterruptIsNoEventOfAHostUnderSevEs() throws Exception {
    Ran r = run(SevMode.ES, MEMORY, "when rip symbol old", " inject 3 software");
    assertThat(r.end.reason()).contains("VMRUN refused");
  }

  // ---- answers

  /** Asks CPUID of leaf EBX by the GHCB; R13 and R14 have the infos, RCX the answer. */
  private static final String ASKS =
      """
      begin:
          mov r8d, 0x72
          mov r9d, 77
          mov r10d, 78
          mov ebx, 0x40000000
          xor esi, esi
          call event
          mov r13, rax
          mov r14, rdx
          mov r15, rcx
          mov rax, 0x4000000040000004
          call protocol
          mov [r12+0x900], rax
          jmp end
      vc: iretq
      """;

  @Test
  void answersToRequestsAreChanged() throws Exception {
    Ran r =
        run(
            SevMode.ES,
            ASKS,
            "when vmgexit CPUID if request.rax == 0x40000000",
            " note ghcb = vmcb[0xa0]",
            " note before = u8[0x3003f7]",
            " answer rax = answer.rax ^ 0xff",
            " answer sw_exitinfo1 = request.sw_exitinfo1 + 1",
            " put sw_exitinfo2 = 3",
            " invalid rax",
            " note after = u8[0x3003f7]");
    assertThat(r.gpr(15)).isEqualTo(0x4000_0001L ^ 0xFF);
    assertThat(r.gpr(13)).isEqualTo(78);
    assertThat(r.gpr(14)).isEqualTo(3);
    assertThat(r.note("ghcb")).isEqualTo(0x30_0000);
    assertThat(r.note("before") & 0x80).isEqualTo(0x80);
    assertThat(r.note("after") & 0x80).isZero();
    Ran none = run(SevMode.ES, ASKS, "when vmgexit CPUID", " unanswered");
    assertThat(none.gpr(13)).isEqualTo(77);
    assertThat(none.gpr(14)).isEqualTo(78);
  }

  @Test
  void answersOfTheMsrProtocolAreChanged() throws Exception {
    String note = "when vmgexit IOIO\n note rax = u64[0x300900]";
    Ran r =
        run(
            SevMode.ES,
            ASKS,
            note,
            "when msr CPUID_REQ if msr.request >> 32 == 0x40000000",
            " msr-answer msr.answer ^ 0x1200000000");
    Ran plain = run(SevMode.ES, ASKS, note);
    assertThat(r.note("rax") ^ plain.note("rax")).isEqualTo(0x12_0000_0000L);
  }

  @Test
  void cpuidIsAnsweredOtherwiseByWhateverWayItIsAsked() throws Exception {
    Ran r =
        run(
            SevMode.ES,
            ASKS,
            "when entry 1",
            " cpuid 0x40000000 eax = 0x77 ebx = 0x6e65704f",
            "when vmgexit IOIO",
            " note rbx = u64[0x300900] >> 32");
    assertThat(r.gpr(15)).isEqualTo(0x77);
    assertThat(r.note("rbx")).isEqualTo(0x6E65_704F);
  }

  /** Reads port 0x71 and device memory, by the GHCB. */
  private static final String DEVICES =
      """
      begin:
          mov r8d, 0x7b
          mov r9d, 0x710011
          xor r10d, r10d
          call event
          mov r13, rcx
          mov r8d, 0x80000001
          mov r9d, 0xfeb00000
          mov r10d, 4
          call event
          mov r14d, [r12+0x800]
          jmp end
      vc: iretq
      """;

  @Test
  void devicesReadAsTheHostLikes() throws Exception {
    Ran r =
        run(
            SevMode.ES,
            DEVICES,
            "when entry 1",
            " port 0x71 = 0x1a9",
            " device 0xfeb00000 = 0xc001cafe");
    assertThat(r.gpr(13) & 0xFF).isEqualTo(0xA9);
    assertThat(r.gpr(14)).isEqualTo(0xC001_CAFEL);
    Ran clock =
        run(
            SevMode.ES,
            DEVICES,
            "when entry 1",
            " out 0x70 u8 = 9",
            " cmos 9 = 0x124",
            " cmos 8 = 1");
    assertThat(clock.gpr(13) & 0xFF).isEqualTo(0x24);
    Ran ended = run(SevMode.ES, DEVICES, "when vmgexit IOIO", " out 0xf4 u8 = 5");
    assertThat(ended.end.guestValue()).isEqualTo(5);
  }

  @Test
  void filesOfTheFirmwaresAreChanged() throws Exception {
    Ran r =
        run(
            HostileScriptTest.spec(SevMode.ES, CLOCK)
                .hardware(Hardware.NONE.withBoard(Hardware.Board.PC)),
            "when entry 1 times 3",
            " fw-cfg \"etc/e820\" at 1 = \"4142\"",
            " fw-cfg \"etc/e820\" at 99999 = \"00\"");
    assertThat(r.report().firings().getFirst().what())
        .isEqualTo("fw_cfg etc/e820 changed at 0x1; fw_cfg has no file etc/e820 with bytes there");
    assertThat(r.end.status()).as(r.end.reason()).isEqualTo(1);
  }

  @Test
  void sharedMemoryChangesAtAnyInstruction() throws Exception {
    String guest =
        """
        begin:
            mov r12, SHARED
            add r12, RESULTS
            mov dword [r12], 1
        checked:
            mov r13d, [r12]
            jmp end
        vc: iretq
        """;
    Ran r = run(SevMode.ES, guest, "when rip symbol checked", " poke u32[0x302000] = 0x1234");
    assertThat(r.gpr(13)).isEqualTo(0x1234);
  }

  // ---- time and processors

  private static final String CLOCK =
      """
      begin:
          rdtsc
          shl rdx, 32
          or rax, rdx
          mov r13, rax
          mov ebx, 1000
      wait:
          mov rax, 0x002
          call protocol
          dec ebx
          jne wait
          rdtsc
          shl rdx, 32
          or rax, rdx
          sub rax, r13
          mov r13, rax
          jmp end
      vc: iretq
      """;

  @Test
  void aTimeStampCounterIsTheHosts() throws Exception {
    long plain = run(SevMode.ES, CLOCK, "when rip symbol wait", " let x = 1").gpr(13);
    long more = run(SevMode.ES, CLOCK, "when rip symbol wait", " tsc offset 1000000000").gpr(13);
    assertThat(more).isEqualTo(plain + 1_000_000_000);
    long held = run(SevMode.ES, CLOCK, "when rip symbol wait", " tsc hold").gpr(13);
    assertThat(held).isLessThan(200);
    long half = run(SevMode.ES, CLOCK, "when rip symbol wait", " tsc scale 500").gpr(13);
    assertThat(half).isBetween(plain / 2 - 200, plain / 2 + 200);
  }

  @Test
  void timeComesWhenItIsThere() throws Exception {
    Ran r =
        run(
            SevMode.ES,
            CLOCK,
            "when time 5us",
            " note at = time",
            " delay 3ms",
            "when time 3ms",
            " note later = time");
    assertThat(r.note("at")).isEqualTo(5_000);
    assertThat(r.note("later")).isEqualTo(3_005_000);
  }

  @Test
  void theNthEntryAndTheNthRequestAreMet() throws Exception {
    Ran r =
        run(
            SevMode.ES,
            CLOCK,
            "when entry 10 times 2",
            " let entries = entries + 1",
            " note entries = entries",
            "when msr SEV_INFO_REQ nth 999 always",
            " let asked = asked + 1",
            " note asked = asked");
    assertThat(r.note("entries")).isEqualTo(2);
    assertThat(r.note("asked")).isEqualTo(2);
  }

  @Test
  void aProcessorIsStartedOrLeftWaiting() throws Exception {
    String wait = "begin: mov ecx, 50000\nagain: dec ecx\njne again\njmp end\nvc: iretq\n";
    Ran started =
        run(
            HostileScriptTest.spec(SevMode.ES, wait).processors(2),
            "when insn 5000",
            " sipi 1 vector 8",
            "when insn 20011",
            " note at = insns",
            "when rip symbol again times 9");
    assertThat(started.note("at")).as("of both together").isEqualTo(20_011);
    assertThat(started.machine.observer().vcpu(1).instructions()).isPositive();
    assertThat(events).anyMatch(e -> e instanceof Event.VcpuStarted s && s.vcpu() == 1);
    Ran passed =
        run(
            HostileScriptTest.spec(SevMode.ES, wait).processors(2),
            "when insn 5000",
            " skip-wake 1",
            " sipi 1 vector 8");
    assertThat(passed.machine.observer().vcpu(1).instructions()).isZero();
  }

  @Test
  void aSaveAreaThatIsPutBackIsNotRunAgain() throws Exception {
    Ran r = run(SevMode.ES, MEMORY, "when insn 400", " run-twice");
    assertThat(r.end.reason()).contains("VMRUN refused");
    Ran s = run(SevMode.SNP, MEMORY, "when insn 400", " run-twice");
    assertRead(s, NEW, OTHER);
  }

  @Test
  void theHostGivesTheGuestUp() throws Exception {
    Ran r = run(SevMode.ES, MEMORY, "when insn 100", " end \"enough of it\"");
    assertThat(r.end).isEqualTo(new Outcome(Outcome.GAVE_UP, "enough of it"));
  }

  // ---- silicon

  @ParameterizedTest
  @EnumSource(
      value = SevMode.class,
      names = {"ES", "SNP"})
  void storesSinceAWriteBackAreDropped(SevMode mode) throws Exception {
    Ran r =
        run(
            mode,
            MEMORY,
            "silicon when rip symbol old",
            " write-back line 0x320000 length 64",
            "silicon when rip symbol new",
            " drop-stores line");
    assertRead(r, OLD, OTHER);
    assertThat(r.report().broken()).isTrue();
    assertThat(r.report().host()).isEqualTo("broken silicon");
  }

  @ParameterizedTest
  @ValueSource(ints = {1, 2})
  void theStackPointerIsMovedForSomeInstructions(int instructions) throws Exception {
    Ran r =
        run(
            SevMode.SNP,
            MEMORY,
            "silicon when rip symbol popped",
            " move-rsp 8 for " + instructions,
            "when rip symbol done",
            " note rcx = reg rcx",
            " note rsp = reg rsp");
    assertThat(r.note("rsp")).isEqualTo(0x18_0000);
    assertThat(r.note("rcx")).as("the last one popped").isEqualTo(instructions == 1 ? NEW : 0);
  }

  @Test
  void aTranslationIsKeptThatShouldBeFlushed() throws Exception {
    String twice = MEMORY.replace("    nop\n", "    mov rbx, [r9]\n");
    Ran r =
        run(
            SevMode.ES,
            twice,
            "silicon when rip symbol old",
            " keep-tlb",
            " map 0x320000 to 0x330000",
            "silicon when rip symbol read",
            " flush-tlb",
            " note now = plain u64[0x320000]");
    assertThat(r.gpr(13)).isEqualTo(NEW);
    assertThat(r.note("now")).isEqualTo(OTHER);
  }

  @Test
  void aliasedMemoryIsReplayedPastTheReverseMapTable() throws Exception {
    Ran r =
        run(
            SevMode.SNP,
            MEMORY,
            "silicon when rip symbol old",
            " alias 0x320000 at 0x340000",
            " capture was from 0x340000",
            "when rip symbol new",
            " replay was to 0x340000");
    assertRead(r, OLD, OTHER);
  }

  @Test
  void anEntryThatNamesAnotherAddressLetsAMappedPagePass() throws Exception {
    Ran r =
        run(
            SevMode.SNP,
            MEMORY,
            "silicon when rip symbol new",
            " rmp 0x330000 as 0x320000",
            " rmp 0x320000 as 0x330000",
            " swap 0x320000 with 0x330000");
    assertRead(r, OTHER, NEW);
  }

  @Test
  void aRegisterIsSet() throws Exception {
    Ran r = run(SevMode.ES, MEMORY, "silicon when rip symbol read", " set r13 = 5", " set rip = 0");
    assertThat(r.gpr(13)).isEqualTo(5);
    assertThat(r.end.status()).isNotEqualTo(1);
  }

  // ---- observations

  @Test
  void whatTheConsoleSaysIsATriggerAndAnExpectation() throws Exception {
    Ran r =
        run(
            MachineSpec.builder(SevMode.ES, Locore.image(), b -> {})
                .memoryBytes(64L << 20)
                .cpuModel("vesper-min,+xsave"),
            "when console \"stack arguments\"",
            " note insns = insns",
            "expect console \"all\"",
            "expect no console \"stack arguments\"",
            "expect rule 1 fired == 1",
            "expect note insns > 5",
            "expect status 33",
            "expect terminated 0:0");
    assertThat(r.report().unmet())
        .containsExactly("expected: no console stack arguments", "expected: terminated 0:0");
  }

  @Test
  void aScriptWhoseTriggersDoNotComeChangesNothing() throws Exception {
    MachineSpec.Builder spec = HostileScriptTest.spec(SevMode.ES, MEMORY);
    Machine plain = new Machine(spec.build());
    plain.run();
    Ran r =
        run(
            spec,
            "maybe when fetch 0x700000",
            "maybe when write 0x700000",
            "maybe when rip symbol vc",
            "maybe when insn 99999999",
            "maybe when vmgexit 0x1234",
            "maybe when time 100s");
    assertThat(r.machine.stateHash()).isEqualTo(plain.stateHash());
    assertThat(r.machine.instructions()).isEqualTo(plain.instructions());
    assertThat(r.report().fulfilled()).isTrue();
  }
}
