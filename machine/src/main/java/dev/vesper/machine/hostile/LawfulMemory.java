package dev.vesper.machine.hostile;

import dev.vesper.machine.host.HostMemory;
import dev.vesper.machine.host.HypervisorProgram;
import dev.vesper.machine.host.NestedPaging;
import java.util.function.ToLongFunction;

/** Does what lawful actions say to memory as the bus carries it, and to nested page tables. */
final class LawfulMemory {
  private static final int PAGE = 4096;

  private final HypervisorProgram program;
  private final HostKnowledge knowledge;

  LawfulMemory(HypervisorProgram program, HostKnowledge knowledge) {
    this.program = program;
    this.knowledge = knowledge;
  }

  /** Does it: see {@link LawfulHost#perform}. */
  String perform(LawfulAction.OnMemory a, Moment m, ToLongFunction<Place> places) {
    HostMemory memory = m.exit().memory();
    return switch (a) {
      case LawfulAction.Permit p -> permit(p, places.applyAsLong(p.page()));
      case LawfulAction.MapTo t -> map(knowledge.value(t.gpa(), m), knowledge.value(t.to(), m));
      case LawfulAction.Swap s -> swap(knowledge.value(s.one(), m), knowledge.value(s.other(), m));
      case LawfulAction.Capture c -> capture(c, m);
      case LawfulAction.Replay r -> {
        byte[] bytes = knowledge.bytes(r.name());
        yield bytes.length == 0
            ? "replay: nothing was captured as " + r.name() + " yet"
            : write("replay " + r.name(), memory, knowledge.value(r.gpa(), m), bytes);
      }
      case LawfulAction.WriteCiphertext x ->
          write("write", memory, knowledge.value(x.gpa(), m), x.bytes().bytes());
      case LawfulAction.PokeShared p -> poke(p, m);
      case LawfulAction.Assign x -> {
        long page = knowledge.value(x.page(), m);
        HostValue gpa = x.gpa();
        yield program.platform().assign(page, gpa == null ? -1 : knowledge.value(gpa, m))
            + " of "
            + LawfulHost.hex(page);
      }
    };
  }

  private String permit(LawfulAction.Permit p, long gpa) {
    if (gpa < 0) {
      return "the page is not mapped";
    }
    program.nested().set(gpa, p.mapping());
    return "nested page " + LawfulHost.hex(gpa & -PAGE) + " " + p.mapping();
  }

  private String map(long gpa, long to) {
    try {
      program.nested().map(gpa, to);
    } catch (IndexOutOfBoundsException e) {
      return String.valueOf(e.getMessage());
    }
    return "nested page " + LawfulHost.hex(gpa & -PAGE) + " is " + LawfulHost.hex(to & -PAGE);
  }

  private String swap(long one, long other) {
    NestedPaging n = program.nested();
    long first = n.backing(one);
    long second = n.backing(other);
    return map(one, second) + ", " + map(other, first);
  }

  private String capture(LawfulAction.Capture c, Moment m) {
    long at = knowledge.value(c.gpa(), m);
    HostMemory memory = m.exit().memory();
    if (!memory.contains(at, c.length())) {
      return nothingAt(at);
    }
    knowledge.keep(c.name(), memory.bytes(at, c.length()));
    return c.length() + " bytes at " + LawfulHost.hex(at) + " are " + c.name();
  }

  private static String nothingAt(long at) {
    return "there is no guest memory at " + LawfulHost.hex(at);
  }

  private static String write(String how, HostMemory memory, long at, byte[] bytes) {
    if (!memory.contains(at, bytes.length)) {
      return nothingAt(at);
    }
    memory.write(at, bytes, 0, bytes.length);
    return how + ", " + bytes.length + " bytes at " + LawfulHost.hex(at);
  }

  private String poke(LawfulAction.PokeShared p, Moment m) {
    long at = knowledge.value(p.gpa(), m);
    HostMemory memory = m.exit().memory();
    if (!memory.contains(at, p.bytes())) {
      return nothingAt(at);
    }
    long v = knowledge.value(p.value(), m);
    memory.write(at, p.bytes(), v);
    return LawfulHost.hex(v) + " at " + LawfulHost.hex(at);
  }
}
