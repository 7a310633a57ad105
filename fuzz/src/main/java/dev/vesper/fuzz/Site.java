package dev.vesper.fuzz;

import dev.vesper.ghcb.ExitCode;
import dev.vesper.ghcb.GhcbField;
import dev.vesper.ghcb.MsrRequest;
import dev.vesper.machine.host.Exit;
import java.util.Locale;
import java.util.Set;

/**
 * What a guest asks its host for: one leaf of CPUID, one MSR, one port. That a guest asks the same
 * again is told apart by counting.
 *
 * @param kind of question
 * @param key the leaf, MSR, port, address, exit code or GHCBInfo
 * @param sub the subleaf of CPUID, bits 63:30 of a request of the MSR protocol, else 0
 */
public record Site(Kind kind, long key, long sub) {
  private static final int CPUID_SHIFT = 30;

  /** Leaves of CPUID that have subleaves. */
  private static final Set<Long> SUBLEAVES =
      Set.of(
          4L, 7L, 0xBL, 0xDL, 0xFL, 0x10L, 0x12L, 0x14L, 0x8000_001DL, 0x8000_0020L, 0x8000_0026L);

  /** Kinds of questions. */
  public enum Kind {
    CPUID(ExitCode.CPUID),
    MSR(ExitCode.MSR),
    WRMSR(ExitCode.MSR),
    PORT(ExitCode.IOIO),
    OUT(ExitCode.IOIO),
    /** A read of PCI configuration space by ports; the key is what was written to 0xCF8. */
    PCI(ExitCode.IOIO),
    MMIO(ExitCode.MMIO_READ),
    MMIO_WRITE(ExitCode.MMIO_WRITE),
    /** Any other request in a GHCB. */
    VC(0),
    /** A request of the MSR protocol. */
    PROTO(0);

    /** SW_EXITCODE of the request, 0 for {@link #VC} and {@link #PROTO}. */
    final int code;

    Kind(int code) {
      this.code = code;
    }

    /** {@return the name in texts} */
    public String word() {
      return name().toLowerCase(Locale.ROOT).replace('_', '-');
    }
  }

  /** {@return what a request in a GHCB asks for, given what was written to 0xCF8 last} */
  static Site of(Exit.Event e, long pciAddress) {
    long info1 = e.request(GhcbField.SW_EXITINFO1);
    return switch (e.code()) {
      case ExitCode.CPUID -> cpuid(e.request(GhcbField.RAX), e.request(GhcbField.RCX));
      case ExitCode.MSR ->
          new Site((info1 & 1) == 0 ? Kind.MSR : Kind.WRMSR, low(e.request(GhcbField.RCX)), 0);
      case ExitCode.IOIO -> io(info1, pciAddress);
      case ExitCode.MMIO_READ -> new Site(Kind.MMIO, info1, 0);
      case ExitCode.MMIO_WRITE -> new Site(Kind.MMIO_WRITE, info1, 0);
      default -> new Site(Kind.VC, low(e.code()), 0);
    };
  }

  private static Site cpuid(long rax, long rcx) {
    long leaf = low(rax);
    // What other guests leave in ECX says nothing.
    return new Site(Kind.CPUID, leaf, SUBLEAVES.contains(leaf) ? low(rcx) : 0);
  }

  private static Site io(long info1, long pciAddress) {
    long port = info1 >>> 16 & 0xFFFF;
    if ((info1 & 1) == 0) {
      return new Site(Kind.OUT, port, 0);
    }
    return (port & ~3) == 0xCFC
        ? new Site(Kind.PCI, pciAddress & ~3L | port & 3, 0)
        : new Site(Kind.PORT, port, 0);
  }

  /** {@return what a request of the MSR protocol asks for} */
  static Site of(long request) {
    int info = MsrRequest.info(request);
    return new Site(Kind.PROTO, info, info == MsrRequest.CPUID_REQ ? request >>> CPUID_SHIFT : 0);
  }

  private static long low(long v) {
    return v & 0xFFFF_FFFFL;
  }

  /** {@return SW_EXITCODE of the request, or GHCBInfo of one of the MSR protocol} */
  int code() {
    return kind == Kind.VC || kind == Kind.PROTO ? (int) key : kind.code;
  }

  /** {@return a condition of a hostile script that holds for this site alone; empty for none} */
  String condition() {
    return switch (kind) {
      case CPUID ->
          "request.rax & 0xffffffff == "
              + hex(key)
              + (SUBLEAVES.contains(key) ? " and request.rcx & 0xffffffff == " + hex(sub) : "");
      case MSR, WRMSR ->
          "request.rcx & 0xffffffff == %s and request.sw_exitinfo1 & 1 == %d"
              .formatted(hex(key), kind == Kind.MSR ? 0 : 1);
      case PORT, OUT ->
          "request.sw_exitinfo1 >> 16 & 0xffff == %s and request.sw_exitinfo1 & 1 == %d"
              .formatted(hex(key), kind == Kind.PORT ? 1 : 0);
      case MMIO, MMIO_WRITE -> "request.sw_exitinfo1 == " + hex(key);
      case PROTO -> sub == 0 ? "" : "msr.request >> 30 == " + hex(sub);
      case PCI, VC -> "";
    };
  }

  static String hex(long v) {
    return "0x" + Long.toHexString(v);
  }

  @Override
  public String toString() {
    boolean two = sub != 0 || kind == Kind.CPUID && SUBLEAVES.contains(key);
    return kind.word() + ":" + hex(key) + (two ? ":" + hex(sub) : "");
  }
}
