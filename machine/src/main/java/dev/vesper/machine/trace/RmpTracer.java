package dev.vesper.machine.trace;

import dev.vesper.ghcb.PageStateEntry;
import dev.vesper.machine.cpu.Cpu;
import dev.vesper.machine.cpu.RmpOperand;
import dev.vesper.machine.memory.PhysicalMemory;
import dev.vesper.machine.memory.Rmp;
import dev.vesper.machine.memory.RmpEntry;
import dev.vesper.machine.observe.At;
import dev.vesper.machine.observe.Bytes;
import dev.vesper.machine.observe.Event.CpuidLaunched;
import dev.vesper.machine.observe.Event.KeyExposed;
import dev.vesper.machine.observe.Event.Omission;
import dev.vesper.machine.observe.Event.Pvalidate;
import dev.vesper.machine.observe.Event.RmpChanged;
import dev.vesper.machine.observe.Event.RmpViolation;
import dev.vesper.machine.observe.Event.Rmpadjust;
import dev.vesper.machine.observe.Event.Rmpquery;
import dev.vesper.machine.observe.Omitted;
import dev.vesper.machine.observe.PageSpan;
import dev.vesper.machine.observe.RmpAccess;
import dev.vesper.machine.observe.RmpCause;
import dev.vesper.machine.observe.RmpCheck;
import dev.vesper.machine.observe.RmpMap;
import dev.vesper.machine.observe.RmpState;
import org.jspecify.annotations.Nullable;

/** Follows the reverse map table: who changes it, who asks it, and whom it refuses what. */
final class RmpTracer {
  private static final int PAGE = 4096;
  private static final int PAGES = 512;

  private final Recorder recorder;

  private final FirstUses uses = new FirstUses();
  private final KeySearch keys = new KeySearch();

  /** What the host is about to change. */
  private @Nullable Request current;

  private record Request(RmpCause cause, int entry, int operation, long gpa) {}

  /** The host has changed an entry since it has said so. */
  private boolean changed;

  RmpTracer(Recorder recorder) {
    this.recorder = recorder;
  }

  /** {@return what an entry says} */
  static RmpState state(RmpEntry e) {
    RmpState.Kind kind = RmpState.Kind.valueOf(e.state().name());
    long gpa = e.assigned() && e.asid() != 0 ? e.gpa() : 0;
    return new RmpState(kind, e.large(), e.vmsa(), e.asid(), gpa, e.permissions());
  }

  /** {@return memory by state, at guest physical addresses where a page has one} */
  static RmpMap map(PhysicalMemory memory) {
    RmpMap map = new RmpMap();
    Rmp rmp = memory.rmp();
    for (int f = 0; rmp != null && f < memory.totalPages(); f++) {
      RmpEntry e = rmp.read((long) f << 12);
      if (e.assigned() || memory.ram().hasPage(f)) {
        boolean launched = f >= memory.firstHostPage() && e.asid() != 0;
        RmpState s = state(e);
        map.put(new PageSpan(launched ? e.gpa() >>> 12 : f, 1), s.kind(), s.vmsa());
      }
    }
    return map;
  }

  // ---- the guest

  void pvalidate(Cpu c, RmpOperand o, boolean validate, int eax, boolean carry, RmpCheck why) {
    recorder.recordRun(
        new Pvalidate(
            recorder.at(c.instructionRip()),
            o.linear(),
            o.gpa(),
            o.large(),
            validate,
            eax,
            carry,
            state(o.entry()),
            why,
            1));
  }

  /** Follows what the guest makes of PVALIDATE, which has just been executed or is to fault. */
  void follow(Cpu c, RmpOperand o, boolean validate, int eax, boolean carry) {
    if (eax < 0) {
      return;
    }
    long rip = c.instructionRip();
    recorder.vcpu().resultCheck.begin(rip, o.gpa(), eax == 0, validate, carry);
    c.follow(true);
    if (eax == 0 && !o.large()) {
      int frame = (int) (o.gpa() >>> 12);
      if (!validate) {
        forget(frame);
      } else if (uses.validated(rip, frame, carry)) {
        recorder.watch(frame, Recorder.Watcher.FIRST_USE, true);
      }
    }
  }

  private void forget(int frame) {
    if (uses.waitsFor(frame)) {
      uses.forget(frame);
      recorder.watch(frame, Recorder.Watcher.FIRST_USE, false);
    }
  }

  /** The guest accesses a watched page, which it may have validated. */
  void accessed(Cpu c, int frame, int offset, int bytes, boolean write) {
    if (!uses.waitsFor(frame)) {
      return;
    }
    Omitted o = uses.accessed(frame, offset, bytes, write);
    if (o != null) {
      recorder.record(
          new Omission(recorder.at(c.instructionRip()), o, ((long) frame << 12) + offset));
    }
    if (!uses.waitsFor(frame)) {
      recorder.watch(frame, Recorder.Watcher.FIRST_USE, false);
    }
  }

