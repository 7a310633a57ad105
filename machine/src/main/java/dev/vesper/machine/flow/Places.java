package dev.vesper.machine.flow;

import dev.vesper.machine.cpu.Cpu;
import dev.vesper.machine.memory.Page;
import dev.vesper.machine.observe.Symbols;
import dev.vesper.machine.observe.flow.FlowOptions.Secret;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.function.Supplier;
import org.jspecify.annotations.Nullable;

/** What memory is that nobody has stored to yet, and what of it is named as secret. */
final class Places {
  /** Pages without a symbol that have names of their own. */
  private static final int MOST_PAGES = 4096;

  /** Names at all. */
  private static final int MOST_NAMES = 16_384;

  /** How far a symbol may reach. */
  private static final long REACH = 1 << 20;

  /** A secret where it lies; addresses are linear for names, guest physical for ranges. */
  private record Area(boolean linear, long from, long end, char label) {}

  private final Labels labels;
  private final Supplier<Symbols> symbols;
  private final List<Secret> secrets;
  private final boolean everything;
  private final Map<String, Character> named = new HashMap<>();
  private @Nullable Symbols lastSymbols;
  private Area[] areas = {};
  private int pages;

  /**
   * @param wanted whether anybody asks for private bytes
   * @param secrets what is secret, or nothing for all private memory
   */
  Places(Labels labels, Supplier<Symbols> symbols, boolean wanted, List<Secret> secrets) {
    this.labels = labels;
    this.symbols = symbols;
    this.secrets = secrets;
    everything = wanted && secrets.isEmpty();
  }

  /** {@return whether what comes from nowhere else is private} */
  boolean everything() {
    return everything;
  }

  /** {@return whether something is named} */
  boolean hasAreas() {
    return !secrets.isEmpty();
  }

  /**
   * {@return the label of a name that is private, the same each time as long as any byte has it}
   */
  char secret(String name) {
    String n = named.size() < MOST_NAMES || named.containsKey(name) ? name : "other private memory";
    return named.computeIfAbsent(n, x -> labels.origin(true, x, 0));
  }

  /** {@return the labels that must not be given up} */
  Iterable<Character> kept() {
    return named.values();
  }

  /** {@return the label of a private byte that nobody has stored to} */
  char untouched(long la, long gpa) {
    if (!everything) {
      return Labels.PUBLIC;
    }
    String symbol = symbols.get().at(la);
    if (!symbol.isEmpty()) {
      int plus = symbol.indexOf("+0x");
      return secret(plus < 0 ? symbol : symbol.substring(0, plus));
    }
    String page = "private page 0x" + Long.toHexString(gpa & -Page.SIZE);
    if (!named.containsKey(page) && ++pages > MOST_PAGES) {
      return secret("other private pages");
    }
    return secret(page);
  }

  /** {@return what is known of a byte, joined with the secret that lies there} */
  char named(Cpu c, char label, long la, long gpa) {
    if (lastSymbols != symbols.get()) {
      find(symbols.get());
    }
    for (Area a : areas) {
      long at = a.linear ? la : gpa;
      if (at >= a.from && at < a.end) {
        return labels.join(label == Labels.UNKNOWN ? Labels.PUBLIC : label, a.label);
      }
    }
    return label;
  }

  private void find(Symbols now) {
    lastSymbols = now;
    List<Area> found = new ArrayList<>();
    for (Secret s : secrets) {
      switch (s) {
        case Secret.Named n -> {
          long linked = now.address(n.name());
          if (linked != -1) {
            long bytes = reach(now, n.name(), now.running(n.name()));
            for (long from : now.running(linked)) {
              found.add(new Area(true, from, from + bytes, secret(n.name())));
            }
          }
        }
        case Secret.Range r -> {
          String name = "0x" + Long.toHexString(r.gpa()) + "+" + r.bytes();
          found.add(new Area(false, r.gpa(), r.gpa() + r.bytes(), secret(name)));
        }
      }
    }
    areas = found.toArray(new Area[0]);
  }

  /** {@return how many bytes bear a name} Symbols do not tell their sizes. */
  private static long reach(Symbols names, String name, long from) {
    long low = 1;
    long high = REACH;
    while (low < high) {
      long mid = low + high + 1 >>> 1;
      if (names.at(from + mid - 1).equals(name + "+0x" + Long.toHexString(mid - 1))) {
        low = mid;
      } else {
        high = mid - 1;
      }
    }
    return low;
  }
}
