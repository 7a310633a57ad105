package dev.vesper.machine.vmm;

import dev.vesper.ghcb.ExitCode;
import dev.vesper.ghcb.GhcbField;
import dev.vesper.ghcb.GhcbPage;
import dev.vesper.ghcb.MsrRequest;
import dev.vesper.ghcb.Termination;
import dev.vesper.machine.memory.HostView;
import dev.vesper.machine.model.CpuModel;
import dev.vesper.machine.sev.Vmcb;
import dev.vesper.machine.spec.Outcome;
import java.util.EnumMap;
import java.util.EnumSet;
import java.util.Map;
import java.util.Set;

/**
 * svm_handle_vmgexit: CPUID, MSR and non-string IOIO events, and of the MSR protocol CPUID and
 * termination (spec: openbsd section 3.4). Everything else ends the VM; the guest never gets an
 * error answer.
 */
final class VmmGhcb {
  private final Hypervisor host;
  private final OpenBsdProfile profile;
  private final VmmHandlers handlers;
  private final HostView memory;
  private final byte[] page = new byte[GhcbPage.SIZE];
  private final GhcbPage request = new GhcbPage(page);
  private final Map<GhcbField, Long> answer = new EnumMap<>(GhcbField.class);

  /** The page in use, 0 for none. */
  private long ghcb;

  /** vmm's copies of the registers: what an event did not bring in keeps its old value. */
  private long rax;

  private long rbx;
  private long rcx;
  private long rdx;

  VmmGhcb(Hypervisor host, OpenBsdProfile profile, VmmHandlers handlers) {
    this.host = host;
    this.profile = profile;
    this.handlers = handlers;
    memory = host.memory;
  }

  /** {@return the page to read a request from, given the GHCB MSR} */
  long page(long msr) {
    // Until 1.65 (2025-10-28) the first page was kept for ever.
    boolean anew = ghcb == 0 || profile.since(OpenBsdProfile.State.YEAR_2026);
    return msr != 0 && anew ? msr : ghcb;
  }

  void vmgexit(HostVcpu v) {
    long msr = v.cpu.vmcb().get(Vmcb.GHCB_GPA);
    if (MsrRequest.info(msr) != 0) {
      msrProtocol(v, msr);
      return;
    }
    boolean newest = profile.since(OpenBsdProfile.State.YEAR_2026);
    if (page(msr) != ghcb) {
      if (!memory.contains(msr, GhcbPage.SIZE)) {
        handlers.einval("no page is mapped at GHCB address 0x" + Long.toHexString(msr));
        return;
      }
      ghcb = msr;
    }
    if (ghcb == 0) {
      undefined(v, newest, "VMGEXIT with no GHCB");
      return;
    }
    host.serves(ghcb);
    memory.read(ghcb, page, 0, GhcbPage.SIZE);
    if (request.valid().isEmpty() && newest) {
      undefined(v, true, "an empty GHCB");
      return;
    }
    answer.clear();
    serve(v);
  }

  private void undefined(HostVcpu v, boolean newest, String why) {
    if (newest) {
      handlers.injectUndefined(v);
    } else {
      handlers.einval(why);
    }
  }

  private long value(GhcbField f) {
    return request.get(f);
  }

  private void serve(HostVcpu v) {
    Set<GhcbField> valid = request.valid();
    if (!valid.containsAll(
        EnumSet.of(GhcbField.SW_EXITCODE, GhcbField.SW_EXITINFO1, GhcbField.SW_EXITINFO2))) {
      handlers.einval("the GHCB has no valid SW_EXITCODE, SW_EXITINFO1 and SW_EXITINFO2");
      return;
    }
    long code = value(GhcbField.SW_EXITCODE);
    long info1 = value(GhcbField.SW_EXITINFO1);
    Set<GhcbField> expected = EnumSet.noneOf(GhcbField.class);
    if (code == ExitCode.CPUID) {
      expected.add(GhcbField.RAX);
      expected.add(GhcbField.RCX);
    } else if (code == ExitCode.IOIO) {
      if ((info1 & 1) == 0) {
        expected.add(GhcbField.RAX);
      }
    } else if (code == ExitCode.MSR) {
      expected.add(GhcbField.RCX);
      if (info1 == 1) {
        expected.add(GhcbField.RAX);
        expected.add(GhcbField.RDX);
      }
    } else {
      handlers.einval("it does not serve the GHCB event " + ExitCode.name((int) code));
      return;
    }
    if (!valid.containsAll(expected)) {
      expected.removeAll(valid);
      handlers.einval("the GHCB event " + ExitCode.name((int) code) + " lacks valid " + expected);
      return;
    }
    rax = expected.contains(GhcbField.RAX) ? value(GhcbField.RAX) : rax;
    rcx = expected.contains(GhcbField.RCX) ? value(GhcbField.RCX) : rcx;
    rdx = expected.contains(GhcbField.RDX) ? value(GhcbField.RDX) : rdx;
    if (code == ExitCode.CPUID) {
      cpuid(handlers.cpuid(v, (int) rax, (int) rcx));
      put(GhcbField.RAX, rax);
      put(GhcbField.RBX, rbx);
      put(GhcbField.RCX, rcx);
      put(GhcbField.RDX, rdx);
    } else if (code == ExitCode.MSR) {
      msr(v, info1 == 1);
    } else if (!ioio(v, info1)) {
      return;
    }
    writeBack();
  }

