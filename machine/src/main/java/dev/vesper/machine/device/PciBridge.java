package dev.vesper.machine.device;

/**
 * A host or ISA bridge as far as software that sets it up can tell: identity, and registers of its
 * own that keep what is written.
 */
public final class PciBridge implements PciConfig {
  private final byte[] config = new byte[256];

  /**
   * @param id device and vendor as configuration word 0
   * @param classCode configuration word 8
   * @param multifunction other functions of the device exist
   */
  public PciBridge(int id, int classCode, boolean multifunction) {
    put(0, 4, id);
    put(8, 4, classCode);
    put(0x0E, 1, multifunction ? 0x80 : 0);
  }

  private void put(int at, int bytes, int v) {
    for (int i = 0; i < bytes; i++) {
      config[at + i] = (byte) (v >> 8 * i);
    }
  }

  @Override
  public int read(int at, int bytes) {
    int v = 0;
    for (int i = bytes - 1; i >= 0; i--) {
      v = v << 8 | config[at + i] & 0xFF;
    }
    return v;
  }

  @Override
  public void write(int at, int bytes, int value) {
    if (at >= 0x40) {
      put(at, bytes, value);
    } else if (at == 4) {
      put(4, 1, value & 7);
    }
  }
}
