package dev.vesper.cli.gdb;

import static org.assertj.core.api.Assertions.assertThat;

import dev.vesper.fixtures.Tools;
import dev.vesper.guest.FlatGuest;
import dev.vesper.guest.Locore;
import dev.vesper.machine.Machine;
import dev.vesper.machine.Until;
import dev.vesper.machine.spec.MachineSpec;
import dev.vesper.machine.spec.Outcome;
import dev.vesper.machine.spec.SevMode;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.condition.EnabledIfSystemProperty;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** Debian's gdb has a guest go back. */
@Tag("slow")
@Timeout(value = 45, unit = TimeUnit.MINUTES)
final class RealGdbBackTest {
  private static final int PAIRS = Boolean.getBoolean("long") ? 1000 : 0;

  @TempDir Path dir;

  private static MachineSpec spec(SevMode mode, String profile) throws Exception {
    return MachineSpec.builder(mode, Locore.image(), b -> {})
        .memoryBytes(64L << 20)
        .profile(profile)
        .cpuModel(profile.equals("kvm") ? "EPYC-Milan" : "vesper-min,+xsave")
        .build();
  }

  @ParameterizedTest
  @CsvSource({"ES, kvm", "SNP, kvm"})
  void goesBackToBreakpointsAndWriters(SevMode mode, String profile) throws Exception {
    Path names = dir.resolve("names.elf");
    try (Machine m = new Machine(spec(mode, profile))) {
      m.run(Until.symbol("ghcb_vmgexit"));
      Files.write(names, SymbolElf.of(m.symbols(m.observer().vcpu(0))));
    }
    Outcome[] ended = new Outcome[1];
    String said =
        RealGdb.session(
            dir,
            spec(mode, profile),
            """
            symbol-file %s
            hbreak ghcb_vmgexit
            continue
            set $first = $icount
            continue
            continue
            set $third = $icount
            set $sp = $rsp
            set $ymm = $ymm0.v8_int32[0]
            delete
            stepi 5
            reverse-stepi 5
            print $icount == $third && $sp == $rsp && $ymm == $ymm0.v8_int32[0]
            watch -location *(unsigned long *) $rsp
            reverse-continue
            print $icount < $third
            x/i $pc
            delete
            hbreak ghcb_vmgexit
            reverse-continue
            reverse-continue
            print $icount == $first
            reverse-continue
            print $icount
            continue
            print $icount == $first
            delete
            set $rbx = $rbx + 1
            reverse-continue
            print $icount == $first
            delete
            %s
            kill
            """
                .formatted(names, BackAndForth.commands(PAIRS, 64L << 20, 11)),
            ended);
    assertThat(said)
        .contains("$1 = 1\n")
        .contains("Hardware watchpoint 2: ")
        .contains("$2 = 1\n")
        .containsPattern("=> 0x[0-9a-f]+( <[^>]*>)?:\\s+(call|push)")
        .contains("$3 = 1\n")
        .contains("No more reverse-execution history.")
        .contains("$4 = 0\n")
        .contains("$5 = 1\n")
        .contains("$6 = 1\n")
        .contains("pairs: " + PAIRS + " different: 0\n");
    assertThat(ended[0].status()).isEqualTo(Outcome.QUIT);
  }

  /** The guest that OpenBSD's host launches, from 32-bit code to its own kernel's addresses. */
  @Test
  void theWriterOfAVariableOfAGuestOfVmdIsFound() throws Exception {
    Path image = Files.write(dir.resolve("locore"), Locore.image());
    Outcome[] ended = new Outcome[1];
    String said =
        RealGdb.session(
            dir,
            spec(SevMode.ES, "openbsd"),
            """
            symbol-file %s
            hbreak wrmsr_check
            continue
            set $there = $icount
            set $sp = $rsp
            print *(unsigned int *) &hv_vendor > 0
            delete
            watch -location *(unsigned int *) &hv_vendor
            reverse-continue
            info symbol $rip
            set $before = *(unsigned int *) &hv_vendor
            stepi
            print *(unsigned int *) &hv_vendor - $before
            delete
            reverse-stepi
            hbreak wrmsr_check
            continue
            print $icount == $there && $rsp == $sp
            delete
            monitor stop-on vmgexit 0x7b
            continue
            monitor stop-off
            %s
            set $far = $icount
            monitor stop-on vmgexit 0x7b
            reverse-continue
            print $icount < $far
            monitor stop-off
            reverse-continue
            print $icount
            kill
            """
                .formatted(image, BackAndForth.commands(PAIRS, 64L << 20, 17)),
            ended);
    assertThat(said)
        .contains(" in wrmsr_check ()", "$1 = 1\n", "Hardware watchpoint 2: ")
        .containsPattern("main \\+ \\d+ in section .text")
        .as("Open of OpenBSDVMM58")
        .contains("$2 = 1852141647\n", "$3 = 1\n")
        .contains("vesper: GhcbExchange 0x7b SVM_VMEXIT_IOIO at ")
        .contains("pairs: " + PAIRS + " different: 0\n", "$4 = 1\n")
        .contains("No more reverse-execution history.", "$5 = 0\n")
        .doesNotContain("Traceback", "Error in sourced");
    assertThat(ended[0].status()).isEqualTo(Outcome.QUIT);
  }

