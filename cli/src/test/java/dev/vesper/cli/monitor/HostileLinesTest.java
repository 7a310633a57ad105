package dev.vesper.cli.monitor;

import static org.assertj.core.api.Assertions.assertThat;

import dev.vesper.guest.FlatGuest;
import dev.vesper.machine.Machine;
import dev.vesper.machine.Until;
import dev.vesper.machine.spec.Hardware;
import dev.vesper.machine.spec.MachineSpec;
import dev.vesper.machine.spec.Outcome;
import dev.vesper.machine.spec.SevMode;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Random;
import java.util.concurrent.atomic.AtomicReference;
import java.util.function.Supplier;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** A client may type anything: each line has an answer, and nothing comes of the rest. */
final class HostileLinesTest {
  private static final int LINES = Boolean.getBoolean("long") ? 200_000 : 20_000;

  /** Arguments of which lines are made. */
  private static final String[] WORDS = {
    "/4i",
    "/8xg",
    "/20cb",
    "/999999i",
    "$pc",
    "$rsp",
    "0x100000",
    "-1",
    "0xffffffff00000000",
    "1",
    "0",
    "file",
    "../file",
    "/etc/passwd",
    "\"a b\"",
    "\"",
    "on",
    "off",
    "-a",
    "-f",
    "(((",
    "1+2*3",
    "$cs.base",
    "'a'",
    "ctrl-alt-delete",
    "a-b-c-d-e-f-g-h-i",
    "guest",
    "host",
    "99999999999999999",
    "~~~~~1",
    "1/0",
    "-f png",
    "\u00e9\u202e",
    ""
  };

  private static final String[] JSON = {
    "{\"execute\":\"query-status\",\"id\":1}",
    "{\"execute\":\"query-qmp-schema\"}",
    "{\"execute\":\"query-block\",\"arguments\":{}}",
    "{\"execute\":\"human-monitor-command\",\"arguments\":{\"command-line\":\"info registers\"}}",
    "{\"execute\":\"send-key\",\"arguments\":{\"keys\":[{\"type\":\"qcode\",\"data\":\"a\"}]}}",
    "{\"execute\":\"memsave\",\"arguments\":{\"val\":1048576,\"size\":64,\"filename\":\"m\"}}",
    "{\"execute\":\"screendump\",\"arguments\":{\"filename\":\"s\",\"format\":\"png\"}}",
    "{\"execute\":\"stop\",\"id\":{\"a\":[null,true,1.5e3,\"\\u20ac\"]}}",
    "[[[[[[[[[[]]]]]]]]]]",
    "{\"execute\":\"cont\"}"
  };

  @TempDir Path dir;

  private static Machine machine() throws Exception {
    return new Machine(
        MachineSpec.builder(
                SevMode.ES,
                FlatGuest.image("again: inc eax\nmov [0x300000], eax\njmp again"),
                b -> {})
            .memoryBytes(8 << 20)
            .hardware(new Hardware(Hardware.Board.PC, List.of()))
            .build());
  }

  private Control control(Machine m, AtomicReference<Outcome> ended) {
    Control c = new Control(Control.Facts.NONE, new WrittenFiles(dir), ended::set);
    c.serves(m, true);
    return c;
  }

  private static String line(Random r) {
    List<Command> all = Commands.all();
    StringBuilder b = new StringBuilder(all.get(r.nextInt(all.size())).name());
    for (int n = r.nextInt(4); n > 0; n--) {
      b.append(r.nextInt(8) == 0 ? "" : " ").append(WORDS[r.nextInt(WORDS.length)]);
    }
    for (int n = r.nextInt(3); n > 1; n--) {
      b.setCharAt(r.nextInt(b.length()), (char) r.nextInt(0x180));
    }
    return b.toString();
  }

  @Test
  void eachLineHasAnAnswer() throws Exception {
    AtomicReference<Outcome> ended = new AtomicReference<>();
    Random r = new Random(41);
    try (Machine m = machine();
        Control c = control(m, ended)) {
      Session s = new Session(c);
      m.run(Until.instructions(1000));
      for (int i = 0; i < LINES; i++) {
        String line = line(r);
        // A core of 8 MiB each time, and whole memory, would only take time.
        if (line.startsWith("dump-guest-memory") && r.nextInt(100) != 0) {
          continue;
        }
        String said = s.run(line);
        assertThat(said.isEmpty() || said.endsWith("\n")).as(line).isTrue();
        assertThat(said).as(line).doesNotContain("Exception", "\u001b", "\u202e");
        if (i % 64 == 0) {
          m.run(Until.instructions(m.instructions() + 50));
        }
      }
      s.run("trace off");
    }
    assertThat(ended.get()).isNotNull();
    try (Stream<Path> beside = Files.list(dir.resolve(".."))) {
      assertThat(beside.map(p -> String.valueOf(p.getFileName()))).doesNotContain("file");
    }
  }

