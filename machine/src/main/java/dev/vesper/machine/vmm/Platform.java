package dev.vesper.machine.vmm;

import dev.vesper.machine.device.CmosRtc;
import dev.vesper.machine.device.DebugConsole;
import dev.vesper.machine.device.EmptyPci;
import dev.vesper.machine.device.Pic8259;
import dev.vesper.machine.device.Pit8254;
import dev.vesper.machine.device.PortBus;
import dev.vesper.machine.device.ResetPorts;
import dev.vesper.machine.device.Uart16550;
import java.util.function.LongSupplier;

/**
 * The devices of the minimal PC (spec: platform 3.1): 8259 pair, 8254, 16550 on IRQ 4, CMOS clock,
 * reset and debug ports, an empty PCI bus.
 */
public final class Platform {
  /** 2024-01-01 00:00:00 UTC: where the clock starts in every run. */
  private static final long START_SECONDS = 1_704_067_200L;

  final PortBus ports = new PortBus();
  final Pic8259 pic = new Pic8259();
  final Pit8254 pit;
  final Uart16550 com1;
  final ResetPorts reset = new ResetPorts();

  /**
   * @param clock virtual time in nanoseconds
   * @param console where COM1 writes
   * @param debug where ports E9h and 402h write
   */
  public Platform(
      LongSupplier clock, long memoryBytes, Uart16550.Sink console, Uart16550.Sink debug) {
    pit = new Pit8254(clock, pic);
    com1 = new Uart16550(0x3F8, 4, pic, console);
    ports.attach(pic, 0x20, 0x21);
    ports.attach(pic, 0xA0, 0xA1);
    ports.attach(pic, 0x4D0, 0x4D1);
    ports.attach(pit, 0x40, 0x43);
    ports.attach(pit, 0x61, 0x61);
    ports.attach(new CmosRtc(clock, START_SECONDS, memoryBytes), 0x70, 0x71);
    ports.attach(com1, 0x3F8, 0x3FF);
    ports.attach(reset, 0x60, 0x60);
    ports.attach(reset, 0x64, 0x64);
    ports.attach(reset, 0x92, 0x92);
    ports.attach(reset, 0xF4, 0xF4);
    DebugConsole d = new DebugConsole(debug);
    ports.attach(d, 0xE9, 0xE9);
    ports.attach(d, 0x402, 0x402);
    ports.attach(new EmptyPci(), 0xCF8, 0xCFF);
    ports.attach(reset, 0xCF9, 0xCF9);
  }
}
