package dev.vesper.machine.sev;

import dev.vesper.machine.cpu.Cpu;
import dev.vesper.machine.memory.Page;
import dev.vesper.machine.memory.PhysicalMemory;

/**
 * A vCPU of an SEV-ES guest. Its registers live in the encrypted VMSA page; nothing here gives them
 * to the host. The page carries an integrity value that the processor keeps: a page that the host
 * wrote to makes the next VMRUN fail.
 */
public final class EncryptedVcpu extends VirtualCpu {
  private final int key;
  private final int frame;
  private long integrity;
  private final Runnable writer = this::write;

  /** The page while its fields are read or written. */
  private final byte[] area = new byte[Page.SIZE];

  public EncryptedVcpu(Cpu cpu, PhysicalMemory memory, int key) {
    super(cpu, memory);
    this.key = key;
    frame = memory.allocateHostPage();
    vmcb().set(Vmcb.VMSA_PTR, (long) frame << 12);
    cpu.sevStatus = 3;
  }

  /** LAUNCH_UPDATE_VMSA: encrypts the page that the host prepared and seals it. */
  void launch(LaunchState state) {
    Page p = memory.page(frame, Page.SHARED);
    p.copyFrom(0, state.page, 0, Page.SIZE);
    memory.encryptInPlace(frame, key);
    integrity = checksum(state.page);
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

  @Override
  boolean enter() {
    Page p = memory.page(frame, key);
    if (p.takeBack()) {
      // Nobody has looked since the exit: the processor still has what it would read.
      cpu.modeChanged();
      return true;
    }
    p.copyTo(0, area, 0, Page.SIZE);
    if (checksum(area) != integrity || SaveArea.illegal(area)) {
      return false;
    }
    SaveArea.load(cpu, area);
    SaveArea.loadProtected(cpu, area);
    return true;
  }

  /**
   * The page is written when somebody looks at it, which hosts seldom do: most exits are followed
   * by a VMRUN that would read it all again.
   */
  @Override
  void leave() {
    memory.page(frame, key).promise(writer);
  }

  @Override
  boolean holds() {
    return memory.page(frame, key).isPromised();
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
    p.copyFrom(0, area, 0, Page.SIZE);
    integrity = checksum(area);
    SaveArea.resetFpu(cpu);
  }

  @Override
  void state(byte[] to) {
    memory.peek(frame, key, to);
  }
}
