package dev.vesper.machine.hostile;

import dev.vesper.machine.host.Exit;
import dev.vesper.machine.host.HostMemory;
import java.util.HashMap;
import java.util.Map;

/** What the host of a script knows: what it has given names to, and what it can look up. */
final class HostKnowledge {
  private final Map<String, Long> numbers = new HashMap<>();
  private final Map<String, byte[]> bytes = new HashMap<>();

  void keep(String name, long value) {
    numbers.put(name, value);
  }

  void keep(String name, byte[] value) {
    bytes.put(name, value);
  }

  /** {@return bytes that were kept, none if nothing was yet} */
  byte[] bytes(String name) {
    return bytes.getOrDefault(name, new byte[0]);
  }

  /** {@return whether a condition holds} */
  boolean holds(Condition c, Moment m) {
    return c.parts().stream()
        .allMatch(p -> p.relation().holds(value(p.left(), m), value(p.right(), m)));
  }

  /** {@return a number as the host sees it now} */
  long value(HostValue v, Moment m) {
    return switch (v) {
      case HostValue.Constant c -> c.value();
      case HostValue.Variable n -> numbers.getOrDefault(n.name(), 0L);
      case HostValue.Request r -> {
        Exit.Event e = m.event();
        yield e == null ? 0 : e.request(r.field());
      }
      case HostValue.Answered a -> {
        Exit.Event e = m.event();
        yield e == null ? 0 : e.get(a.field());
      }
      case HostValue.MsrRequested r -> {
        Exit.Msr e = m.msr();
        yield e == null ? 0 : e.request();
      }
      case HostValue.MsrAnswered a -> {
        Exit.Msr e = m.msr();
        yield e == null ? 0 : e.response();
      }
      case HostValue.Bus b -> {
        long at = value(b.gpa(), m);
        HostMemory memory = m.exit().memory();
        yield memory.contains(at, b.bytes()) ? memory.read(at, b.bytes()) : 0;
      }
      case HostValue.Vmcb f -> m.exit().vmcb().get(f.offset());
      case HostValue.Instructions i -> m.exit().allInstructions();
      case HostValue.Time t -> m.exit().time();
      case HostValue.Binary b -> b.operator().apply(value(b.left(), m), value(b.right(), m));
    };
  }
}
