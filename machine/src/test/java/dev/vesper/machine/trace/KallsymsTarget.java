package dev.vesper.machine.trace;

import dev.vesper.fixtures.fuzz.FuzzTarget;
import dev.vesper.machine.observe.Symbols;
import java.util.ArrayList;
import java.util.List;

/** Memory of a kernel in which its symbol table may be. */
public final class KallsymsTarget implements FuzzTarget {
  private static final long LINEAR = 0xFFFF_FFFF_8100_0000L;

  @Override
  public String name() {
    return "kallsyms";
  }

  @Override
  public List<String> covers() {
    return List.of("dev.vesper.machine.trace.Kallsyms");
  }

  @Override
  public int inputs() {
    return 500;
  }

  @Override
  public int longest() {
    return 1 << 18;
  }

  @Override
  public List<byte[]> seeds() {
    List<byte[]> all = new ArrayList<>();
    for (KallsymsTest.Layout l : KallsymsTest.Layout.values()) {
      all.add(KallsymsTest.tables(l));
    }
    return all;
  }

  @Override
  public void take(byte[] input) {
    Symbols s = Kallsyms.read(input, LINEAR);
    if (s != null) {
      s.at(LINEAR + 100);
      s.at(-1);
    }
  }
}
