package dev.vesper.machine.sev;

import dev.vesper.ghcb.ExitCode;
import dev.vesper.machine.cpu.Cpu;
import dev.vesper.machine.cpu.QueuedEvents;
import dev.vesper.machine.launch.SevFeature;
import dev.vesper.machine.memory.Page;
import dev.vesper.machine.memory.PhysicalMemory;
import dev.vesper.machine.memory.Rmp;
import dev.vesper.machine.memory.RmpEntry;
import dev.vesper.machine.memory.RmpResult;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/**
 * A vCPU of an SEV-ES guest. Its registers live in the encrypted VMSA page; nothing here gives them
 * to the host. The page carries an integrity value that the processor keeps: a page that the host
 * wrote to makes the next VMRUN fail. With SEV-SNP the reverse map table keeps the host from
 * writing there, and the page may be one that the guest has made.
 */
public final class EncryptedVcpu extends VirtualCpu {
  /** Guest physical address that the save areas have which are launched. */
  public static final long LAUNCHED_AT = 0xFFFF_FFFF_F000L;

  private final int key;
  private int frame;
  private long integrity;

  /** The key's number when the page was sealed: by another the processor would read other bytes. */
  private int asid;

  private final Runnable writer = this::write;

  /** Features that the guest runs with, which VMRUN has judged. */
  private long features;

  /** The page while its fields are read or written. */
  private final transient byte[] area = new byte[Page.SIZE];

  public EncryptedVcpu(Cpu cpu, PhysicalMemory memory, int key) {
    super(cpu, memory);
    this.key = key;
    frame = memory.allocateHostPage();
    vmcb().set(Vmcb.VMSA_PTR, (long) frame << 12);
    cpu.sevStatus = 3;
  }

  /**
   * LAUNCH_UPDATE_VMSA, or LAUNCH_UPDATE of a save area: encrypts the page that the host prepared
   * and seals it, by its integrity value or by the reverse map table.
   */
  void launch(LaunchState state) {
    Page p = memory.page(frame, Page.SHARED);
    p.copyFrom(0, state.page, 0, Page.SIZE);
    Rmp rmp = memory.rmp();
    if (rmp != null && SevFeature.SNP_ACTIVE.in(SaveArea.features(state.page))) {
      long address = (long) frame << 12;
      RmpEntry e = RmpEntry.guest(LAUNCHED_AT, (int) vmcb().get(Vmcb.ASID)).forFirmware();
      RmpResult r = rmp.update(address, e);
      assert r == RmpResult.SUCCESS : r;
      rmp.launch(address, 0, true);
    } else {
      memory.encryptInPlace(frame, key);
    }
    integrity = checksum(state.page);
    asid = (int) vmcb().get(Vmcb.ASID);
  }

  /** Four sums side by side: each step of one waits for its multiplication. */
  private static long checksum(byte[] d) {
    long a = 0x9E37_79B9_7F4A_7C15L;
    long b = a + 1;
    long c = a + 2;
    long e = a + 3;
    for (int i = 0; i < Page.SIZE; i += 32) {
      a = mix(a, (long) Page.LONG.get(d, i));
      b = mix(b, (long) Page.LONG.get(d, i + 8));
      c = mix(c, (long) Page.LONG.get(d, i + 16));
      e = mix(e, (long) Page.LONG.get(d, i + 24));
    }
    return mix(mix(mix(a, b), c), e);
  }

  private static long mix(long sum, long word) {
    long h = (sum ^ word) * 0xBF58_476D_1CE4_E5B9L;
    return h ^ h >>> 29;
  }

  private static boolean isSnp(long features) {
    return SevFeature.SNP_ACTIVE.in(features);
  }

  /** Takes the save area that the VMCB names, which hosts of guests with SEV-SNP exchange. */
  private boolean takeArea(Rmp rmp) {
    long named = vmcb().get(Vmcb.VMSA_PTR) >>> 12;
    if (named >= memory.totalPages()) {
      return false;
    }
    if (named != frame) {
      memory.page(frame, memory.domain(frame)).keepPromise();
      frame = (int) named;
    }
    // What the host shares is no save area, and is not to be garbled by looking at it as one.
    return !rmp.hypervisorOwns(frame) || memory.domain(frame) == key;
  }

