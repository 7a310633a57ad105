package dev.vesper.cli.gdb;

import static org.assertj.core.api.Assertions.assertThat;

import dev.vesper.machine.spec.MachineSpec;
import dev.vesper.machine.spec.Outcome;
import dev.vesper.machine.spec.SevMode;
import java.nio.file.Path;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.condition.EnabledIfSystemProperty;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** Debian's gdb has Debian's kernel go back, by the names that {@code vesper symbols} writes. */
@Tag("slow")
@Timeout(value = 45, unit = TimeUnit.MINUTES)
final class RealGdbDebianTest {
  private static final long PHYSICAL = 64 << 20;

  @TempDir Path dir;

  private String session(MachineSpec spec, String commands) throws Exception {
    Outcome[] ended = new Outcome[1];
    String said = RealGdb.session(dir, spec, commands, ended);
    assertThat(ended[0].status()).as(said).isEqualTo(Outcome.QUIT);
    return said;
  }

  /** As far as the first ticks, which is where a kernel has set up its timer. */
  @Test
  void theWriterOfAVariableIsFoundGoingBack() throws Exception {
    String said =
        session(
            DebianGuest.spec(SevMode.ES).build(),
            """
            symbol-file %s
            hbreak start_kernel
            continue
            print $icount > 0
            set $begin = $icount
            delete
            watch -location *(unsigned long *) &jiffies_64
            continue
            set $first = *(unsigned long *) &jiffies_64
            info symbol $rip
            continue
            print *(unsigned long *) &jiffies_64 - $first
            set $second = $icount
            reverse-continue
            print $second - $icount
            print *(unsigned long *) &jiffies_64 - $first
            reverse-continue
            info symbol $rip
            print $first - *(unsigned long *) &jiffies_64
            stepi
            print *(unsigned long *) &jiffies_64 - $first
            delete
            reverse-continue
            print $icount
            hbreak start_kernel
            continue
            print $icount - $begin
            kill
            """
                .formatted(DebianGuest.symbols(dir)));
    assertThat(said)
        .contains("Breakpoint 1, ", " in start_kernel ()", "$1 = 1\n")
        .containsPattern("Hardware watchpoint 2: -location \\*\\(unsigned long \\*\\) &jiffies_64")
        .containsPattern(
            "(do_timer|tick_do_update_jiffies64|tick_nohz_\\w+) \\+ \\d+ in section .text")
        .contains("$2 = 1\n")
        .as("before the write, an instruction earlier")
        .contains("$3 = 1\n")
        .contains("$4 = 0\n")
        .contains("$5 = 1\n")
        .as("a step makes the write again")
        .contains("$6 = 0\n")
        .contains("No more reverse-execution history.")
        .contains("$7 = 0\n")
        .contains("$8 = 0\n");
  }

  @ParameterizedTest
  @CsvSource({"ES, 1", "SNP, 1", "ES, 4", "SNP, 4"})
  @EnabledIfSystemProperty(named = "long", matches = "true")
  void aFaultIsFollowedBack(SevMode mode, int processors) throws Exception {
    String said =
        session(
            DebianGuest.spec(mode).processors(processors).build(),
            """
            symbol-file %s
            hbreak do_user_addr_fault
            continue
            set $there = $icount
            set $sp = $rsp
            set $y0 = $ymm0.v4_int64[0]
            set $y1 = $ymm0.v4_int64[1]
            print $y0 != 0
            delete
            watch -location *(unsigned long *) $rsp
            reverse-continue
            info symbol $rip
            x/i $pc
            delete
            watch -location *(unsigned long *) &jiffies_64
            reverse-continue
            echo writer:\\n
            info symbol $rip
            set $old = *(unsigned long *) &jiffies_64
            set $cpu = $_thread
            stepi
            print *(unsigned long *) &jiffies_64 - $old
            delete
            reverse-stepi
            reverse-finish
            echo finished:\\n
            x/i $pc
            reverse-next
            echo before:\\n
            info symbol $rip
            hbreak do_user_addr_fault
            continue
            print $icount - $there
            print $rsp == $sp && $ymm0.v4_int64[0] == $y0 && $ymm0.v4_int64[1] == $y1
            delete
            monitor stop-on vmgexit 0x7b
            reverse-continue
            info symbol $rip
            monitor stop-off
            monitor stop-on 0x72
            reverse-continue
            info symbol $rip
            monitor stop-off
            hbreak do_user_addr_fault
            continue
            print $icount - $there
            delete
            %s
            kill
            """
                .formatted(
                    DebianGuest.symbols(dir),
                    BackAndForth.commands(1000, processors == 1 ? PHYSICAL : 0, 7)));
    assertThat(said)
        .contains(" in do_user_addr_fault ()", "$1 = 1\n")
        .contains("exc_page_fault + ")
        .containsPattern("=> 0x\\w+ <\\w+\\+\\d+>:\\s+call +0x\\w+ <do_user_addr_fault>")
        .containsPattern("writer:\n(do_timer|tick_do_update_jiffies64|tick_nohz_\\w+) \\+ \\d+ in")
        .contains("$2 = 1\n")
        .containsPattern("finished:\n=> 0x\\w+ <\\w+\\+\\d+>:\\s+call ")
        .containsPattern("before:\n\\w+")
        .contains("$3 = 0\n")
        .contains("$4 = 1\n")
        .contains("vesper: GhcbExchange 0x7b SVM_VMEXIT_IOIO at ")
        .contains("vesper: VcRaised 0x72 SVM_VMEXIT_CPUID at ")
        .contains("$5 = 0\n")
        .contains("pairs: 1000 different: 0\n")
        .doesNotContain("Traceback", "Error in sourced");
  }
}
