package dev.vesper.machine.hostile;

import dev.vesper.ghcb.ExitCode;
import dev.vesper.ghcb.MsrRequest;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.OptionalInt;

/** Reads triggers of a script's text. */
final class TriggerReader {
  private static final int MOST_PAGES = 64;

  /** Requests of the MSR protocol by their names. */
  private static final Map<String, Integer> REQUESTS =
      Map.of(
          "SEV_INFO_REQ", MsrRequest.SEV_INFO_REQ,
          "CPUID_REQ", MsrRequest.CPUID_REQ,
          "AP_RESET_HOLD_REQ", MsrRequest.AP_RESET_HOLD_REQ,
          "PREFERRED_GHCB_REQ", MsrRequest.PREFERRED_GHCB_REQ,
          "REGISTER_GHCB_REQ", MsrRequest.REGISTER_GHCB_REQ,
          "SNP_PAGE_STATE_REQ", MsrRequest.SNP_PAGE_STATE_REQ,
          "RUN_VMPL_REQ", MsrRequest.RUN_VMPL_REQ,
          "HV_FEATURES_REQ", MsrRequest.HV_FEATURES_REQ,
          "TERM_REQ", MsrRequest.TERM_REQ);

  private TriggerReader() {}

  static Trigger read(ScriptLine line) throws ScriptException {
    Token t = line.peek();
    String word = line.word("a trigger");
    return switch (word) {
      case "fetch" -> new Trigger.Fetch(ValueReader.place(line, false));
      case "fetch-seq" -> sequence(line);
      case "write" -> new Trigger.Write(ValueReader.place(line, false));
      case "read" -> new Trigger.Read(ValueReader.place(line, false));
      case "insn" ->
          new Trigger.AfterInstruction(
              line.number("a count of instructions", 0, Long.MAX_VALUE - 1));
      case "rip" -> new Trigger.AtRip(ValueReader.place(line, true));
      case "vmgexit" -> new Trigger.Vmgexit(code(line), nth(line));
      case "msr" -> new Trigger.Msr(request(line), nth(line));
      case "entry" -> new Trigger.Entry((int) line.number("a number", 1, Integer.MAX_VALUE));
      case "time" -> new Trigger.AtTime(ValueReader.nanos(line, Long.MAX_VALUE - 1));
      case "console" -> {
        Token at = line.peek();
        String text = line.string("a text");
        yield ValueReader.made(line, at, () -> new Trigger.ConsoleText(text));
      }
      case "launch" -> new Trigger.LaunchStep(step(line));
      default ->
          throw line.error(
              t,
              "there is no trigger '"
                  + ValueReader.shortened(word)
                  + "': there are fetch, fetch-seq, write, read, insn, rip, vmgexit, msr, entry,"
                  + " time, console and launch");
    };
  }

  private static Trigger sequence(ScriptLine line) throws ScriptException {
    List<Place> pages = new ArrayList<>();
    do {
      if (pages.size() == MOST_PAGES) {
        throw line.error(line.peek(), "a sequence has at most " + MOST_PAGES + " pages");
      }
      pages.add(ValueReader.place(line, false));
    } while (line.skip(","));
    return new Trigger.FetchSequence(pages);
  }

  private static int nth(ScriptLine line) throws ScriptException {
    return line.skip("nth") ? (int) line.number("a number", 1, Integer.MAX_VALUE) : 1;
  }

  private static int code(ScriptLine line) throws ScriptException {
    Token t = line.peek();
    if (t.kind() == Token.Kind.NUMBER) {
      return (int) line.number("an exit code", 0, 0xFFFF_FFFFL);
    }
    String name = line.word("an exit code or its name");
    for (String prefix : List.of("", "SVM_VMEXIT_", "SVM_VMGEXIT_")) {
      OptionalInt code = ExitCode.of(prefix + name);
      if (code.isPresent()) {
        return code.getAsInt();
      }
    }
    throw line.error(
        t,
        "there is no exit '"
            + ValueReader.shortened(name)
            + "': write its number, or a name as CPUID");
  }

  private static int request(ScriptLine line) throws ScriptException {
    Token t = line.peek();
    if (t.kind() == Token.Kind.NUMBER) {
      return (int) line.number("a request", 0, 0xFFF);
    }
    String name = line.word("a request or its name");
    Integer r = REQUESTS.get(name);
    if (r == null) {
      throw line.error(
          t,
          "there is no request '"
              + ValueReader.shortened(name)
              + "': there are "
              + String.join(", ", REQUESTS.keySet().stream().sorted().toList()));
    }
    return r;
  }

  private static Trigger.Step step(ScriptLine line) throws ScriptException {
    for (Trigger.Step s : Trigger.Step.values()) {
      if (line.skip(s.name().toLowerCase(Locale.ROOT))) {
        return s;
      }
    }
    throw line.expected("loaded, measured or finished");
  }
}
