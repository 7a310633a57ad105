package dev.vesper.machine.observe.check;

import dev.vesper.ghcb.ExitCode;
import dev.vesper.ghcb.GhcbField;
import dev.vesper.ghcb.GhcbPage;
import dev.vesper.ghcb.NaeEvent;
import dev.vesper.machine.observe.Accesses;
import dev.vesper.machine.observe.Accesses.Kind;
import dev.vesper.machine.observe.At;
import dev.vesper.machine.observe.ByteRange;
import dev.vesper.machine.observe.Bytes;
import dev.vesper.machine.observe.Event;
import dev.vesper.machine.observe.Event.GhcbExchange;
import dev.vesper.machine.observe.Event.VcRaised;
import dev.vesper.machine.observe.Operand;
import dev.vesper.machine.observe.PageState;
import dev.vesper.x86.Insn;
import java.util.Arrays;
import java.util.HexFormat;
import org.jspecify.annotations.Nullable;

/** The rules for what the guest puts into the GHCB. */
final class RequestRules {
  private static final GhcbField[] FIELDS = GhcbField.values();
  private static final int IF = 0x200;
  private static final int BUFFER_END = GhcbPage.SHARED_BUFFER + GhcbPage.SHARED_BUFFER_SIZE;

  /** Fields that carry registers of the guest. */
  private static final int REGISTERS;

  /** What each event needs. */
  private static final int BASICS;

  static {
    BASICS =
        GhcbField.SW_EXITCODE.mask()
            | GhcbField.SW_EXITINFO1.mask()
            | GhcbField.SW_EXITINFO2.mask();
    REGISTERS = ~(BASICS | GhcbField.SW_SCRATCH.mask());
  }

  private final Findings findings;

  RequestRules(Findings findings) {
    this.findings = findings;
  }

  /**
   * Judges the page itself.
   *
   * @return whether the host could read what the guest wrote
   */
  boolean page(GhcbExchange x) {
    PageState state = x.page();
    PageState mapping = x.mapping();
    boolean isPrivate = state == PageState.PRIVATE;
    if (isPrivate && mapping != PageState.SHARED) {
      findings.add(
          Rule.GHCB_NOT_SHARED,
          x.at(),
          x.vc(),
          () -> "the GHCB at " + Event.hex(x.ghcb()) + " is private: the host sees ciphertext");
    } else if (isPrivate || mapping != PageState.UNKNOWN && mapping != PageState.SHARED) {
      findings.add(
          Rule.GHCB_STALE_TLB,
          x.at(),
          x.vc(),
          () ->
              "the GHCB at "
                  + Event.hex(x.ghcb())
                  + " is "
                  + mapping
                  + " in the page tables, but was written as "
                  + state
                  + " by an old translation");
    }
    return !isPrivate;
  }

  private static String name(GhcbExchange x) {
    return ExitCode.name(x.exit());
  }

  /** Judges a request on its own. */
  void request(GhcbExchange x) {
    if ((x.rflags() & IF) != 0) {
      findings.add(
          Rule.GHCB_INTERRUPTIBLE,
          x.at(),
          x.vc(),
          () -> "VMGEXIT for " + name(x) + " with RFLAGS.IF set: an interrupt may use the GHCB");
    }
    if (x.usage() != 0) {
      findings.add(Rule.GHCB_USAGE, x.at(), x.vc(), () -> "GHCB_USAGE is " + Event.hex(x.usage()));
      return;
    }
    if (!x.reserved().isEmpty()) {
      reserved(x);
    }
    valid(x);
    NaeEvent event = NaeEvent.of(x.exit());
    if (event != null) {
      leaks(x, event);
    }
    scratch(x);
  }

  private void reserved(GhcbExchange x) {
    ByteRange first = x.reserved().get(0);
    findings.add(
        Rule.RESERVED_WRITE,
        x.at(),
        writer(x.at(), first.from(), first.to() - first.from() + 1),
        x.vc(),
        () -> "reserved bytes of the GHCB are not zero: " + ByteRange.text(x.reserved()));
  }

