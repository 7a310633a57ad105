package dev.vesper.x86;

import java.io.BufferedReader;
import java.io.IOException;
import java.io.InputStreamReader;
import java.io.UncheckedIOException;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/** The opcode table and the look-up structure that the decoder walks. */
public final class OpcodeTable {
  private static final int MAPS = 32;
  private static final List<Opcode> ALL = load();
  private static final Map<String, List<Opcode>> BY_MNEMONIC = new HashMap<>();
  private static final @Nullable Node[] NODES = new Node[2 * MAPS * 256];

  static {
    for (Opcode o : ALL) {
      BY_MNEMONIC.computeIfAbsent(o.mnemonic, k -> new ArrayList<>()).add(o);
    }
    Map<Integer, List<Opcode>> slots = new HashMap<>();
    for (Opcode o : ALL) {
      for (int mode = 0; mode < 2; mode++) {
        if (mode == 1 ? o.not64 : o.only64) {
          continue;
        }
        for (int r = 0; r < (o.plusR ? 8 : 1); r++) {
          int key = (mode * MAPS + o.map) * 256 + o.opcode + r;
          slots.computeIfAbsent(key, k -> new ArrayList<>()).add(o);
        }
      }
    }
    slots.forEach((key, forms) -> NODES[key] = new Node(forms));
  }

  /** What the bytes up to the opcode select; worked out when it is first asked for. */
  static final class Node {
    final boolean modrm;
    private final List<Opcode> all;

    /** By prefix, and by {@code prefix * 256 + modrm} where a ModRM byte takes part. */
    private final @Nullable List<Opcode>[] forms;

    @SuppressWarnings("unchecked")
    Node(List<Opcode> all) {
      this.all = all;
      boolean any = false;
      for (Opcode o : all) {
        any |= o.hasModrm();
      }
      modrm = any;
      forms = (List<Opcode>[]) new List<?>[modrm ? 4 * 256 : 4];
    }

    private List<Opcode> choose(int prefix, int modrmByte) {
      List<Opcode> strict = new ArrayList<>();
      List<Opcode> any = new ArrayList<>();
      for (Opcode o : all) {
        if (modrm && !o.acceptsModrm(modrmByte)) {
          continue;
        }
        if (o.prefix == prefix) {
          strict.add(o);
        } else if (o.prefix == Opcode.ANY) {
          any.add(o);
        }
      }
      // A fixed ModRM byte is more specific than a reg field, which is more specific than none.
      List<Opcode> best = strict.isEmpty() ? any : strict;
      int rank = 0;
      for (Opcode o : best) {
        rank = Math.max(rank, o.modrmKind);
      }
      List<Opcode> chosen = new ArrayList<>();
      for (Opcode o : best) {
        if (o.modrmKind == rank) {
          chosen.add(o);
        }
      }
      return List.copyOf(chosen);
    }

    /** {@return the forms, of which the operand sizes choose; null if there are none} */
    @Nullable List<Opcode> get(int prefix, int modrmByte) {
      int i = modrm ? prefix * 256 + modrmByte : prefix;
      List<Opcode> f = forms[i];
      if (f == null) {
        // Threads that come here at once find the same.
        f = choose(prefix, modrmByte);
        forms[i] = f;
      }
      return f.isEmpty() ? null : f;
    }
  }

  private OpcodeTable() {}

  private static List<Opcode> load() {
    List<Opcode> list = new ArrayList<>();
    try (var in = OpcodeTable.class.getResourceAsStream("opcodes.txt")) {
      if (in == null) {
        throw new IllegalStateException("opcodes.txt is missing from the module");
      }
      var reader = new BufferedReader(new InputStreamReader(in, StandardCharsets.UTF_8));
      for (String line = reader.readLine(); line != null; line = reader.readLine()) {
        if (!line.isBlank() && line.charAt(0) != '#') {
          list.add(Opcode.parse(list.size(), line));
        }
      }
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
    return List.copyOf(list);
  }

  /** {@return every form in table order} */
  public static List<Opcode> all() {
    return ALL;
  }

  /** {@return the forms of a mnemonic, empty if there are none} */
  public static List<Opcode> of(String mnemonic) {
    return BY_MNEMONIC.getOrDefault(mnemonic, List.of());
  }

  static @Nullable Node node(boolean mode64, int map, int opcode) {
    return NODES[((mode64 ? MAPS : 0) + map) * 256 + opcode];
  }
}
