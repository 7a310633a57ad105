package dev.vesper.machine.observe.check;

import dev.vesper.ghcb.ExitCode;
import dev.vesper.machine.observe.Event.VcRaised;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/** Which non-automatic exits the guest's #VC handlers have seen, by operand form, mode and CPL. */
public final class HandlerCoverage {
  /** The exits that a complete handler has to know, by their {@code SVM_VMEXIT_*} names. */
  public static final List<String> EXITS =
      List.of(
          "SVM_VMEXIT_DR7_READ",
          "SVM_VMEXIT_DR7_WRITE",
          "SVM_VMEXIT_RDTSC",
          "SVM_VMEXIT_RDPMC",
          "SVM_VMEXIT_CPUID",
          "SVM_VMEXIT_INVD",
          "SVM_VMEXIT_IOIO",
          "SVM_VMEXIT_MSR",
          "SVM_VMEXIT_VMMCALL",
          "SVM_VMEXIT_RDTSCP",
          "SVM_VMEXIT_WBINVD",
          "SVM_VMEXIT_MONITOR",
          "SVM_VMEXIT_MWAIT",
          "SVM_VMEXIT_NPF");

  /**
   * One cell.
   *
   * @param exit name of the exit
   * @param form mnemonic and kinds of operands, as in {@code in al,imm8}
   * @param mode 16-bit, 32-bit or 64-bit
   * @param count how often
   */
  public record Cell(String exit, String form, String mode, int cpl, int count) {}

  private record Key(int exit, String form, int bits, int cpl) {
    /** Each #VC asks: what a record brings with it is slow until C2 sees it. */
    @Override
    public int hashCode() {
      return ((form.hashCode() * 31 + exit) * 31 + bits) * 31 + cpl;
    }

    @Override
    public boolean equals(@Nullable Object o) {
      return o instanceof Key k
          && exit == k.exit
          && bits == k.bits
          && cpl == k.cpl
          && form.equals(k.form);
    }
  }

  private final Map<Key, Integer> seen = new HashMap<>();

  /** A #VC has come for an instruction of a form. */
  void add(VcRaised e, String form) {
    seen.merge(new Key(e.exit(), form, e.at().bits(), e.at().cpl()), 1, Integer::sum);
  }

  /** {@return the cells in order of exit and form} */
  public List<Cell> cells() {
    List<Cell> out = new ArrayList<>();
    seen.entrySet().stream()
        .sorted(
            Comparator.comparing((Map.Entry<Key, Integer> e) -> ExitCode.name(e.getKey().exit))
                .thenComparing(e -> e.getKey().form)
                .thenComparingInt(e -> e.getKey().bits)
                .thenComparingInt(e -> e.getKey().cpl))
        .forEach(
            e -> {
              Key k = e.getKey();
              String exit = ExitCode.name(k.exit);
              out.add(new Cell(exit, k.form, k.bits + "-bit", k.cpl, e.getValue()));
            });
    return out;
  }

  /** {@return the exits of {@link #EXITS} that the handlers have not seen} */
  public List<String> unseen() {
    return EXITS.stream()
        .filter(x -> seen.keySet().stream().noneMatch(k -> ExitCode.name(k.exit).equals(x)))
        .toList();
  }
}
