package dev.vesper.machine.observe;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;

/**
 * Names of code addresses, for people. Addresses are compared without a sign: a guest's code may
 * lie anywhere in 64 bits.
 */
public final class Symbols {
  /** No names. */
  public static final Symbols NONE = new Symbols(List.of(), LineTable.NONE, 0);

  /**
   * A name and where it begins.
   *
   * @param address linked address
   * @param size in bytes, 0 if the table does not tell: it then reaches to the next symbol
   * @param named whether it is code, and people are shown it; others only end the one before them,
   *     and if they have a name it is one of data
   */
  public record Symbol(String name, long address, long size, boolean named) {
    /** A symbol that is shown and whose size is not known. */
    public Symbol(String name, long address) {
      this(name, address, 0, true);
    }
  }

  /** A name of unknown size further away than this says nothing. */
  private static final long REACH = 1 << 20;

  private final transient long[] addresses;

  /** Where another symbol's code begins, or the rest of one around it, or nobody's. */
  private final transient long[] borders;

  /** Whose code begins at each border, -1 for nobody's. */
  private final transient int[] owners;

  private final transient int count;

  /** Names of data, in order of address. */
  private final transient List<Symbol> data;

  private final transient String[] names;
  private final transient long alias;
  private final transient LineTable lines;
  private final transient long slide;

  /**
   * @param lines source lines of the same image
   * @param alias what must be added to a physical address of the image to get its linked one: code
   *     that runs before paging is found too
   */
  public Symbols(List<Symbol> symbols, LineTable lines, long alias) {
    this.alias = alias;
    this.lines = lines;
    slide = 0;
    Symbol[] all = symbols.toArray(new Symbol[0]);
    Arrays.sort(all, Symbols::order);
    int n = 0;
    for (Symbol s : all) {
      n += s.named ? 1 : 0;
    }
    Symbol[] shown = new Symbol[n];
    data = Arrays.stream(all).filter(s -> !s.named && !s.name.isEmpty()).toList();
    addresses = new long[n];
    names = new String[n];
    n = 0;
    for (Symbol s : all) {
      if (s.named) {
        shown[n] = s;
        addresses[n] = s.address;
        names[n++] = s.name;
      }
    }
    // First byte that is no longer the symbol's.
    long[] ends = ends(all, shown.length);
    // The symbol around each, which goes on where that has ended; -1 for none.
    int[] around = new int[shown.length];
    int outer = -1;
    for (int i = 0; i < shown.length; i++) {
      while (outer >= 0 && Long.compareUnsigned(ends[outer], addresses[i]) <= 0) {
        outer = around[outer];
      }
      around[i] = outer;
      if (shown[i].size != 0) {
        outer = i;
      } else if (outer >= 0) {
        ends[i] = lesser(ends[i], ends[outer]);
      }
    }
    borders = new long[2 * shown.length];
    owners = new int[2 * shown.length];
    count = borders(ends, around);
  }

  /**
   * The order of a table. At one address the last one is shown: a function rather than a label. A
   * kernel has a hundred thousand, and none of them is put in a box to be compared.
   */
  private static int order(Symbol a, Symbol b) {
    int byAddress = Long.compareUnsigned(a.address, b.address);
    if (byAddress != 0) {
      return byAddress;
    }
    int bySize = Boolean.compare(a.size != 0, b.size != 0);
    return bySize != 0 ? bySize : a.name.compareTo(b.name);
  }

  /** Lays the symbols side by side; {@return how many borders there are, two a symbol at most} */
  private int borders(long[] ends, int[] around) {
    int n = 0;
    for (int i = 0; i < names.length; i++) {
      boolean last = i + 1 == names.length;
      long next = last ? -1 : addresses[i + 1];
      if (!last && next == addresses[i]) {
        continue;
      }
      long at = addresses[i];
      int owner = i;
      do {
        while (owner >= 0 && Long.compareUnsigned(ends[owner], at) <= 0) {
          owner = around[owner];
        }
        borders[n] = at;
        owners[n++] = owner;
        at = owner < 0 ? -1 : ends[owner];
      } while (owner >= 0 && Long.compareUnsigned(at, next) < 0);
    }
    return n;
  }

