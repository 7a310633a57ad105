package dev.vesper.machine.cpu.emit;

import java.util.HashMap;
import java.util.HashSet;
import java.util.Map;
import java.util.Set;
import org.jspecify.annotations.Nullable;

/** All that {@link EmissionVerifier} knows at a place of the code. */
final class Knowledge {
  /** Beside the registers: fields of the state block by offset, from here on. */
  private static final int FIELDS = 16;

  private final Value[] registers = new Value[FIELDS];
  private final Map<Integer, Value> fields = new HashMap<>();
  final Set<Fact> facts = new HashSet<>();

  /** What the instruction before compared, or null. */
  @Nullable Comparison comparison;

  /** RFLAGS are on the stack: the next instruction takes them from it. */
  boolean pushed;

  /** A comparison of two numbers of so many bytes. */
  record Comparison(Value one, Value other, int bytes) {}

  /** Nothing but names for what is there. */
  Knowledge(int at) {
    for (int r = 0; r < FIELDS; r++) {
      registers[r] = new Value.Unknown(at, r);
    }
  }

  Knowledge copy() {
    Knowledge k = new Knowledge(0);
    System.arraycopy(registers, 0, k.registers, 0, FIELDS);
    k.fields.putAll(fields);
    k.facts.addAll(facts);
    k.comparison = comparison;
    k.pushed = pushed;
    return k;
  }

  /** Forgets what is not known on another way to a place too. */
  void join(Knowledge other, int at) {
    for (int r = 0; r < FIELDS; r++) {
      if (!registers[r].equals(other.registers[r])) {
        registers[r] = new Value.Unknown(at, r);
      }
    }
    fields.entrySet().removeIf(e -> !e.getValue().equals(other.fields.get(e.getKey())));
    facts.retainAll(other.facts);
    comparison = null;
    pushed |= other.pushed;
  }

  Value register(int r) {
    return registers[r];
  }

  void set(int r, Value v) {
    registers[r] = v;
  }

  @Nullable Value field(int offset) {
    return fields.get(offset);
  }

  void setField(int offset, Value v) {
    fields.put(offset, v);
  }

  boolean hits(boolean write, Value of, int bytes) {
    for (Fact f : facts) {
      if (f instanceof Fact.Hit h && (h.write() || !write) && h.bytes() >= bytes) {
        if (h.of().equals(of)) {
          return true;
        }
      }
    }
    return false;
  }

  boolean aligned(Value of, int bytes) {
    for (Fact f : facts) {
      if (f instanceof Fact.Aligned a && a.bytes() >= bytes && a.of().equals(of)) {
        return true;
      }
    }
    return false;
  }
}
