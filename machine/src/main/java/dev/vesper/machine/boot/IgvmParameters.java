package dev.vesper.machine.boot;

import dev.vesper.machine.device.acpi.AcpiTables;
import dev.vesper.machine.device.acpi.Board;
import dev.vesper.machine.device.acpi.TopologyTables;
import dev.vesper.machine.host.GuestRam;
import dev.vesper.machine.igvm.IgvmFile;
import dev.vesper.machine.igvm.IgvmHeader;
import dev.vesper.machine.spec.BootException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;

/**
 * What an IGVM file has its loader tell the guest of its machine: areas are made when they are
 * inserted, so that a parameter of another platform's need not be to be had here.
 *
 * <p>Little endian. The count of processors and the environment are u32, the environment's bit 0
 * says that memory is the host's until the guest asks for it. An entry of the memory map: first
 * page u64, count of pages u64, type u16 (0 memory), flags u16, reserved u32; the last one has no
 * pages. Ranges of devices are two of first page u64 and count u64. ACPI's MADT, SRAT, SLIT and
 * PPTT, the command line with a zero behind it, and the device tree are as they are elsewhere.
 */
final class IgvmParameters {
  private static final int PAGE_BITS = 12;
  private static final int MEMORY_ENTRY = 24;

  private final BootOptions options;
  private final IgvmFile file;
  private final GuestRam ram;
  private final Map<Integer, IgvmHeader.ParameterArea> areas = new HashMap<>();
  private final Map<Integer, List<IgvmHeader.Parameter>> parameters = new HashMap<>();

  IgvmParameters(BootOptions options, IgvmFile file, GuestRam ram) {
    this.options = options;
    this.file = file;
    this.ram = ram;
  }

  void add(IgvmHeader.ParameterArea a) {
    areas.put(a.index(), a);
  }

  void add(IgvmHeader.Parameter p) {
    parameters.computeIfAbsent(p.area(), i -> new ArrayList<>()).add(p);
  }

  /** {@return how many bytes an area has, which the file has begun} */
  long length(int area) {
    return Objects.requireNonNull(areas.get(area)).length();
  }

  /**
   * {@return the contents of an area, whose length is known to be that of memory}
   *
   * @throws BootException if a parameter is not to be had, or too long
   */
  byte[] contents(int area) throws BootException {
    IgvmHeader.ParameterArea a = Objects.requireNonNull(areas.get(area));
    int length = (int) a.length();
    byte[] all =
        a.offset() == 0
            ? new byte[length]
            : file.data("parameter area " + area, a.offset(), length);
    for (IgvmHeader.Parameter p : parameters.getOrDefault(area, List.of())) {
      byte[] b = value(p);
      if (p.offset() > length || b.length > length - p.offset()) {
        throw new BootException(
            "the IGVM file has no room for "
                + p.type().words()
                + ", "
                + b.length
                + " bytes at 0x"
                + Long.toHexString(p.offset())
                + " of its area of "
                + length);
      }
      System.arraycopy(b, 0, all, (int) p.offset(), b.length);
    }
    return all;
  }

  private byte[] value(IgvmHeader.Parameter p) throws BootException {
    return switch (p.type()) {
      case VP_COUNT_PARAMETER -> number(options.processors());
      case ENVIRONMENT_INFO_PARAMETER -> number(1);
      case COMMAND_LINE -> (options.commandLine() + "\0").getBytes(StandardCharsets.ISO_8859_1);
      case MADT -> new AcpiTables(board(p)).multipleApics();
      case SRAT -> TopologyTables.systemResourceAffinity(board(p));
      case SLIT -> TopologyTables.systemLocality();
      case PPTT -> TopologyTables.processorProperties(board(p));
      case MEMORY_MAP -> memoryMap();
      case MMIO_RANGES -> windows(board(p));
      case DEVICE_TREE -> deviceTree();
      default -> throw missing(p);
    };
  }

  private static BootException missing(IgvmHeader.Parameter p) {
    return new BootException(
        "the IGVM file asks for " + p.type().words() + ", which this machine has not");
  }

  private Board board(IgvmHeader.Parameter p) throws BootException {
    Board b = options.acpi();
    if (b == null) {
      throw missing(p);
    }
    return b;
  }

  private static byte[] number(int v) {
    return little(4).putInt(v).array();
  }

  private static ByteBuffer little(int bytes) {
    return ByteBuffer.allocate(bytes).order(ByteOrder.LITTLE_ENDIAN);
  }

  private byte[] memoryMap() {
    boolean two = ram.above4G() > 0;
    ByteBuffer b = little(MEMORY_ENTRY * (two ? 3 : 2));
    b.putLong(0).putLong(ram.below4G() >>> PAGE_BITS).putLong(0);
    if (two) {
      b.putLong(GuestRam.FOUR_GIB >>> PAGE_BITS).putLong(ram.above4G() >>> PAGE_BITS).putLong(0);
    }
    return b.array();
  }

  private static byte[] windows(Board b) {
    long low = Math.max(b.ram().below4G(), Board.WINDOW_START);
    return little(32)
        .putLong(low >>> PAGE_BITS)
        .putLong(Board.WINDOW_END - low >>> PAGE_BITS)
        .putLong(b.wideWindowStart() >>> PAGE_BITS)
        .putLong(b.wideWindowBytes() >>> PAGE_BITS)
        .array();
  }

  private byte[] deviceTree() {
    DeviceTree t = new DeviceTree().node("");
    t.property("#address-cells", 2).property("#size-cells", 2);
    t.node("chosen").property("bootargs", options.commandLine()).end();
    t.node("cpus").property("#address-cells", 1).property("#size-cells", 0);
    for (int i = 0; i < options.processors(); i++) {
      t.node("cpu@" + Integer.toHexString(i)).property("device_type", "cpu");
      t.property("reg", i).property("status", "okay").end();
    }
    t.end();
    memory(t, 0, ram.below4G());
    if (ram.above4G() > 0) {
      memory(t, GuestRam.FOUR_GIB, ram.above4G());
    }
    return t.end().bytes();
  }

  private static void memory(DeviceTree t, long address, long length) {
    t.node("memory@" + Long.toHexString(address)).property("device_type", "memory");
    t.property("reg", (int) (address >>> 32), (int) address, (int) (length >>> 32), (int) length);
    // Normal memory.
    t.property("microsoft,igvm-type", 0).end();
  }
}
