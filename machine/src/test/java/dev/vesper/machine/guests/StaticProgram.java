package dev.vesper.machine.guests;

import dev.vesper.x86.Assembler;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;

/** A program for Linux of one segment, which is read, written and executed, without libraries. */
final class StaticProgram {
  private static final long BASE = 0x40_0000;
  private static final int HEADERS = 64 + 56;

  private StaticProgram() {}

  /**
   * {@return an ELF64 file}
   *
   * @param source assembled from its first byte on, which is where it starts
   * @param room bytes of zeros behind it, from the label that the source ends with on
   */
  static byte[] assemble(String source, int room) {
    byte[] code = new Assembler(BASE + HEADERS, 64).add(source).finish();
    ByteBuffer b = ByteBuffer.allocate(HEADERS + code.length).order(ByteOrder.LITTLE_ENDIAN);
    b.putInt(0x464C_457F).putInt(0x0001_0102).putLong(0);
    b.putShort((short) 2).putShort((short) 62).putInt(1);
    b.putLong(BASE + HEADERS).putLong(64).putLong(0).putInt(0);
    b.putShort((short) 64).putShort((short) 56).putShort((short) 1);
    b.position(64);
    b.putInt(1).putInt(7).putLong(0).putLong(BASE).putLong(BASE);
    b.putLong(b.capacity()).putLong((long) b.capacity() + room).putLong(0x1000);
    return b.put(code).array();
  }
}
