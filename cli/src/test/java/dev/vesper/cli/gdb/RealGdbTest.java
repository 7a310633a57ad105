package dev.vesper.cli.gdb;

import static org.assertj.core.api.Assertions.assertThat;

import dev.vesper.machine.Machine;
import dev.vesper.machine.spec.MachineSpec;
import dev.vesper.machine.spec.Outcome;
import dev.vesper.machine.spec.SevMode;
import java.nio.file.Path;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

/** Debian's gdb at Debian's kernel. */
@Tag("slow")
@Timeout(value = 5, unit = TimeUnit.MINUTES)
final class RealGdbTest {
  @TempDir Path dir;

  private static MachineSpec.Builder spec(SevMode mode) {
    return DebianGuest.spec(mode).processors(2);
  }

  private String session(MachineSpec spec, String commands, Outcome[] ended) throws Exception {
    return RealGdb.session(dir, spec, commands, ended);
  }

  @ParameterizedTest
  @EnumSource(
      value = SevMode.class,
      names = {"ES", "SNP"})
  void stopsAKernelWhereItIsAsked(SevMode mode) throws Exception {
    Outcome[] ended = new Outcome[1];
    String said =
        session(
            spec(mode).build(),
            """
            symbol-file %s
            hbreak do_user_addr_fault if $rdx > 0x10000
            continue
            backtrace 2
            print $rip == (unsigned long) &do_user_addr_fault
            info threads
            set $top = *(unsigned long *) $rsp
            print $top == (unsigned long) &exc_page_fault || $top > (unsigned long) &exc_page_fault
            delete
            set $s = (unsigned long) $rsp - 8
            watch -location *(unsigned long *) $s
            continue
            delete
            info symbol $rip
            monitor stop-on 0x7b
            continue
            info symbol $rip
            print/x *(int *) $rsp
            monitor host-view on
            print *(int *) $rsp == 0x7b
            monitor host-view off
            monitor stop-on none
            stepi
            info registers rip ghcb_msr
            print $ymm0.v8_int32[0] == $ymm0.v8_int32[0]
            continue
            """
                .formatted(DebianGuest.symbols(dir)),
            ended);
    assertThat(said)
        .contains("hit Breakpoint 1, ")
        .containsPattern("#0 .* in do_user_addr_fault ")
        .containsPattern("#1 .* in .*exc_page_fault")
        .containsPattern("Thread 1.2 \"CPU#1\"")
        .contains("$1 = 1\n")
        .contains("$2 = 1\n")
        .containsPattern("Hardware watchpoint 2: ")
        .contains("Old value = ")
        .contains("asm_exc_vmm_communication in section .text")
        .contains("$3 = 0x7b\n")
        .contains("$4 = 0\n")
        .containsPattern("ghcb_msr +0x")
        .contains("$5 = 1\n")
        .contains("exited normally");
    assertThat(ended[0]).isEqualTo(new Outcome(0, "guest powered off"));
  }

  /** Single steps of gdb's, whose sum is the run without it. */
  @Test
  void stepsChangeNothing() throws Exception {
    Outcome[] ended = new Outcome[1];
    String said =
        session(spec(SevMode.ES).build(), "stepi 300\ninfo registers rip rsp rax\nkill\n", ended);
    try (Machine m = new Machine(spec(SevMode.ES).build())) {
      for (int i = 0; i < 300; i++) {
        m.step(0);
      }
      assertThat(said)
          .containsPattern("rip +0x%x ".formatted(m.observer().vcpu(0).rip()))
          .containsPattern("rsp +0x%x ".formatted(m.observer().vcpu(0).gpr(4)));
    }
    assertThat(ended[0].status()).isEqualTo(Outcome.QUIT);
  }
}