  /** {@return the instruction that wrote to a range last, or VMGEXIT if nobody was seen} */
  private static long writer(At at, int from, int length) {
    Accesses a = at.accesses();
    for (int i = a.size() - 1; i >= 0; i--) {
      if (a.kind(i) == Kind.WRITE && a.touches(i, from, length)) {
        return a.rip(i);
      }
    }
    return at.rip();
  }

  private void valid(GhcbExchange x) {
    int marked = x.request().valid().bits();
    int basics = BASICS & ~marked;
    if (basics != 0) {
      findings.add(
          Rule.EXIT_FIELDS_VALID,
          x.at(),
          x.vc(),
          () -> "not marked valid for " + name(x) + ": " + GhcbField.set(basics));
    }
    NaeEvent event = NaeEvent.of(x.exit());
    if (event == null) {
      return;
    }
    int missing = event.requiredMask(x.request()::get) & ~marked;
    if (missing == 0) {
      return;
    }
    Rule r =
        (missing & GhcbField.SW_SCRATCH.mask()) != 0
            ? Rule.SCRATCH_VALID
            : event == NaeEvent.CPUID ? Rule.CPUID_INPUTS_VALID : Rule.INPUTS_VALID;
    findings.add(
        r, x.at(), x.vc(), () -> "not marked valid for " + name(x) + ": " + GhcbField.set(missing));
  }

  private void leaks(GhcbExchange x, NaeEvent event) {
    int given = REGISTERS & ~event.allowedMask(x.request()::get);
    int extra = x.request().valid().bits() & given;
    if (extra != 0) {
      GhcbField f = FIELDS[Integer.numberOfTrailingZeros(extra)];
      findings.add(
          Rule.REGISTER_LEAK,
          x.at(),
          writer(x.at(), f.offset, f.bytes),
          x.vc(),
          () -> name(x) + " does not need " + GhcbField.set(extra) + ", which the guest exports");
    }
    int stray = x.request().unmarked().bits() & given;
    if (stray != 0) {
      unmarked(x, stray);
    }
  }

  private void unmarked(GhcbExchange x, int stray) {
    Accesses a = x.at().accesses();
    for (int i = 0; i < a.size(); i++) {
      if (a.kind(i) != Kind.WRITE || a.value(i) == 0) {
        continue;
      }
      long rip = a.rip(i);
      for (int rest = stray; rest != 0; rest &= rest - 1) {
        GhcbField f = FIELDS[Integer.numberOfTrailingZeros(rest)];
        if (a.touches(i, f.offset, f.bytes) && !x.request().has(f)) {
          findings.add(
              Rule.UNMARKED_LEAK,
              x.at(),
              rip,
              x.vc(),
              () -> f + " is written to the shared page, though " + name(x) + " does not need it");
        }
      }
    }
  }

  private static boolean usesScratch(GhcbExchange x) {
    return x.exit() == ExitCode.MMIO_READ
        || x.exit() == ExitCode.MMIO_WRITE
        || x.exit() == ExitCode.IOIO && (x.request().get(GhcbField.SW_EXITINFO1) & 4) != 0;
  }

  private void scratch(GhcbExchange x) {
    if (!usesScratch(x)) {
      return;
    }
    long size = x.exit() == ExitCode.IOIO ? x.request().get(GhcbField.SW_EXITINFO1) >> 4 & 7 : 1;
    long bytes = x.request().get(GhcbField.SW_EXITINFO2) * size;
    long at = x.request().get(GhcbField.SW_SCRATCH);
    long offset = at - x.ghcb();
    boolean inPage = offset >= 0 && offset < GhcbPage.SIZE;
    boolean elsewhere = !inPage && x.version() < 2 && !(x.scratch() == PageState.OUTSIDE);
    boolean inBuffer =
        offset >= GhcbPage.SHARED_BUFFER && bytes >= 0 && bytes <= BUFFER_END - offset;
    if (!elsewhere && !inBuffer) {
      findings.add(
          Rule.SCRATCH_BOUNDS,
          x.at(),
          x.vc(),
          () ->
              bytes
                  + " bytes at SW_SCRATCH 0x"
                  + Long.toHexString(at)
                  + " lie outside the shared buffer of the GHCB at "
                  + Event.hex(x.ghcb()));
    } else if (!inPage && x.scratch() == PageState.PRIVATE) {
      findings.add(
          Rule.SCRATCH_PRIVATE,
          x.at(),
          x.vc(),
          () -> "SW_SCRATCH 0x" + Long.toHexString(at) + " is in a private page");
    }
  }

