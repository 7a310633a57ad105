package dev.vesper.machine.sev;

import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/**
 * The VMSA page by name, for people (spec: sev-es-architecture 9.1). Every byte belongs to a field:
 * what has no name is called by its offset.
 */
public final class VmsaFields {
  private record Field(String name, int offset, int bytes) {}

  private static final int PAGE = 4096;
  private static final List<Field> FIELDS = new ArrayList<>();

  static {
    String[] segments = {"ES", "CS", "SS", "DS", "FS", "GS", "GDTR", "LDTR", "IDTR", "TR"};
    for (int i = 0; i < segments.length; i++) {
      add(segments[i] + ".selector", 16 * i, 2);
      add(segments[i] + ".attributes", 16 * i + 2, 2);
      add(segments[i] + ".limit", 16 * i + 4, 4);
      add(segments[i] + ".base", 16 * i + 8, 8);
    }
    add("VMPL", 0x0CA, 1);
    add("CPL", 0x0CB, 1);
    String[] quads = {
      "EFER",
      "0D0",
      "XSS",
      "140",
      "CR4",
      "148",
      "CR3",
      "150",
      "CR0",
      "158",
      "DR7",
      "160",
      "DR6",
      "168",
      "RFLAGS",
      "170",
      "RIP",
      "178",
      "RSP",
      "1D8",
      "S_CET",
      "1E0",
      "SSP",
      "1E8",
      "ISST_ADDR",
      "1F0",
      "RAX",
      "1F8",
      "STAR",
      "200",
      "LSTAR",
      "208",
      "CSTAR",
      "210",
      "SFMASK",
      "218",
      "KERNEL_GS_BASE",
      "220",
      "SYSENTER_CS",
      "228",
      "SYSENTER_ESP",
      "230",
      "SYSENTER_EIP",
      "238",
      "CR2",
      "240",
      "G_PAT",
      "268",
      "DEBUGCTL",
      "270",
      "SPEC_CTRL",
      "2E0",
      "RCX",
      "308",
      "RDX",
      "310",
      "RBX",
      "318",
      "RBP",
      "328",
      "RSI",
      "330",
      "RDI",
      "338",
      "R8",
      "340",
      "R9",
      "348",
      "R10",
      "350",
      "R11",
      "358",
      "R12",
      "360",
      "R13",
      "368",
      "R14",
      "370",
      "R15",
      "378",
      "SEV_FEATURES",
      "3B0",
      "XCR0",
      "3E8",
      "X87_DP",
      "400",
      "X87_RIP",
      "418"
    };
    for (int i = 0; i < quads.length; i += 2) {
      add(quads[i], Integer.parseInt(quads[i + 1], 16), 8);
    }
    add("PKRU", 0x2E8, 4);
    add("TSC_AUX", 0x2EC, 4);
    add("MXCSR", 0x408, 4);
    add("X87_FTW", 0x40C, 2);
    add("X87_FSW", 0x40E, 2);
    add("X87_FCW", 0x410, 2);
    add("X87_FOP", 0x412, 2);
    add("X87_DS", 0x414, 2);
    add("X87_CS", 0x416, 2);
    FIELDS.sort((a, b) -> Integer.compare(a.offset, b.offset));
  }

  private VmsaFields() {}

  private static void add(String name, int offset, int bytes) {
    FIELDS.add(new Field(name, offset, bytes));
  }

  /** {@return the fields of a page that are not zero, in the order of their offsets} */
  public static Map<String, Long> of(byte[] page) {
    Map<String, Long> out = new LinkedHashMap<>();
    int at = 0;
    for (Field f : FIELDS) {
      unnamed(page, at, f.offset, out);
      put(out, f.name, number(page, f.offset, f.bytes));
      at = f.offset + f.bytes;
    }
    unnamed(page, at, PAGE, out);
    return out;
  }

  private static void unnamed(byte[] page, int from, int to, Map<String, Long> out) {
    for (int at = from; at < to; ) {
      int n = Math.min(8 - (at & 7), to - at);
      put(out, "offset 0x" + Integer.toHexString(at), number(page, at, n));
      at += n;
    }
  }

  private static void put(Map<String, Long> out, String name, long v) {
    if (v != 0) {
      out.put(name, v);
    }
  }

  private static long number(byte[] page, int at, int bytes) {
    long v = 0;
    for (int i = bytes - 1; i >= 0; i--) {
      v = v << 8 | page[at + i] & 0xFF;
    }
    return v;
  }
}
