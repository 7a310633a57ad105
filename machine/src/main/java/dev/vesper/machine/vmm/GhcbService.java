package dev.vesper.machine.vmm;

import dev.vesper.ghcb.ExitCode;
import dev.vesper.ghcb.GhcbField;
import dev.vesper.ghcb.GhcbPage;
import dev.vesper.ghcb.MsrRequest;
import dev.vesper.ghcb.NaeEvent;
import dev.vesper.ghcb.PageStateList;
import dev.vesper.ghcb.Termination;
import dev.vesper.machine.launch.SevFeature;
import dev.vesper.machine.memory.HostView;
import dev.vesper.machine.model.CpuModel;
import dev.vesper.machine.sev.Vmcb;
import dev.vesper.machine.spec.Outcome;
import dev.vesper.machine.spec.SevMode;
import java.util.Objects;
import java.util.OptionalLong;
import org.jspecify.annotations.Nullable;

/**
 * Serves VMGEXIT: the MSR protocol and the NAE events of protocol versions 1 and 2, with KVM's
 * checks in KVM's order (spec: hypervisor-behaviour 1.3 to 1.5). The page is read once; what the
 * guest changes afterwards is not seen.
 */
final class GhcbService {
  static final int MAX_VERSION = 2;
  static final int MIN_VERSION = 1;

  /** SW_EXITINFO1 of an answer to a request that is none; SW_EXITINFO2 has the reason. */
  static final int MALFORMED = 2;

  private static final int NOT_REGISTERED = 1;
  private static final int INVALID_USAGE = 2;
  private static final int INVALID_SCRATCH = 3;
  private static final int MISSING_INPUT = 4;

  /** SW_EXITINFO2 of a request that an event cannot be. */
  static final int INVALID_INPUT = 5;

  private static final int INVALID_EVENT = 6;
  private static final long GP_EVENT = 0x8000_030DL;

  private final Hypervisor host;
  private final HostView memory;
  private final CpuidService cpuid;
  private final KvmMsrs msrs;
  private final KvmHypercalls hypercalls;
  private final int cBit;
  private final @Nullable SnpService snp;
  private final byte[] snapshot = new byte[GhcbPage.SIZE];
  private final transient GhcbPage request = new GhcbPage(snapshot);
  private final transient GhcbAnswer answer = new GhcbAnswer();
  private long gpa;
  private long jumpTable;

  private @Nullable HostVcpu current;

  GhcbService(
      Hypervisor host,
      CpuidService cpuid,
      KvmMsrs msrs,
      KvmHypercalls hypercalls,
      @Nullable SnpService snp) {
    this.snp = snp;
    this.hypercalls = hypercalls;
    this.host = host;
    this.memory = host.memory;
    this.cpuid = cpuid;
    this.msrs = msrs;
    this.cBit = CpuidService.cBit(host.model);
  }

  /** Sets what the GHCB MSR reads as before the guest writes it. */
  void created(HostVcpu v) {
    v.createdGhcbMsr = MsrRequest.sevInfo(MAX_VERSION, MIN_VERSION, cBit);
    v.cpu.vmcb().set(Vmcb.GHCB_GPA, v.createdGhcbMsr);
  }

  void vmgexit(HostVcpu v) {
    current = v;
    long msr = v.cpu.vmcb().get(Vmcb.GHCB_GPA);
    if (MsrRequest.info(msr) != 0) {
      long response = msrProtocol(msr);
      v.cpu.vmcb().set(Vmcb.GHCB_GPA, response);
      return;
    }
    if (msr == 0 || !memory.contains(msr, GhcbPage.SIZE)) {
      // KVM logs and resumes: the guest finds the world unchanged.
      return;
    }
    SnpService s = snp;
    if (s != null && !s.readable(msr)) {
      return;
    }
    gpa = msr;
    host.serves(gpa);
    memory.read(gpa, snapshot, 0, GhcbPage.SIZE);
    answer.clear();
    answer.writeTo(memory, gpa);
    reply(0, 0);
    // KVM hands these four back whatever the event was.
    answer.put(GhcbField.RAX, value(GhcbField.RAX));
    answer.put(GhcbField.RBX, value(GhcbField.RBX));
    answer.put(GhcbField.RCX, value(GhcbField.RCX));
    answer.put(GhcbField.RDX, value(GhcbField.RDX));
    serve();
    answer.writeTo(memory, gpa);
  }

