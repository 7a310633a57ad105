package dev.vesper.ghcb;

import static dev.vesper.ghcb.GhcbField.CPL;
import static dev.vesper.ghcb.GhcbField.DR7;
import static dev.vesper.ghcb.GhcbField.R8;
import static dev.vesper.ghcb.GhcbField.RAX;
import static dev.vesper.ghcb.GhcbField.RBP;
import static dev.vesper.ghcb.GhcbField.RBX;
import static dev.vesper.ghcb.GhcbField.RCX;
import static dev.vesper.ghcb.GhcbField.RDI;
import static dev.vesper.ghcb.GhcbField.RDX;
import static dev.vesper.ghcb.GhcbField.RSI;
import static dev.vesper.ghcb.GhcbField.SW_EXITCODE;
import static dev.vesper.ghcb.GhcbField.SW_EXITINFO1;
import static dev.vesper.ghcb.GhcbField.SW_EXITINFO2;
import static dev.vesper.ghcb.GhcbField.SW_SCRATCH;
import static dev.vesper.ghcb.GhcbField.XCR0;
import static dev.vesper.ghcb.GhcbField.XSS;

import java.util.Set;
import java.util.function.ToLongFunction;
import org.jspecify.annotations.Nullable;

/**
 * The non-automatic exit events of the GHCB standard (publication 56421, table "List of Supported
 * Non-Automatic Events"): which fields the guest must mark valid, which it may, and which the
 * hypervisor answers with. Validity checks, trace and checker all read this table.
 */
public enum NaeEvent {
  DR7_READ(ExitCode.DR7_READ, 1, in(), in(), in(DR7)),
  DR7_WRITE(ExitCode.DR7_WRITE, 1, in(RAX), in(DR7), in()),
  RDTSC(ExitCode.RDTSC, 1, in(), in(), in(RAX, RDX)),
  RDPMC(ExitCode.RDPMC, 1, in(RCX), in(), in(RAX, RDX)),
  CPUID(ExitCode.CPUID, 1, in(RAX, RCX), in(XCR0), in(RAX, RBX, RCX, RDX)),
  INVD(ExitCode.INVD, 1, in(), in(), in()),
  IOIO(ExitCode.IOIO, 1, in(), in(RAX), in()),
  MSR(ExitCode.MSR, 1, in(RCX), in(), in()),
  VMMCALL(ExitCode.VMMCALL, 1, in(RAX, CPL), in(RBX, RCX, RDX, RSI, RDI, RBP, R8), in(RAX)),
  RDTSCP(ExitCode.RDTSCP, 1, in(), in(), in(RAX, RDX, RCX)),
  WBINVD(ExitCode.WBINVD, 1, in(), in(), in()),
  MONITOR(ExitCode.MONITOR, 1, in(RAX, RCX, RDX), in(), in()),
  MWAIT(ExitCode.MWAIT, 1, in(RAX, RCX), in(), in()),
  MMIO_READ(ExitCode.MMIO_READ, 1, in(SW_SCRATCH), in(), in()),
  MMIO_WRITE(ExitCode.MMIO_WRITE, 1, in(SW_SCRATCH), in(), in()),
  NMI_COMPLETE(ExitCode.NMI_COMPLETE, 1, in(), in(), in()),
  AP_RESET_HOLD(ExitCode.AP_RESET_HOLD, 1, in(), in(), in()),
  AP_JUMP_TABLE(ExitCode.AP_JUMP_TABLE, 1, in(), in(), in()),
  SNP_PAGE_STATE_CHANGE(ExitCode.SNP_PAGE_STATE_CHANGE, 2, in(SW_SCRATCH), in(), in()),
  SNP_GUEST_REQUEST(ExitCode.SNP_GUEST_REQUEST, 2, in(), in(), in()),
  SNP_EXTENDED_GUEST_REQUEST(ExitCode.SNP_EXTENDED_GUEST_REQUEST, 2, in(RAX, RBX), in(), in(RBX)),
  SNP_AP_CREATION(ExitCode.SNP_AP_CREATION, 2, in(), in(RAX), in()),
  HV_DOORBELL_PAGE(ExitCode.HV_DOORBELL_PAGE, 2, in(), in(), in()),
  HV_IPI(ExitCode.HV_IPI, 2, in(), in(), in()),
  HV_TIMER(ExitCode.HV_TIMER, 2, in(), in(), in()),
  APIC_ID_LIST(ExitCode.APIC_ID_LIST, 2, in(RAX), in(), in(RAX)),
  SNP_RUN_VMPL(ExitCode.SNP_RUN_VMPL, 2, in(), in(), in()),
  HV_FEATURES(ExitCode.HV_FEATURES, 2, in(), in(), in()),
  TERMINATION(ExitCode.TERMINATION, 2, in(), in(), in()),
  UNSUPPORTED_EVENT(ExitCode.UNSUPPORTED_EVENT, 1, in(), in(), in());

