package dev.vesper.machine.fuzz;

import dev.vesper.fixtures.fuzz.FuzzTarget;
import dev.vesper.machine.hostile.ScriptException;
import dev.vesper.machine.hostile.ScriptParser;
import dev.vesper.machine.hostile.ScriptSamples;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.List;

/** Scripts of hosts that mean harm. */
public final class ScriptTarget implements FuzzTarget {
  @Override
  public String name() {
    return "hostile";
  }

  @Override
  public List<String> covers() {
    return List.of(
        "dev.vesper.machine.hostile.ActionReader",
        "dev.vesper.machine.hostile.Script",
        "dev.vesper.machine.hostile.TriggerReader",
        "dev.vesper.machine.hostile.Uses",
        "dev.vesper.machine.hostile.ValueReader");
  }

  /** The whole, and each rule by itself. */
  @Override
  public List<byte[]> seeds() {
    List<byte[]> all = new ArrayList<>();
    all.add(ScriptSamples.ALL.getBytes(StandardCharsets.ISO_8859_1));
    for (String rule : ScriptSamples.ALL.split("\n(?=[a-z])")) {
      all.add((rule + "\n").getBytes(StandardCharsets.ISO_8859_1));
    }
    return all;
  }

  @Override
  public int inputs() {
    return 5000;
  }

  @Override
  public void take(byte[] input) {
    try {
      ScriptParser.parse(new String(input, StandardCharsets.ISO_8859_1));
    } catch (ScriptException e) {
      Refusals.requireLine(e);
    }
  }
}
