package dev.vesper.cli.monitor;

import dev.vesper.fixtures.fuzz.FuzzTarget;
import dev.vesper.machine.spec.SevMode;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.List;
import java.util.stream.Stream;

/** What clients of the monitor type, line by line, with a guest that goes on between them. */
public final class MonitorTarget implements FuzzTarget {
  private static final int MOST_LINES = 8;

  private final SpokenTo machine = new SpokenTo(SevMode.ES);

  @Override
  public String name() {
    return "monitor";
  }

  @Override
  public void folder(Path own) {
    machine.folder(own);
  }

  @Override
  public List<String> covers() {
    return Stream.of("Words", "Expression", "Dump", "Commands", "Keys")
        .map(n -> "dev.vesper.cli.monitor." + n)
        .toList();
  }

  @Override
  public int longest() {
    return 1024;
  }

  @Override
  public int inputs() {
    return 5000;
  }

  @Override
  public List<String> words() {
    return Stream.concat(
            Stream.of(
                "/4i ",
                "$rax",
                "$cs.base",
                "0x100000",
                "info ",
                "a",
                "-1",
                "1e5",
                "~",
                "../file",
                "link",
                "out/x",
                "/etc/vesper",
                "0x300000",
                "/999999i"),
            Commands.all().stream().map(Command::name))
        .toList();
  }

  @Override
  public List<byte[]> seeds() {
    Stream<String> all =
        Stream.of(
            "x /8xg $rsp+(1*2)&~3\ninfo registers -a\n",
            "xp /20cb 0x100000\nprint /c 'a'\nsendkey ctrl-alt-f1 10\n",
            "help info\ninfo mem\nmemsave 0x100000 16 \"a b\\n\"\n",
            "savevm a\nsavevm b\nloadvm a\ninfo snapshots\ndelvm a\nloadvm b\n",
            "trace on t\ntrace on ../file\ntrace off\npmemsave 0 8 out/x\n",
            "screendump link\no /b 0x61 3\ni /b 0x61\nnmi\nsystem_reset\n",
            "view host\nx /4xg 0x300000\nprivate 0x300000\npage-state 0x300000\n",
            "stop\ncont\nquit\ncpu 0\ncpu 1\n");
    return Stream.concat(all, Commands.all().stream().map(c -> c.name() + " 0x300000 a\n"))
        .map(s -> s.getBytes(StandardCharsets.UTF_8))
        .toList();
  }

  @Override
  public void take(byte[] input) throws Exception {
    Control c = machine.control();
    Session s = new Session(c);
    for (String line : new String(input, StandardCharsets.UTF_8).split("\n", MOST_LINES)) {
      String said = s.run(line);
      c.concludeChange();
      if (!said.isEmpty() && !said.endsWith("\n")) {
        throw new AssertionError("no line: " + said);
      }
      if (said.contains(Session.FAILED)) {
        throw new AssertionError(said);
      }
      machine.on();
    }
    // A file that is still written to is let go.
    s.run("trace off");
  }
}
