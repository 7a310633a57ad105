package dev.vesper.cli.monitor;

import dev.vesper.fixtures.fuzz.FuzzTarget;
import dev.vesper.machine.observe.format.JsonTree;
import dev.vesper.machine.spec.SevMode;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.function.Supplier;
import java.util.stream.Stream;

/** What clients of QMP say: texts one after another, each of which has an answer that is JSON. */
public final class QmpTarget implements FuzzTarget {
  private static final int MOST_ANSWERS = 64;

  private final SpokenTo machine = new SpokenTo(SevMode.ES);

  @Override
  public String name() {
    return "qmp";
  }

  @Override
  public void folder(Path own) {
    machine.folder(own);
  }

  @Override
  public List<String> covers() {
    return Stream.concat(
            Stream.of("JsonFramer", "Qmp").map(n -> "dev.vesper.cli.monitor." + n),
            Stream.of("dev.vesper.machine.observe.format.JsonTree"))
        .toList();
  }

  @Override
  public int longest() {
    return 2048;
  }

  @Override
  public int inputs() {
    return 5000;
  }

  @Override
  public List<String> words() {
    return List.of(
        "\\u0041",
        "null",
        "1e5",
        "-1",
        "9223372036854775808",
        "1e999999999",
        "../file",
        "link",
        "out/x",
        "/etc/vesper",
        "execute",
        "arguments",
        "human-monitor-command",
        "query-sev",
        "stop",
        "cont",
        "system_reset",
        "{}",
        "[]");
  }

  private static String execute(String name, String arguments) {
    return "{\"execute\":\"" + name + "\",\"arguments\":{" + arguments + "},\"id\":1}";
  }

  @Override
  public List<byte[]> seeds() {
    Stream<String> some =
        Stream.of(
            "{\"execute\": \"a\", \"id\": [1, -2.5e3, null, true, \"\\u20ac\\n\"]}",
            execute("human-monitor-command", "\"command-line\":\"info registers\"")
                + execute("human-monitor-command", "\"command-line\":\"savevm a\",\"cpu-index\":0")
                + execute("human-monitor-command", "\"command-line\":\"loadvm a\""),
            execute("send-key", "\"keys\":[{\"type\":\"qcode\",\"data\":\"a\"}],\"hold-time\":5"),
            execute("send-key", "\"keys\":[{\"type\":\"number\",\"data\":30}]"),
            execute("memsave", "\"val\":1048576,\"size\":64,\"filename\":\"m\",\"cpu-index\":0"),
            execute("pmemsave", "\"val\":0,\"size\":64,\"filename\":\"../file\""),
            execute("screendump", "\"filename\":\"s\",\"format\":\"png\""),
            execute("dump-guest-memory", "\"paging\":false,\"protocol\":\"file:c\""),
            execute("sev-inject-launch-secret", "\"packet-header\":\"AA==\",\"secret\":\"AA==\""),
            execute(
                "sev-inject-launch-secret",
                "\"packet-header\":\"AA==\",\"secret\":\"AA==\",\"gpa\":3145728"),
            execute("query-sev-attestation-report", "\"mnonce\":\"AAAAAAAAAAAAAAAAAAAAAA==\""));
    Stream<String> all =
        QmpCommands.all().stream()
            .filter(c -> !c.name().equals("dump-guest-memory"))
            .map(c -> execute(c.name(), ""));
    return Stream.concat(some, all).map(s -> s.getBytes(StandardCharsets.UTF_8)).toList();
  }

  @Override
  public void take(byte[] input) throws Exception {
    Control c = machine.control();
    QmpMonitor q = new QmpMonitor(c);
    Session s = new Session(c);
    say(q, s, "{\"execute\":\"qmp_capabilities\"}".getBytes(StandardCharsets.UTF_8));
    say(q, s, input);
  }

  private void say(QmpMonitor q, Session s, byte[] text) throws JsonError {
    JsonFramer framer = new JsonFramer();
    int answers = 0;
    for (byte b : text) {
      String a = q.take(s, framer, b & 0xFF, h -> {}, Supplier::get);
      if (a == null) {
        throw new AssertionError("the run is over");
      }
      if (a.isEmpty()) {
        continue;
      }
      if (!(QmpMonitor.parsed(a) instanceof Map<?, ?> m)
          || a.indexOf('\n') >= 0
          || a.contains(Session.FAILED)
          || !a.equals(JsonTree.text(m))) {
        throw new AssertionError("no answer of QMP: " + a);
      }
      s.control().concludeChange();
      machine.on();
      if (++answers == MOST_ANSWERS) {
        return;
      }
    }
  }
}
