package dev.vesper.machine.device;

/** Byte-wide debug output ports: E9h of Bochs and 402h of OVMF. */
public final class DebugConsole implements PortDevice {
  private final Uart16550.Sink sink;

  public DebugConsole(Uart16550.Sink sink) {
    this.sink = sink;
  }

  @Override
  public int read(int port, int bytes) {
    // Both devices are found by reading this back.
    return 0xE9;
  }

  @Override
  public void write(int port, int bytes, int value) {
    sink.put(value & 0xFF);
  }
}
