package dev.vesper.machine.trace;

import dev.vesper.ghcb.ExitCode;
import dev.vesper.ghcb.GhcbPage;
import dev.vesper.ghcb.MsrRequest;
import dev.vesper.machine.cpu.Cpu;
import dev.vesper.machine.cpu.CpuObserver;
import dev.vesper.machine.cpu.CpuState;
import dev.vesper.machine.cpu.RmpOperand;
import dev.vesper.machine.memory.Page;
import dev.vesper.machine.memory.RmpEntry;
import dev.vesper.machine.observe.Accesses;
import dev.vesper.machine.observe.Bytes;
import dev.vesper.machine.observe.Event.ExecuteOnlyRead;
import dev.vesper.machine.observe.Event.VcRaised;
import dev.vesper.machine.observe.Event.VcReturned;
import dev.vesper.machine.observe.GhcbUse;
import dev.vesper.machine.observe.Omitted;
import dev.vesper.machine.observe.Operand;
import dev.vesper.machine.observe.Registers;
import dev.vesper.machine.observe.RmpAccess;
import dev.vesper.machine.observe.RmpCheck;
import dev.vesper.x86.Insn;
import java.util.List;
import org.jspecify.annotations.Nullable;

/** Follows the processor: #VC and its handler, and what the guest does with its GHCB. */
final class VcTracer implements CpuObserver {
  private static final int VC = 29;

  /** End of the GHCB's save area. */
  private static final int SAVE_AREA = 0x400;

  private final Recorder recorder;
  private final boolean deep;
  private final MemoryTracer memory;
  private final RmpTracer table;
  private final CodeCoverage coverage;
  private final GhcbSnapshot now = new GhcbSnapshot();
  private int lastVc;

  /**
   * @param deep watches accesses to the GHCB
   * @param memory is told of accesses to watched pages
   * @param table is told what the reverse map table is asked
   */
  VcTracer(
      Recorder recorder,
      boolean deep,
      MemoryTracer memory,
      RmpTracer table,
      CodeCoverage coverage) {
    this.table = table;
    this.recorder = recorder;
    this.deep = deep;
    this.memory = memory;
    this.coverage = coverage;
  }

  @Override
  public void onVc(Cpu c, int code) {
    recorder.adjustSymbols(c);
    TracedVcpu v = recorder.vcpu();
    PendingVc.Frame outer = v.pending.top();
    v.pending.interrupted(c);
    PendingVc.Frame f = new PendingVc.Frame(c, ++lastVc, code);
    GhcbUse open = v.ghcbFrame < 0 ? GhcbUse.NONE : v.open;
    if (open != GhcbUse.NONE) {
      f.ghcbFrame = v.ghcbFrame;
      f.ghcb = new byte[GhcbPage.SIZE];
      recorder.peekShared(v.ghcbFrame, f.ghcb);
    }
    CodePlaces.Code there = recorder.code(c.rip);
    Insn in = there.insn();
    @Nullable Operand none = null;
    @Nullable Boolean allowed = null;
    Bytes sent = Bytes.NONE;
    // A hypervisor that injects #VC can name the code of IOIO at any instruction.
    if (in != null && code == ExitCode.IOIO && MemoryOperands.isPort(in)) {
      allowed = c.cpl == 3 ? (Boolean) MemoryOperands.portsAllowed(c, in) : null;
      sent = string(c, in, f);
    }
    recorder.record(
        new VcRaised(
            recorder.at(c.rip, there),
            code,
            f.id,
            c.flags() & 0xFFFF_FFFFL,
            Registers.of(c.r),
            there.encoding(),
            in == null ? none : MemoryOperands.operand(c, in),
            in == null ? none : MemoryOperands.source(c, in),
            in == null ? none : MemoryOperands.destination(c, in),
            allowed,
            sent,
            code == ExitCode.CPUID ? c.xcr0 : 0,
            open,
            outer != null && v.pending.top() == outer ? outer.id : 0));
    v.pending.push(f);
  }

  /** {@return what OUTS is about to send} Where INS writes to is remembered. */
  private static Bytes string(Cpu c, Insn in, PendingVc.Frame f) {
    if (!MemoryOperands.isString(in)) {
      return Bytes.NONE;
    }
    boolean down = (c.flags() & CpuState.DF) != 0;
    int bytes = MemoryOperands.portBytes(in);
    long count = in.rep || in.repne ? c.r[1] & in.addressMask() : 1;
    if (MemoryOperands.isOutput(in)) {
      return MemoryOperands.elements(c, MemoryOperands.sourceAddress(c, in), bytes, count, down);
    }
    f.insAddress = MemoryOperands.destinationAddress(c, in);
    f.insBytes = bytes;
    f.insElements = count;
    f.down = down;
    return Bytes.NONE;
  }

  @Override
  public void onDelivery(Cpu c, int vector, long error, int type, long from) {
    recorder.vcpu().resultCheck.stop();
    if (vector != VC) {
      recorder.vcpu().pending.interrupted(c);
    }
  }

