package dev.vesper.machine.cpu;

/**
 * Events that a more privileged level of a guest under SEV-SNP has queued in the save area of one
 * with AlternateInjection, in place of what the host has in its VMCB (AMD APM volume 2, 15.36.16;
 * spec: snp 2). VINTR_CTRL: the task priority in bits 7:0, 8 V_IRQ, 9 V_GIF, 10 the interrupt
 * shadow, 11 V_NMI, 12 its mask, 19:16 the priority of V_IRQ, 20 ignores the task priority, 26
 * enables V_NMI, 39:32 the vector, 63 BUSY.
 */
public final class QueuedEvents {
  public static final long V_IRQ = 1L << 8;
  public static final long V_GIF = 1L << 9;
  public static final long INTERRUPT_SHADOW = 1L << 10;
  public static final long V_NMI = 1L << 11;
  public static final long V_NMI_MASK = 1L << 12;
  public static final long V_IGNORES_PRIORITY = 1L << 20;
  public static final long V_NMI_ENABLED = 1L << 26;
  public static final long BUSY = 1L << 63;

  private static final int PRIORITY = 16;
  private static final int VECTOR = 32;
  private static final long TASK_PRIORITY = 15;

  private long control;
  private boolean open;

  private QueuedEvents() {}

  /**
   * {@return what a save area has}
   *
   * @param control VINTR_CTRL
   * @param virtualGif V_GIF means something, as the host has said
   */
  public static QueuedEvents of(long control, boolean virtualGif) {
    QueuedEvents q = new QueuedEvents();
    q.control = control;
    q.open = !virtualGif || (control & V_GIF) != 0;
    return q;
  }

  /** {@return the task priority, which is CR8} */
  public long taskPriority() {
    return control & TASK_PRIORITY;
  }

  /** {@return whether the guest begins in an interrupt shadow} */
  public boolean shadowed() {
    return (control & INTERRUPT_SHADOW) != 0;
  }

  /** {@return whether NMIs are virtual} */
  public boolean hasNmis() {
    return (control & V_NMI_ENABLED) != 0;
  }

  /** {@return whether the guest begins in the handler of an NMI, of those that are virtual} */
  public boolean nmiMasked() {
    return hasNmis() && (control & V_NMI_MASK) != 0;
  }

  /** {@return whether there is anything that the guest may take, now or later} */
  boolean waits() {
    return (control & V_IRQ) != 0 || hasNmis() && (control & V_NMI) != 0;
  }

  /** {@return whether an NMI can be taken, but for what holds up NMIs} */
  boolean nmiDue() {
    return open && hasNmis() && (control & V_NMI) != 0;
  }

  /** {@return whether an interrupt can be taken at a task priority, but for what holds it up} */
  boolean interruptDue(long taskPriority) {
    boolean above =
        (control & V_IGNORES_PRIORITY) != 0 || (control >>> PRIORITY & 15) > taskPriority;
    return open && (control & V_IRQ) != 0 && above;
  }

  /** The NMI is taken. */
  void takeNmi() {
    control &= ~V_NMI;
  }

  /** The interrupt is taken; {@return its vector} */
  int takeInterrupt() {
    control &= ~V_IRQ;
    return (int) (control >>> VECTOR) & 0xFF;
  }

  /**
   * {@return VINTR_CTRL as an exit leaves it}
   *
   * @param before what the save area has; of that nothing else changes
   */
  public long store(long before, long taskPriority, boolean shadow, boolean nmiBlocked) {
    long kept = 0xFF | V_IRQ | V_NMI | INTERRUPT_SHADOW | (hasNmis() ? V_NMI_MASK : 0);
    return before & ~kept
        | taskPriority
        | control & (V_IRQ | V_NMI)
        | (shadow ? INTERRUPT_SHADOW : 0)
        | (hasNmis() && nmiBlocked ? V_NMI_MASK : 0);
  }
}
