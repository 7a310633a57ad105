package dev.vesper.machine;

import static org.assertj.core.api.Assertions.assertThat;

import dev.vesper.machine.cpu.Execution;
import dev.vesper.machine.cpu.emit.VerifiedEmission;
import dev.vesper.machine.spec.Hardware;
import dev.vesper.machine.spec.MachineSpec;
import dev.vesper.machine.spec.Outcome;
import dev.vesper.machine.spec.SevMode;
import java.io.IOException;
import java.io.InputStream;
import java.util.List;
import java.util.zip.GZIPInputStream;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.extension.ExtendWith;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvFileSource;

/**
 * Small guests that look at one rule each and end with the status that a processor would give.
 * Their sources and what each looks at are in the resource folder {@code faults}.
 */
@ExtendWith(VerifiedEmission.class)
final class FaultGuestsTest {
  private static final String CPU = "EPYC-Genoa";
  private static final long MOST_INSTRUCTIONS = 50_000_000;

  /** What one guest is run with. */
  private static TestMachine machine(String file, String cpu) throws Exception {
    byte[] image = bytes(file);
    boolean firmware = file.endsWith(".rom.gz");
    MachineSpec.Builder o =
        MachineSpec.builder(SevMode.OFF, firmware ? new byte[0] : image, b -> {})
            .memoryBytes(64L << 20)
            .cpuModel(cpu)
            .hardware(new Hardware(Hardware.Board.PC, List.of()));
    return TestMachine.of(firmware ? o.firmware(MachineSpec.Firmware.of(image)) : o);
  }

  private static byte[] bytes(String file) throws IOException {
    try (InputStream in = FaultGuestsTest.class.getResourceAsStream("faults/" + file)) {
      assertThat(in).as(file).isNotNull();
      return file.endsWith(".gz") ? new GZIPInputStream(in).readAllBytes() : in.readAllBytes();
    }
  }

  @ParameterizedTest
  @CsvFileSource(resources = "faults/guests.csv", numLinesToSkip = 1, quoteCharacter = '\'')
  void aGuestEndsAsItDoesOnAProcessor(String file, int status, @Nullable String cpu)
      throws Exception {
    for (int execution : Execution.andNative(0, 1)) {
      TestMachine m = machine(file, cpu == null ? CPU : cpu);
      Execution.choose(m.machine(), execution);
      Outcome end = m.run(MOST_INSTRUCTIONS);
      assertThat(end.status()).as("%s, %s, %s", file, end.reason(), m.console()).isEqualTo(status);
    }
  }
}
