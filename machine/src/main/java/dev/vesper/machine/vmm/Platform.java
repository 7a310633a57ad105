package dev.vesper.machine.vmm;

import dev.vesper.machine.device.AcpiPm;
import dev.vesper.machine.device.CmosRtc;
import dev.vesper.machine.device.DebugConsole;
import dev.vesper.machine.device.DeviceWork;
import dev.vesper.machine.device.FwCfg;
import dev.vesper.machine.device.I8042;
import dev.vesper.machine.device.InterruptLines;
import dev.vesper.machine.device.InterruptMessages;
import dev.vesper.machine.device.IoApic;
import dev.vesper.machine.device.MmioBus;
import dev.vesper.machine.device.Ns8250;
import dev.vesper.machine.device.Pic8259;
import dev.vesper.machine.device.Pit8254;
import dev.vesper.machine.device.PortBus;
import dev.vesper.machine.device.ResetPorts;
import dev.vesper.machine.device.SerialPort;
import dev.vesper.machine.device.Timed;
import dev.vesper.machine.device.Uart16550;
import dev.vesper.machine.device.display.Vga;
import dev.vesper.machine.device.net.Network;
import dev.vesper.machine.device.pci.PciBus;
import dev.vesper.machine.memory.HostView;
import dev.vesper.machine.spec.BootOptions;
import dev.vesper.machine.spec.Hardware;
import java.util.ArrayList;
import java.util.List;
import java.util.function.LongSupplier;
import org.jspecify.annotations.Nullable;

/**
 * The devices of a machine: what every board has, and what a board added to it. Ports E9h, 402h and
 * F4h are Vesper's own on every board: debug console and debug exit.
 */
public final class Platform {
  /**
   * What devices are made of.
   *
   * @param clock virtual time in nanoseconds
   * @param messages takes interrupt messages
   * @param memory what devices see of guest memory
   * @param encrypted the guest's memory is encrypted
   * @param processors how many vCPUs there are
   * @param console where COM1 writes
   * @param debug where ports E9h and 402h write
   * @param virtioConsole where a virtio console writes
   * @param hardware what hangs on the board
   * @param board which board, never {@link Hardware.Board#AUTO}
   * @param mmio what nested paging says about the guest's pages
   * @param seed decides what a virtio entropy device gives
   * @param apJumpTable address of the AP jump table that firmware has published, or 0
   * @param firmware what runs at reset, or null for a kernel that is entered directly
   */
  public record Parts(
      LongSupplier clock,
      InterruptMessages messages,
      HostView memory,
      boolean encrypted,
      int processors,
      Uart16550.Sink console,
      Uart16550.Sink debug,
      Uart16550.Sink virtioConsole,
      Hardware hardware,
      Hardware.Board board,
      MmioMap mmio,
      long seed,
      long apJumpTable,
      @Nullable PlacedFirmware firmware) {}

  /**
   * Firmware in a ROM, with variables in a flash before it, and what it is told.
   *
   * @param base guest physical address of both
   * @param bytes length of both
   * @param variables length of the flash, or 0
   * @param writable it is memory like any other, as what an IGVM file puts there is
   * @param kernel a kernel that firmware boots by itself, or null
   * @param initrd its initial RAM disk, or null
   * @param commandLine its command line
   */
  public record PlacedFirmware(
      long base,
      int bytes,
      int variables,
      boolean writable,
      byte @Nullable [] kernel,
      byte @Nullable [] initrd,
      String commandLine) {}

  /** How much the devices do in one go. */
  final DeviceWork work = new DeviceWork();

  final PortBus ports = new PortBus();
  final MmioBus mmio = new MmioBus();
  final Pic8259 pic = new Pic8259();

  /** Where ISA devices drive their interrupts. */
  final InterruptLines lines;

  final @Nullable IoApic ioApic;
  final Pit8254 pit;
  final CmosRtc rtc;
  private final long startSeconds;
  final SerialPort com1;
  final ResetPorts reset = new ResetPorts();
  private final List<Timed> timers = new ArrayList<>();
  private final List<Network> live = new ArrayList<>();
  private final long apJumpTable;
  private final boolean firmware;
  private @Nullable AcpiPm power;
  private @Nullable FwCfg configuration;

  private transient @Nullable BootOptions boot;
  private long spoke;
  @Nullable Vga screen;
  @Nullable I8042 keyboard;
  @Nullable PciBus pci;

  /**
   * What every board has.
   *
   * @param apic an I/O APIC beside the 8259 pair, or null
   * @param timer where 8254 and clock drive their interrupts
   */
  Platform(Parts p, @Nullable IoApic apic, @Nullable InterruptLines timer) {
    this(p, apic, timer, true);
  }

  /**
   * What every board has.
   *
   * @param apic an I/O APIC beside the 8259 pair, or null
   * @param timer where the 8254 drives its interrupt
   * @param fifo COM1 is a 16550A, else vmd's 8250
   */
  Platform(Parts p, @Nullable IoApic apic, @Nullable InterruptLines timer, boolean fifo) {
    ioApic = apic;
    lines =
        apic == null
            ? pic
            : (n, on) -> {
              pic.line(n, on);
              apic.line(n, on);
            };
    InterruptLines own = timer == null ? lines : timer;
    pit = new Pit8254(p.clock, own);
    timers.add(pit);
    startSeconds = p.hardware.startSeconds();
    rtc = new CmosRtc(p.clock, own, startSeconds, p.memory.ram());
    timers.add(rtc);
    Uart16550.Sink console =
        b -> {
          spoke = p.clock.getAsLong();
          p.console.put(b);
        };
    if (fifo) {
      com1 = new Uart16550(0x3F8, 4, lines, console);
    } else {
      Ns8250 plain = new Ns8250(0x3F8, 4, lines, console, p.clock);
      timers.add(plain);
      com1 = plain;
    }
    apJumpTable = p.apJumpTable;
    firmware = p.firmware != null;
    ports.attach(pic, 0x20, 0x21);
    ports.attach(pic, 0xA0, 0xA1);
    ports.attach(pic, 0x4D0, 0x4D1);
    ports.attach(pit, 0x40, 0x43);
    ports.attach(pit, 0x61, 0x61);
    ports.attach(rtc, 0x70, 0x71);
    ports.attach(com1, 0x3F8, 0x3FF);
    ports.attach(reset, 0xF4, 0xF4);
    DebugConsole d = new DebugConsole(p.debug);
    ports.attach(d, 0xE9, 0xE9);
    ports.attach(d, 0x402, 0x402);
  }