  @Override
  int enter() {
    Rmp rmp = memory.rmp();
    if (rmp != null && !takeArea(rmp)) {
      return ExitCode.INVALID;
    }
    Page p = memory.page(frame, key);
    if (p.isPromised()
        && !SevFeature.ALTERNATE_INJECTION.in(features)
        && (rmp == null || entryFits(rmp, features))
        && (isSnp(features) || sealed())
        && eventFits()) {
      // Nobody has looked since the exit: the processor still has what it would read.
      p.takeBack();
      cpu.modeChanged();
      return ENTERED;
    }
    p.keepPromise();
    p.copyTo(0, area, 0, Page.SIZE);
    long f = SaveArea.features(area);
    if (!isSnp(f) && (checksum(area) != integrity || !sealed()) || !controlsFit(rmp, f)) {
      return ExitCode.INVALID;
    }
    features = f;
    boolean alternate = SevFeature.ALTERNATE_INJECTION.in(f);
    boolean busy = alternate && (SaveArea.interruptControl(area) & QueuedEvents.BUSY) != 0;
    if (SaveArea.illegal(area) || !eventFits()) {
      return ExitCode.INVALID;
    }
    boolean snp = isSnp(f);
    boolean gif = (vmcb().get(Vmcb.V_INTR) & Vmcb.V_GIF_ENABLE) != 0;
    cpu.queue(alternate ? QueuedEvents.of(SaveArea.interruptControl(area), gif) : null);
    cpu.intercepts.x2Apic = alternate;
    cpu.sevStatus = 3 | f << SevFeature.IN_STATUS;
    cpu.intercepts.snp = snp;
    cpu.intercepts.reflectVc = SevFeature.REFLECT_VC.in(f);
    cpu.configureSnp(
        snp,
        rmp == null ? 0 : (int) vmcb().get(Vmcb.ASID),
        snp ? SaveArea.level(area) : 0,
        SevFeature.VTOM.in(f) ? SaveArea.virtualTop(area) : Cpu.NO_VTOM);
    cpu.secureTsc = SevFeature.SECURE_TSC.in(f) ? SaveArea.secureTsc(area) : null;
    SaveArea.load(cpu, area);
    SaveArea.loadProtected(cpu, area);
    if (SevFeature.DEBUG_SWAP.in(f)) {
      SaveArea.loadDebug(cpu, area);
    }
    // An observer sees the registers all the same.
    return busy ? ExitCode.BUSY : ENTERED;
  }

  /** {@return whether the host asks for the key that the page is sealed with} */
  private boolean sealed() {
    return (int) vmcb().get(Vmcb.ASID) == asid;
  }

  /** {@return whether VMRUN takes the features and the level that the save area has} */
  private boolean controlsFit(@Nullable Rmp rmp, long f) {
    long allowed = vmcb().get(Vmcb.ALLOWED_SEV_FEATURES);
    boolean snp = isSnp(f);
    return f == 0
        || SevFeature.accepts(f)
            && (allowed >= 0 || (f & ~allowed) == 0)
            && (!snp || rmp != null && SaveArea.level(area) < RmpEntry.LEVELS)
            && (!SevFeature.VTOM.in(f) || (SaveArea.virtualTop(area) & Cpu.VTOM_RESERVED) == 0)
            && (rmp == null || entryFits(rmp, f));
  }

  /** {@return whether the save area's page is what VMRUN wants it to be} */
  private boolean entryFits(Rmp rmp, long f) {
    if (!isSnp(f)) {
      return rmp.hypervisorOwns(frame);
    }
    long gpa = frame >= memory.firstHostPage() ? LAUNCHED_AT : (long) frame << 12;
    return rmp.isSaveArea(frame, (int) vmcb().get(Vmcb.ASID), gpa);
  }

