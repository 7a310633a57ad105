package dev.vesper.cli.monitor;

import dev.vesper.fixtures.fuzz.FuzzTarget;
import dev.vesper.guest.FlatGuest;
import dev.vesper.machine.Machine;
import dev.vesper.machine.Until;
import dev.vesper.machine.observe.format.JsonTree;
import dev.vesper.machine.spec.MachineSpec;
import dev.vesper.machine.spec.SevMode;
import java.nio.charset.StandardCharsets;
import java.util.List;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;

/** What clients of the monitor and of QMP say. */
public final class MonitorTarget implements FuzzTarget {
  private static @Nullable Machine machine;

  @Override
  public String name() {
    return "monitor";
  }

  @Override
  public List<String> covers() {
    String own = "dev.vesper.cli.monitor.";
    return Stream.concat(
            Stream.of("Words", "Expression", "Dump", "JsonFramer", "Commands", "Keys")
                .map(n -> own + n),
            Stream.of("dev.vesper.machine.observe.format.JsonTree"))
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
    return List.of("/4i ", "$rax", "$cs.base", "0x100000", "info ", "\\u0041", "null", "1e5", "~");
  }

  @Override
  public List<byte[]> seeds() {
    return List.of(
            "x /8xg $rsp+(1*2)&~3\ninfo registers -a\n",
            "xp /20cb 0x100000\nprint /c 'a'\nsendkey ctrl-alt-f1 10\n",
            "help info\ninfo mem\nmemsave 0 16 \"a b\\n\"\n",
            "{\"execute\": \"a\", \"id\": [1, -2.5e3, null, true, \"\\u20ac\\n\"]}")
        .stream()
        .map(s -> s.getBytes(StandardCharsets.UTF_8))
        .toList();
  }

  @Override
  public void take(byte[] input) throws Exception {
    JsonFramer framer = new JsonFramer();
    for (byte b : input) {
      try {
        String text = framer.take(b & 0xFF);
        if (text != null) {
          QmpMonitor.parsed(JsonTree.text(QmpMonitor.parsed(text)));
        }
      } catch (JsonError e) {
        continue;
      }
    }
    Session s = new Session(Control.of(machine()));
    for (String line : new String(input, StandardCharsets.UTF_8).split("\n", 8)) {
      String said = s.run(line);
      if (!said.isEmpty() && !said.endsWith("\n")) {
        throw new AssertionError("no line: " + said);
      }
    }
  }

  /** One for all inputs: it takes longer to make than to talk about. */
  private static synchronized Machine machine() throws Exception {
    Machine m = machine;
    if (m == null) {
      m =
          new Machine(
              MachineSpec.builder(SevMode.OFF, FlatGuest.image("L: jmp L"), b -> {})
                  .memoryBytes(4 << 20)
                  .build());
      m.run(Until.instructions(10));
      machine = m;
    }
    return m;
  }
}
