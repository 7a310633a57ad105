package dev.vesper.machine.observe;

import java.util.Map;

/**
 * One observed event.
 *
 * @param kind see docs/trace.md: launch, vc, vc_return, exit, write_trap, msr_protocol, ghcb,
 *     inject, page_state, host_private, dma_noise, execute_only, ap_start, console, place or end
 * @param time virtual nanoseconds
 * @param instructions executed before it, by its vCPU
 * @param vcpu number of the vCPU
 * @param bits code width: 16, 32 or 64
 * @param cpl privilege level
 * @param rip address of the instruction
 * @param symbol name of the place with an offset, or empty
 * @param source file and line, or empty
 * @param instruction disassembly at {@code rip}
 * @param name name of the exit
 * @param details what crossed, in the order to print it: {@link Long} for a number, {@link
 *     Accesses}, or text
 */
public record Event(
    String kind,
    long time,
    long instructions,
    int vcpu,
    int bits,
    int cpl,
    long rip,
    String symbol,
    String source,
    String instruction,
    String name,
    Map<String, Object> details) {

  /** {@return whether there is such a detail} */
  public boolean has(String key) {
    return details.containsKey(key);
  }

  /** {@return a detail as text, empty if there is none} */
  public String text(String key) {
    Object o = details.get(key);
    return o == null ? "" : print(o);
  }

  /** {@return a detail as a number, 0 if there is none} */
  public long number(String key) {
    Object o = details.get(key);
    if (o instanceof Long l) {
      return l;
    }
    return o == null ? 0 : parse(o.toString());
  }

  /** {@return the guest's accesses to its GHCB since the event before} */
  public Accesses accesses() {
    Object o = details.get("accesses");
    return o instanceof Accesses a ? a : o == null ? new Accesses() : Accesses.parse(o.toString());
  }

  /** {@return a number in hex with its prefix} */
  public static String hex(long v) {
    return "0x" + Long.toHexString(v);
  }

  /** {@return a detail as it is written: numbers in hex} */
  public static String print(Object detail) {
    return detail instanceof Long l ? hex(l) : detail.toString();
  }

  /** {@return a number as {@link #print} writes it, 0 for what is none} */
  public static long parse(String s) {
    try {
      return s.startsWith("0x") ? Long.parseUnsignedLong(s, 2, s.length(), 16) : Long.parseLong(s);
    } catch (NumberFormatException e) {
      return 0;
    }
  }

  /** {@return the place for people: symbol, or the address without one, and source line} */
  public String place() {
    return place(rip, symbol, source);
  }

  /** {@return a place for people} */
  public static String place(long rip, String symbol, String source) {
    return hex(rip)
        + (symbol.isEmpty() ? "" : " <" + symbol + ">")
        + (source.isEmpty() ? "" : " " + source);
  }
}
