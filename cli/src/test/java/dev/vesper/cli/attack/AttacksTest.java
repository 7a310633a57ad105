package dev.vesper.cli.attack;

import static org.assertj.core.api.Assertions.assertThat;

import dev.vesper.guest.Locore;
import dev.vesper.machine.spec.SevMode;
import java.io.IOException;
import java.util.HashSet;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Set;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;

/** Attacks against the reference guest come to what is recorded, and the page says so. */
final class AttacksTest {
  /** What OpenBSD's handlers of 2026-08 do not look at. */
  static byte[] withoutChecks() {
    Map<String, String> pieces = new LinkedHashMap<>();
    pieces.put("    cmp word [rbx], 0xa20f\n    jne vc_mismatch\n", "");
    pieces.put(
        "    cmp byte [rbx], 0xf3\n    jne vc_mismatch\n    cmp word [rbx+1], 0x090f\n"
            + "    jne vc_mismatch\n",
        "    cmp byte [rbx], 0xf3\n    jne vc_exchange\n");
    pieces.put("    cmp eax, 1\n    je .vc_event\n    test eax, eax\n    jne .vc_error\n", "");
    pieces.put("    cmp word [edx], 0xa20f\n    jne vc_terminate32\n", "");
    pieces.put(
        "    cmp word [edx], 0x230f\n    jne vc_terminate32\n", "    jmp short .vc32_dr_any\n");
    pieces.put(
        "    or dword [early_vcs-KERNBASE], EARLY_DR32\n",
        ".vc32_dr_any:\n    or dword [early_vcs-KERNBASE], EARLY_DR32\n");
    pieces.put(
        "    and eax, 0x3fffffff\n    cmp eax, MSRPROTO_CPUID_RESP\n    jne vc_terminate32\n", "");
    pieces.put("    je .sev_believed\n", "    jmp .sev_believed\n");
    pieces.put("    jae vc_advance\n", "    jmp vc_advance\n");
    pieces.put("    je vc_untrue\n", "");
    pieces.put("    test edx, 0x40000000\n    je vc_terminate32\n", "");
    pieces.put("    test edx, 0x40000000\n    je vc_terminate64\n", "");
    pieces.put("    jb vc_untrue\n", "");
    byte[] image = Locore.variant("", pieces);
    for (String find : pieces.keySet()) {
      assertThat(Locore.image(find, find + "    nop\n")).as(find).isNotEqualTo(Locore.image());
    }
    return image;
  }

  @Test
  void theReferenceGuestUnderSevEsWithstandsWhatIsRecorded() {
    Holding.hold(Column.LOCORE_ES, new AttackRun(Target.locore(SevMode.ES)), Attacks.all());
  }

  @Tag("slow")
  @Test
  void theReferenceGuestUnderSevSnpWithstandsWhatIsRecorded() {
    Holding.hold(Column.LOCORE_SNP, new AttackRun(Target.locore(SevMode.SNP)), Attacks.all());
  }

  private static Target openBsd() {
    return Target.locore("openbsd-vctrap", SevMode.ES, "openbsd", withoutChecks());
  }

  @Tag("slow")
  @Test
  void withoutTheChecksThatOpenBsdDoesNotHaveItComesToWhatIsRecorded() {
    Holding.hold(Column.OPENBSD, new AttackRun(openBsd()), Attacks.all());
  }

  @Test
  void withoutTheChecksThatOpenBsdDoesNotHaveItFallsToMadeUpErrorCodes() {
    AttackRun run = new AttackRun(openBsd());
    for (String name : List.of("wesee-cpuid", "wesee-wbinvd", "answer-malformed", "msr-code")) {
      Attack a = Objects.requireNonNull(Attacks.named(name));
      assertThat(run.of(a)).as(name).isInstanceOf(Verdict.Vulnerable.class);
    }
  }

  @Test
  void thePageIsWhatTheCommandWrites() throws IOException {
    Holding.holdPage();
  }

  @Test
  void everyAttackHasANameOfItsOwnAndSaysWhatProvesIt() {
    Set<String> names = new HashSet<>();
    for (Attack a : Attacks.all()) {
      assertThat(names.add(a.name())).as(a.name()).isTrue();
      assertThat(List.of(a.title(), a.source(), a.oracle(), a.precondition()))
          .as(a.name())
          .noneMatch(String::isBlank)
          .noneMatch(s -> s.contains("|"));
      assertThat(Attacks.named(a.name())).isSameAs(a);
    }
    assertThat(names.size()).isGreaterThanOrEqualTo(25);
  }
}
