package dev.vesper.x86;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/**
 * The opcode table and the look-up structure that the decoder walks. A guest uses a tenth of the
 * forms, so a line is read when it is first asked for; until then only its place is known.
 */
public final class OpcodeTable {
  private static final int MAPS = 32;
  private static final int SLOTS = MAPS * 256;

  /** The table's lines without comments; a form's number is its index. */
  private static final String[] LINES = lines();

  private static final @Nullable Opcode[] FORMS = new Opcode[LINES.length];

  private static final int[] NO_LINES = {};

  /** The lines of each slot (map * 256 + opcode byte) in table order. */
  private static final int[][] BY_SLOT = new int[SLOTS][];

  /** Nodes outside 64-bit mode, then in it. */
  private static final @Nullable Node[] NODES = new Node[2 * SLOTS];

  static {
    Arrays.fill(BY_SLOT, NO_LINES);
    for (int i = 0; i < LINES.length; i++) {
      int place = Opcode.place(LINES[i]);
      int slot = place & Opcode.PLACE_SLOT;
      for (int r = 0; r < (place == slot ? 1 : 8); r++) {
        BY_SLOT[slot + r] = append(BY_SLOT[slot + r], i);
      }
    }
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

  private static String[] lines() {
    try (var in = OpcodeTable.class.getResourceAsStream("opcodes.txt")) {
      if (in == null) {
        throw new AssertionError("opcodes.txt is missing from the module");
      }
      String text = new String(in.readAllBytes(), StandardCharsets.ISO_8859_1);
      List<String> lines = new ArrayList<>();
      int start = 0;
      for (int end = text.indexOf('\n'); end >= 0; end = text.indexOf('\n', start)) {
        if (end > start && text.charAt(start) != '#') {
          lines.add(text.substring(start, end));
        }
        start = end + 1;
      }
      return lines.toArray(new String[0]);
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }

  private static int[] append(int[] to, int line) {
    int[] longer = Arrays.copyOf(to, to.length + 1);
    longer[to.length] = line;
    return longer;
  }

  /** {@return the form of a line} Every thread sees the same one. */
  private static Opcode form(int line) {
    synchronized (FORMS) {
      Opcode o = FORMS[line];
      if (o == null) {
        o = Opcode.parse(line, LINES[line]);
        FORMS[line] = o;
      }
      return o;
    }
  }

  private static List<Opcode> forms(int[] lines) {
    List<Opcode> list = new ArrayList<>(lines.length);
    for (int line : lines) {
      list.add(form(line));
    }
    return list;
  }

  /** Which lines a mnemonic has: only an assembler asks. */
  private static final class Mnemonics {
    private static final Map<String, int[]> LINES_OF = new HashMap<>();

    static {
      for (int i = 0; i < LINES.length; i++) {
        String mnemonic = LINES[i].substring(0, LINES[i].indexOf(' '));
        LINES_OF.put(mnemonic, append(LINES_OF.getOrDefault(mnemonic, NO_LINES), i));
      }
    }
  }

  /** {@return every form in table order} */
  public static List<Opcode> all() {
    List<Opcode> list = new ArrayList<>();
    for (int i = 0; i < LINES.length; i++) {
      list.add(form(i));
    }
    return list;
  }

  /** {@return the forms of a mnemonic, empty if there are none} */
  public static List<Opcode> of(String mnemonic) {
    return forms(Mnemonics.LINES_OF.getOrDefault(mnemonic, NO_LINES));
  }

  static @Nullable Node node(boolean mode64, int map, int opcode) {
    int slot = map * 256 + opcode;
    int index = mode64 ? SLOTS + slot : slot;
    Node n = NODES[index];
    if (n == null && BY_SLOT[slot].length > 0) {
      List<Opcode> list = forms(BY_SLOT[slot]);
      list.removeIf(o -> mode64 ? o.not64 : o.only64);
      if (!list.isEmpty()) {
        // Threads that come here at once make the same.
        n = new Node(list);
        NODES[index] = n;
      }
    }
    return n;
  }
}
