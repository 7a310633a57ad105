package dev.vesper.cli.attack;

import dev.vesper.fixtures.Tools;
import dev.vesper.machine.spec.MachineSpec;
import dev.vesper.machine.spec.SevMode;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Objects;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.condition.EnabledIfSystemProperty;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/** Attacks against Debian's firmware, which waits at its shell when nobody attacks it. */
@EnabledIfSystemProperty(named = "long", matches = "true")
@Tag("slow")
final class OvmfAttacksTest {
  private static final Path IMAGE = Path.of("/usr/share/ovmf/OVMF.fd");
  private static final long MOST = 400_000_000;

  private static @Nullable AttackRun run;

  private static AttackRun run() throws IOException {
    AttackRun r = run;
    if (r == null) {
      Tools.require(IMAGE.toString(), "ovmf");
      MachineSpec spec =
          MachineSpec.builder(SevMode.ES, new byte[0], b -> {})
              .memoryBytes(256L << 20)
              .firmware(MachineSpec.Firmware.of(Files.readAllBytes(IMAGE)))
              .build();
      r = new AttackRun(Target.of("ovmf", spec, false, MOST));
      run = r;
    }
    return r;
  }

  @ParameterizedTest
  @MethodSource("dev.vesper.cli.attack.Holding#slowly")
  void debian12sFirmwareComesToWhatIsRecorded(String attack) throws IOException {
    Holding.hold(Column.OVMF, run(), List.of(Objects.requireNonNull(Attacks.named(attack))));
  }
}
