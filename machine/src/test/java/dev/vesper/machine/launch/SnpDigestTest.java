package dev.vesper.machine.launch;

import static dev.vesper.machine.launch.SnpVectors.hex;
import static dev.vesper.machine.launch.SnpVectors.number;
import static dev.vesper.machine.launch.SnpVectors.objects;
import static dev.vesper.machine.launch.SnpVectors.text;
import static org.assertj.core.api.Assertions.assertThat;

import dev.vesper.machine.observe.format.JsonTree;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.Random;
import org.junit.jupiter.api.Test;

/** The chain of the launch digest, link by link (spec: snp 6.4 and 10). */
final class SnpDigestTest {
  private static final Map<String, Object> VECTORS = SnpVectors.file("snp_digests.json");

  private static byte[] saveArea(Map<String, Object> vector) {
    byte[] page = new byte[4096];
    JsonTree.object(vector.get("nonzero"))
        .forEach(
            (at, bytes) ->
                System.arraycopy(hex((String) bytes), 0, page, Integer.parseInt(at, 16), 16));
    return page;
  }

  private static byte[] pattern(int last) {
    byte[] b = new byte[4096];
    for (int i = 0; i < b.length; i++) {
      b[i] = (byte) (7 * i + 13 * (i >> 8) + last);
    }
    return b;
  }

  private static byte[] contents(String said) {
    return switch (said) {
      case "zeros", "-" -> new byte[4096];
      case "i mod 256" -> {
        byte[] b = new byte[4096];
        for (int i = 0; i < b.length; i++) {
          b[i] = (byte) i;
        }
        yield b;
      }
      case "byte i=(7i+13*(i>>8)+1) mod 256" -> pattern(1);
      case "byte i=(7i+13*(i>>8)+2) mod 256", "same" -> pattern(2);
      case "QEMU BSP VMSA, EPYC-v4, features 1" ->
          saveArea(objects(VECTORS.get("vmsa_pages")).findFirst().orElseThrow());
      default -> throw new AssertionError(said);
    };
  }

  private static VmplPermissions permissions(Map<String, Object> step) {
    List<Object> p = JsonTree.array(step.get("perms"));
    return new VmplPermissions(number(p, 0), number(p, 1), number(p, 2));
  }

  @Test
  void everyLinkOfTheSyntheticLaunches() {
    List<Map<String, Object>> launches =
        objects(VECTORS.get("synthetic")).filter(l -> l.containsKey("steps")).toList();
    for (Map<String, Object> launch : launches) {
      SnpDigest d = new SnpDigest();
      objects(launch.get("steps"))
          .forEach(
              step -> {
                SnpPageType type = SnpPageType.valueOf(text(step, "type"));
                long gpa = Long.parseLong(text(step, "gpa"), 16);
                byte[] contents = contents(text(step, "content"));
                byte[] info = d.pageInfo(type, gpa, permissions(step), contents);
                assertThat(hex(info)).isEqualTo(text(step, "page_info"));
                d.add(type, gpa, permissions(step), contents);
                assertThat(d).hasToString(text(step, "ld"));
              });
      assertThat(d).as(text(launch, "name")).hasToString(text(launch, "digest"));
    }
    assertThat(launches).hasSize(5);
  }

  @Test
  void aLargePageIsItsSmallOnesInOrder() {
    SnpDigest normal = new SnpDigest();
    SnpDigest zero = new SnpDigest();
    for (int i = 0; i < 512; i++) {
      byte[] page = new byte[4096];
      Arrays.fill(page, (byte) i);
      long gpa = 0x20_0000 + 4096L * i;
      normal.add(SnpPageType.NORMAL, gpa, VmplPermissions.NONE, page);
      zero.add(SnpPageType.ZERO, gpa, VmplPermissions.NONE, page);
    }
    Map<String, Object> s4 = objects(VECTORS.get("synthetic")).toList().get(3);
    Map<String, Object> s5 = objects(VECTORS.get("synthetic")).toList().get(4);
    assertThat(normal).hasToString(text(s4, "digest"));
    assertThat(zero).hasToString(text(s5, "digest"));
  }

  @Test
  void saveAreasAreMeasuredWithoutTheirTimeStampScale() {
    objects(VECTORS.get("vmsa_pages"))
        .forEach(
            v ->
                assertThat(hex(SnpDigest.hash(SnpPageType.VMSA, saveArea(v))))
                    .as(text(v, "name"))
                    .isEqualTo(text(v, "sha384")));
    byte[] page =
        objects(VECTORS.get("vmsa_pages"))
            .filter(v -> text(v, "name").endsWith("SecureTSC"))
            .map(SnpDigestTest::saveArea)
            .findFirst()
            .orElseThrow();
    page[0x2F3] = 1;
    page[0x2FF] = 2;
    String measured = text(JsonTree.object(VECTORS.get("tsc_rule")), "sha384_measured");
    assertThat(hex(SnpDigest.hash(SnpPageType.VMSA, page))).isEqualTo(measured);
    assertThat(hex(SnpDigest.hash(SnpPageType.NORMAL, page))).isNotEqualTo(measured);
  }

  /** Type, place, permissions and, of measured pages, every bit of the contents. */
  @Test
  void everyBitOfWhatIsMeasuredCounts() {
    Random r = new Random(1);
    SnpPageType[] types = SnpPageType.values();
    for (int i = 0; i < 500; i++) {
      SnpPageType type = types[r.nextInt(types.length)];
      byte[] page = pattern(r.nextInt(256));
      SnpDigest a = new SnpDigest();
      a.add(type, 0x1000, VmplPermissions.NONE, page);
      int bit = r.nextInt(8 * page.length);
      page[bit >> 3] ^= (byte) (1 << (bit & 7));
      SnpDigest b = new SnpDigest();
      b.add(type, 0x1000, VmplPermissions.NONE, page);
      boolean scale = type == SnpPageType.VMSA && bit >> 3 >= 0x2F0 && bit >> 3 < 0x300;
      assertThat(Arrays.equals(a.value(), b.value()))
          .as("%s, bit %d", type, bit)
          .isEqualTo(!type.measured() || scale);
      SnpDigest c = new SnpDigest();
      c.add(type, 0x1000 ^ 1L << 12 + r.nextInt(40), VmplPermissions.NONE, page);
      assertThat(c.value()).isNotEqualTo(b.value());
      SnpDigest d = new SnpDigest();
      d.add(type, 0x1000, new VmplPermissions(0, 1 << r.nextInt(5), 0), page);
      assertThat(d.value()).isNotEqualTo(b.value());
    }
  }
}
