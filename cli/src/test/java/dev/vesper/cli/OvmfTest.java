package dev.vesper.cli;

import static org.assertj.core.api.Assertions.assertThat;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import dev.vesper.machine.Machine;
import dev.vesper.machine.MachineOptions;
import dev.vesper.machine.Tracer;
import dev.vesper.machine.boot.BootException;
import dev.vesper.machine.observe.check.Checker;
import dev.vesper.machine.observe.check.HandlerCoverage.Cell;
import dev.vesper.machine.sev.SevMode;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Set;
import java.util.TreeSet;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;

/** Debian's OVMF, unmodified, from the reset vector to the UEFI shell. */
@Tag("slow")
final class OvmfTest {
  private static final Path IMAGE = Path.of("/usr/share/ovmf/OVMF.fd");

  private static MachineOptions options(SevMode mode, ByteArrayOutputStream console)
      throws IOException {
    boolean there = Files.exists(IMAGE);
    if (!there && System.getenv("CI") != null) {
      throw new AssertionError(IMAGE + " is missing: install Debian's ovmf");
    }
    assumeTrue(there, IMAGE + " is not installed (Debian: ovmf)");
    return MachineOptions.of(mode, new byte[0], console::write)
        .withMemory(256L << 20)
        .withFirmware(MachineOptions.Firmware.of(Files.readAllBytes(IMAGE)));
  }

  private static final String SHELL = "UEFI Interactive Shell";

  @Test
  void reachesTheShellUnderSev() throws BootException, IOException {
    ByteArrayOutputStream console = new ByteArrayOutputStream();
    Machine m = new Machine(options(SevMode.SEV, console));
    m.limit(800_000_000L, Long.MAX_VALUE);
    m.run();
    assertThat(console.toString(StandardCharsets.ISO_8859_1)).contains(SHELL);
  }

  @Test
  void reachesTheShellUnderEsAndItsFindingsAreKnown() throws BootException, IOException {
    ByteArrayOutputStream console = new ByteArrayOutputStream();
    Machine m = new Machine(options(SevMode.ES, console));
    Checker c = new Checker();
    m.trace(new Tracer(c::accept, true));
    m.limit(720_000_000L, Long.MAX_VALUE);
    m.run();
    assertThat(console.toString(StandardCharsets.ISO_8859_1)).contains(SHELL);
    Set<String> rules = new TreeSet<>();
    c.findings().forEach(f -> rules.add(f.rule().id()));
    assertThat(rules).as("%s", c.findings()).isEqualTo(LinuxCheckTest.explained("ovmf"));
    assertThat(c.coverage().cells())
        .extracting(Cell::form)
        .contains("cpuid", "rep ins m8,dx", "mov r64,dr7", "wbinvd", "mov m32,r32");
  }
}