  private static String mutated(Random r) {
    StringBuilder b = new StringBuilder(JSON[r.nextInt(JSON.length)]);
    for (int n = r.nextInt(4); n > 0 && !b.isEmpty(); n--) {
      int at = r.nextInt(b.length());
      switch (r.nextInt(4)) {
        case 0 -> b.insert(at, "{}[]\":,\\0e-tnu ".charAt(r.nextInt(15)));
        case 1 -> b.deleteCharAt(at);
        case 2 -> b.setCharAt(at, (char) r.nextInt(0x100));
        default -> b.insert(at, b.substring(0, Math.min(b.length(), 20)));
      }
    }
    return b.toString();
  }

  @Test
  void eachTextOfQmpHasAnAnswerThatIsJson() throws Exception {
    AtomicReference<Outcome> ended = new AtomicReference<>();
    Random r = new Random(42);
    int answers = 0;
    try (Machine m = machine();
        Control c = control(m, ended)) {
      m.run(Until.instructions(1000));
      QmpMonitor q = new QmpMonitor(c);
      Session s = new Session(c);
      JsonFramer f = new JsonFramer();
      for (int i = 0; i < LINES; i++) {
        // What has no end takes those behind it in, now and then.
        f = r.nextInt(16) == 0 ? f : new JsonFramer();
        String json = i == 0 ? "{\"execute\":\"qmp_capabilities\"}" : mutated(r);
        byte[] text = (json + "\n").getBytes(StandardCharsets.UTF_8);
        for (byte b : text) {
          String a = Objects.requireNonNull(q.take(s, f, b & 0xFF, h -> {}, Supplier::get));
          if (!a.isEmpty()) {
            answers++;
            assertThat(QmpMonitor.parsed(a)).isInstanceOf(Map.class);
          }
        }
      }
    }
    assertThat(answers).isGreaterThan(LINES / 4);
  }

  @Test
  void whatIsNoJsonIsRefusedToTheLetter() {
    for (String bad :
        List.of(
            "",
            "{",
            "{\"a\":1,}",
            "{\"a\" 1}",
            "[1,]",
            "[1 2]",
            "01",
            "1.",
            ".5",
            "+1",
            "1e",
            "-",
            "\"\\x\"",
            "\"\\u12\"",
            "\"\t\"",
            "tru",
            "nul",
            "{\"a\":1,\"a\":2}",
            "{1:2}",
            "[] []",
            "'a'",
            "NaN",
            "\"a",
            "[".repeat(65) + "]".repeat(65))) {
      assertThat(refused(bad)).as(bad).isTrue();
    }
    assertThat(refused("1".repeat(1_000_000))).isTrue();
    assertThat(refused("-0." + "9".repeat(1_000_000))).isTrue();
    for (String good :
        List.of("{}", "[]", "0", "-0.5e+10", "\"\\ud83d\\ude00\"", "null", " [ 1 , 2 ] ", "true")) {
      assertThat(refused(good)).as(good).isFalse();
    }
  }

  private static boolean refused(String text) {
    try {
      QmpMonitor.parsed(text);
      return false;
    } catch (JsonError e) {
      assertThat(e.getMessage()).startsWith("JSON parse error");
      return true;
    }
  }

  @Test
  void textsWithoutAnEndAreForgotten() {
    JsonFramer f = new JsonFramer();
    List<String> errors = new ArrayList<>();
    for (int i = 0; i < 3 * JsonFramer.LONGEST; i++) {
      try {
        assertThat(f.take('[')).isNull();
      } catch (JsonError e) {
        errors.add(e.getMessage());
      }
    }
    assertThat(errors).singleElement().asString().contains("more than");
  }

  /** Whatever fails in a command is not the end of the run; here everything does. */
  @Test
  void aDefectIsALine() {
    Control none = new Control(Control.Facts.NONE, new WrittenFiles(null), o -> {});
    Session s = new Session(none);
    for (Command c : Commands.all()) {
      String said = s.run(c.name() + " 0 0 0");
      assertThat(said.isEmpty() || said.endsWith("\n")).as(c.name()).isTrue();
    }
    assertThat(s.run("info registers")).startsWith(Session.FAILED);
    QmpMonitor q = new QmpMonitor(none);
    String negotiation = "{\"execute\":\"qmp_capabilities\"}";
    StringBuilder said = new StringBuilder();
    JsonFramer f = new JsonFramer();
    for (byte b :
        (negotiation + "{\"execute\":\"query-sev\"}").getBytes(StandardCharsets.US_ASCII)) {
      said.append(q.take(s, f, b, h -> {}, Supplier::get));
    }
    assertThat(said.toString()).contains("GenericError", Session.FAILED);
  }
}
