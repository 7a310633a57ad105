package dev.vesper.machine.sev;

import dev.vesper.machine.cpu.CpuState;
import dev.vesper.machine.memory.Page;
import dev.vesper.machine.spec.ResetState;

/**
 * Registers that a vCPU starts with, in save-area layout: what the host fills in before launch and
 * what is measured. Starts out as after RESET, with EFER.SVME set.
 */
public final class LaunchState {
  public static final int ES = 0x000;
  public static final int CS = 0x010;
  public static final int SS = 0x020;
  public static final int DS = 0x030;
  public static final int FS = 0x040;
  public static final int GS = 0x050;
  public static final int GDTR = 0x060;
  public static final int LDTR = 0x070;
  public static final int IDTR = 0x080;
  public static final int TR = 0x090;
  public static final int EFER = 0x0D0;
  public static final int CR4 = 0x148;
  public static final int CR3 = 0x150;
  public static final int CR0 = 0x158;
  public static final int RFLAGS = 0x170;
  public static final int RIP = 0x178;
  public static final int DR7 = 0x160;
  public static final int DR6 = 0x168;
  public static final int G_PAT = 0x268;
  public static final int RDX = 0x310;
  public static final int XCR0 = SaveArea.XCR0;
  public static final int MXCSR = 0x408;
  public static final int FCW = 0x410;
  public static final int RSP = 0x1D8;
  public static final int RAX = 0x1F8;
  public static final int RBX = 0x318;
  public static final int RSI = 0x330;

  final byte[] page = new byte[Page.SIZE];

  public LaunchState() {
    for (int s : new int[] {ES, SS, DS, FS, GS}) {
      segment(s, 0, 0x93, 0xFFFF, 0);
    }
    segment(CS, 0xF000, 0x9B, 0xFFFF, 0xFFFF_0000L);
    segment(LDTR, 0, 0x82, 0xFFFF, 0);
    segment(TR, 0, 0x8B, 0xFFFF, 0);
    segment(GDTR, 0, 0, 0xFFFF, 0);
    segment(IDTR, 0, 0, 0xFFFF, 0);
    set(EFER, CpuState.EFER_SVME);
    set(CR0, 0x10);
    set(DR7, 0x400);
    set(DR6, 0xFFFF_0FF0L);
    set(RFLAGS, 2);
    set(RIP, 0xFFF0);
    set(G_PAT, 0x0007_0406_0007_0406L);
    set(XCR0, 1);
    fpu(0x1F80, 0x37F);
  }

  private static final int UNKNOWN_SIGNATURE = 0x600;
  private static final int MCE = 0x40;

  /**
   * {@return what a hypervisor gives the boot processor}
   *
   * @param signature CPUID Fn1 EAX, of which QEMU alone tells the guest
   */
  public static LaunchState atReset(ResetState hypervisor, int signature) {
    LaunchState s = new LaunchState().set(CR4, MCE);
    boolean qemu = hypervisor == ResetState.QEMU || hypervisor == ResetState.QEMU_INIT;
    s.set(RDX, qemu ? signature : UNKNOWN_SIGNATURE);
    if (hypervisor != ResetState.QEMU) {
      s.fpu(0, 0);
    }
    switch (hypervisor) {
      case EC2 -> s.attributes(CS, 0x9A).attributes(SS, 0x92).attributes(TR, 0x83);
      case GCE -> s.set(G_PAT, 0x0007_0106L);
      case QEMU, QEMU_INIT -> {
        // as after RESET
      }
    }
    return s;
  }

  /** {@return what a hypervisor gives an application processor, still at the reset vector} */
  public static LaunchState ofApAtReset(ResetState hypervisor, int signature) {
    LaunchState s = atReset(hypervisor, signature);
    return hypervisor == ResetState.EC2 ? s.attributes(CS, 0x9B) : s;
  }

  /** Sets the control words of SSE and x87. */
  LaunchState fpu(int mxcsr, int fcw) {
    Page.INT.set(page, MXCSR, mxcsr);
    Page.SHORT.set(page, FCW, (short) fcw);
    return this;
  }

  /** Sets the attributes of a segment register. */
  LaunchState attributes(int offset, int attributes) {
    Page.SHORT.set(page, offset + 2, (short) attributes);
    return this;
  }

  /** Sets the base of a segment register. */
  public LaunchState base(int offset, long base) {
    return set(offset + 8, base);
  }

  /** {@return the page as it is measured, 4096 bytes} */
  public byte[] bytes() {
    return page.clone();
  }

  /** Sets a segment or table register. */
  public LaunchState segment(int offset, int selector, int attributes, long limit, long base) {
    Page.SHORT.set(page, offset, (short) selector);
    Page.SHORT.set(page, offset + 2, (short) attributes);
    Page.INT.set(page, offset + 4, (int) limit);
    Page.LONG.set(page, offset + 8, base);
    return this;
  }

  /** Sets a 64-bit field. */
  public LaunchState set(int offset, long v) {
    Page.LONG.set(page, offset, v);
    return this;
  }

  /** Sets flat segments: code with the given attributes, data 0xC93. */
  public LaunchState flat(int codeSelector, int codeAttributes, int dataSelector) {
    segment(CS, codeSelector, codeAttributes, 0xFFFF_FFFFL, 0);
    for (int s : new int[] {ES, SS, DS, FS, GS}) {
      segment(s, dataSelector, 0xC93, 0xFFFF_FFFFL, 0);
    }
    return this;
  }
}