  private HostVcpu vcpu() {
    return Objects.requireNonNull(current);
  }

  private void reply(long info1, long info2) {
    answer.put(GhcbField.SW_EXITINFO1, info1);
    answer.put(GhcbField.SW_EXITINFO2, info2);
  }

  private void error(int reason) {
    reply(MALFORMED, reason);
  }

  /** {@return a field of the request, 0 unless it is marked valid} */
  private long value(GhcbField f) {
    return request.isValid(f) ? request.get(f) : 0;
  }

  private void serve() {
    if (snp != null && !SnpService.registered(vcpu(), gpa)) {
      error(NOT_REGISTERED);
      return;
    }
    if (request.usage() != 0) {
      error(INVALID_USAGE);
      return;
    }
    int code = (int) request.get(GhcbField.SW_EXITCODE);
    boolean known = request.get(GhcbField.SW_EXITCODE) >>> 32 == 0;
    long info1 = request.get(GhcbField.SW_EXITINFO1);
    long info2 = request.get(GhcbField.SW_EXITINFO2);
    boolean basics =
        request.isValid(GhcbField.SW_EXITCODE)
            && request.isValid(GhcbField.SW_EXITINFO1)
            && request.isValid(GhcbField.SW_EXITINFO2);
    NaeEvent event = NaeEvent.of(code);
    if (!basics
        || event != null && served(code) && !request.areValid(event.requiredMask(this::value))) {
      error(MISSING_INPUT);
      return;
    }
    if (!known || !served(code)) {
      error(INVALID_EVENT);
      return;
    }
    switch (code) {
      case ExitCode.CPUID -> cpuid();
      case ExitCode.IOIO -> ioio(info1, info2);
      case ExitCode.MSR -> msr(info1 != 0);
      case ExitCode.RDTSC, ExitCode.RDTSCP -> rdtsc(code == ExitCode.RDTSCP);
      case ExitCode.RDPMC -> rdpmc();
      case ExitCode.VMMCALL ->
          answer.put(
              GhcbField.RAX,
              hypercalls.serve(
                  vcpu(),
                  (int) value(GhcbField.CPL) & 0xFF,
                  true,
                  value(GhcbField.RAX),
                  value(GhcbField.RBX),
                  value(GhcbField.RCX),
                  value(GhcbField.RDX),
                  value(GhcbField.RSI)));
      case ExitCode.MMIO_READ -> mmio(info1, info2, true);
      case ExitCode.MMIO_WRITE -> mmio(info1, info2, false);
      case ExitCode.AP_RESET_HOLD -> {
        vcpu().state = HostVcpu.State.RESET_HOLD_EVENT;
        vcpu().holdGhcb = gpa;
      }
      case ExitCode.NMI_COMPLETE -> vcpu().nmiMasked = false;
      case ExitCode.AP_JUMP_TABLE -> {
        if (info1 == 0) {
          jumpTable = info2;
        } else if (info1 == 1) {
          reply(0, jumpTable);
        } else {
          error(INVALID_INPUT);
        }
      }
      case ExitCode.HV_FEATURES -> reply(0, snp == null ? 0 : snp.features);
      case ExitCode.SNP_PAGE_STATE_CHANGE,
          ExitCode.SNP_GUEST_REQUEST,
          ExitCode.SNP_EXTENDED_GUEST_REQUEST,
          ExitCode.SNP_AP_CREATION,
          ExitCode.HV_DOORBELL_PAGE,
          ExitCode.HV_IPI,
          ExitCode.APIC_ID_LIST,
          ExitCode.SNP_RUN_VMPL ->
          protectedEvent(Objects.requireNonNull(snp), code, info1, info2);
      case ExitCode.TERMINATION ->
          host.end(
              Outcome.GUEST_TERMINATED,
              "guest asked for termination: "
                  + Termination.explain((int) info1 & 15, (int) (info1 >>> 4) & 0xFF)
                  + featuresRefused((int) info1 & 0xFFF, info2));
      case ExitCode.UNSUPPORTED_EVENT ->
          host.end(
              Outcome.GAVE_UP,
              "guest reports a #VC that it does not support: " + ExitCode.name((int) info1));
      default -> {
        // DR7, INVD, WBINVD, MONITOR, MWAIT: nothing to do
      }
    }
  }