  @Override
  public void onReturn(Cpu c) {
    TracedVcpu v = recorder.vcpu();
    PendingVc.Frame f = v.pending.returned(c);
    if (f == null) {
      return;
    }
    if (f.ghcbFrame >= 0) {
      recorder.peekShared(f.ghcbFrame, now.bytes);
    }
    recorder.record(
        new VcReturned(
            recorder.at(c.rip),
            f.code,
            f.id,
            f.rip,
            c.flags() & 0xFFFF_FFFFL,
            c.instructionCount() - f.start,
            Registers.of(c.r),
            f.insAddress == -1
                ? Bytes.NONE
                : MemoryOperands.elements(c, f.insAddress, f.insBytes, f.insElements, f.down),
            f.ghcbFrame < 0 ? List.of() : now.changed(f.ghcb)));
    if (v.pending.top() == null) {
      v.open = GhcbUse.NONE;
    }
  }

  @Override
  public void onGhcbMsr(Cpu c, boolean write, long value) {
    if (!deep) {
      return;
    }
    TracedVcpu v = recorder.vcpu();
    Accesses.Kind kind = write ? Accesses.Kind.MSR_WRITE : Accesses.Kind.MSR_READ;
    v.access(kind, 0, 8, value, c.instructionRip());
    if (!write) {
      if (MsrRequest.info(value) != 0) {
        v.answerCheck.begin();
        c.follow(true);
      }
      return;
    }
    if (MsrRequest.info(value) == 0
        && value != 0
        && recorder.memory().ram().hasPage(value >>> 12)) {
      int frame = (int) (value >>> 12);
      if (frame != v.ghcbFrame) {
        v.ghcbFrame = frame;
        v.ghcbLinear = -1;
        v.open = GhcbUse.NONE;
        recorder.watch(frame, Recorder.Watcher.GHCB, true);
      }
    }
  }

  @Override
  public void onWatched(
      Cpu c, Page page, long la, int offset, int bytes, boolean write, long value) {
    memory.afterDevice(c, page, offset, bytes, write);
    table.accessed(c, page.frame, offset, bytes, write);
    TracedVcpu v = recorder.vcpu();
    if (page.frame != v.ghcbFrame) {
      return;
    }
    v.ghcbLinear = la & -4096L;
    if (write && offset < SAVE_AREA) {
      // Zeroes wipe what was there; anything else is the next request.
      v.open = value != 0 ? GhcbUse.REQUEST : v.open == GhcbUse.ANSWER ? GhcbUse.NONE : v.open;
    }
    long masked = bytes >= 8 ? value : value & (1L << 8 * bytes) - 1;
    Accesses.Kind kind = write ? Accesses.Kind.WRITE : Accesses.Kind.READ;
    v.access(kind, offset, bytes, masked, c.instructionRip());
  }

  @Override
  public void onExecuteOnly(Cpu c, long la) {
    TracedVcpu v = recorder.vcpu();
    recorder.record(
        new ExecuteOnlyRead(recorder.at(c.instructionRip()), la, v.inService(), v.interrupted()));
  }

  @Override
  public void onPvalidate(
      Cpu c, RmpOperand operand, boolean validate, int eax, boolean carry, RmpCheck why) {
    table.pvalidate(c, operand, validate, eax, carry, why);
    if (deep) {
      table.follow(c, operand, validate, eax, carry);
    }
  }

  @Override
  public void onRmpadjust(Cpu c, RmpOperand operand, long rdx, int eax, RmpCheck why) {
    table.rmpadjust(c, operand, rdx, eax, why);
    if (deep && eax >= 0) {
      recorder.vcpu().resultCheck.begin(c.instructionRip(), operand.gpa(), eax == 0, false, false);
      c.follow(true);
    }
  }

  @Override
  public void onRmpquery(Cpu c, RmpOperand operand, int level, int eax, RmpCheck why) {
    table.rmpquery(c, operand, level, eax, why);
  }

  @Override
  public void onRmpViolation(
      Cpu c,
      RmpAccess access,
      long la,
      long gpa,
      boolean encrypted,
      long info1,
      RmpEntry entry,
      RmpCheck why) {
    table.violation(c, access, la, gpa, encrypted, info1, entry, why);
  }

  @Override
  public void onBlock(Cpu c, long address, int bytes) {
    coverage.add(address, bytes);
  }

  @Override
  public void onInstruction(Cpu c, Insn insn) {
    TracedVcpu v = recorder.vcpu();
    if (v.answerCheck.active()) {
      v.answerCheck.step(insn, () -> v.access(Accesses.Kind.COMPARE, 0, 8, 0, c.rip));
    }
    if (v.resultCheck.active()) {
      v.resultCheck.step(insn, () -> table.lost(Omitted.RESULT), () -> table.lost(Omitted.CARRY));
    }
    c.follow(v.answerCheck.active() || v.resultCheck.active());
  }
}
