package dev.vesper.machine.guests;

import static org.assertj.core.api.Assertions.assertThat;

import dev.vesper.fixtures.DebianKernel;
import dev.vesper.fixtures.Tools;
import dev.vesper.machine.Machine;
import dev.vesper.machine.Until;
import dev.vesper.machine.spec.MachineSpec;
import dev.vesper.machine.spec.SevMode;
import java.io.ByteArrayOutputStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Random;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.condition.EnabledIfSystemProperty;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** Boots of kernels and firmware that go on from snapshots at random places. */
@Tag("slow")
@EnabledIfSystemProperty(named = "long", matches = "true")
final class SnapshotBootTest {
  private static final int PLACES = Integer.getInteger("snapshots", 50);
  private static final Path OVMF = Path.of("/usr/share/ovmf/OVMF.fd");

  @TempDir Path folder;

  private static Machine machine(SevMode mode, int vcpus, boolean firmware) throws Exception {
    MachineSpec.Builder b =
        MachineSpec.builder(mode, firmware ? new byte[0] : DebianKernel.image(), c -> {})
            .memoryBytes(256L << 20)
            .processors(vcpus);
    if (firmware) {
      Tools.require(OVMF.toString(), "ovmf");
      b.firmware(MachineSpec.Firmware.of(Files.readAllBytes(OVMF)));
    } else {
      b.append("console=ttyS0");
    }
    return new Machine(mode == SevMode.SNP ? b.cpuModel("EPYC-Milan").build() : b.build());
  }

  @ParameterizedTest
  @CsvSource({
    "OFF, 1, false, 900",
    "ES, 1, false, 1800",
    "SNP, 1, false, 1800",
    "ES, 4, false, 1800",
    "SEV, 1, true, 800"
  })
  void allOfThemEndAlike(SevMode mode, int vcpus, boolean firmware, int millions) throws Exception {
    long most = millions * 1_000_000L;
    Random random = new Random(mode.ordinal() * 64L + vcpus);
    long[] places = random.longs(PLACES, 1, most).sorted().toArray();
    Machine whole = machine(mode, vcpus, firmware);
    Path[] files = new Path[PLACES];
    for (int i = 0; i < PLACES; i++) {
      whole.run(Until.instructions(places[i]));
      ByteArrayOutputStream to = new ByteArrayOutputStream();
      whole.save(to);
      files[i] = Files.write(folder.resolve("snapshot" + i), to.toByteArray());
    }
    whole.run(Until.instructions(most));
    for (int i = 0; i < PLACES; i++) {
      Machine again = machine(mode, vcpus, firmware);
      again.load(files[i]);
      again.run(Until.instructions(most));
      assertThat(again.instructions()).isEqualTo(whole.instructions());
      assertThat(again.stateHash()).as("from %d on", places[i]).isEqualTo(whole.stateHash());
      Files.delete(files[i]);
    }
  }
}
