package dev.vesper.machine.sev;

import dev.vesper.machine.memory.Page;

/**
 * The control area of a VMCB, in a page of the host's memory (AMD APM volume 2, appendix B; spec:
 * sev-es-architecture 5.1). The state save area of a plain guest follows at 0x400, in the layout of
 * {@link VmsaField}.
 */
public final class Vmcb {
  public static final int INTERCEPT_CR = 0x000;
  public static final int INTERCEPT_DR = 0x004;
  public static final int INTERCEPT_EXCEPTIONS = 0x008;
  public static final int INTERCEPT_VECTOR3 = 0x00C;
  public static final int INTERCEPT_VECTOR4 = 0x010;
  public static final int INTERCEPT_VECTOR5 = 0x014;
  public static final int IOPM_BASE = 0x040;
  public static final int MSRPM_BASE = 0x048;
  public static final int TSC_OFFSET = 0x050;
  public static final int ASID = 0x058;
  public static final int V_INTR = 0x060;
  public static final int INTERRUPT_SHADOW = 0x068;
  public static final int EXITCODE = 0x070;
  public static final int EXITINFO1 = 0x078;
  public static final int EXITINFO2 = 0x080;
  public static final int EXITINTINFO = 0x088;
  public static final int NESTED_CTL = 0x090;
  public static final int GHCB_GPA = 0x0A0;
  public static final int EVENTINJ = 0x0A8;
  public static final int N_CR3 = 0x0B0;
  public static final int VIRT_EXT = 0x0B8;
  public static final int CLEAN = 0x0C0;
  public static final int NRIP = 0x0C8;
  public static final int VMSA_PTR = 0x108;
  public static final int VMGEXIT_RAX = 0x110;
  public static final int VMGEXIT_CPL = 0x118;

  /** SEV_FEATURES that a guest may have, if bit 63 is set. */
  public static final int ALLOWED_SEV_FEATURES = 0x138;

  /** SEV_FEATURES that the guest had at the last exit. */
  public static final int GUEST_SEV_FEATURES = 0x140;

  /** Offset of the state save area. */
  public static final int SAVE_AREA = 0x400;

  /** V_IRQ in {@link #V_INTR}. */
  public static final long V_IRQ = 1L << 8;

  /** In {@link #V_INTR}: the guest's global interrupt flag is virtual, and AVIC is on. */
  public static final long V_GIF_ENABLE = 1L << 25;

  public static final long AVIC_ENABLE = 1L << 31;

  final Page page;

  Vmcb(Page page) {
    this.page = page;
  }

  /**
   * {@return the page, which has what the processor holds of the save area if that is asked for}
   */
  private Page holding(int offset) {
    if (offset >= SAVE_AREA) {
      page.keepPromise();
    }
    return page;
  }

  /** {@return a 64-bit field} */
  public long get(int offset) {
    return holding(offset).get64(offset);
  }

  /** Writes a 64-bit field. */
  public void set(int offset, long v) {
    holding(offset).put64(offset, v);
  }

  /** {@return a 64-bit field of the state save area} */
  public long saved(VmsaField field) {
    return get(SAVE_AREA + field.offset);
  }

  /** Writes a 64-bit field of the state save area. */
  public void save(VmsaField field, long v) {
    set(SAVE_AREA + field.offset, v);
  }

  /** {@return a 32-bit field} */
  public int getInt(int offset) {
    return holding(offset).get32(offset);
  }

  /** Writes a 32-bit field. */
  public void setInt(int offset, int v) {
    holding(offset).put32(offset, v);
  }

  /** {@return EXITCODE as the table's number} */
  public int exitCode() {
    return (int) get(EXITCODE);
  }

  /** {@return the guest's RFLAGS.IF, which an exit of an SEV-ES guest leaves in 068 bit 1} */
  public boolean interruptsEnabled() {
    return (get(INTERRUPT_SHADOW) & 2) != 0;
  }

  /** {@return whether the guest is in an interrupt shadow} */
  public boolean interruptShadow() {
    return (get(INTERRUPT_SHADOW) & 1) != 0;
  }
}
