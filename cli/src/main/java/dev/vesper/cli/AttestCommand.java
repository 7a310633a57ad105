package dev.vesper.cli;

import dev.vesper.cli.attest.ReportDiff;
import dev.vesper.cli.attest.ReportFile;
import dev.vesper.cli.attest.ReportWords;
import dev.vesper.cli.confine.Confinement;
import dev.vesper.cli.confine.Policy;
import dev.vesper.machine.launch.AttestationReport;
import dev.vesper.machine.observe.format.Json;
import java.io.IOException;
import java.nio.file.Path;
import java.util.List;
import java.util.function.Function;
import org.jspecify.annotations.Nullable;

/** {@code vesper attest}: attestation reports of SEV-SNP, and the certificates behind them. */
final class AttestCommand implements Options.Command {
  /** Exit status if a check has failed, or two reports differ. */
  static final int FAILED = 1;

  /** Of what is written with {@code --json}. */
  static final String SCHEMA = "vesper.attest/1";

  private static final String STDIN = "-";
  private static final int MOST_BYTES = 1 << 20;
  private static final int NAME_WIDTH = 20;
  private static final int VALUE_WIDTH = 20;

  private List<Path> words = List.of();
  private boolean json;
  private final AttestVerify verify = new AttestVerify();
  private final AttestCerts certs = new AttestCerts();
  private final Sandbox sandbox;

  /**
   * @param confine gives up the process's rights for good; null if others need them
   */
  AttestCommand(@Nullable Function<Policy, Confinement> confine) {
    sandbox = new Sandbox(confine);
  }

  @Override
  public Options options() {
    Options o =
        new Options(
            "Explains, verifies and compares attestation reports of SEV-SNP guests, and makes the"
                + " certificates for those of this machine.",
            "",
            "  attest report FILE             every field with its value and meaning",
            "  attest verify FILE [CERT...]   who has signed it, and is it what you expect?",
            "  attest diff A B                what differs between two reports",
            "  attest certs -o DIR | --serve  the test chain of this machine's reports",
            "",
            "A report is 1184 bytes, a response with one, or what sev-guest's ioctl has filled;",
            "binary, in hex, or as od, hexdump and xxd show it; '-' is standard input.",
            "Exit status of verify and diff: 0 all is well, 1 a check failed or the reports differ.");
    o.positionals(
        "report|verify|diff|certs FILE...", "what to do, and with which files", v -> words = v);
    o.flag("write JSON", () -> json = true, "--json");
    verify.addTo(o);
    certs.addTo(o);
    sandbox.addTo(o);
    return o;
  }

  @Override
  public Integer call() {
    sandbox.validate();
    String action = words.isEmpty() ? "" : words.getFirst().toString();
    List<Path> files = words.isEmpty() ? List.of() : words.subList(1, words.size());
    if (!action.equals("verify")) {
      misplaced(verify.given(), "verify");
    }
    if (!action.equals("certs")) {
      misplaced(certs.given(), "certs");
    }
    return switch (action) {
      case "report" -> report(files);
      case "verify" -> verify(files);
      case "diff" -> diff(files);
      case "certs" -> certs(files);
      default ->
          throw new UserError(
              "attest needs report, verify, diff or certs first"
                  + (action.isEmpty() ? "" : ", not '" + action + "'"));
    };
  }

  private static void misplaced(@Nullable String option, String action) {
    if (option != null) {
      throw new UserError(option + " is for 'attest " + action + "'");
    }
  }

  // ---- reading

  private static byte[] read(Path p) {
    if (!p.toString().equals(STDIN)) {
      return UserFiles.read(p, "report");
    }
    try {
      return System.in.readNBytes(MOST_BYTES);
    } catch (IOException e) {
      throw new UserError("cannot read standard input: " + UserError.reason(e));
    }
  }

  private static AttestationReport parse(Path p, byte[] file) {
    try {
      return ReportFile.parse(file);
    } catch (IllegalArgumentException e) {
      String name = p.toString().equals(STDIN) ? "from standard input" : p.toString();
      throw new UserError("the report " + name + ": " + e.getMessage());
    }
  }

  /** Gives up what is not needed any more: all files have been read, and none looked at. */
  private void enter() {
    sandbox.enter(new Policy.Builder().build());
  }

  // ---- actions

  private int report(List<Path> files) {
    if (files.size() != 1) {
      throw new UserError("attest report takes one file, or '-'");
    }
    byte[] file = read(files.getFirst());
    enter();
    List<ReportWords.Field> fields = ReportWords.of(parse(files.getFirst(), file));
    if (json) {
      Json j = new Json().object().key("schema").value(SCHEMA).key("fields").array();
      for (ReportWords.Field f : fields) {
        j.object().key("name").value(f.name()).key("offset").value(f.offset());
        j.key("value").value(f.value()).key("meaning").array();
        f.meaning().forEach(j::value);
        j.end().end();
      }
      Terminal.out(j.end().end().toString());
      return 0;
    }
    fields.forEach(AttestCommand::print);
    return 0;
  }

  private static void print(ReportWords.Field f) {
    String head = padded(f.name(), NAME_WIDTH);
    List<String> more = f.meaning();
    if (f.value().length() < VALUE_WIDTH && !more.isEmpty()) {
      Terminal.out(head + padded(f.value(), VALUE_WIDTH) + more.getFirst());
      more = more.subList(1, more.size());
    } else {
      Terminal.out(head + f.value());
    }
    int indent = f.value().length() < VALUE_WIDTH ? NAME_WIDTH + VALUE_WIDTH : NAME_WIDTH;
    more.forEach(m -> Terminal.out(" ".repeat(indent) + m));
  }

  static String padded(String text, int width) {
    return text + " ".repeat(Math.max(1, width - text.length()));
  }

  private int verify(List<Path> files) {
    if (files.isEmpty()) {
      throw new UserError("attest verify needs a report, and its certificates with --certs");
    }
    Path report = files.getFirst();
    byte[] file = read(report);
    AttestVerify.Judge judge = verify.judge(files.subList(1, files.size()));
    enter();
    return judge.conclude(parse(report, file), json) ? 0 : FAILED;
  }

  private int diff(List<Path> files) {
    if (files.size() != 2) {
      throw new UserError("attest diff takes two reports");
    }
    byte[] first = read(files.get(0));
    byte[] second = read(files.get(1));
    enter();
    List<String> found = ReportDiff.of(parse(files.get(0), first), parse(files.get(1), second));
    if (json) {
      Json j = new Json().object().key("schema").value(SCHEMA).key("differences").array();
      found.forEach(j::value);
      Terminal.out(j.end().end().toString());
    } else if (found.isEmpty()) {
      Terminal.out("the reports are equal");
    } else {
      found.forEach(Terminal::out);
    }
    return found.isEmpty() ? 0 : FAILED;
  }

  private int certs(List<Path> files) {
    if (!files.isEmpty()) {
      throw new UserError("attest certs takes no files: name the folder to write to with -o");
    }
    certs.call();
    return 0;
  }
}
