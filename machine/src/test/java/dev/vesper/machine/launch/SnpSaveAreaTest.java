package dev.vesper.machine.launch;

import static org.assertj.core.api.Assertions.assertThat;

import dev.vesper.machine.observe.format.JsonTree;
import dev.vesper.machine.sev.LaunchState;
import dev.vesper.machine.sev.VmsaField;
import dev.vesper.machine.spec.ResetState;
import java.util.HexFormat;
import java.util.Map;
import java.util.Objects;
import org.junit.jupiter.api.Test;

/** Save areas of three hypervisors, byte for byte. */
final class SnpSaveAreaTest {
  /** CPUID 1 EAX. */
  private static final Map<String, Integer> SIGNATURES =
      Map.of("EPYC-v4", 0x80_0F12, "EPYC-Milan", 0xA0_0F11, "EPYC-Genoa", 0xA1_0F10);

  private static String text(Object v, String key) {
    return String.valueOf(JsonTree.object(v).get(key));
  }

  @Test
  void areThoseOfTheHypervisors() {
    int seen = 0;
    for (Object v : JsonTree.array(SnpVectors.file("snp_digests.json").get("vmsa_pages"))) {
      ResetState reset =
          switch (text(v, "flavour")) {
            case "ec2" -> ResetState.EC2;
            case "gce" -> ResetState.GCE;
            default -> ResetState.QEMU;
          };
      int signature = Objects.requireNonNull(SIGNATURES.get(text(v, "cpu")));
      LaunchState s =
          text(v, "eip").equals("fffffff0")
              ? LaunchState.atReset(reset, signature)
              : LaunchState.ofApAtReset(reset, signature)
                  .base(VmsaField.CS, 0x80_0000)
                  .set(VmsaField.RIP, 0xB004);
      s.set(VmsaField.SEV_FEATURES, Long.parseLong(text(v, "features"), 16));
      assertThat(HexFormat.of().formatHex(SnpDigest.hash(SnpPageType.VMSA, s.bytes())))
          .as(text(v, "name"))
          .isEqualTo(text(v, "sha384"));
      seen++;
    }
    assertThat(seen).isEqualTo(7);
  }
}
