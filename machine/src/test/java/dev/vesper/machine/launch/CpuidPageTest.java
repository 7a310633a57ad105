package dev.vesper.machine.launch;

import static dev.vesper.machine.launch.SnpVectors.objects;
import static dev.vesper.machine.launch.SnpVectors.text;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.Map;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** What the secure processor allows in a CPUID page (spec: snp 5.1). */
final class CpuidPageTest {
  private static final CpuidPage.Host GENOA = new CpuidPage.Host(0xA10F11, 0x0010_4106);
  private static final String[] REGISTERS = {"eax", "ebx", "ecx", "edx"};

  private static CpuidPage.Entry entry(int leaf, int subleaf, int register, int value) {
    int[] v = new int[4];
    v[register] = value;
    return new CpuidPage.Entry(leaf, subleaf, 1, 0, v[0], v[1], v[2], v[3]);
  }

  private static int allowed(CpuidPage.Entry e, int register) {
    byte[] page = CpuidPage.check(CpuidPage.encode(List.of(e)), GENOA).page();
    return CpuidPage.entries(page).getFirst().register(register);
  }

  /** The rules that are numbers, leaf by leaf, against the list that they were written from. */
  @Test
  void everyRuleOfTheVector() {
    Pattern number = Pattern.compile("(subset of|must be zero in|=|<=) ([0-9a-f]{8})");
    int seen = 0;
    for (Map<String, Object> rule :
        objects(SnpVectors.file("cpuid_rules_genoa.json").get("rules")).toList()) {
      int leaf = Integer.parseUnsignedInt(text(rule, "leaf"), 16);
      int subleaf = Integer.parseInt(text(rule, "sub"));
      for (int r = 0; r < REGISTERS.length && rule.containsKey(REGISTERS[r]); r++) {
        String said = text(rule, REGISTERS[r]);
        Matcher m = number.matcher(said);
        int all = allowed(entry(leaf, subleaf, r, -1), r);
        int none = allowed(entry(leaf, subleaf, r, 0), r);
        if (said.equals("free")) {
          assertThat(all).as("%x.%x %s", leaf, subleaf, said).isEqualTo(-1);
        } else if (m.find() && !said.contains("exactly")) {
          int n = Integer.parseUnsignedInt(m.group(2), 16);
          for (Matcher bit = Pattern.compile("bits? (\\d+)( and (\\d+))? free").matcher(said);
              bit.find(); ) {
            n |= 1 << Integer.parseInt(bit.group(1));
            n |= bit.group(3) == null ? 0 : 1 << Integer.parseInt(bit.group(3));
          }
          boolean exact = m.group(1).equals("=");
          int most = m.group(1).startsWith("must") ? ~n : n;
          assertThat(all).as("%x.%x %s", leaf, subleaf, said).isEqualTo(most);
          assertThat(none).as("%x.%x %s", leaf, subleaf, said).isEqualTo(exact ? n : 0);
        } else {
          continue;
        }
        seen++;
      }
    }
    assertThat(seen).isGreaterThan(180);
  }

  @ParameterizedTest
  @CsvSource({
    // leaf, subleaf, register, value, allowed
    "1, 0, 0, 00a10f11, 00a10f11",
    "1, 0, 0, 00a00f11, 00a00f11",
    "1, 0, 0, 00a10f12, 00a10f11",
    "1, 0, 0, 00b00f20, 00a10f11",
    "1, 0, 0, f0a0ff11, 00a00f11",
    "1, 0, 1, 03041007, 03040800",
    "80000008, 0, 0, 00003030, 00003030",
    "80000008, 0, 0, ff353a35, 00343934",
    "80000008, 0, 3, 00020008, 00010007",
    "8000001f, 0, 1, 00005000, 00004033",
    "8000001f, 0, 1, 00004173, 00004173",
    "d, 0, 0, 00000000, 00000003",
    "d, 0, 0, ffffffff, 000002e7",
    "80000022, 0, 1, ffffffff, 00104106",
    "3, 0, 2, 00000001, 00000000"
  })
  void rulesInWords(String leaf, int subleaf, int register, String value, String allowed) {
    CpuidPage.Entry e =
        entry(
            Integer.parseUnsignedInt(leaf, 16),
            subleaf,
            register,
            Integer.parseUnsignedInt(value, 16));
    assertThat(allowed(e, register)).isEqualTo(Integer.parseUnsignedInt(allowed, 16));
  }

  @ParameterizedTest
  @CsvSource({
    "0, 1, 0, 00000240", "0, 3, 0, 00000240", "0, 7, 0, 00000340", "0, e7, 0, 00000980",
    "0, 207, 0, 00000988", "1, 1, 0, 00000240", "1, 7, 0, 00000340", "1, 207, 1800, 00000370"
  })
  void sizesOfStatesFollowFromTheEntry(int subleaf, String xcr0, String xss, String size) {
    CpuidPage.Entry e =
        new CpuidPage.Entry(
            0xD, subleaf, Long.parseLong(xcr0, 16), Long.parseLong(xss, 16), 3, 1, 0, 0);
    assertThat(allowed(e, 1)).isEqualTo(Integer.parseInt(size, 16));
  }

  @Test
  void leavesOfHypervisorsAreNotLookedAt() {
    byte[] page =
        CpuidPage.encode(
            List.of(
                entry(0x4000_0000, 0, 1, 0x4B4D564B),
                new CpuidPage.Entry(0x1_0000, 0, 0, 0, 1, 2, 3, 4)));
    CpuidPage.Result r = CpuidPage.check(page, GENOA);
    assertThat(r.failures()).isEmpty();
    assertThat(r.page()).isEqualTo(page);
  }

  @Test
  void failuresAreNamedAndCorrectedInPlace() {
    byte[] page =
        CpuidPage.encode(
            List.of(entry(0x8000_001D, 3, 3, 6), entry(7, 0, 3, 0xFC00_0010), entry(2, 0, 0, 1)));
    CpuidPage.Result r = CpuidPage.check(page, GENOA);
    assertThat(r.failures())
        .containsExactly(
            "leaf 8000001d.3 EDX is 00000006, allowed is 00000002",
            "leaf 7.0 EDX is fc000010, allowed is 10000010");
    assertThat(CpuidPage.check(r.page(), GENOA).failures()).isEmpty();
    byte[] entryReserved = CpuidPage.encode(List.of(entry(2, 0, 0, 1)));
    entryReserved[0x38] = 1;
    assertThat(CpuidPage.check(entryReserved, GENOA).failures())
        .containsExactly("leaf 2.0: reserved bytes are not zero");
  }

  @Test
  void headersAreChecked() {
    List<CpuidPage.Entry> most = new ArrayList<>(Collections.nCopies(64, entry(2, 0, 0, 1)));
    byte[] page = CpuidPage.encode(most);
    assertThat(CpuidPage.check(page, GENOA).failures()).isEmpty();
    assertThat(CpuidPage.entries(page)).isEqualTo(most);
    page[0] = 65;
    assertThat(CpuidPage.check(page, GENOA).failures())
        .containsExactly("it has 65 entries, not 0 to 64");
    assertThatThrownBy(() -> CpuidPage.entries(page)).hasMessageContaining("not 65");
    for (int at : new int[] {4, 8, 15}) {
      byte[] p = CpuidPage.encode(most);
      p[at] = 1;
      assertThat(CpuidPage.check(p, GENOA).failures()).hasSize(1);
    }
    most.add(entry(2, 0, 0, 1));
    assertThatThrownBy(() -> CpuidPage.encode(most)).hasMessageContaining("not 65");
  }
}
