package dev.vesper.ghcb;

import java.util.HashMap;
import java.util.List;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/**
 * The calls of a secure VM service module by a guest at a less privileged VMPL (publication 58019;
 * spec: snp 4.3). A call is RAX: the protocol in bits 63:32, the number in bits 31:0; inputs and
 * outputs are registers, by the names that they have for people. Trace and checker read this table.
 */
public enum SvsmCall {
  CORE_REMAP_CA(0, 0, List.of("calling area"), List.of()),
  CORE_PVALIDATE(0, 1, List.of("list"), List.of()),
  CORE_CREATE_VCPU(0, 2, List.of("save area", "calling area", "APIC ID"), List.of()),
  CORE_DELETE_VCPU(0, 3, List.of("save area"), List.of()),
  CORE_DEPOSIT_MEM(0, 4, List.of("list"), List.of()),
  CORE_WITHDRAW_MEM(0, 5, List.of("list"), List.of()),
  CORE_QUERY_PROTOCOL(0, 6, List.of("protocol and version"), List.of("versions")),
  CORE_CONFIGURE_VTOM(0, 7, List.of("configuration"), List.of("configuration")),
  ATTEST_SERVICES(
      1, 0, List.of("operation"), List.of("manifest size", "certificates size", "report size")),
  ATTEST_SINGLE_SERVICE(
      1, 1, List.of("operation"), List.of("manifest size", "certificates size", "report size")),
  VTPM_QUERY(2, 0, List.of(), List.of("platform commands", "features")),
  VTPM_COMMAND(2, 1, List.of("command"), List.of());

  /** Protocols by number; those of emulated APICs and of UEFI variables have no calls here. */
  private static final String[] PROTOCOLS = {"core", "attestation", "vTPM", "APIC", "UEFI MM"};

  private static final Map<Long, SvsmCall> BY_NUMBER = new HashMap<>();

  static {
    for (SvsmCall c : values()) {
      BY_NUMBER.put(c.rax(), c);
    }
  }

  /** Most entries of a list of CORE_PVALIDATE: a page without its header. */
  public static final int MOST_ENTRIES = 511;

  /** Bytes of such a list before its entries: their count u16, the next one u16, reserved u32. */
  public static final int LIST_HEADER = 8;

  /** The protocol. */
  public final int protocol;

  /** Its number in the protocol. */
  public final int number;

  /** What RCX, RDX, R8 and R9 hold, as far as they hold anything. */
  public final List<String> inputs;

  /** What RCX, RDX and R8 hold when it is answered. */
  public final List<String> outputs;

  SvsmCall(int protocol, int number, List<String> inputs, List<String> outputs) {
    this.protocol = protocol;
    this.number = number;
    this.inputs = inputs;
    this.outputs = outputs;
  }

  /** {@return RAX of the call} */
  public long rax() {
    return (long) protocol << 32 | number;
  }

  /** {@return the call that RAX asks for, or null if it is not known here} */
  public static @Nullable SvsmCall of(long rax) {
    return BY_NUMBER.get(rax);
  }

  /** {@return whether a protocol is one of those that there are} */
  public static boolean isProtocol(long rax) {
    return rax >>> 32 < PROTOCOLS.length;
  }

  /** {@return what RAX asks for, for people} */
  public static String name(long rax) {
    SvsmCall c = of(rax);
    if (c != null) {
      return "SVSM_" + c.name();
    }
    long protocol = rax >>> 32;
    String p = isProtocol(rax) ? PROTOCOLS[(int) protocol] : String.valueOf(protocol);
    return "SVSM protocol " + p + " call " + (rax & 0xFFFF_FFFFL);
  }

  /**
   * {@return the inputs by name}
   *
   * @param registers RCX, RDX, R8 and R9
   */
  public static String request(long rax, long... registers) {
    SvsmCall c = of(rax);
    return c == null
        ? words(List.of("RCX", "RDX", "R8", "R9"), registers)
        : words(c.inputs, registers);
  }

  /**
   * {@return the result, and the outputs by name if there are any}
   *
   * @param registers RCX, RDX and R8
   */
  public static String response(long rax, long result, long... registers) {
    SvsmCall c = of(rax);
    boolean sized = c != null && c.protocol == 1;
    String out =
        c == null || c.outputs.isEmpty() || result != SvsmResult.SUCCESS.code && !sized
            ? ""
            : words(c.outputs, registers);
    return SvsmResult.name(result) + (out.isEmpty() ? "" : ": " + out);
  }

  private static String words(List<String> names, long... values) {
    StringBuilder b = new StringBuilder();
    for (int i = 0; i < names.size() && i < values.length; i++) {
      b.append(i == 0 ? "" : ", ").append(names.get(i)).append(" 0x");
      b.append(Long.toHexString(values[i]));
    }
    return b.toString();
  }
}