  private boolean served(int code) {
    return switch (code) {
      case ExitCode.DR7_READ,
          ExitCode.DR7_WRITE,
          ExitCode.RDTSC,
          ExitCode.RDPMC,
          ExitCode.CPUID,
          ExitCode.INVD,
          ExitCode.IOIO,
          ExitCode.MSR,
          ExitCode.VMMCALL,
          ExitCode.RDTSCP,
          ExitCode.WBINVD,
          ExitCode.MONITOR,
          ExitCode.MWAIT,
          ExitCode.MMIO_READ,
          ExitCode.MMIO_WRITE,
          ExitCode.NMI_COMPLETE,
          ExitCode.AP_RESET_HOLD,
          ExitCode.AP_JUMP_TABLE,
          ExitCode.HV_FEATURES,
          ExitCode.TERMINATION,
          ExitCode.UNSUPPORTED_EVENT ->
          true;
      default -> snp != null && snp.serves(code);
    };
  }

  // ---- events of SEV-SNP

  private void protectedEvent(SnpService s, int code, long info1, long info2) {
    switch (code) {
      case ExitCode.SNP_PAGE_STATE_CHANGE -> {
        long scratch = value(GhcbField.SW_SCRATCH);
        if (inBuffer(scratch, PageStateList.HEADER)) {
          reply(0, s.change(snapshot, gpa, (int) (scratch - gpa)));
        } else {
          error(INVALID_SCRATCH);
        }
      }
      case ExitCode.SNP_AP_CREATION -> {
        long features = value(GhcbField.RAX);
        String why = s.creator.serve(vcpu(), info1, info2, features);
        if (host.observer != null) {
          host.observer.createdProcessor(info1, info2, features, why);
        }
        if (!why.isEmpty()) {
          error(INVALID_INPUT);
        }
      }
      case ExitCode.HV_DOORBELL_PAGE -> {
        Long page = Objects.requireNonNull(host.restricted).request(vcpu(), info1, info2);
        if (page == null) {
          error(INVALID_INPUT);
        } else {
          reply(0, page);
        }
      }
      case ExitCode.HV_IPI -> {
        if (!SnpService.send(vcpu(), info1)) {
          error(INVALID_INPUT);
        }
      }
      case ExitCode.APIC_ID_LIST -> {
        long needed = s.apicIds(info1, value(GhcbField.RAX));
        if (needed < 0) {
          error(INVALID_INPUT);
        } else {
          answer.put(GhcbField.RAX, needed);
        }
      }
      case ExitCode.SNP_RUN_VMPL -> {
        if (!s.run(vcpu(), info1)) {
          error(INVALID_INPUT);
        }
      }
      default -> {
        boolean extended = code == ExitCode.SNP_EXTENDED_GUEST_REQUEST;
        long data = extended ? value(GhcbField.RAX) : 0;
        long pages = extended ? value(GhcbField.RBX) : 0;
        MessageService.Answer a = s.messages.serve(extended, info1, info2, data, pages);
        if (a.malformed()) {
          error(INVALID_INPUT);
        } else {
          reply(0, a.info2());
          if (extended) {
            answer.put(GhcbField.RBX, a.pages());
          }
        }
      }
    }
  }

  // ---- events

  private void cpuid() {
    HostVcpu v = vcpu();
    if (request.isValid(GhcbField.XCR0)) {
      v.guestXcr0 = request.get(GhcbField.XCR0);
    }
    if (request.isValid(GhcbField.XSS)) {
      v.guestXss = request.get(GhcbField.XSS);
    }
    CpuModel.Leaf l =
        cpuid.answer(
            v, (int) value(GhcbField.RAX), (int) value(GhcbField.RCX), v.guestXcr0, v.guestXss);
    answer.put(GhcbField.RAX, l.eax() & 0xFFFF_FFFFL);
    answer.put(GhcbField.RBX, l.ebx() & 0xFFFF_FFFFL);
    answer.put(GhcbField.RCX, l.ecx() & 0xFFFF_FFFFL);
    answer.put(GhcbField.RDX, l.edx() & 0xFFFF_FFFFL);
  }

