package dev.vesper.machine.sev;

import static org.assertj.core.api.Assertions.assertThat;

import dev.vesper.ghcb.GhcbField;
import dev.vesper.machine.memory.Page;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

/** The one table of the VMSA against the manual's, as docs/spec gives it. */
class VmsaFieldTest {
  private static final Path SPEC =
      Path.of(System.getProperty("vesper.root", ".."), "docs/spec/sev-es-architecture.md");
  private static final Pattern ROW = Pattern.compile("\\| (\\p{XDigit}{3}) \\| (\\w+) \\| (\\d+) ");

  @Test
  void offsetsSizesAndNamesAreThoseOfTheManual() throws IOException {
    String spec = Files.readString(SPEC);
    String section = spec.substring(spec.indexOf("### 9.1"), spec.indexOf("### 9.2"));
    List<String> manual = new ArrayList<>();
    for (Matcher m = ROW.matcher(section); m.find(); ) {
      manual.add(m.group(1) + " " + m.group(2) + " " + m.group(3));
    }
    assertThat(Stream.of(VmsaField.values()).map(VmsaFieldTest::row))
        .containsExactlyInAnyOrderElementsOf(manual);
  }

  private static String row(VmsaField f) {
    return "%03X %s %d".formatted(f.offset, f, f.bytes);
  }

  @Test
  void fieldsFollowEachOtherWithoutOverlap() {
    int end = 0;
    for (VmsaField f : VmsaField.values()) {
      assertThat(f.offset).as("%s", f).isGreaterThanOrEqualTo(end);
      end = f.offset + f.bytes;
    }
    assertThat(end).isLessThanOrEqualTo(Page.SIZE);
  }

  /** The SW fields of a GHCB lie where a VMSA has the guest's exit information. */
  @ParameterizedTest
  @EnumSource(mode = EnumSource.Mode.MATCH_NONE, names = "SW_.*")
  void aGhcbHasRegistersWhereAVmsaHasThem(GhcbField g) {
    VmsaField f = VmsaField.valueOf(g.name());
    assertThat(f.offset).isEqualTo(g.offset);
    assertThat(f.bytes).isEqualTo(g.bytes);
  }

  @Test
  void everyByteOfAPageHasANameOrItsOffset() {
    byte[] page = new byte[Page.SIZE];
    page[VmsaField.CS.offset + VmsaField.BASE] = 1;
    page[VmsaField.CPL.offset] = 3;
    page[VmsaField.SEV_FEATURES.offset + 7] = (byte) 0x80;
    page[0xCC] = 4;
    page[VmsaField.FPREG_XMM.offset + 9] = 5;
    page[Page.SIZE - 1] = 6;
    assertThat(VmsaFields.of(page))
        .containsExactly(
            entry("CS.base", 1),
            entry("CPL", 3),
            entry("offset 0xcc", 4),
            entry("SEV_FEATURES", 1L << 63),
            entry("offset 0x478", 0x500),
            entry("offset 0xff8", 6L << 56));
  }

  private static Map.Entry<String, Long> entry(String name, long value) {
    return Map.entry(name, value);
  }
}