  /** Something of the last PVALIDATE or RMPADJUST of the running processor is lost. */
  void lost(Omitted what) {
    ResultCheck r = recorder.vcpu().resultCheck;
    recorder.record(new Omission(recorder.at(r.rip), what, r.gpa));
  }

  void rmpadjust(Cpu c, RmpOperand o, long rdx, int eax, RmpCheck why) {
    Rmp rmp = recorder.memory().rmp();
    RmpEntry after = eax == 0 && rmp != null ? rmp.read(o.gpa()) : o.entry();
    recorder.record(
        new Rmpadjust(
            recorder.at(c.instructionRip()),
            o.linear(),
            o.gpa(),
            o.large(),
            (int) rdx & 0xFF,
            (int) rdx >>> 8 & 0xFF,
            (rdx >>> 16 & 1) != 0,
            eax,
            state(o.entry()),
            state(after),
            why));
  }

  void rmpquery(Cpu c, RmpOperand o, int level, int eax, RmpCheck why) {
    At at = recorder.at(c.instructionRip());
    recorder.record(new Rmpquery(at, o.linear(), o.gpa(), level, eax, state(o.entry()), why));
  }

  void violation(
      Cpu c,
      RmpAccess access,
      long la,
      long gpa,
      boolean encrypted,
      long info1,
      RmpEntry entry,
      RmpCheck why) {
    At at = recorder.at(c.instructionRip());
    recorder.record(new RmpViolation(at, access, la, gpa, encrypted, info1, state(entry), why));
  }

  // ---- the host

  void changesPage(RmpCause cause, int entry, int operation, long gpa) {
    current = new Request(cause, entry, operation, gpa);
    changed = false;
  }

  void changedPage(String why) {
    Request r = current;
    current = null;
    Rmp rmp = recorder.memory().rmp();
    if (r == null || rmp == null || changed && why.isEmpty()) {
      return;
    }
    RmpState now = state(rmp.read(r.gpa));
    String words = why.isEmpty() ? RmpCheck.UNCHANGED.toString() : why;
    record(r, PageStateEntry.operation(r.operation), r.gpa, 1, now, now, words);
  }

  void entryChanged(String instruction, long address, RmpEntry before, RmpEntry after) {
    changed = true;
    if (!after.assigned()) {
      forget((int) (address >>> 12));
    }
    Request r = current;
    boolean split = before.large() && !after.large() && after.assigned();
    String what = r == null || split ? instruction : PageStateEntry.operation(r.operation);
    int pages = before.large() || after.large() ? PAGES : 1;
    record(r, what, address, pages, state(before), state(after), "");
  }

  private void record(
      @Nullable Request r,
      String what,
      long gpa,
      int pages,
      RmpState before,
      RmpState after,
      String why) {
    Cpu c = recorder.cpu();
    recorder.recordRun(
        new RmpChanged(
            recorder.at(r == null ? c.instructionRip() : c.exitRip),
            r == null ? RmpCause.HOST : r.cause,
            what,
            gpa,
            pages,
            before,
            after,
            r == null ? -1 : r.entry,
            r == null ? -1 : r.entry,
            why));
  }

  /**
   * Pages were launched.
   *
   * @param what their type, and what lies there
   * @param address of the first page in system memory
   */
  void launched(String what, long address, long bytes) {
    Rmp rmp = recorder.memory().rmp();
    if (rmp == null) {
      return;
    }
    RmpEntry e = rmp.read(address);
    recorder.record(
        new RmpChanged(
            recorder.at(recorder.cpu().rip),
            RmpCause.LAUNCH,
            what,
            e.gpa(),
            bytes + PAGE - 1 >>> 12,
            RmpState.HYPERVISOR,
            state(e),
            -1,
            -1,
            ""));
  }

  /** The page with the guest's keys was launched. */
  void launchedSecrets(byte[] page) {
    keys.launched(page);
  }

  /** The run is over: what the host can read now, it can keep. */
  void ended() {
    for (KeySearch.Exposed k : keys.search(recorder.memory())) {
      recorder.record(
          new KeyExposed(recorder.at(recorder.cpu().instructionRip()), k.key(), k.gpa()));
    }
  }

  /** The page from which the guest takes CPUID was launched. */
  void launchedCpuid(long gpa, byte[] page) {
    recorder.record(new CpuidLaunched(recorder.at(recorder.cpu().rip), gpa, Bytes.of(page)));
  }
}
