package dev.vesper.machine.observe;

import java.util.Arrays;
import java.util.Comparator;
import java.util.List;

/** Names of code addresses, for people. */
public final class Symbols {
  /** No names. */
  public static final Symbols NONE = new Symbols(List.of(), LineTable.NONE, 0);

  /** A name and where it begins. */
  public record Symbol(String name, long address) {}

  /** A name further away than this says nothing. */
  private static final long REACH = 1 << 20;

  private final long[] addresses;
  private final String[] names;
  private final long alias;
  private final LineTable lines;
  private final long slide;

  /**
   * @param lines source lines of the same image
   * @param alias what must be added to a physical address of the image to get its linked one: code
   *     that runs before paging is found too
   */
  public Symbols(List<Symbol> symbols, LineTable lines, long alias) {
    Symbol[] s = symbols.toArray(new Symbol[0]);
    Arrays.sort(
        s,
        (a, b) ->
            Long.compareUnsigned(a.address, b.address) != 0
                ? Long.compareUnsigned(a.address, b.address)
                : Comparator.<String>naturalOrder().compare(a.name, b.name));
    addresses = new long[s.length];
    names = new String[s.length];
    for (int i = 0; i < s.length; i++) {
      addresses[i] = s[i].address;
      names[i] = s[i].name;
    }
    this.alias = alias;
    this.lines = lines;
    slide = 0;
  }

  private Symbols(Symbols other, long slide) {
    addresses = other.addresses;
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

  /** {@return all names with their linked addresses, in order of address} */
  public List<Symbol> all() {
    List<Symbol> l = new java.util.ArrayList<>();
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
    int high = addresses.length;
    while (low < high) {
      int mid = low + high >>> 1;
      if (Long.compareUnsigned(addresses[mid], address) <= 0) {
        low = mid + 1;
      } else {
        high = mid;
      }
    }
    if (low == 0 || address - addresses[low - 1] > REACH) {
      return "";
    }
    long offset = address - addresses[low - 1];
    return names[low - 1] + (offset == 0 ? "" : "+0x" + Long.toHexString(offset));
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
}
