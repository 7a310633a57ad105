package dev.vesper.machine.sev;

import static dev.vesper.machine.sev.VmsaField.CR0;
import static dev.vesper.machine.sev.VmsaField.CR4;
import static dev.vesper.machine.sev.VmsaField.CS;
import static dev.vesper.machine.sev.VmsaField.DR6;
import static dev.vesper.machine.sev.VmsaField.DR7;
import static dev.vesper.machine.sev.VmsaField.DS;
import static dev.vesper.machine.sev.VmsaField.EFER;
import static dev.vesper.machine.sev.VmsaField.ES;
import static dev.vesper.machine.sev.VmsaField.FS;
import static dev.vesper.machine.sev.VmsaField.GDTR;
import static dev.vesper.machine.sev.VmsaField.GS;
import static dev.vesper.machine.sev.VmsaField.G_PAT;
import static dev.vesper.machine.sev.VmsaField.IDTR;
import static dev.vesper.machine.sev.VmsaField.LDTR;
import static dev.vesper.machine.sev.VmsaField.MXCSR;
import static dev.vesper.machine.sev.VmsaField.RDX;
import static dev.vesper.machine.sev.VmsaField.RFLAGS;
import static dev.vesper.machine.sev.VmsaField.RIP;
import static dev.vesper.machine.sev.VmsaField.SS;
import static dev.vesper.machine.sev.VmsaField.TR;
import static dev.vesper.machine.sev.VmsaField.X87_FCW;
import static dev.vesper.machine.sev.VmsaField.XCR0;

import dev.vesper.machine.cpu.CpuState;
import dev.vesper.machine.memory.Page;
import dev.vesper.machine.spec.ResetState;

/**
 * Registers that a vCPU starts with, in save-area layout: what the host fills in before launch and
 * what is measured. Starts out as after RESET, with EFER.SVME set.
 */
public final class LaunchState {
  private static final VmsaField[] DATA = {ES, SS, DS, FS, GS};
  private static final int UNKNOWN_SIGNATURE = 0x600;
  private static final int MCE = 0x40;

  final byte[] page = new byte[Page.SIZE];

  public LaunchState() {
    for (VmsaField s : DATA) {
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
    set(MXCSR, 0x1F80);
    set(X87_FCW, 0x37F);
  }

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
      s.set(MXCSR, 0).set(X87_FCW, 0);
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

  /** Sets the attributes of a segment register. */
  LaunchState attributes(VmsaField segment, int attributes) {
    Page.SHORT.set(page, at(segment, VmsaField.ATTRIBUTES), (short) attributes);
    return this;
  }

  /** Sets the base of a segment register. */
  public LaunchState base(VmsaField segment, long base) {
    Page.LONG.set(page, at(segment, VmsaField.BASE), base);
    return this;
  }

  private static int at(VmsaField segment, int part) {
    assert segment.segment() : segment;
    return segment.offset + part;
  }

  /**
   * {@return the registers of a save area}
   *
   * @param area 4096 bytes
   */
  public static LaunchState of(byte[] area) {
    assert area.length == Page.SIZE : area.length;
    LaunchState s = new LaunchState();
    System.arraycopy(area, 0, s.page, 0, area.length);
    return s;
  }

  /** {@return the same registers, to be changed apart} */
  public LaunchState copy() {
    return of(page);
  }

  /** {@return the page as it is measured, 4096 bytes} */
  public byte[] bytes() {
    return page.clone();
  }

  /** Sets a segment or table register. */
  public LaunchState segment(
      VmsaField register, int selector, int attributes, long limit, long base) {
    Page.SHORT.set(page, at(register, VmsaField.SELECTOR), (short) selector);
    Page.INT.set(page, at(register, VmsaField.LIMIT), (int) limit);
    return attributes(register, attributes).base(register, base);
  }

  /** Sets a field of 1, 2, 4 or 8 bytes. */
  public LaunchState set(VmsaField field, long v) {
    switch (field.bytes) {
      case 1 -> page[field.offset] = (byte) v;
      case 2 -> Page.SHORT.set(page, field.offset, (short) v);
      case 4 -> Page.INT.set(page, field.offset, (int) v);
      case 8 -> Page.LONG.set(page, field.offset, v);
      default -> throw new IllegalArgumentException(field + " is not a number");
    }
    return this;
  }

  /** Sets flat segments: code with the given attributes, data 0xC93. */
  public LaunchState flat(int codeSelector, int codeAttributes, int dataSelector) {
    segment(CS, codeSelector, codeAttributes, 0xFFFF_FFFFL, 0);
    for (VmsaField s : DATA) {
      segment(s, dataSelector, 0xC93, 0xFFFF_FFFFL, 0);
    }
    return this;
  }
}
