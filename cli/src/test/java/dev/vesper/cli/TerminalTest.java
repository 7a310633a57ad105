package dev.vesper.cli;

import static org.assertj.core.api.Assertions.assertThat;

import dev.vesper.guest.FlatGuest;
import dev.vesper.machine.observe.format.Visible;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.regex.Pattern;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** What strangers name reaches a terminal as text, whoever says it. */
final class TerminalTest {
  private static final Path ROOT = Path.of(System.getProperty("vesper.root", ".."));

  private static final String HOSTILE =
      "\u001b]0;owned\u0007\u001b[2J\u009b31m\u202egpj\u2028\u007f\u001b[1;32mcheck: 0 errors";

  @TempDir Path dir;

  private static void harmless(CommandResult r) {
    assertThat(Visible.lines(r.out())).isEqualTo(r.out());
    assertThat(Visible.lines(r.err())).isEqualTo(r.err());
  }

  /** Streams of the process are written to by one class, which makes text fit for them. */
  @Test
  void nothingElsePrints() throws IOException {
    Pattern prints =
        Pattern.compile(
            "System\\s*\\.\\s*(out|err)\\b|printStackTrace\\(\\)|FileDescriptor\\.(out|err)"
                + "|System\\.console|\\.getOut\\(\\)|\\.getErr\\(\\)");
    List<String> found = new ArrayList<>();
    for (String module : List.of("ghcb", "x86", "machine", "guest", "junit", "fuzz", "cli")) {
      try (Stream<Path> files = Files.walk(ROOT.resolve(module + "/src/main/java"))) {
        for (Path p : files.filter(f -> f.toString().endsWith(".java")).toList()) {
          long n =
              Files.readString(p)
                  .lines()
                  .map(String::strip)
                  .filter(l -> !l.startsWith("*") && !l.startsWith("//"))
                  .filter(l -> prints.matcher(l).find())
                  .count();
          if (n > 0) {
            found.add(p.getFileName() + " " + n);
          }
        }
      }
    }
    // Terminal says what Vesper says; the others pass on what the guest writes, and its log.
    assertThat(found)
        .containsExactlyInAnyOrder(
            "Terminal.java 14",
            "RunCommand.java 3",
            "DebugOptions.java 1",
            "MonitorOptions.java 1",
            "GuestPlan.java 2");
  }

  @Test
  void whatASymbolIsCalledIsShownAsText() throws IOException {
    Path image = dir.resolve("guest");
    Files.write(image, named(HOSTILE));
    for (String mode : List.of("es", "off")) {
      CommandResult r =
          CommandResult.of(
              "run", "-serial", "none", "--sev", mode, "-v", "--json", image.toString());
      assertThat(r.status()).isEqualTo(5);
      assertThat(r.err()).contains("\\x1b]0;owned\\x07");
      harmless(r);
    }
    Path out = dir.resolve("t.jsonl");
    Path info = dir.resolve("c.drcov");
    CommandResult r =
        CommandResult.of(
            "run",
            "-serial",
            "none",
            "--check",
            "--trace",
            out + "," + dir.resolve("t.txt") + "," + dir.resolve("t.html"),
            "--coverage",
            info.toString(),
            image.toString());
    harmless(r);
    for (String name : List.of("t.jsonl", "t.txt", "t.html")) {
      String s = Files.readString(dir.resolve(name));
      assertThat(Visible.lines(s)).isEqualTo(s);
    }
  }

  private static byte[] named(String symbol) {
    byte[] name = symbol.getBytes(StandardCharsets.ISO_8859_1);
    byte[] code = FlatGuest.image("lidt [0]\nud2\n");
    byte[] sections = "\0.symtab\0.strtab\0".getBytes(StandardCharsets.US_ASCII);
    int at = code.length;
    int strings = at + 48;
    int sectionNames = strings + name.length + 2;
    int table = sectionNames + sections.length;
    ByteBuffer b = ByteBuffer.allocate(table + 4 * 64).order(ByteOrder.LITTLE_ENDIAN);
    b.put(code);
    long entry = b.getLong(24);
    b.position(at + 24).putInt(1).put((byte) 2).put((byte) 0).putShort((short) 1);
    b.putLong(entry).putLong(64).put((byte) 0).put(name).put((byte) 0).put(sections);
    b.position(table + 64);
    section(b, 1, 2, at, 48, 2);
    section(b, 9, 3, strings, name.length + 2, 0);
    section(b, 0, 3, sectionNames, sections.length, 0);
    b.putLong(40, table).putShort(58, (short) 64).putShort(60, (short) 4).putShort(62, (short) 3);
    return b.array();
  }

  private static void section(ByteBuffer b, int name, int type, long at, long size, int link) {
    b.putInt(name).putInt(type).putLong(0).putLong(0).putLong(at).putLong(size);
    b.putInt(link).putInt(0).putLong(1).putLong(type == 2 ? 24 : 0);
  }

  private static String quoted(String s) {
    StringBuilder b = new StringBuilder();
    s.chars().forEach(c -> b.append(String.format("\\u%04x", c)));
    return b.toString();
  }

  private Path trace(String more) throws IOException {
    Path p = dir.resolve("t.jsonl");
    String h = quoted(HOSTILE + "\nerror: forged");
    Files.writeString(
        p,
        "{\"schema\":\"vesper.trace/2\",\"kind\":\"ghcb\",\"time_ns\":1,\"instructions\":1,"
            + "\"vcpu\":0,\"bits\":64,\"cpl\":0,\"rip\":\"0x1000\",\"symbol\":\""
            + h
            + "\",\"source\":\""
            + h
            + ":ten\",\"instruction\":\""
            + h
            + "\",\"name\":\"no page\",\"ghcb\":\"0x1\""
            + more
            + "}\n");
    return p;
  }

