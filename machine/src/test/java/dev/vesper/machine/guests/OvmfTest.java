package dev.vesper.machine.guests;

import static org.assertj.core.api.Assertions.assertThat;

import dev.vesper.fixtures.DebianSuite;
import dev.vesper.fixtures.Tools;
import dev.vesper.machine.TestMachine;
import dev.vesper.machine.Until;
import dev.vesper.machine.observe.check.Checker;
import dev.vesper.machine.observe.check.HandlerCoverage.Cell;
import dev.vesper.machine.spec.BootException;
import dev.vesper.machine.spec.Hardware;
import dev.vesper.machine.spec.MachineSpec;
import dev.vesper.machine.spec.SevMode;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Set;
import java.util.TreeSet;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.condition.EnabledIfSystemProperty;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** Debian's OVMF, unmodified, from the reset vector to the UEFI shell. */
@Tag("slow")
final class OvmfTest {
  private static final Path IMAGE = Path.of("/usr/share/ovmf/OVMF.fd");

  private static MachineSpec.Builder options(SevMode mode) throws IOException {
    Tools.require(IMAGE.toString(), "ovmf");
    return MachineSpec.builder(mode, new byte[0], b -> {})
        .memoryBytes(256L << 20)
        .firmware(MachineSpec.Firmware.of(Files.readAllBytes(IMAGE)));
  }

  /**
   * {@return bytes as text in which names of variables are found: UTF-16, at even or odd places}
   */
  private static String text(byte[] variables) {
    return new String(variables, StandardCharsets.ISO_8859_1).replace("\0", "");
  }

  private static final String SHELL = "UEFI Interactive Shell";

  @Test
  void reachesTheShellUnderSev() throws BootException, IOException {
    TestMachine m = TestMachine.of(options(SevMode.SEV));
    m.run(800_000_000L);
    assertThat(m.console()).contains(SHELL);
  }

  /**
   * Code and variables in files of their own, the second a flash. The image of 4 MiB has a 32-bit
   * PEI without 1 GiB pages.
   */
  @ParameterizedTest
  @CsvSource({"SEV, _4M, 'vesper-min,phys-bits=40'", "ES, '', vesper-min"})
  void splitImagesReachTheShellAndKeepVariables(SevMode mode, String size, String cpu)
      throws BootException, IOException {
    MachineSpec.Firmware split =
        new MachineSpec.Firmware(
            Files.readAllBytes(Path.of("/usr/share/OVMF/OVMF_CODE" + size + ".fd")),
            Files.readAllBytes(Path.of("/usr/share/OVMF/OVMF_VARS" + size + ".fd")));
    TestMachine m = TestMachine.of(options(mode).cpuModel(cpu).firmware(split));
    m.run(1_300_000_000L);
    assertThat(m.console()).contains(SHELL);
    String name = "BootOrder";
    assertThat(text(split.variables())).doesNotContain(name);
    assertThat(text(m.machine().variables())).contains(name);
  }

  /** Debian 13's image (2025.02), whose #VC handler finds devices on q35 too. */
  @Test
  void debian13sReachesTheShellUnderSnp() throws Exception {
    reachesTheShellUnderSnp(Hardware.Board.Q35);
  }

  @Test
  @EnabledIfSystemProperty(named = "long", matches = "true")
  void debian13sReachesTheShellUnderSnpOnPc() throws Exception {
    reachesTheShellUnderSnp(Hardware.Board.PC);
  }

  private static void reachesTheShellUnderSnp(Hardware.Board board) throws Exception {
    TestMachine m =
        TestMachine.of(
            options(SevMode.SNP)
                .cpuModel("EPYC-Milan")
                .firmware(
                    MachineSpec.Firmware.of(DebianSuite.of("trixie").file("ovmf", "ovmf/OVMF.fd")))
                .hardware(new Hardware(board, List.of())));
    m.machine().limit(3_000_000_000L, Long.MAX_VALUE);
    m.machine().run(Until.console(SHELL));
    assertThat(m.console()).contains(SHELL);
  }

  @Test
  void reachesTheShellUnderEsAndItsFindingsAreKnown() throws BootException, IOException {
    TestMachine m = TestMachine.of(options(SevMode.ES));
    Checker c = new Checker();
    m.machine().trace(c::accept, true);
    m.run(720_000_000L);
    assertThat(m.console()).contains(SHELL);
    Set<String> rules = new TreeSet<>();
    c.findings().forEach(f -> rules.add(f.rule().id()));
    assertThat(rules).as("%s", c.findings()).isEqualTo(LinuxCheckTest.explained("ovmf"));
    assertThat(c.coverage().cells())
        .extracting(Cell::form)
        .contains("cpuid", "rep ins m8,dx", "mov r64,dr7", "wbinvd", "mov m32,r32");
  }
}