  // ---- against the interrupted instruction

  /**
   * Compares a request with what the reference handler would ask for.
   *
   * @param s the service that it belongs to, with the exchanges before
   * @param ownCpuid the guest takes CPUID from a page: what it asks the host for is its own affair
   */
  void against(GhcbExchange x, VcpuState.Service s, boolean ownCpuid) {
    TrapFrame f = s.frame;
    Insn in = f.insn();
    if (in == null) {
      return;
    }
    Vctrap.Request want = Vctrap.request(f, in);
    boolean mmio = x.exit() == ExitCode.MMIO_READ || x.exit() == ExitCode.MMIO_WRITE;
    int asCode = mmio ? ExitCode.NPF : x.exit();
    if (asCode != want.code()) {
      if (asCode == f.event().exit()) {
        findings.add(
            Rule.OPCODE_MISMATCH,
            f.at(),
            s.id(),
            () ->
                "error code "
                    + ExitCode.name(f.event().exit())
                    + " is served, but the instruction is {"
                    + f.at().instruction()
                    + "}");
      }
      return;
    }
    if (f.at().cpl() == 3) {
      user(f, x, s.id());
    }
    if (ownCpuid && x.exit() == ExitCode.CPUID) {
      return;
    }
    if (mmio) {
      mmio(x, f, in, s.id());
    } else if (x.exit() == ExitCode.IOIO) {
      ioio(x, s, in, want);
    } else if (x.exit() == ExitCode.MSR
        && (x.request().get(GhcbField.SW_EXITINFO1) != 0) != (want.info1() != 0)) {
      findings.add(
          Rule.MSR_DIRECTION,
          x.at(),
          s.id(),
          () ->
              "SW_EXITINFO1 is "
                  + x.request().get(GhcbField.SW_EXITINFO1)
                  + " for {"
                  + f.at().instruction()
                  + "}, which needs "
                  + want.info1());
    }
    values(x, want, s.id());
    if (x.exit() == ExitCode.CPUID && x.request().has(GhcbField.XCR0)) {
      long xcr0 = f.event().xcr0();
      if ((int) f.r(0) == 0xD && x.request().get(GhcbField.XCR0) != xcr0) {
        findings.add(
            Rule.CPUID_XCR0,
            x.at(),
            s.id(),
            () ->
                "CPUID leaf 0xD is asked with XCR0 0x"
                    + Long.toHexString(x.request().get(GhcbField.XCR0))
                    + "; XCR0 is 0x"
                    + Long.toHexString(xcr0));
      }
    }
  }

  private void values(GhcbExchange x, Vctrap.Request want, long vc) {
    for (Vctrap.Export w : want.exports()) {
      GhcbField f = w.field();
      if (!x.request().has(f)) {
        continue;
      }
      long mask = w.mask();
      long have = x.request().get(f);
      if ((have & mask) != w.value()) {
        findings.add(
            x.exit() == ExitCode.MSR && f == GhcbField.RCX ? Rule.MSR_NUMBER : Rule.EXPORT_VALUE,
            x.at(),
            writer(x.at(), f.offset, f.bytes),
            vc,
            () ->
                f
                    + " is exported as 0x"
                    + Long.toHexString(have & mask)
                    + " for "
                    + name(x)
                    + "; the interrupted code has 0x"
                    + Long.toHexString(w.value()));
      } else if ((have & ~mask) != 0 && x.exit() != ExitCode.DR7_WRITE) {
        findings.add(
            Rule.UPPER_HALF_LEAK,
            x.at(),
            writer(x.at(), f.offset, f.bytes),
            vc,
            () ->
                f
                    + " is exported as 0x"
                    + Long.toHexString(have)
                    + "; "
                    + name(x)
                    + " uses only the bits of 0x"
                    + Long.toHexString(mask));
      }
    }
  }