  /** {@return where each named symbol of a sorted table ends} */
  private static long[] ends(Symbol[] all, int named) {
    long[] ends = new long[named];
    long next = -1;
    int n = named;
    for (int i = all.length - 1; i >= 0; i--) {
      Symbol s = all[i];
      if (i + 1 < all.length && all[i + 1].address != s.address) {
        next = all[i + 1].address;
      }
      if (s.named) {
        ends[--n] = s.size != 0 ? end(s.address, s.size) : lesser(next, end(s.address, REACH));
      }
    }
    return ends;
  }

  private static long lesser(long a, long b) {
    return Long.compareUnsigned(a, b) < 0 ? a : b;
  }

  /** {@return the end of a range, which cannot lie beyond that of all addresses} */
  private static long end(long address, long size) {
    long end = address + size;
    return Long.compareUnsigned(end, address) < 0 ? -1 : end;
  }

  private Symbols(Symbols other, long slide) {
    addresses = other.addresses;
    borders = other.borders;
    owners = other.owners;
    count = other.count;
    data = other.data;
    names = other.names;
    alias = other.alias;
    lines = other.lines;
    this.slide = slide;
  }

  /**
   * {@return the same names for an image that runs elsewhere}
   *
   * @param distance running address minus linked address, as KASLR chose it
   */
  public Symbols slid(long distance) {
    return new Symbols(this, distance);
  }

  /** {@return running address minus linked address} */
  public long slide() {
    return slide;
  }

  /** {@return {@code file:line} of an address, or the empty string} */
  public String source(long address) {
    String s = lines.at(address - slide);
    return s.isEmpty() && alias != 0 ? lines.at(address + alias) : s;
  }

  /** {@return all names of data with their linked addresses, in order of address} */
  public List<Symbol> data() {
    return data;
  }

  /** {@return all names of code with their linked addresses, in order of address} */
  public List<Symbol> all() {
    List<Symbol> l = new ArrayList<>();
    for (int i = 0; i < names.length; i++) {
      l.add(new Symbol(names[i], addresses[i]));
    }
    return l;
  }

  /**
   * {@return an address at which code with a linked address may run besides: moved by KASLR, or at
   * its physical place before paging}
   */
  public long[] running(long linked) {
    return new long[] {linked + slide, linked - alias};
  }

  /** {@return whether there are no names} */
  public boolean isEmpty() {
    return names.length == 0;
  }

  /** {@return the lines of source} */
  public LineTable lines() {
    return lines;
  }

  /** {@return {@code name} or {@code name+0x12}, or the empty string} */
  public String at(long address) {
    String s = find(address - slide);
    return s.isEmpty() && alias != 0 ? find(address + alias) : s;
  }

  private String find(long address) {
    int low = 0;
    int high = count;
    while (low < high) {
      int mid = low + high >>> 1;
      if (Long.compareUnsigned(borders[mid], address) <= 0) {
        low = mid + 1;
      } else {
        high = mid;
      }
    }
    int i = low == 0 ? -1 : owners[low - 1];
    if (i < 0) {
      return "";
    }
    long offset = address - addresses[i];
    return names[i] + (offset == 0 ? "" : "+0x" + Long.toHexString(offset));
  }

  /** {@return the linked address of a name, or -1} */
  public long address(String name) {
    for (int i = 0; i < names.length; i++) {
      if (names[i].equals(name)) {
        return addresses[i];
      }
    }
    return -1;
  }

  /** {@return the address where the code of a name runs, or -1} */
  public long running(String name) {
    long linked = address(name);
    return linked == -1 ? -1 : linked + slide;
  }
}
