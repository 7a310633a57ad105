package dev.vesper.machine.launch;

import java.util.ArrayList;
import java.util.List;

/**
 * The page from which an SNP guest takes CPUID (spec: snp 5.1). Little endian: the count u32 at 0,
 * a reserved u32 at 4 and u64 at 8, then entries of 0x30 bytes from 0x10 on: EAX and ECX of the
 * question at 0 and 4, XCR0 at 8, XSS at 0x10, EAX, EBX, ECX and EDX of the answer from 0x18 on, a
 * reserved u64 at 0x28.
 */
public final class CpuidPage {
  /** Most entries. */
  public static final int MOST = 64;

  /** Bytes of the page. */
  public static final int BYTES = 4096;

  private static final int HEADER = 0x10;
  private static final int ENTRY = 0x30;
  private static final int XCR0 = 8;
  private static final int XSS = 0x10;
  private static final int ANSWER = 0x18;
  private static final int RESERVED = 0x28;
  private static final int LAST_BASIC = 0xFFFF;
  private static final int LAST_EXTENDED = 0x8000_FFFF;
  private static final String[] REGISTERS = {"EAX", "EBX", "ECX", "EDX"};

  private CpuidPage() {}

  /** An entry: a question and its answer. */
  public record Entry(
      int leaf, int subleaf, long xcr0, long xss, int eax, int ebx, int ecx, int edx) {
    int register(int n) {
      return switch (n) {
        case 0 -> eax;
        case 1 -> ebx;
        case 2 -> ecx;
        default -> edx;
      };
    }
  }

  /**
   * What a page is checked against besides the firmware's own rules.
   *
   * @param signature CPUID Fn1 EAX of the host's processor
   * @param counters CPUID Fn8000_0022 EBX of it: how many performance counters there are
   */
  public record Host(int signature, int counters) {}

  /** {@return how many bytes so many entries take, with the header} */
  public static int bytes(int entries) {
    return HEADER + ENTRY * entries;
  }

  /**
   * {@return a page}
   *
   * @throws IllegalArgumentException if there are more entries than a page may have
   */
  public static byte[] encode(List<Entry> entries) {
    if (entries.size() > MOST) {
      throw new IllegalArgumentException(
          "a CPUID page has at most 64 entries, not " + entries.size());
    }
    byte[] b = new byte[BYTES];
    LittleEndian.put32(b, 0, entries.size());
    for (int i = 0; i < entries.size(); i++) {
      Entry e = entries.get(i);
      int at = HEADER + i * ENTRY;
      LittleEndian.put32(b, at, e.leaf);
      LittleEndian.put32(b, at + 4, e.subleaf);
      LittleEndian.put64(b, at + XCR0, e.xcr0);
      LittleEndian.put64(b, at + XSS, e.xss);
      for (int r = 0; r < REGISTERS.length; r++) {
        LittleEndian.put32(b, at + ANSWER + 4 * r, e.register(r));
      }
    }
    return b;
  }

  /**
   * {@return the entries of a page}
   *
   * @throws IllegalArgumentException if its count is above 64
   */
  public static List<Entry> entries(byte[] page) {
    int count = LittleEndian.u32(page, 0);
    if (count < 0 || count > MOST) {
      throw new IllegalArgumentException(
          "a CPUID page has at most 64 entries, not " + Integer.toUnsignedString(count));
    }
    List<Entry> out = new ArrayList<>();
    for (int i = 0; i < count; i++) {
      out.add(entry(page, HEADER + i * ENTRY));
    }
    return out;
  }

  /** {@return the bytes of a page's header and entries} */
  public static int used(byte[] page) {
    return HEADER + entries(page).size() * ENTRY;
  }

  private static Entry entry(byte[] b, int at) {
    return new Entry(
        LittleEndian.u32(b, at),
        LittleEndian.u32(b, at + 4),
        LittleEndian.u64(b, at + XCR0),
        LittleEndian.u64(b, at + XSS),
        LittleEndian.u32(b, at + ANSWER),
        LittleEndian.u32(b, at + ANSWER + 4),
        LittleEndian.u32(b, at + ANSWER + 8),
        LittleEndian.u32(b, at + ANSWER + 12));
  }

  /**
   * What became of a check.
   *
   * @param page the page with allowed values in place of the others
   * @param failures what was wrong, a line each; empty if nothing was
   */
  public record Result(byte[] page, List<String> failures) {}

  /**
   * {@return the outcome of the check that SNP_LAUNCH_UPDATE makes}
   *
   * @param page 4096 bytes
   */
  public static Result check(byte[] page, Host host) {
    byte[] b = page.clone();
    List<String> failures = new ArrayList<>();
    int count = LittleEndian.u32(b, 0);
    if (count < 0 || count > MOST) {
      failures.add("it has " + Integer.toUnsignedString(count) + " entries, not 0 to 64");
      return new Result(b, failures);
    }
    if (LittleEndian.u32(b, 4) != 0 || LittleEndian.u64(b, 8) != 0) {
      failures.add("reserved bytes of its header are not zero");
      return new Result(b, failures);
    }
    for (int i = 0; i < count; i++) {
      int at = HEADER + i * ENTRY;
      Entry e = entry(b, at);
      if (!looksAt(e.leaf)) {
        continue;
      }
      if (LittleEndian.u64(b, at + RESERVED) != 0) {
        failures.add(name(e) + ": reserved bytes are not zero");
      }
      int[] allowed = CpuidRules.allowed(e, host);
      for (int r = 0; r < REGISTERS.length; r++) {
        if (allowed[r] != e.register(r)) {
          failures.add(
              String.format(
                  "%s %s is %08x, allowed is %08x",
                  name(e), REGISTERS[r], e.register(r), allowed[r]));
          LittleEndian.put32(b, at + ANSWER + 4 * r, allowed[r]);
        }
      }
    }
    return new Result(b, failures);
  }

  private static boolean looksAt(int leaf) {
    return leaf >= 0 ? leaf <= LAST_BASIC : leaf <= LAST_EXTENDED;
  }

  private static String name(Entry e) {
    return String.format("leaf %x.%x", e.leaf, e.subleaf);
  }
}
