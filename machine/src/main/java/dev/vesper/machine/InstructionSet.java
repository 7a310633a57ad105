package dev.vesper.machine;

import dev.vesper.machine.cpu.CpuFeatures;
import dev.vesper.machine.cpu.interp.Interpreter;
import dev.vesper.machine.model.CpuModel;
import dev.vesper.x86.Opcode;
import dev.vesper.x86.OpcodeTable;
import java.io.BufferedReader;
import java.io.IOException;
import java.io.InputStreamReader;
import java.io.UncheckedIOException;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;

/** What the processor executes, form by form of the opcode table. */
public final class InstructionSet {
  /**
   * A form of the table.
   *
   * @param modes where it exists: {@code 64}, {@code 32} for 16- and 32-bit code, or {@code all}
   * @param feature CPUID feature that it needs, or {@code -}
   * @param since the smallest built-in model that has it, or {@code -} if none does
   * @param state {@code done}, {@code undefined} on every processor here, or {@code missing}
   * @param cases recorded results of real processors that begin with or contain it
   */
  public record Form(
      String mnemonic,
      String operands,
      String encoding,
      String modes,
      String feature,
      String since,
      String state,
      int cases) {}

  private InstructionSet() {}

  /** {@return the key of a form in the list of recorded cases} */
  public static String key(Opcode o) {
    return o.mnemonic + " " + o.operandText + " " + o.encoding.replace(' ', '_');
  }

  /** {@return all forms in table order} */
  public static List<Form> forms() {
    Map<String, Integer> cases = recordedCases();
    Interpreter interpreter = new Interpreter(CpuFeatures.ALL);
    Map<String, CpuFeatures> models = new java.util.LinkedHashMap<>();
    CpuModel.names().forEach(n -> models.put(n, new CpuFeatures(CpuModel.named(n).features())));
    List<Form> forms = new ArrayList<>();
    for (Opcode o : OpcodeTable.all()) {
      String needs = o.feature;
      String since =
          models.entrySet().stream()
              .filter(m -> needs == null || m.getValue().has(needs))
              .map(Map.Entry::getKey)
              .findFirst()
              .orElse("-");
      boolean there = needs == null || CpuFeatures.ALL.has(needs);
      forms.add(
          new Form(
              o.mnemonic,
              o.operandText,
              o.encoding,
              !o.validIn64() ? "32" : !o.validOutside64() ? "64" : "all",
              needs == null ? "-" : needs,
              since,
              !there ? "undefined" : interpreter.executes(o) ? "done" : "missing",
              cases.getOrDefault(key(o), 0)));
    }
    return forms;
  }

  private static Map<String, Integer> recordedCases() {
    Map<String, Integer> cases = new HashMap<>();
    try (var in = InstructionSet.class.getResourceAsStream("recorded-cases.txt")) {
      if (in == null) {
        throw new AssertionError("recorded-cases.txt is missing from the module");
      }
      var reader = new BufferedReader(new InputStreamReader(in, StandardCharsets.UTF_8));
      for (String line = reader.readLine(); line != null; line = reader.readLine()) {
        if (!line.startsWith("#")) {
          int space = line.lastIndexOf(' ');
          cases.put(line.substring(0, space), Integer.parseInt(line.substring(space + 1)));
        }
      }
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
    return cases;
  }
}
