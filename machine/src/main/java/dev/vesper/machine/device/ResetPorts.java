package dev.vesper.machine.device;

/**
 * Ports by which a guest ends a run: the keyboard controller's reset pulse (64h), the reset control
 * register (CF9h), fast A20 and reset (92h), and the debug exit (F4h).
 */
public final class ResetPorts implements PortDevice {
  private boolean resetRequested;
  private boolean off;
  private boolean asleep;
  private int exitValue = -1;
  private int port92 = 2;
  private int cf9;

  /** {@return whether the guest asked for a reset} */
  public boolean resetRequested() {
    return resetRequested;
  }

  /** The guest resets itself some other way. */
  public void request() {
    resetRequested = true;
  }

  /** The guest enters soft off. */
  public void powerOff() {
    off = true;
  }

  /** The guest suspends to RAM. */
  public void sleep() {
    asleep = true;
  }

  /** {@return whether the guest sleeps} */
  public boolean asleep() {
    return asleep;
  }

  /** {@return whether the guest has powered itself off} */
  public boolean poweredOff() {
    return off;
  }

  /** {@return the value written to the debug exit, or -1} */
  public int exitValue() {
    return exitValue;
  }

  @Override
  public int read(int port, int bytes) {
    return switch (port) {
      case 0x92 -> port92;
      case 0xCF9 -> cf9;
      default -> -1;
    };
  }

  @Override
  public void write(int port, int bytes, int value) {
    switch (port) {
      case 0x64 -> resetRequested |= (value & 0xF1) == 0xF0 && (value & 1) == 0;
      case 0x92 -> {
        port92 = value & 2;
        resetRequested |= (value & 1) != 0;
      }
      case 0xCF9 -> {
        cf9 = value & 0x0A;
        resetRequested |= (value & 4) != 0;
      }
      case 0xF4 -> exitValue = value & 0xFF;
      default -> {
        // 60h swallows writes
      }
    }
  }
}
