package dev.vesper.machine.device.acpi;

import dev.vesper.machine.host.GuestRam;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;

/**
 * ACPI's tables of how near processors and memory are to each other (ACPI 6.4, 5.2.16, 5.2.17 and
 * 5.2.30), of a machine that is one node and one package. Boards do not hand them to firmware, as
 * QEMU's do not unless they are asked; loaders of IGVM files ask for them one by one.
 */
public final class TopologyTables {
  private static final int HEADER = 36;
  private static final int SUM = 9;
  private static final int ENABLED = 1;

  /** Of a locality to itself. */
  private static final int NEAREST = 10;

  private static final int PHYSICAL_PACKAGE = 1;
  private static final int PROCESSOR_ID_VALID = 1 << 1;
  private static final int LEAF = 1 << 3;

  private TopologyTables() {}

  /** {@return the SRAT: all processors and all memory are in proximity domain 0} */
  public static byte[] systemResourceAffinity(Board b) {
    GuestRam ram = b.ram();
    boolean two = ram.above4G() > 0;
    ByteBuffer t = table("SRAT", 3, 12 + 16 * b.processors() + 40 * (two ? 2 : 1));
    t.putInt(1).putLong(0);
    for (int i = 0; i < b.processors(); i++) {
      t.put((byte) 0).put((byte) 16).put((byte) 0).put((byte) i).putInt(ENABLED);
      t.putInt(0).putInt(0);
    }
    memory(t, 0, ram.below4G());
    if (two) {
      memory(t, GuestRam.FOUR_GIB, ram.above4G());
    }
    return summed(t);
  }

  private static void memory(ByteBuffer t, long base, long length) {
    t.put((byte) 1).put((byte) 40).putInt(0).putShort((short) 0);
    t.putLong(base).putLong(length).putInt(0).putInt(ENABLED).putLong(0);
  }

  /** {@return the SLIT, of one locality} */
  public static byte[] systemLocality() {
    return summed(table("SLIT", 1, 9).putLong(1).put((byte) NEAREST));
  }

  /** {@return the PPTT: a package, and below it the processors} */
  public static byte[] processorProperties(Board b) {
    ByteBuffer t = table("PPTT", 2, 20 * (1 + b.processors()));
    node(t, PHYSICAL_PACKAGE, 0, 0);
    for (int i = 0; i < b.processors(); i++) {
      node(t, PROCESSOR_ID_VALID | LEAF, HEADER, i);
    }
    return summed(t);
  }

  private static void node(ByteBuffer t, int flags, int parent, int processor) {
    t.put((byte) 0).put((byte) 20).putShort((short) 0).putInt(flags).putInt(parent);
    t.putInt(processor).putInt(0);
  }

  private static ByteBuffer table(String signature, int revision, int body) {
    ByteBuffer t = ByteBuffer.allocate(HEADER + body).order(ByteOrder.LITTLE_ENDIAN);
    return t.put(AcpiTables.header(signature, revision, HEADER + body));
  }

  private static byte[] summed(ByteBuffer t) {
    byte sum = 0;
    for (byte b : t.array()) {
      sum += b;
    }
    t.put(SUM, (byte) -sum);
    return t.array();
  }
}