  /**
   * From the reset vector through 16-bit and 32-bit code, and in code that has its own #VC handler.
   */
  @Test
  @EnabledIfSystemProperty(named = "long", matches = "true")
  void firmwareGoesBackToItsResetVector() throws Exception {
    Path image = Path.of("/usr/share/ovmf/OVMF.fd");
    Tools.require(image.toString(), "ovmf");
    Outcome[] ended = new Outcome[1];
    String said =
        RealGdb.session(
            dir,
            MachineSpec.builder(SevMode.ES, new byte[0], b -> {})
                .memoryBytes(256L << 20)
                .firmware(MachineSpec.Firmware.of(Files.readAllBytes(image)))
                .cpuModel("EPYC-Milan")
                .build(),
            """
            print/x $pc_linear
            %s
            reverse-continue
            print $icount
            print/x $pc_linear
            monitor stop-on vmgexit 0x72
            continue
            set $first = $icount
            continue
            continue
            monitor stop-off
            set $sp = $rsp
            watch -location *(unsigned long *) $rsp
            reverse-continue
            set $writer = $icount
            stepi
            print $icount - $writer
            delete
            monitor stop-on exchange 1000
            continue
            set $far = $icount
            monitor stop-on exchange 500
            reverse-continue
            print $icount < $far
            python pairs(500, 64 << 20)
            monitor stop-on exchange 1000
            continue
            print $icount - $far
            monitor stop-off
            monitor stop-on vmgexit 0x72
            reverse-continue
            reverse-continue
            print $icount < $far
            kill
            """
                .formatted(BackAndForth.commands(500, 16L << 20, 13)),
            ended);
    assertThat(said)
        .contains("$1 = 0xfffffff0\n", "pairs: 500 different: 0\n", "$2 = 0\n")
        .contains("$3 = 0xfffffff0\n", "$4 = 1\n", "$5 = 1\n", "$6 = 0\n", "$7 = 1\n")
        .contains("vesper: GhcbExchange 0x72 SVM_VMEXIT_CPUID at ")
        .doesNotContain("Traceback", "Error in sourced");
    assertThat(said.split("pairs: 500 different: 0\n", -1)).hasSize(3);
    assertThat(ended[0].status()).isEqualTo(Outcome.QUIT);
  }

  /** Runs for a while, says so by an instruction of its own, and never touches 300000. */
  private static final String LONG_LOOP =
      """
          mov ecx, %d
      on: dec ecx
          jnz short on
      there:
          nop
          jmp short there
      """;

  /** gdb is told of Ctrl-C as by a terminal, as soon as the guest goes back. */
  @Test
  void controlCStopsAGuestThatGoesBack() throws Exception {
    Outcome[] ended = new Outcome[1];
    long turns = 300_000_000;
    String said =
        RealGdb.session(
            dir,
            MachineSpec.builder(SevMode.ES, FlatGuest.image(LONG_LOOP.formatted(turns)), b -> {})
                .memoryBytes(64L << 20)
                .build(),
            """
            hbreak *0x100009
            continue
            print $icount
            delete
            watch *(long *) 0x300000
            python
            import os, signal, threading
            def interrupt():
                os.kill(os.getpid(), signal.SIGINT)
            def goes(event):
                threading.Timer(0.05, interrupt).start()
            gdb.events.cont.connect(goes)
            end
            reverse-continue
            python gdb.events.cont.disconnect(goes)
            print $icount > %d
            delete
            hbreak *0x100009
            continue
            print $icount
            kill
            """
                .formatted(turns / 2),
            ended);
    String end = Long.toString(2 * turns + 1);
    assertThat(said)
        .contains("$1 = " + end + "\n", "Program received signal SIGINT")
        .as("long before the beginning")
        .contains("$2 = 1\n")
        .contains("$3 = " + end + "\n");
    assertThat(ended[0].status()).isEqualTo(Outcome.QUIT);
  }

  /** What an editor's debug adapter sends that uses gdb's machine interface. */
  @Test
  void theMachineInterfaceGoesBack() throws Exception {
    Outcome[] ended = new Outcome[1];
    String said =
        RealGdb.machineInterface(
            dir,
            MachineSpec.builder(SevMode.ES, FlatGuest.image(LONG_LOOP.formatted(3)), b -> {})
                .memoryBytes(64L << 20)
                .build(),
            """
            -list-target-features
            -break-insert -h *0x100009
            -exec-continue
            -exec-step-instruction --reverse
            -data-list-register-values x 16
            -exec-next-instruction --reverse
            -exec-continue --reverse
            -data-list-register-values x 16
            -exec-continue
            -thread-info
            -interpreter-exec console "kill"
            -gdb-exit
            """,
            ended);
    assertThat(said)
        .contains(
            "features=[\"reverse\"]",
            "reason=\"breakpoint-hit\"",
            "No more reverse-execution history.")
        .containsPattern("(?s)value=\"0x100007\".*value=\"0x100000\"")
        .doesNotContain("^error");
    assertThat(ended[0].status()).isEqualTo(Outcome.QUIT);
  }
}
