package dev.vesper.machine.memory;

import dev.vesper.machine.foreign.Damaged;
import java.io.DataInputStream;
import java.io.DataOutputStream;
import java.io.IOException;
import java.util.BitSet;

/**
 * Memory as a stream of pages: for each that has come into being its number (4 bytes), the domain
 * that it is stored in (2), whether all is zero (1), and if it is not its bytes as that domain sees
 * them; behind the last one the number -1. Numbers are big-endian.
 */
public final class MemoryImage {
  private static final int END = -1;

  private MemoryImage() {}

  /** Writes all pages of a memory in which nothing is promised. */
  public static void write(PhysicalMemory memory, DataOutputStream out) throws IOException {
    byte[] b = new byte[Page.SIZE];
    byte[] zero = new byte[Page.SIZE];
    IOException[] failed = new IOException[1];
    memory.forEachPage(
        p -> {
          if (failed[0] != null) {
            return;
          }
          p.copyTo(0, b, 0, Page.SIZE);
          boolean empty = java.util.Arrays.equals(b, zero);
          try {
            out.writeInt(p.frame);
            out.writeShort(p.domain);
            out.writeByte(empty ? 1 : 0);
            if (!empty) {
              out.write(b);
            }
          } catch (IOException e) {
            failed[0] = e;
          }
        });
    if (failed[0] != null) {
      throw failed[0];
    }
    out.writeInt(END);
  }

  /**
   * Has a memory hold what another one does, in which nothing is promised, and nothing else.
   *
   * @throws Damaged if it is another memory
   */
  public static void copy(PhysicalMemory from, PhysicalMemory to) {
    byte[] b = new byte[Page.SIZE];
    BitSet there = new BitSet();
    from.forEachPage(
        p -> {
          if (p.frame >= to.totalPages() || !to.hasDomain(p.domain)) {
            throw new Damaged(
                "it has a page that this machine has not: 0x" + Integer.toHexString(p.frame));
          }
          p.copyTo(0, b, 0, Page.SIZE);
          there.set(p.frame);
          to.replace(p.frame, p.domain, b);
        });
    to.forEachPage(
        p -> {
          if (!there.get(p.frame)) {
            to.unmake(p);
          }
        });
    to.takenBack(true);
  }

  /**
   * Has a memory hold what was written and nothing else.
   *
   * @throws Damaged if it is of another memory
   */
  public static void read(PhysicalMemory memory, DataInputStream in) throws IOException {
    byte[] b = new byte[Page.SIZE];
    byte[] zero = new byte[Page.SIZE];
    BitSet there = new BitSet();
    int last = -1;
    for (int frame = in.readInt(); frame != END; frame = in.readInt()) {
      int domain = in.readUnsignedShort();
      boolean empty = in.readByte() != 0;
      if (frame <= last || frame >= memory.totalPages() || !memory.hasDomain(domain)) {
        throw new Damaged(
            "it has a page that this machine has not: 0x" + Integer.toHexString(frame));
      }
      if (!empty) {
        in.readFully(b);
      }
      last = frame;
      there.set(frame);
      memory.replace(frame, domain, empty ? zero : b);
    }
    memory.forEachPage(
        p -> {
          if (!there.get(p.frame)) {
            memory.unmake(p);
          }
        });
    memory.takenBack(true);
  }
}