  private void rdtsc(boolean withAux) {
    long t = Hypervisor.guestTsc(vcpu());
    answer.put(GhcbField.RAX, t & 0xFFFF_FFFFL);
    answer.put(GhcbField.RDX, t >>> 32);
    if (withAux) {
      // TSC_AUX is in the guest's encrypted state; vCPU numbers start at 0.
      answer.put(GhcbField.RCX, vcpu().id);
    }
  }

  /**
   * {@return which features a guest cannot be launched with, if that is why it terminates}
   *
   * @param reason set and code
   * @param status bits of SEV_STATUS that it names, 0 if it names none
   */
  private String featuresRefused(int reason, long status) {
    if (reason != Termination.SNP_FEATURES << 4 || host.mode != SevMode.SNP) {
      return "";
    }
    long launched = host.snp.features() & ~SevFeature.SNP_ACTIVE.mask;
    long named = status >>> SevFeature.IN_STATUS & launched;
    String names = SevFeature.names(named == 0 ? launched : named);
    return names.isEmpty()
        ? ""
        : (named == 0 ? "; SEV_FEATURES have " : "; it does not know ")
            + names
            + ", see --guest-features";
  }

  private void rdpmc() {
    OptionalLong count = vcpu().counters.counter((int) value(GhcbField.RCX), vcpu().cpu);
    if (count.isPresent()) {
      answer.put(GhcbField.RAX, count.getAsLong() & 0xFFFF_FFFFL);
      answer.put(GhcbField.RDX, count.getAsLong() >>> 32);
    } else if (!vcpu().level().injectable()) {
      // Nobody may inject it: the guest's handler raises it.
      reply(1, GP_EVENT);
    } else {
      // KVM queues the exception the ordinary way: the guest takes it right after VMGEXIT.
      host.interrupts.injectException(vcpu(), 13, true);
    }
  }

  private void msr(boolean write) {
    int n = (int) value(GhcbField.RCX);
    if (write) {
      if (!msrs.write(
          vcpu(), n, value(GhcbField.RDX) << 32 | value(GhcbField.RAX) & 0xFFFF_FFFFL)) {
        host.noSuchMsr(n, true);
        reply(1, GP_EVENT);
      }
      return;
    }
    OptionalLong v = msrs.read(vcpu(), n);
    if (v.isEmpty()) {
      host.noSuchMsr(n, false);
      reply(1, GP_EVENT);
    } else {
      answer.put(GhcbField.RAX, v.getAsLong() & 0xFFFF_FFFFL);
      answer.put(GhcbField.RDX, v.getAsLong() >>> 32);
    }
  }

  private void ioio(long info1, long count) {
    int bytes = (int) (info1 >> 4) & 7;
    int port = (int) (info1 >> 16) & 0xFFFF;
    boolean in = (info1 & 1) != 0;
    if (bytes == 0) {
      return;
    }
    if (Integer.bitCount(bytes) != 1) {
      error(INVALID_INPUT);
      return;
    }
    if ((info1 & 4) == 0) {
      if (in) {
        answer.put(GhcbField.RAX, host.access.readPort(vcpu(), port, bytes) & 0xFFFF_FFFFL);
      } else {
        host.access.writePort(vcpu(), port, bytes, (int) value(GhcbField.RAX));
      }
      return;
    }
    long scratch = value(GhcbField.SW_SCRATCH);
    if (count < 0
        || count > GhcbPage.SHARED_BUFFER_SIZE / bytes
        || !inBuffer(scratch, count * bytes)) {
      error(INVALID_SCRATCH);
      return;
    }
    int at = (int) (scratch - gpa);
    for (int i = 0; i < count; i++, at += bytes) {
      if (in) {
        memory.write(gpa + at, bytes, host.platform.ports.read(port, bytes));
      } else {
        host.platform.ports.write(port, bytes, (int) buffer(at, bytes));
      }
    }
  }

  private long buffer(int at, int bytes) {
    long v = 0;
    for (int i = bytes - 1; i >= 0; i--) {
      v = v << 8 | snapshot[at + i] & 0xFF;
    }
    return v;
  }

