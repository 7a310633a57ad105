package dev.vesper.machine.boot;

import java.io.ByteArrayOutputStream;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.util.LinkedHashMap;
import java.util.Map;

/**
 * A flattened device tree (Devicetree Specification 0.4, chapter 5), big endian: a header of 40
 * bytes, an empty list of reserved memory, nodes and properties, and the names of properties.
 */
final class DeviceTree {
  private static final int MAGIC = 0xD00D_FEED;
  private static final int VERSION = 17;
  private static final int COMPATIBLE_VERSION = 16;
  private static final int HEADER = 40;
  private static final int RESERVATIONS = 16;
  private static final int BEGIN_NODE = 1;
  private static final int END_NODE = 2;
  private static final int PROPERTY = 3;
  private static final int END = 9;

  private final ByteArrayOutputStream nodes = new ByteArrayOutputStream();
  private final ByteArrayOutputStream names = new ByteArrayOutputStream();
  private final Map<String, Integer> offsets = new LinkedHashMap<>();

  /** Begins a node inside of those that are not ended; the first is the root, without a name. */
  DeviceTree node(String name) {
    number(BEGIN_NODE);
    padded(text(name));
    return this;
  }

  /** Ends the node that was begun last. */
  DeviceTree end() {
    number(END_NODE);
    return this;
  }

  /** Adds a property of texts' kind. */
  DeviceTree property(String name, String value) {
    return property(name, text(value));
  }

  /** Adds a property of numbers of 32 bits. */
  DeviceTree property(String name, int... cells) {
    ByteBuffer b = ByteBuffer.allocate(4 * cells.length);
    for (int c : cells) {
      b.putInt(c);
    }
    return property(name, b.array());
  }

  private DeviceTree property(String name, byte[] value) {
    Integer known = offsets.get(name);
    int offset = known == null ? names.size() : known;
    if (known == null) {
      offsets.put(name, offset);
      names.writeBytes(text(name));
    }
    number(PROPERTY);
    number(value.length);
    number(offset);
    padded(value);
    return this;
  }

  private static byte[] text(String s) {
    return (s + "\0").getBytes(StandardCharsets.ISO_8859_1);
  }

  private void number(int v) {
    nodes.writeBytes(ByteBuffer.allocate(4).putInt(v).array());
  }

  private void padded(byte[] b) {
    nodes.writeBytes(b);
    nodes.writeBytes(new byte[-b.length & 3]);
  }

  /** {@return the whole} */
  byte[] bytes() {
    number(END);
    int structure = HEADER + RESERVATIONS;
    int strings = structure + nodes.size();
    int total = strings + names.size();
    return ByteBuffer.allocate(total)
        .putInt(MAGIC)
        .putInt(total)
        .putInt(structure)
        .putInt(strings)
        .putInt(HEADER)
        .putInt(VERSION)
        .putInt(COMPATIBLE_VERSION)
        .putInt(0)
        .putInt(names.size())
        .putInt(nodes.size())
        .position(structure)
        .put(nodes.toByteArray())
        .put(names.toByteArray())
        .array();
  }
}
