package dev.vesper.cli.gdb;

import dev.vesper.machine.Access;
import dev.vesper.machine.Machine;
import dev.vesper.machine.Registration;
import dev.vesper.machine.Stop;
import dev.vesper.machine.VcpuView;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/**
 * A client's breakpoints and watchpoints. None is a byte in the guest's memory, so that there may
 * be any number of either kind, in ROM and in pages that cannot be read too.
 */
final class Points {
  /** What there is of one kind at one place. */
  private record Key(int kind, long address, long length) {
    boolean isCode() {
      return kind <= HARDWARE;
    }
  }

  private static final int HARDWARE = 1;
  private static final int WRITE = 2;
  private static final int READ = 3;
  private static final int ACCESS = 4;

  /** More than any client sets by itself, so that a stranger's take no memory without end. */
  private static final int MOST = 10_000;

  /** Conditions of one point, all of which are worked out when it is met. */
  private static final int MOST_CONDITIONS = 64;

  /** Bytes of the conditions of all points. */
  private static final int MOST_BYTES = 4 << 20;

  private final Map<Key, List<byte[]>> conditions = new LinkedHashMap<>();
  private final Map<Key, Registration> set = new LinkedHashMap<>();
  private @Nullable Machine machine;
  private List<RegisterSet.Register> registers = List.of();

  /**
   * Sets all of them in a machine, which takes the place of the one before.
   *
   * @param all what conditions mean by their numbers of registers
   */
  void of(Machine m, List<RegisterSet.Register> all) {
    machine = m;
    registers = all;
    set.clear();
    conditions.keySet().forEach(k -> set.put(k, register(m, k)));
  }

  /**
   * Takes a packet behind its {@code Z} or {@code z}: kind, address, length and conditions.
   *
   * @return the answer
   */
  String change(boolean insert, String what) {
    String[] fields = what.split(";", -1);
    String[] place = fields[0].split(",", -1);
    if (place.length != 3) {
      return Stub.MALFORMED;
    }
    try {
      Key k =
          new Key(
              (int) Packets.number(place[0]), Packets.number(place[1]), Packets.number(place[2]));
      if (k.kind < 0 || k.kind > ACCESS) {
        return "";
      }
      Key key = k.isCode() ? new Key(k.kind, k.address, 1) : k;
      if (!insert) {
        remove(key);
        return Stub.OK;
      }
      if (key.length < 1 || conditions.size() == MOST && !conditions.containsKey(key)) {
        return Stub.MALFORMED;
      }
      List<byte[]> when = new ArrayList<>();
      for (int i = 1; i < fields.length; i++) {
        // cmds: is for printf in the target, which is not offered.
        if (fields[i].startsWith("X")) {
          addConditions(when, fields[i]);
        }
      }
      if (when.size() > MOST_CONDITIONS || bytes(when) + bytesBesides(key) > MOST_BYTES) {
        return Stub.MALFORMED;
      }
      insert(key, when);
      return Stub.OK;
    } catch (IllegalArgumentException e) {
      return Stub.MALFORMED;
    }
  }

  /** Adds what {@code Xlength,bytes...} is a list of. */
  private static void addConditions(List<byte[]> to, String list) {
    for (int at = 0; at < list.length() && list.charAt(at) == 'X'; ) {
      int comma = list.indexOf(',', at);
      if (comma < 0) {
        throw new IllegalArgumentException("a condition without a length");
      }
      long bytes = Packets.number(list.substring(at + 1, comma));
      long end = comma + 1 + 2 * bytes;
      if (bytes < 0 || bytes > Packets.LARGEST || end > list.length()) {
        throw new IllegalArgumentException("a condition that is cut off");
      }
      byte[] code = Packets.bytes(list.substring(comma + 1, (int) end));
      if (code == null) {
        throw new IllegalArgumentException("a condition that is not in hexadecimal");
      }
      to.add(code);
      at = (int) end;
    }
  }

  private static long bytes(List<byte[]> when) {
    return when.stream().mapToLong(c -> c.length).sum();
  }

  private long bytesBesides(Key k) {
    return conditions.entrySet().stream()
        .filter(e -> !e.getKey().equals(k))
        .mapToLong(e -> bytes(e.getValue()))
        .sum();
  }

  private void insert(Key k, List<byte[]> when) {
    Machine m = machine;
    if (m != null && !set.containsKey(k)) {
      set.put(k, register(m, k));
    }
    conditions.put(k, when);
  }

  private static Registration register(Machine m, Key k) {
    return switch (k.kind) {
      case WRITE -> m.watchpoint(k.address, k.length, Access.WRITE);
      case READ -> m.watchpoint(k.address, k.length, Access.READ);
      case ACCESS -> m.watchpoint(k.address, k.length, Access.READ_OR_WRITE);
      default -> m.breakpoint(k.address);
    };
  }

  private void remove(Key k) {
    conditions.remove(k);
    Registration r = set.remove(k);
    if (r != null) {
      r.close();
    }
  }

  /** Takes all away. */
  void clear() {
    List.copyOf(conditions.keySet()).forEach(this::remove);
  }

  /**
   * {@return how a stop is reported, or null if a client does not want to know of it: each of its
   * points there has conditions, and none holds}
   *
   * @param v the vCPU that has stopped
   */
  @Nullable String report(Stop.Breakpoint s, VcpuView v) {
    AgentExpression.Budget budget = new AgentExpression.Budget();
    for (int kind = 0; kind <= HARDWARE; kind++) {
      List<byte[]> when = conditions.get(new Key(kind, s.address(), 1));
      if (when != null && holds(when, v, budget)) {
        return kind == HARDWARE ? "hwbreak:;" : "swbreak:;";
      }
    }
    return null;
  }

  /** The same of data: gdb wants to hear the address that it gave. */
  @Nullable String report(Stop.Watchpoint s, VcpuView v) {
    AgentExpression.Budget budget = new AgentExpression.Budget();
    for (Map.Entry<Key, List<byte[]>> e : conditions.entrySet()) {
      Key k = e.getKey();
      boolean meets = !k.isCode() && overlap(k, s) && (k.kind != (s.write() ? READ : WRITE));
      if (meets && holds(e.getValue(), v, budget)) {
        String name = k.kind == WRITE ? "watch" : k.kind == READ ? "rwatch" : "awatch";
        return name + ":" + Long.toHexString(Math.max(k.address, s.address())) + ";";
      }
    }
    return null;
  }

  private static boolean overlap(Key k, Stop.Watchpoint s) {
    return s.address() - k.address < k.length && s.address() - k.address >= 0
        || k.address - s.address() < s.bytes() && k.address - s.address() >= 0;
  }

  /**
   * A condition that cannot be worked out is the client's to judge, and so is one whose turn does
   * not come: what many points at one place have can take longer than anybody waits.
   */
  private boolean holds(List<byte[]> when, VcpuView v, AgentExpression.Budget budget) {
    if (when.isEmpty()) {
      return true;
    }
    GuestWorld w = new GuestWorld(v, registers);
    for (byte[] c : when) {
      try {
        if (AgentExpression.value(c, w, budget) != 0) {
          return true;
        }
      } catch (AgentExpression.Malformed e) {
        return true;
      }
    }
    return false;
  }
}