  /** Version 2 keeps scratch areas inside the shared buffer. */
  private boolean inBuffer(long scratch, long length) {
    // A distance may be any number of 64 bits: nothing is added to it before it is known to be
    // small.
    long from = scratch - gpa - GhcbPage.SHARED_BUFFER;
    return from >= 0
        && from <= GhcbPage.SHARED_BUFFER_SIZE
        && length <= GhcbPage.SHARED_BUFFER_SIZE - from;
  }

  private void mmio(long address, long length, boolean read) {
    if (length == 0) {
      return;
    }
    if (length < 0 || length > 8) {
      error(INVALID_INPUT);
      return;
    }
    long scratch = value(GhcbField.SW_SCRATCH);
    if (!inBuffer(scratch, length)) {
      error(INVALID_SCRATCH);
      return;
    }
    int n = (int) length;
    if (read) {
      long v = host.access.readMmio(vcpu(), address, n);
      for (int i = 0; i < n; i++) {
        memory.write(scratch + i, 1, v >>> 8 * i & 0xFF);
      }
    } else {
      host.access.writeMmio(vcpu(), address, n, buffer((int) (scratch - gpa), n));
    }
  }

  // ---- AP reset hold and AP jump table

  /** A SIPI arrived for a vCPU in AP reset hold. */
  void released(HostVcpu v) {
    if (v.state == HostVcpu.State.RESET_HOLD_MSR) {
      v.cpu.vmcb().set(Vmcb.GHCB_GPA, 1L << 12 | MsrRequest.AP_RESET_HOLD_RESP);
      return;
    }
    long page = v.holdGhcb;
    if (page != 0) {
      memory.write(page + GhcbField.SW_EXITINFO2.offset, 8, 1);
    }
  }

  /** Takes the AP jump table's address from firmware that has run. */
  void jumpTable(long address) {
    jumpTable = address;
  }

  // ---- MSR protocol

  private long msrProtocol(long msr) {
    switch (MsrRequest.info(msr)) {
      case MsrRequest.SEV_INFO_REQ -> {
        return MsrRequest.sevInfo(MAX_VERSION, MIN_VERSION, cBit);
      }
      case MsrRequest.CPUID_REQ -> {
        CpuModel.Leaf l =
            cpuid.answer(vcpu(), (int) (msr >>> 32), 0, vcpu().guestXcr0, vcpu().guestXss);
        int v = l.register((int) (msr >>> 30) & 3);
        return (long) v << 32 | msr & 0xFFFF_F000L | MsrRequest.CPUID_RESP;
      }
      case MsrRequest.AP_RESET_HOLD_REQ -> {
        vcpu().state = HostVcpu.State.RESET_HOLD_MSR;
        return MsrRequest.AP_RESET_HOLD_RESP;
      }
      case MsrRequest.PREFERRED_GHCB_REQ -> {
        return MsrRequest.NO_PREFERENCE;
      }
      case MsrRequest.REGISTER_GHCB_REQ -> {
        return SnpService.register(host, vcpu(), msr);
      }
      case MsrRequest.SNP_PAGE_STATE_REQ -> {
        SnpService s = snp;
        return s == null ? msr : s.change(msr);
      }
      case MsrRequest.RUN_VMPL_REQ -> {
        SnpService s = snp;
        return s == null
            ? msr
            : MsrRequest.result(MsrRequest.RUN_VMPL_RESP, s.run(vcpu(), msr >>> 32 & 0xFF) ? 0 : 1);
      }
      case MsrRequest.HV_FEATURES_REQ -> {
        return MsrRequest.features(snp == null ? 0 : snp.features);
      }
      case MsrRequest.TERM_REQ -> {
        host.end(
            Outcome.GUEST_TERMINATED,
            "guest asked for termination: "
                + Termination.explain((int) (msr >>> 12) & 15, (int) (msr >>> 16) & 0xFF)
                + featuresRefused((int) (msr >>> 12) & 0xFFF, 0));
        return msr;
      }
      default -> {
        // KVM leaves the MSR alone: the guest reads its own request back.
        return msr;
      }
    }
  }
}
