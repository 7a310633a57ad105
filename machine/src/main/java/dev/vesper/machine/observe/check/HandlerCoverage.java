package dev.vesper.machine.observe.check;

import dev.vesper.ghcb.ExitCode;
import dev.vesper.x86.Insn;
import dev.vesper.x86.OperandSpec;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.StringJoiner;
import java.util.TreeMap;

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

  private record Key(String exit, String form, int bits, int cpl) implements Comparable<Key> {
    @Override
    public int compareTo(Key o) {
      int c = exit.compareTo(o.exit);
      c = c != 0 ? c : form.compareTo(o.form);
      c = c != 0 ? c : Integer.compare(bits, o.bits);
      return c != 0 ? c : Integer.compare(cpl, o.cpl);
    }
  }

  private final Map<Key, Integer> cells = new TreeMap<>();

  void add(TrapFrame f) {
    String exit = ExitCode.name(f.event().exit());
    Key key = new Key(exit, form(f.insn()), f.at().bits(), f.at().cpl());
    cells.merge(key, 1, Integer::sum);
  }

  private static String form(@org.jspecify.annotations.Nullable Insn in) {
    if (in == null) {
      return "?";
    }
    StringJoiner j = new StringJoiner(",");
    for (OperandSpec o : in.form().operands) {
      int bits = o.width(in) * 8;
      j.add(
          switch (o.kind()) {
            case 'E', 'M' -> in.mem ? "m" + bits : "r" + bits;
            case 'O', 'X', 'Y' -> "m" + bits;
            case 'I' -> "imm" + bits;
            case 'r' -> o.size() == 0 ? o.reg().name() : "r" + bits;
            case 'D' -> "dr" + in.reg;
            default -> "r" + bits;
          });
    }
    String repeat = in.rep && in.modrm == -1 ? "rep " : "";
    return (repeat + in.mnemonic() + " " + j).strip();
  }

  /** {@return the cells in order of exit and form} */
  public List<Cell> cells() {
    List<Cell> out = new ArrayList<>();
    cells.forEach((k, n) -> out.add(new Cell(k.exit, k.form, k.bits + "-bit", k.cpl, n)));
    return out;
  }

  /** {@return the exits of {@link #EXITS} that the handlers have not seen} */
  public List<String> unseen() {
    return EXITS.stream()
        .filter(x -> cells.keySet().stream().noneMatch(k -> k.exit.equals(x)))
        .toList();
  }
}