  @Test
  void aTraceSaysNothingToTheTerminalOrAReader() throws IOException {
    List<String> reports = new ArrayList<>();
    for (String ending : List.of("json", "sarif", "xml", "md", "txt")) {
      reports.add(dir.resolve("r." + ending).toString());
    }
    List<String> forms = new ArrayList<>();
    for (String ending : List.of("jsonl", "html", "txt")) {
      forms.add(dir.resolve("o." + ending).toString());
    }
    Path base = dir.resolve("base");
    CommandResult r =
        CommandResult.of(
            "check",
            trace("").toString(),
            "--report",
            String.join(",", reports),
            "--convert",
            String.join(",", forms));
    assertThat(r.status()).isEqualTo(4);
    harmless(r);
    assertThat(r.err().lines().filter(l -> l.startsWith("error: forged"))).isEmpty();
    reports.addAll(forms);
    for (String f : reports) {
      String s = Files.readString(Path.of(f));
      assertThat(Visible.lines(s)).as(f).isEqualTo(s);
    }
    assertThat(
            CommandResult.of("check", trace("").toString(), "--write-baseline", base.toString())
                .status())
        .isZero();
    assertThat(Files.readAllLines(base)).hasSize(2).allMatch(l -> Visible.of(l).equals(l));
    assertThat(
            CommandResult.of("check", trace("").toString(), "--baseline", base.toString()).status())
        .isZero();
  }

  @ParameterizedTest
  @ValueSource(
      strings = {
        "check NAME",
        "check NAME.jsonl --convert NAME",
        "check --allow NAME t",
        "check t --report NAME",
        "check t --baseline NAME",
        "run NAME",
        "run --NAME",
        "run --sev NAME",
        "run -drive file=NAME",
        "run -drive NAME",
        "run -nic NAME",
        "run --share path=NAME,tag=t",
        "run -bios NAME",
        "run --symbols NAME",
        "run --trace NAME",
        "run -m NAME",
        "run -serial NAME",
        "measure NAME",
        "measure --vmm-type NAME guest",
        "measure --diff NAME NAME",
        "NAME"
      })
  void namesAreShownAsText(String line) throws IOException {
    Files.write(dir.resolve("guest"), FlatGuest.image("hlt\n"));
    String[] words = line.split(" ");
    for (int i = 0; i < words.length; i++) {
      words[i] =
          words[i].equals("guest") || words[i].equals("t")
              ? dir.resolve(words[i]).toString()
              : words[i].replace("NAME", HOSTILE + "\nx");
    }
    CommandResult r = CommandResult.of(words);
    assertThat(r.status()).isEqualTo(2);
    harmless(r);
    assertThat(r.err().lines()).hasSize(1);
  }

  /** A file that cannot be read says why in its own words too. */
  @ParameterizedTest
  @ValueSource(
      strings = {
        "{\"schema\":\"vesper.trace/HOSTILE\"}",
        "{\"schema\":\"vesper.trace/2\",\"kind\":\"HOSTILE\"}",
        "HOSTILE",
        "{\"HOSTILE\":1}"
      })
  void damagedFilesAreShownAsText(String text) throws IOException {
    Path p = dir.resolve("bad");
    Files.writeString(p, text.replace("HOSTILE", quoted(HOSTILE)));
    CommandResult r = CommandResult.of("check", p.toString());
    assertThat(r.status()).isEqualTo(2);
    harmless(r);
    CommandResult diff = CommandResult.of("measure", "--diff", p.toString(), p.toString());
    assertThat(diff.status()).isEqualTo(2);
    harmless(diff);
  }

  @Test
  void manifestsAreComparedAsText() throws IOException {
    String[] files = new String[2];
    for (int i = 0; i < 2; i++) {
      Path p = dir.resolve("m" + i);
      String h = quoted(HOSTILE + "\nforged" + i);
      Files.writeString(
          p,
          "{\"schema\":\"vesper.measure/1\",\"launch_digest\":\""
              + h
              + "\",\"inputs\":{\""
              + h
              + "\":\""
              + h
              + "\"},\"pages\":[{\"what\":\""
              + h
              + "\",\"address\":\""
              + h
              + "\",\"bytes\":\"1\",\"sha256\":\"\",\"running\":\"\"}],\"vmsa\":[{\""
              + h
              + "\":\""
              + h
              + "\"}]}");
      files[i] = p.toString();
    }
    CommandResult r = CommandResult.of("measure", "--diff", files[0], files[1]);
    assertThat(r.status()).isEqualTo(1);
    harmless(r);
    assertThat(r.out().lines().filter(l -> l.startsWith("forged"))).isEmpty();
  }

  @Test
  void theGuestsConsoleIsTheGuests() throws IOException {
    Path log = dir.resolve("log");
    Path image = dir.resolve("guest");
    Files.write(
        image,
        FlatGuest.image("mov dx, 0x3f8\nmov al, 0x1b\nout dx, al\nmov dx, 0xf4\nout dx, al\n"));
    CommandResult.of("run", "--sev", "off", "-serial", "file:" + log, image.toString());
    assertThat(Files.readString(log)).isEqualTo("\u001b");
  }
}
