package dev.vesper.machine.trace;

import dev.vesper.machine.observe.LineTable;
import dev.vesper.machine.observe.Symbols;
import dev.vesper.machine.observe.format.Visible;
import dev.vesper.machine.state.StateFollower;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.NavigableMap;
import java.util.TreeMap;
import org.jspecify.annotations.Nullable;

/**
 * Which code of the guest was executed: the blocks that the processor has decoded, by linear
 * address. A block that is decoded anew, because its page was written or mapped elsewhere, counts
 * once.
 */
public final class CodeCoverage implements StateFollower {
  /** Blocks that are told apart: a guest may execute code at ever new addresses. */
  private static final int MOST = 1 << 21;

  /** Bytes of each. */
  private final AddressMap blocks = new AddressMap();

  /** The same in order, once somebody has asked. */
  private transient @Nullable NavigableMap<Long, Integer> sorted;

  @Override
  public void stateChanged() {
    sorted = null;
  }

  void add(long address, int bytes) {
    int known = blocks.get(address);
    if (bytes > known && (known > 0 || blocks.size() < MOST)) {
      blocks.put(address, bytes);
      sorted = null;
    }
  }

  private NavigableMap<Long, Integer> sorted() {
    NavigableMap<Long, Integer> s = sorted;
    if (s == null) {
      NavigableMap<Long, Integer> all = new TreeMap<>(Long::compareUnsigned);
      blocks.forEach(a -> all.put(a, blocks.get(a)));
      s = all;
      sorted = s;
    }
    return s;
  }

  /** {@return how many blocks were executed} */
  public int size() {
    return blocks.size();
  }

  /** {@return whether code at an address was executed} */
  public boolean executed(long address) {
    Map.Entry<Long, Integer> e = sorted().floorEntry(address);
    return e != null && Long.compareUnsigned(address - e.getKey(), e.getValue()) < 0;
  }

  private boolean executed(long[] addresses) {
    for (long a : addresses) {
      if (executed(a)) {
        return true;
      }
    }
    return false;
  }

  /**
   * {@return an lcov tracefile: lines of {@code symbols} with 1 if executed and 0 if not}
   *
   * @param symbols with source lines, moved to where the guest runs
   */
  public String lcov(Symbols symbols) {
    Map<String, Map<Integer, Boolean>> files = new TreeMap<>();
    List<LineTable.Row> rows = symbols.lines().all();
    for (LineTable.Row r : rows) {
      files
          .computeIfAbsent(r.file(), k -> new TreeMap<>())
          .merge(r.line(), executed(symbols.running(r.address())), Boolean::logicalOr);
    }
    StringBuilder b = new StringBuilder("TN:\n");
    files.forEach(
        (file, lines) -> {
          b.append("SF:").append(Visible.of(file)).append('\n');
          lines.forEach((n, hit) -> b.append("DA:").append(n).append(hit ? ",1\n" : ",0\n"));
          b.append("LF:").append(lines.size()).append("\nLH:");
          b.append(lines.values().stream().filter(x -> x).count()).append("\nend_of_record\n");
        });
    return b.toString();
  }

  /**
   * {@return a drcov file, version 2, of one module}
   *
   * @param path of the image
   */
  public byte[] drcov(String path) {
    long base = sorted().isEmpty() ? 0 : sorted().firstKey() & -4096L;
    // Offsets have 32 bits: code that is further away is a module of its own.
    List<long[]> modules = new ArrayList<>();
    List<int[]> entries = new ArrayList<>();
    modules.add(new long[] {base, base});
    for (Map.Entry<Long, Integer> e : sorted().entrySet()) {
      long end = e.getKey() + e.getValue();
      if (Long.compareUnsigned(end - modules.getLast()[0], 0x4000_0000L) > 0) {
        modules.add(new long[] {e.getKey() & -4096L, 0});
      }
      modules.getLast()[1] = end;
      entries.add(
          new int[] {(int) (e.getKey() - modules.getLast()[0]), e.getValue(), modules.size() - 1});
    }
    StringBuilder h = new StringBuilder("DRCOV VERSION: 2\nDRCOV FLAVOR: vesper\n");
    h.append("Module Table: version 2, count ").append(modules.size()).append('\n');
    h.append("Columns: id, base, end, entry, checksum, timestamp, path\n");
    for (int i = 0; i < modules.size(); i++) {
      h.append(
          String.format(
              "%d, 0x%x, 0x%x, 0x%x, 0x00000000, 0x00000000, %s%n",
              i, modules.get(i)[0], modules.get(i)[1], 0, Visible.of(path)));
    }
    h.append("BB Table: ").append(entries.size()).append(" bbs\n");
    byte[] head = h.toString().replace("\r", "").getBytes(StandardCharsets.UTF_8);
    ByteBuffer b =
        ByteBuffer.allocate(head.length + 8 * entries.size()).order(ByteOrder.LITTLE_ENDIAN);
    b.put(head);
    for (int[] e : entries) {
      b.putInt(e[0]).putShort((short) e[1]).putShort((short) e[2]);
    }
    return b.array();
  }
}