  /**
   * {@return whether what is injected may be} With RestrictedInjection the host may inject #HV
   * alone; with AlternateInjection nothing it has is looked at, but what the save area has.
   */
  private boolean eventFits() {
    long event = vmcb().get(Vmcb.EVENTINJ);
    long interrupts = vmcb().get(Vmcb.V_INTR);
    if (SevFeature.ALTERNATE_INJECTION.in(features)) {
      return (interrupts & Vmcb.AVIC_ENABLE) == 0 && eventLegal(SaveArea.event(area), true);
    }
    if (SevFeature.RESTRICTED_INJECTION.in(features)) {
      boolean hv = (event & 0xFFFL) == (Cpu.EXCEPTION << 8 | Cpu.HV);
      return ((event & 1L << 31) == 0 || hv) && (interrupts & (Vmcb.V_IRQ | Vmcb.AVIC_ENABLE)) == 0;
    }
    return eventLegal(event, true);
  }

  @Override
  long takeEvent() {
    long event = super.takeEvent();
    return SevFeature.ALTERNATE_INJECTION.in(features) ? SaveArea.event(area) : event;
  }

  @Override
  void use(boolean on) {
    Rmp rmp = memory.rmp();
    if (rmp != null) {
      rmp.use(frame, on);
      rmp.use(vmcbFrame, on);
    }
  }

  @Override
  void staleArea(Map<Integer, Integer> to) {
    if (frame >= memory.firstHostPage()) {
      to.put(frame, 0);
    }
  }

  /**
   * The page is written when somebody looks at it, which hosts seldom do: most exits are followed
   * by a VMRUN that would read it all again. A guest looks without asking.
   */
  @Override
  void leave() {
    if (frame >= memory.firstHostPage()) {
      memory.page(frame, key).promise(writer);
    } else {
      write();
    }
  }

  @Override
  boolean holds() {
    return nextFrame() == frame && memory.page(frame, key).isPromised();
  }

  @Override
  void settle() {
    memory.page(frame, key).keepPromise();
  }

  private void write() {
    Page p = memory.page(frame, key);
    p.copyTo(0, area, 0, Page.SIZE);
    SaveArea.store(cpu, area);
    SaveArea.storeProtected(cpu, area);
    storeMore(area);
    p.copyFrom(0, area, 0, Page.SIZE);
    integrity = isSnp(features) ? 0 : checksum(area);
    SaveArea.resetFpu(cpu);
  }

  @Override
  void storeMore(byte[] d) {
    if (SevFeature.DEBUG_SWAP.in(features)) {
      SaveArea.storeDebug(cpu, d);
    }
    if (SevFeature.VTOM.in(features)) {
      SaveArea.storeVirtualTop(d, cpu.virtualTop());
    }
    if (isSnp(features)) {
      SaveArea.storeExit(cpu, d);
    }
    QueuedEvents q = cpu.queued();
    if (q != null) {
      SaveArea.storeQueue(cpu, q, d);
    }
  }

  @Override
  void tell(int code) {
    if (features == 0) {
      return;
    }
    vmcb().set(Vmcb.GUEST_SEV_FEATURES, features);
    if (code == ExitCode.VMGEXIT && SevFeature.VMGEXIT_PARAMETER.in(features)) {
      vmcb().set(Vmcb.VMGEXIT_RAX, cpu.r[0]);
      vmcb().set(Vmcb.VMGEXIT_CPL, cpu.cpl);
    }
  }

  /** Of the area that the next VMRUN takes, whoever has looked at it before. */
  @Override
  void state(byte[] to) {
    memory.peek(nextFrame(), key, to);
  }

  /** {@return the page of the area that is in use, or that the next VMRUN takes} */
  private int nextFrame() {
    long named = vmcb().get(Vmcb.VMSA_PTR) >>> 12;
    boolean given = memory.rmp() != null && !inside() && named < memory.totalPages();
    return given ? (int) named : frame;
  }
}
