package dev.vesper.cli.gdb;

import static org.assertj.core.api.Assertions.assertThat;

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
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

/** Debian's gdb has a guest go back. */
@Tag("slow")
@Timeout(value = 5, unit = TimeUnit.MINUTES)
final class RealGdbBackTest {
  @TempDir Path dir;

  private static MachineSpec spec(SevMode mode) throws Exception {
    return MachineSpec.builder(mode, Locore.image(), b -> {})
        .memoryBytes(64L << 20)
        .cpuModel("EPYC-Milan")
        .build();
  }

  @ParameterizedTest
  @EnumSource(
      value = SevMode.class,
      names = {"ES", "SNP"})
  void goesBackToBreakpointsAndWriters(SevMode mode) throws Exception {
    Path names = dir.resolve("names.elf");
    try (Machine m = new Machine(spec(mode))) {
      m.run(Until.symbol("ghcb_vmgexit"));
      Files.write(names, SymbolElf.of(m.symbols(m.observer().vcpu(0))));
    }
    Outcome[] ended = new Outcome[1];
    String said =
        RealGdb.session(
            dir,
            spec(mode),
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
            kill
            """
                .formatted(names),
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
        .contains("$6 = 1\n");
    assertThat(ended[0].status()).isEqualTo(Outcome.QUIT);
  }
}
