package dev.vesper.cli;

import dev.vesper.cli.attest.Certificates;
import dev.vesper.cli.attest.Check;
import dev.vesper.cli.attest.Expectations;
import dev.vesper.cli.attest.ExpectedField;
import dev.vesper.cli.attest.ReportVerifier;
import dev.vesper.cli.attest.Roots;
import dev.vesper.machine.launch.AttestationReport;
import dev.vesper.machine.launch.ReportField;
import dev.vesper.machine.launch.TcbVersion;
import dev.vesper.machine.observe.format.Json;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.cert.X509Certificate;
import java.time.Instant;
import java.time.LocalDate;
import java.time.ZoneOffset;
import java.time.format.DateTimeParseException;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.EnumMap;
import java.util.HexFormat;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.function.Consumer;
import java.util.regex.Pattern;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;

/** What {@code attest verify} takes, reads and prints. */
final class AttestVerify {
  /** Names of what a folder may have of certificates. */
  private static final Pattern NAMES = Pattern.compile(".*\\.(der|pem|crt|cer|bin)|cert_chain|crl");

  private static final List<String> LEVELS = List.of("fmc", "bl", "tee", "snp", "ucode");
  private static final int WIDTH = 19;

  private List<Path> certs = List.of();
  private @Nullable Path ark;
  private @Nullable Path crl;
  private boolean testChain;
  private String at = "";
  private @Nullable Long policy;
  private @Nullable Long vmpl;
  private String least = "";
  private @Nullable Long svn;
  private final Map<ExpectedField, String> fields = new EnumMap<>(ExpectedField.class);

  /** The first option that was given. */
  private @Nullable String given;

  void addTo(Options o) {
    o.paths(
        "F|DIR",
        "verify: certificates of VCEK, ASK and ARK in DER or PEM, a certificate table as the"
            + " guest's auxblob has it, or a folder with such; may be repeated, and stand behind"
            + " the report",
        noted("--certs", v -> certs = v),
        "--certs");
    o.path(
        "F",
        "verify: the list of revoked certificates, in DER or PEM; the table's own is looked at too",
        noted("--crl", v -> crl = v),
        "--crl");
    o.path("F", "verify: trust this root besides AMD's", noted("--ark", v -> ark = v), "--ark");
    o.flag(
        "verify: trust the root of this machine's test chain, whose key is public",
        () -> {
          given = "--test-chain";
          testChain = true;
        },
        "--test-chain");
    o.text(
        "DATE",
        "verify: when certificates must be valid, such as 2026-11-30 (default: now)",
        noted("--at", v -> at = v),
        "--at");
    o.number(
        "N",
        "verify: the laxest policy that may be: no permissions besides its own, all that it"
            + " demands",
        noted("--policy", v -> policy = v),
        "--policy");
    for (ExpectedField f : ExpectedField.values()) {
      o.text(
          "HEX",
          "verify: what the "
              + f.text()
              + " must be, "
              + f.field().bytes()
              + " bytes"
              + (f == ExpectedField.MEASUREMENT
                  ? ": what 'vesper measure --mode snp' prints"
                  : f == ExpectedField.REPORT_DATA ? "; zeros are put behind fewer" : ""),
          noted(f.option(), v -> fields.put(f, v)),
          f.option());
    }
    o.number(
        "N",
        "verify: the least privileged level (VMPL) that may have asked, 0 to 3",
        noted("--vmpl", v -> vmpl = v),
        "--vmpl");
    o.text(
        "LEVELS",
        "verify: the least TCB version, such as bl=3,tee=0,snp=8,ucode=115; Turin also has fmc",
        noted("--min-tcb", v -> least = v),
        "--min-tcb");
    o.number("N", "verify: the least GUEST_SVN", noted("--svn", v -> svn = v), "--svn");
  }

  private <T> Consumer<T> noted(String name, Consumer<T> set) {
    return v -> {
      given = name;
      set.accept(v);
    };
  }

  /** {@return an option that was given, or null if none was} */
  @Nullable String given() {
    return given;
  }

  /**
   * A file of certificates, not yet looked at.
   *
   * @param found whether a folder had it, not the user named it
   */
  private record Source(Path path, byte[] bytes, boolean found) {}

  /** Judges reports by what was asked. */
  interface Judge {
    /** Prints the answers; {@return whether none has failed} */
    boolean conclude(AttestationReport r, boolean json);
  }

  /**
   * {@return who judges, with all files read and none looked at}
   *
   * @param more files of certificates besides those of --certs
   * @throws UserError if an option is not understood or a file cannot be read
   */
  Judge judge(List<Path> more) {
    Instant when = when();
    Expectations wanted =
        new Expectations(policy, level(), tcb(), number("--svn", svn, 0xFFFF_FFFFL), fields());
    List<Source> sources = new ArrayList<>();
    Stream.concat(certs.stream(), more.stream()).forEach(p -> read(p, sources));
    Path root = ark;
    byte[] rootFile = root == null ? new byte[0] : UserFiles.read(root, "certificate");
    Path list = crl;
    byte[] listFile =
        list == null ? new byte[0] : UserFiles.read(list, "list of revoked certificates");
    return (report, json) -> {
      List<Check> notes = new ArrayList<>();
      Certificates all = new Certificates();
      sources.forEach(s -> add(s, all, notes));
      if (list != null) {
        addList(list, listFile, all);
      }
      Roots roots = new Roots(testChain, root == null ? null : root(root, rootFile));
      notes.addAll(ReportVerifier.judge(report, all, roots, when, wanted));
      return print(notes, json);
    };
  }

