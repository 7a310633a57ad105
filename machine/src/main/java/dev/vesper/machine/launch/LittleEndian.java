package dev.vesper.machine.launch;

import java.lang.invoke.MethodHandles;
import java.lang.invoke.VarHandle;
import java.nio.ByteOrder;

/** Numbers in the buffers of commands. */
final class LittleEndian {
  private static final VarHandle INT =
      MethodHandles.byteArrayViewVarHandle(int[].class, ByteOrder.LITTLE_ENDIAN);
  private static final VarHandle LONG =
      MethodHandles.byteArrayViewVarHandle(long[].class, ByteOrder.LITTLE_ENDIAN);

  private LittleEndian() {}

  static int u32(byte[] b, int at) {
    return (int) INT.get(b, at);
  }

  static void put32(byte[] b, int at, int v) {
    INT.set(b, at, v);
  }

  static long u64(byte[] b, int at) {
    return (long) LONG.get(b, at);
  }

  static void put64(byte[] b, int at, long v) {
    LONG.set(b, at, v);
  }
}