  /**
   * The minimal PC of the kvm profile (spec: platform 3.1): 8259 pair, 8254, 16550 on IRQ 4, CMOS
   * clock, keyboard controller reset, an empty PCI bus.
   */
  static Platform minimal(Parts p) {
    Platform m = new Platform(p, null, null);
    m.ports.attach(m.reset, 0x60, 0x60);
    m.ports.attach(m.reset, 0x64, 0x64);
    m.ports.attach(m.reset, 0x92, 0x92);
    PciBus bus = new PciBus(m.ports, m.mmio, p.messages);
    m.pci = bus;
    m.ports.attach(bus, 0xCF8, 0xCFF);
    m.ports.attach(m.reset, 0xCF9, 0xCF9);
    return m;
  }

  /**
   * Programs what a BIOS does before it starts a kernel: interrupts 8h and 70h up for the 8259
   * pair, of which timer, keyboard, clock and mouse may come, and 18.2 ticks a second.
   */
  void afterBios() {
    int[][] writes = {
      {0x20, 0x11},
      {0x21, 0x08},
      {0x21, 0x04},
      {0x21, 0x01},
      {0xA0, 0x11},
      {0xA1, 0x70},
      {0xA1, 0x02},
      {0xA1, 0x01},
      {0x21, 0xB8},
      {0xA1, 0x8E},
      {0x43, 0x34},
      {0x40, 0},
      {0x40, 0}
    };
    for (int[] w : writes) {
      ports.write(w[0], 1, w[1]);
    }
  }

  /** Tells which device has the files that firmware reads. */
  void firmwareConfiguration(FwCfg device) {
    configuration = device;
  }

  /** Replaces bytes of such a file; {@return whether there is one, with these bytes} */
  boolean replaceFile(String name, int offset, byte[] bytes) {
    FwCfg c = configuration;
    return c != null && c.replace(name, offset, bytes);
  }

  /** {@return virtual time at which COM1 has written last, or 0} */
  long spoke() {
    return spoke;
  }

  /** {@return date and time at virtual time 0, in seconds since 1970} */
  long startSeconds() {
    return startSeconds;
  }

  /** Tells where ACPI's registers are. */
  void power(AcpiPm pm) {
    power = pm;
    timers.add(pm);
    rtc.onAlarm(pm::alarm);
  }

  /** {@return what wakes the machine when it sleeps, or null if it never does} */
  @Nullable AcpiPm power() {
    return power;
  }

  /** {@return when something may happen that wakes a sleeping machine, or {@link Timed#NEVER}} */
  long nextWakeEvent() {
    AcpiPm pm = power;
    return Math.min(rtc.nextEvent(), pm == null ? Timed.NEVER : pm.nextEvent());
  }

  /** Takes over what has its own battery. */
  void resetFrom(Platform before) {
    rtc.resetFrom(before.rtc);
    BootOptions b = boot;
    if (b != null) {
      rtc.bootOrder(b.cmos(false));
    }
  }

  /** Tells the BIOS in what order it boots. */
  void boots(BootOptions b) {
    boot = b;
    rtc.bootOrder(b.cmos(true));
  }

  /** Takes over what has its own battery, and what woke the machine. */
  void wokenFrom(Platform before) {
    resetFrom(before);
    rtc.sayThatItWakes();
    AcpiPm now = power;
    AcpiPm then = before.power;
    if (now != null && then != null) {
      now.wokenBy(then);
    }
  }

  /** {@return the port of ACPI's timer, or -1} */
  int timerPort() {
    AcpiPm pm = power;
    return pm == null || pm.base() == 0 ? -1 : pm.base() + AcpiPm.TIMER;
  }

  /** Adds a device with events of its own. */
  void timed(Timed t) {
    timers.add(t);
  }

  /** Adds an adapter, which has the events of the network that it is plugged into. */
  void network(Timed adapter, Network n) {
    timed(adapter);
    if (n.live()) {
      live.add(n);
    }
  }

  /** {@return networks on which somebody outside may wake the guest} */
  List<Network> live() {
    return live;
  }

  /** {@return when the next event of a device is due, or {@link Timed#NEVER}} */
  long nextEvent() {
    long next = Timed.NEVER;
    for (int i = 0; i < timers.size(); i++) {
      next = Math.min(next, timers.get(i).nextEvent());
    }
    return next;
  }

  /** {@return the same without those that somebody outside has a part in} */
  long nextOwnEvent() {
    long next = Timed.NEVER;
    for (Timed t : timers) {
      next = Math.min(next, t.nextOwnEvent());
    }
    return next;
  }

  /** Lets devices do what is due. */
  void advance(long now) {
    for (int i = 0; i < timers.size(); i++) {
      timers.get(i).advance(now);
    }
  }

  /** {@return whether firmware runs at reset, and not as if it had run before} */
  boolean hasFirmware() {
    return firmware;
  }

  /** {@return address of the AP jump table that firmware has published, or 0} */
  long apJumpTable() {
    return apJumpTable;
  }
}
