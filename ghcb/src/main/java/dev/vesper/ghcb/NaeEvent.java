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

import java.util.Collections;
import java.util.EnumSet;
import java.util.HashMap;
import java.util.Map;
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
  HV_FEATURES(ExitCode.HV_FEATURES, 2, in(), in(), in()),
  TERMINATION(ExitCode.TERMINATION, 2, in(), in(), in()),
  UNSUPPORTED_EVENT(ExitCode.UNSUPPORTED_EVENT, 1, in(), in(), in());

  private static final Map<Integer, NaeEvent> BY_CODE = new HashMap<>();

  static {
    for (NaeEvent e : values()) {
      BY_CODE.put(e.code, e);
    }
  }

  /** SW_EXITCODE. */
  public final int code;

  /** Protocol version that introduced it. */
  public final int version;

  private final Set<GhcbField> required;
  private final Set<GhcbField> optional;
  private final Set<GhcbField> answered;

  NaeEvent(
      int code,
      int version,
      Set<GhcbField> required,
      Set<GhcbField> optional,
      Set<GhcbField> answered) {
    this.code = code;
    this.version = version;
    this.required = required;
    this.optional = optional;
    this.answered = answered;
  }

  private static Set<GhcbField> in(GhcbField... fields) {
    Set<GhcbField> s = EnumSet.noneOf(GhcbField.class);
    Collections.addAll(s, fields);
    return s;
  }

  /** {@return the event of an exit code, or null for one that the standard does not have} */
  public static @Nullable NaeEvent of(int code) {
    return BY_CODE.get(code);
  }

  /**
   * {@return the fields that the guest must mark valid besides SW_EXITCODE and the two infos}
   *
   * @param value what the request holds: the leaf of CPUID, the direction of IOIO and MSR decide
   */
  public Set<GhcbField> required(ToLongFunction<GhcbField> value) {
    Set<GhcbField> s = in();
    s.addAll(required);
    long info1 = value.applyAsLong(SW_EXITINFO1);
    switch (this) {
      case CPUID -> {
        if ((int) value.applyAsLong(RAX) == 0xD) {
          s.add(XCR0);
        }
      }
      case IOIO -> {
        if ((info1 & 4) != 0) {
          s.add(SW_SCRATCH);
        } else if ((info1 & 1) == 0) {
          s.add(RAX);
        }
      }
      case MSR -> {
        if (info1 != 0) {
          s.add(RAX);
          s.add(RDX);
        }
      }
      default -> {
        // the table says it all
      }
    }
    return s;
  }

  /** {@return the fields that the guest may mark valid: whatever else it exports it gives away} */
  public Set<GhcbField> allowed(ToLongFunction<GhcbField> value) {
    Set<GhcbField> s = required(value);
    s.addAll(optional);
    if (this == CPUID && (int) value.applyAsLong(RAX) == 0xD && value.applyAsLong(RCX) == 1) {
      s.add(XSS);
    }
    s.add(SW_EXITCODE);
    s.add(SW_EXITINFO1);
    s.add(SW_EXITINFO2);
    return s;
  }

  /** {@return the fields that a successful answer must mark valid besides the two infos} */
  public Set<GhcbField> answered(ToLongFunction<GhcbField> value) {
    Set<GhcbField> s = in();
    s.addAll(answered);
    long info1 = value.applyAsLong(SW_EXITINFO1);
    if (this == IOIO && (info1 & 5) == 1) {
      s.add(RAX);
    } else if (this == MSR && info1 == 0) {
      s.add(RAX);
      s.add(RDX);
    }
    return s;
  }
}