  private void user(TrapFrame f, GhcbExchange x, long vc) {
    @Nullable String why =
        switch (x.exit()) {
          case ExitCode.MSR,
              ExitCode.WBINVD,
              ExitCode.INVD,
              ExitCode.MONITOR,
              ExitCode.MWAIT,
              ExitCode.DR7_READ,
              ExitCode.DR7_WRITE ->
              "the instruction is privileged";
          case ExitCode.IOIO ->
              Boolean.FALSE.equals(f.event().portsAllowed())
                  ? "IOPL and the I/O map forbid the port"
                  : kernelOperand(f);
          default -> kernelOperand(f);
        };
    if (why != null) {
      findings.add(
          Rule.USER_VC,
          f.at(),
          vc,
          () -> ExitCode.name(f.event().exit()) + " of user code is served, but " + why);
    }
  }

  private static @Nullable String kernelOperand(TrapFrame f) {
    VcRaised e = f.event();
    for (@Nullable Operand o : Arrays.asList(e.operand(), e.source(), e.dest())) {
      if (o != null && o.mapped() && !o.user()) {
        return "its operand at 0x" + Long.toHexString(o.linear()) + " belongs to the kernel";
      }
    }
    return null;
  }

  private void mmio(GhcbExchange x, TrapFrame f, Insn in, long vc) {
    boolean write = x.exit() == ExitCode.MMIO_WRITE;
    Operand o = Vctrap.mmioOperand(f, write);
    if (o == null || !o.mapped()) {
      return;
    }
    long gpa = x.request().get(GhcbField.SW_EXITINFO1);
    long bytes = x.request().get(GhcbField.SW_EXITINFO2);
    int size = Vctrap.accessBytes(in);
    if (o.isPrivate()) {
      findings.add(
          Rule.MMIO_PRIVATE,
          f.at(),
          vc,
          () ->
              "MMIO at 0x"
                  + Long.toHexString(o.gpa())
                  + " is done through a private mapping (linear 0x"
                  + Long.toHexString(o.linear())
                  + ")");
    }
    boolean part = gpa >= o.gpa() && gpa + bytes <= o.gpa() + size;
    if (size != 0 && !part) {
      findings.add(
          Rule.MMIO_REQUEST,
          x.at(),
          vc,
          () ->
              "the request is for "
                  + bytes
                  + " bytes at 0x"
                  + Long.toHexString(gpa)
                  + "; the instruction accesses "
                  + size
                  + " at 0x"
                  + Long.toHexString(o.gpa()));
      return;
    }
    byte[] stored = write ? Vctrap.stored(f, in) : null;
    if (stored != null && bytes == size && !Bytes.of(stored).equals(x.request().buffer())) {
      findings.add(
          Rule.EXPORT_VALUE,
          x.at(),
          vc,
          () ->
              "the buffer holds "
                  + x.request().buffer()
                  + "; the instruction stores "
                  + HexFormat.of().formatHex(stored));
    }
  }

  private void ioio(GhcbExchange x, VcpuState.Service s, Insn in, Vctrap.Request want) {
    long info1 = x.request().get(GhcbField.SW_EXITINFO1);
    if ((info1 & Vctrap.IOIO_MEANING) != want.info1()) {
      findings.add(
          Rule.IOIO_INFO,
          x.at(),
          s.id(),
          () ->
              "SW_EXITINFO1 is 0x"
                  + Long.toHexString(info1)
                  + " for {"
                  + s.frame.at().instruction()
                  + "}, which needs 0x"
                  + Long.toHexString(want.info1()));
      return;
    }
    if (!in.mnemonic().equals("outs") || x.status() != 0) {
      return;
    }
    Bytes memory = s.frame.event().memory();
    // How many bytes of its string the OUTS has sent before.
    int from = (int) Math.min(s.portBytes, memory.length());
    int n = Math.min(memory.length() - from, x.request().buffer().length());
    if (n > 0 && !memory.matches(from, x.request().buffer(), 0, n)) {
      findings.add(
          Rule.EXPORT_VALUE,
          x.at(),
          s.id(),
          () ->
              "the buffer holds "
                  + x.request().buffer().hex(0, Math.min(n, 16))
                  + "; the string that OUTS sends is "
                  + memory.hex(from, from + Math.min(n, 16)));
    }
  }
}