  private void put(GhcbField f, long v) {
    answer.put(f, v);
  }

  private void cpuid(CpuModel.Leaf l) {
    rax = l.eax() & 0xFFFF_FFFFL;
    rbx = l.ebx() & 0xFFFF_FFFFL;
    rcx = l.ecx() & 0xFFFF_FFFFL;
    rdx = l.edx() & 0xFFFF_FFFFL;
  }

  private void msr(HostVcpu v, boolean write) {
    if (write) {
      handlers.writeMsr(v, rcx, rdx << 32 | rax & 0xFFFF_FFFFL);
      return;
    }
    // After #GP the guest is also handed what the copies held before.
    long r = handlers.readMsr(v, rcx, rdx << 32 | rax & 0xFFFF_FFFFL);
    rax = r & 0xFFFF_FFFFL;
    rdx = r >>> 32;
    put(GhcbField.RAX, rax);
    put(GhcbField.RDX, rdx);
  }

  private boolean ioio(HostVcpu v, long info1) {
    if (!handlers.portAccess(info1)) {
      return false;
    }
    int bytes = (int) (info1 >> 4) & 7;
    int port = (int) (info1 >> 16) & 0xFFFF;
    if (Integer.bitCount(bytes) != 1) {
      handlers.einval("a port access of no size: SW_EXITINFO1 0x" + Long.toHexString(info1));
      return false;
    }
    if ((info1 & 1) != 0) {
      rax = host.access.readPort(v, port, bytes) & 0xFFFF_FFFFL;
      put(GhcbField.RAX, rax);
    } else {
      host.access.writePort(v, port, bytes, (int) rax);
    }
    return true;
  }

  /** svm_vmgexit_sync_guest: clears the page, then marks and stores what belongs to the event. */
  private void writeBack() {
    put(GhcbField.SW_EXITINFO1, 0);
    put(GhcbField.SW_EXITINFO2, 0);
    if (profile.since(OpenBsdProfile.State.YEAR_2026)) {
      // ghcb_clear wipes only the bitmap since ghcb.c 1.7.
      request.clearValid();
    } else {
      java.util.Arrays.fill(page, (byte) 0);
    }
    answer.forEach(request::set);
    memory.write(ghcb, page, 0, GhcbPage.SIZE);
  }

  private void msrProtocol(HostVcpu v, long msr) {
    switch (MsrRequest.info(msr)) {
      case MsrRequest.CPUID_REQ -> {
        CpuModel.Leaf l = handlers.cpuid(v, (int) (msr >>> 32), 0);
        cpuid(l);
        long r = l.register((int) (msr >>> 30) & 3);
        long response = r << 32 | msr & 0xC000_0000L | MsrRequest.CPUID_RESP;
        v.cpu.vmcb().set(Vmcb.GHCB_GPA, response);
      }
      case MsrRequest.TERM_REQ ->
          host.end(
              Outcome.GUEST_TERMINATED,
              "guest asked for termination: "
                  + Termination.explain((int) (msr >>> 12) & 15, (int) (msr >>> 16) & 0xFF));
      default ->
          handlers.einval(
              "it does not serve the GHCB MSR-protocol request "
                  + MsrRequest.explain(msr)
                  + " (0x"
                  + Long.toHexString(MsrRequest.info(msr))
                  + ")");
    }
  }
}
