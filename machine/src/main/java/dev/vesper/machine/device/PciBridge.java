package dev.vesper.machine.device;

/**
 * A host or ISA bridge as far as software that sets it up can tell: identity, and registers of its
 * own that keep what is written.
 */
public final class PciBridge implements PciConfig {
  private final ConfigSpace config = new ConfigSpace();

  /**
   * @param id device and vendor as configuration word 0
   * @param classCode configuration word 8
   * @param multifunction other functions of the device exist
   */
  public PciBridge(int id, int classCode, boolean multifunction) {
    config.put(0, 4, id);
    config.put(8, 4, classCode);
    config.put(0x0E, 1, multifunction ? 0x80 : 0);
  }

  @Override
  public int read(int at, int bytes) {
    return config.get(at, bytes);
  }

  @Override
  public void write(int at, int bytes, int value) {
    if (at >= 0x40) {
      config.put(at, bytes, value);
    } else if (at == 4) {
      config.put(4, 1, value & 7);
    }
  }
}
