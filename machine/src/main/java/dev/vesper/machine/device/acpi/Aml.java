package dev.vesper.machine.device.acpi;

import java.io.ByteArrayOutputStream;
import java.nio.charset.StandardCharsets;

/** ACPI machine language (ACPI 6.4, chapter 20): each method gives the bytes of one term. */
final class Aml {
  static final byte[] ARG0 = {0x68};
  static final byte[] LOCAL0 = {0x60};
  static final byte[] NO_TARGET = {0};

  private Aml() {}

  /** {@return terms one after the other} */
  static byte[] join(byte[]... parts) {
    ByteArrayOutputStream o = new ByteArrayOutputStream();
    for (byte[] p : parts) {
      o.writeBytes(p);
    }
    return o.toByteArray();
  }

  private static byte[] bytes(int... v) {
    byte[] b = new byte[v.length];
    for (int i = 0; i < v.length; i++) {
      b[i] = (byte) v[i];
    }
    return b;
  }

  /** {@return a package length for a number that does not count itself, as fields have it} */
  private static byte[] plainLength(int n) {
    if (n < 0x40) {
      return bytes(n);
    }
    return n < 0x1000 ? bytes(0x40 | n & 15, n >> 4) : bytes(0x80 | n & 15, n >> 4 & 0xFF, n >> 12);
  }

  /** {@return content behind its package length, which counts itself} */
  private static byte[] sized(byte[]... parts) {
    byte[] body = join(parts);
    int n = body.length;
    byte[] length = plainLength(n < 0x3F ? n + 1 : n < 0xFFE ? n + 2 : n + 3);
    return join(length, body);
  }

  /** {@return a name: segments of four characters, joined by dots, perhaps from the root} */
  static byte[] ref(String name) {
    boolean root = name.startsWith("\\");
    String[] segments = (root ? name.substring(1) : name).split("\\.");
    ByteArrayOutputStream o = new ByteArrayOutputStream();
    if (root) {
      o.write('\\');
    }
    if (segments.length == 2) {
      o.write(0x2E);
    } else if (segments.length > 2) {
      o.write(0x2F);
      o.write(segments.length);
    }
    for (String s : segments) {
      o.writeBytes((s + "____").substring(0, 4).getBytes(StandardCharsets.US_ASCII));
    }
    return o.toByteArray();
  }

  static byte[] integer(long v) {
    if (v == 0 || v == 1) {
      return bytes((int) v);
    }
    int bytes = v >>> 8 == 0 ? 1 : v >>> 16 == 0 ? 2 : v >>> 32 == 0 ? 4 : 8;
    byte[] b = new byte[1 + bytes];
    b[0] = (byte) (bytes == 1 ? 0x0A : bytes == 2 ? 0x0B : bytes == 4 ? 0x0C : 0x0E);
    for (int i = 0; i < bytes; i++) {
      b[1 + i] = (byte) (v >> 8 * i);
    }
    return b;
  }

  static byte[] string(String s) {
    return join(bytes(0x0D), s.getBytes(StandardCharsets.US_ASCII), bytes(0));
  }

  /** {@return a plug-and-play ID such as PNP0A03, compressed} */
  static byte[] eisaId(String id) {
    int v =
        (id.charAt(0) - 0x40) << 26
            | (id.charAt(1) - 0x40) << 21
            | (id.charAt(2) - 0x40) << 16
            | Integer.parseInt(id.substring(3), 16);
    return integer(Integer.reverseBytes(v) & 0xFFFF_FFFFL);
  }

  static byte[] buffer(byte[] content) {
    return join(bytes(0x11), sized(integer(content.length), content));
  }

  static byte[] packageOf(byte[]... elements) {
    return join(bytes(0x12), sized(bytes(elements.length), join(elements)));
  }

  static byte[] name(String name, byte[] object) {
    return join(bytes(8), ref(name), object);
  }

  static byte[] scope(String name, byte[]... terms) {
    return join(bytes(0x10), sized(ref(name), join(terms)));
  }

