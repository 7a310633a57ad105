package dev.vesper.machine.observe;

import java.util.Arrays;
import java.util.Comparator;
import java.util.List;

/** Names of code addresses, for people. */
public final class Symbols {
  /** No names. */
  public static final Symbols NONE = new Symbols(List.of(), 0);

  /** A name and where it begins. */
  public record Symbol(String name, long address) {}

  /** A name further away than this says nothing. */
  private static final long REACH = 1 << 20;

  private final long[] addresses;
  private final String[] names;
  private final long alias;

  /**
   * @param alias what must be added to a physical address of the image to get its linked one: code
   *     that runs before paging is found too
   */
  public Symbols(List<Symbol> symbols, long alias) {
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
  }

  /** {@return {@code name} or {@code name+0x12}, or the empty string} */
  public String at(long address) {
    String s = find(address);
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

  /** {@return the address of a name, or -1} */
  public long address(String name) {
    for (int i = 0; i < names.length; i++) {
      if (names[i].equals(name)) {
        return addresses[i];
      }
    }
    return -1;
  }
}
