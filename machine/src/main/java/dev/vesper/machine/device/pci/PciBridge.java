package dev.vesper.machine.device.pci;

import org.jspecify.annotations.Nullable;

/**
 * A host or ISA bridge as far as software that sets it up can tell: identity, registers of its own
 * that keep what is written, and where there is a router, those that route interrupts.
 */
public final class PciBridge implements PciConfig {
  private final ConfigSpace config = new ConfigSpace();
  private final @Nullable PirqRouter router;
  private final int routes;
  private Listener listener = at -> {};

  /** Told when software has written registers. */
  public interface Listener {
    /**
     * A register was written.
     *
     * @param at its offset
     */
    void written(int at);
  }

  /**
   * @param id device and vendor as configuration word 0
   * @param classCode configuration word 8
   * @param multifunction other functions of the device exist
   */
  public PciBridge(int id, int classCode, boolean multifunction) {
    this(id, classCode, multifunction, null, 0);
  }

  /**
   * @param router whose routes are registers
   * @param routes offset of the four registers
   */
  public PciBridge(
      int id, int classCode, boolean multifunction, @Nullable PirqRouter router, int routes) {
    this.router = router;
    this.routes = routes;
    config.put(0, 4, id);
    config.put(4, 2, 7);
    config.put(6, 2, 0x0200);
    config.put(8, 4, classCode);
    config.put(0x0E, 1, multifunction ? 0x80 : 0);
    config.allowAll(0x40, 0xC0);
    config.allow(4, 1, 7);
  }

  /** Gives a register of its own a value after reset and the bits that software may change. */
  void register(int at, int bytes, int reset, int writable) {
    config.put(at, bytes, reset);
    config.allow(at, bytes, writable);
  }

  /** Calls back when software has written registers of its own. */
  public void onWrite(Listener l) {
    listener = l;
  }

  @Override
  public int readConfig(int at, int bytes) {
    PirqRouter r = router;
    if (r != null && at <= routes + 3 && at + bytes > routes) {
      for (int i = 0; i < 4; i++) {
        config.put(routes + i, 1, r.route(i));
      }
    }
    return config.get(at, bytes);
  }

  @Override
  public void writeConfig(int at, int bytes, int value) {
    config.write(at, bytes, value);
    PirqRouter r = router;
    if (r != null) {
      for (int i = 0; i < 4; i++) {
        if (routes + i >= at && routes + i < at + bytes) {
          r.route(i, config.get(routes + i, 1));
        }
      }
    }
    if (at >= 0x40) {
      listener.written(at);
    }
  }
}