  static byte[] device(String name, byte[]... terms) {
    return join(bytes(0x5B, 0x82), sized(ref(name), join(terms)));
  }

  static byte[] method(String name, int arguments, byte[]... terms) {
    return join(bytes(0x14), sized(ref(name), bytes(arguments), join(terms)));
  }

  static byte[] giveBack(byte[] value) {
    return join(bytes(0xA4), value);
  }

  static byte[] when(byte[] condition, byte[]... terms) {
    return join(bytes(0xA0), sized(condition, join(terms)));
  }

  static byte[] store(byte[] value, byte[] target) {
    return join(bytes(0x70), value, target);
  }

  static byte[] and(byte[] a, byte[] b, byte[] target) {
    return join(bytes(0x7B), a, b, target);
  }

  static byte[] or(byte[] a, byte[] b, byte[] target) {
    return join(bytes(0x7D), a, b, target);
  }

  /** {@return a name for four bytes of a buffer} */
  static byte[] dwordField(byte[] buffer, int at, String name) {
    return join(bytes(0x8A), buffer, integer(at), ref(name));
  }

  /** {@return configuration space of the enclosing PCI device, one name a byte} */
  static byte[] configurationBytes(String region, int offset, String... names) {
    byte[] all = join(bytes(0x5B, 0x80), ref(region), bytes(2), integer(offset));
    byte[] fields = {};
    for (String n : names) {
      fields = join(fields, ref(n), plainLength(8));
    }
    return join(
        all, integer(names.length), bytes(0x5B, 0x81), sized(ref(region), bytes(1), fields));
  }

  // ---- resources (ACPI 6.4, 6.4)

  /** {@return a buffer of resource descriptors} */
  static byte[] resources(byte[]... descriptors) {
    return buffer(join(join(descriptors), bytes(0x79, 0)));
  }

  private static byte[] little(long v, int n) {
    byte[] b = new byte[n];
    for (int i = 0; i < n; i++) {
      b[i] = (byte) (v >> 8 * i);
    }
    return b;
  }

  /** {@return ports that a device decodes with 16 bits} */
  static byte[] ports(int first, int count) {
    return join(bytes(0x47, 1), little(first, 2), little(first, 2), bytes(1, count));
  }

  /** {@return an edge-triggered ISA interrupt} */
  static byte[] isaInterrupt(int irq) {
    return join(bytes(0x22), little(1 << irq, 2));
  }

  /** {@return memory at a fixed place} */
  static byte[] memory(long address, long length) {
    return join(bytes(0x86), little(9, 2), bytes(1), little(address, 4), little(length, 4));
  }

  /** {@return level-triggered shared interrupts to choose from} */
  static byte[] interrupts(int... numbers) {
    byte[] list = {};
    for (int n : numbers) {
      list = join(list, little(n, 4));
    }
    return join(bytes(0x89), little(2 + list.length, 2), bytes(0x09, numbers.length), list);
  }

  /** {@return buses that a bridge passes on} */
  static byte[] busWindow(int last) {
    return window(0x88, 2, 0, 0, last, 2);
  }

  /** {@return ports that a bridge passes on} */
  static byte[] portWindow(int first, int last) {
    return window(0x88, 1, 3, first, last, 2);
  }

  /** {@return memory that a bridge passes on, uncached and writable} */
  static byte[] memoryWindow(long first, long last) {
    return window(0x87, 0, 1, first, last, 4);
  }

  /** {@return memory above 4 GiB that a bridge passes on, cacheable and writable} */
  static byte[] wideMemoryWindow(long first, long last) {
    return window(0x8A, 0, 3, first, last, 8);
  }

  private static byte[] window(int tag, int type, int flags, long first, long last, int width) {
    byte[] body =
        join(
            bytes(type, 0x0C, flags),
            little(0, width),
            little(first, width),
            little(last, width),
            little(0, width),
            little(last - first + 1, width));
    return join(bytes(tag), little(body.length, 2), body);
  }
}