  private static final int EACH_EXIT = in(SW_EXITCODE, SW_EXITINFO1, SW_EXITINFO2);

  /** By the low byte of the code, which no two have in common: each exit asks. */
  private static final @Nullable NaeEvent[] BY_CODE = new NaeEvent[256];

  static {
    for (NaeEvent e : values()) {
      assert BY_CODE[e.code & 0xFF] == null : e;
      BY_CODE[e.code & 0xFF] = e;
    }
  }

  /** SW_EXITCODE. */
  public final int code;

  /** Protocol version that introduced it. */
  public final int version;

  private final int required;
  private final int optional;
  private final int answered;

  NaeEvent(int code, int version, int required, int optional, int answered) {
    this.code = code;
    this.version = version;
    this.required = required;
    this.optional = optional;
    this.answered = answered;
  }

  private static int in(GhcbField... fields) {
    int s = 0;
    for (GhcbField f : fields) {
      s |= f.mask();
    }
    return s;
  }

  /** {@return the event of an exit code, or null for one that the standard does not have} */
  public static @Nullable NaeEvent of(int code) {
    NaeEvent e = BY_CODE[code & 0xFF];
    return e != null && e.code == code ? e : null;
  }

  /**
   * {@return the fields that the guest must mark valid besides SW_EXITCODE and the two infos}
   *
   * @param value what the request holds: the leaf of CPUID, the direction of IOIO and MSR decide
   */
  public Set<GhcbField> required(ToLongFunction<GhcbField> value) {
    return GhcbField.set(requiredMask(value));
  }

  /** {@return the same as a number: see {@link GhcbField#mask()}} */
  public int requiredMask(ToLongFunction<GhcbField> value) {
    return switch (this) {
      case CPUID -> (int) value.applyAsLong(RAX) == 0xD ? required | XCR0.mask() : required;
      case IOIO -> {
        long info1 = value.applyAsLong(SW_EXITINFO1);
        yield (info1 & 4) != 0
            ? required | SW_SCRATCH.mask()
            : (info1 & 1) == 0 ? required | RAX.mask() : required;
      }
      case SNP_AP_CREATION ->
          // What is destroyed needs no features.
          ApCreation.of(value.applyAsLong(SW_EXITINFO1)).request() == ApCreation.DESTROY
              ? required
              : required | RAX.mask();
      case MSR ->
          value.applyAsLong(SW_EXITINFO1) != 0 ? required | RAX.mask() | RDX.mask() : required;
      default -> required;
    };
  }

  /** {@return the fields that the guest may mark valid: whatever else it exports it gives away} */
  public Set<GhcbField> allowed(ToLongFunction<GhcbField> value) {
    return GhcbField.set(allowedMask(value));
  }

  /** {@return the same as a number: see {@link GhcbField#mask()}} */
  public int allowedMask(ToLongFunction<GhcbField> value) {
    boolean states =
        this == CPUID && (int) value.applyAsLong(RAX) == 0xD && value.applyAsLong(RCX) == 1;
    return requiredMask(value) | optional | EACH_EXIT | (states ? XSS.mask() : 0);
  }

  /** {@return the fields that a successful answer must mark valid besides the two infos} */
  public Set<GhcbField> answered(ToLongFunction<GhcbField> value) {
    return GhcbField.set(answeredMask(value));
  }

  /** {@return the same as a number: see {@link GhcbField#mask()}} */
  public int answeredMask(ToLongFunction<GhcbField> value) {
    long info1 = value.applyAsLong(SW_EXITINFO1);
    if (this == IOIO && (info1 & 5) == 1) {
      return answered | RAX.mask();
    }
    return this == MSR && info1 == 0 ? answered | RAX.mask() | RDX.mask() : answered;
  }
}