  // ---- options

  private Instant when() {
    if (at.isEmpty()) {
      return Instant.now();
    }
    try {
      return LocalDate.parse(at).atStartOfDay(ZoneOffset.UTC).toInstant();
    } catch (DateTimeParseException e) {
      throw new UserError("--at takes a day such as 2026-11-30, not '" + at + "'");
    }
  }

  private @Nullable Long level() {
    return number("--vmpl", vmpl, 3);
  }

  private static @Nullable Long number(String option, @Nullable Long v, long most) {
    if (v != null && (v < 0 || v > most)) {
      throw new UserError(option + " takes 0 to " + most + ", not " + v);
    }
    return v;
  }

  private @Nullable TcbVersion tcb() {
    if (least.isEmpty()) {
      return null;
    }
    Map<String, Integer> levels = new LinkedHashMap<>();
    for (String part : least.split(",", -1)) {
      String[] p = part.split("=", 2);
      boolean fits = p.length == 2 && p[1].matches("[0-9]{1,3}") && Integer.parseInt(p[1]) < 256;
      if (!fits || !LEVELS.contains(p[0]) || levels.put(p[0], Integer.valueOf(p[1])) != null) {
        throw new UserError(
            "--min-tcb takes levels such as bl=3,tee=0,snp=8,ucode=115 (fmc for Turin), each 0 to"
                + " 255 and once, not '"
                + part
                + "'");
      }
    }
    return new TcbVersion(
        levels.getOrDefault("fmc", 0),
        levels.getOrDefault("bl", 0),
        levels.getOrDefault("tee", 0),
        levels.getOrDefault("snp", 0),
        levels.getOrDefault("ucode", 0));
  }

  private Map<ExpectedField, byte[]> fields() {
    Map<ExpectedField, byte[]> all = new EnumMap<>(ExpectedField.class);
    fields.forEach((f, text) -> all.put(f, bytes(f, text)));
    return all;
  }

  private static byte[] bytes(ExpectedField f, String text) {
    int size = f.field().bytes();
    try {
      byte[] b = HexFormat.of().parseHex(text);
      boolean fewer = f.field() == ReportField.REPORT_DATA && b.length > 0 && b.length < size;
      if (b.length == size || fewer) {
        return Arrays.copyOf(b, size);
      }
    } catch (IllegalArgumentException e) {
      // no hex
    }
    throw new UserError(f.option() + " takes " + size + " bytes in hex, not '" + text + "'");
  }

  // ---- files

  private static void read(Path p, List<Source> to) {
    if (!Files.isDirectory(p)) {
      to.add(new Source(p, UserFiles.read(p, "certificate"), false));
      return;
    }
    int before = to.size();
    try (Stream<Path> files = Files.list(p)) {
      files
          .filter(f -> NAMES.matcher(f.getFileName().toString()).matches())
          .filter(Files::isRegularFile)
          .sorted()
          .forEach(f -> to.add(new Source(f, UserFiles.read(f, "certificate"), true)));
    } catch (IOException e) {
      throw new UserError("cannot read the folder " + p + ": " + UserError.reason(e));
    }
    if (to.size() == before) {
      throw new UserError(
          "the folder "
              + p
              + " has no certificates: no .der, .pem, .crt, .cer, .bin or cert_chain");
    }
  }

  private static void add(Source s, Certificates all, List<Check> notes) {
    try {
      all.add(s.path.toString(), s.bytes);
    } catch (IllegalArgumentException e) {
      if (!s.found) {
        throw new UserError("the certificate " + s.path + ": " + e.getMessage());
      }
      notes.add(
          new Check(
              "certificate",
              Check.State.NOT_CHECKED,
              "not checked: " + s.path + ": " + e.getMessage()));
    }
  }

  private static void addList(Path p, byte[] file, Certificates all) {
    try {
      all.addList(p.toString(), file);
    } catch (IllegalArgumentException e) {
      throw new UserError("the list " + p + ": " + e.getMessage());
    }
  }

  private static X509Certificate root(Path p, byte[] file) {
    Certificates one = new Certificates();
    try {
      one.add(p.toString(), file);
      return one.root();
    } catch (IllegalArgumentException e) {
      throw new UserError("the certificate " + p + ": " + e.getMessage());
    }
  }

  // ---- answers

  private static String mark(Check.State s) {
    boolean ticks = Terminal.canPrint('\u2713');
    return switch (s) {
      case PASSED -> ticks ? "\u2713" : "+";
      case FAILED -> ticks ? "\u2717" : "x";
      case WARNING -> "!";
      case NOT_CHECKED -> "-";
    };
  }

  private static boolean print(List<Check> checks, boolean json) {
    long failed = checks.stream().filter(c -> c.state() == Check.State.FAILED).count();
    if (json) {
      Json j = new Json().object().key("schema").value(AttestCommand.SCHEMA);
      j.key("verdict").value(failed == 0 ? "passed" : "failed").key("checks").array();
      for (Check c : checks) {
        j.object().key("name").value(c.name()).key("state").value(c.state().name());
        j.key("text").value(c.text()).end();
      }
      Terminal.out(j.end().end().toString());
    } else {
      for (Check c : checks) {
        Terminal.out(mark(c.state()) + " " + AttestCommand.padded(c.name(), WIDTH) + c.text());
      }
      Terminal.out(
          failed == 0 ? "the report holds" : "the report does not hold: checks failed: " + failed);
    }
    return failed == 0;
  }
}
