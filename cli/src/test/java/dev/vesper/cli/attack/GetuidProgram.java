package dev.vesper.cli.attack;

import dev.vesper.x86.Assembler;
import java.io.ByteArrayOutputStream;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import org.jspecify.annotations.Nullable;

/**
 * A first program that gives its privileges up and asks who it is, again and again: some times, or
 * until it is root. Then it asks the kernel to switch the machine off, which only root may.
 */
final class GetuidProgram {
  private static final long BASE = 0x40_0000;
  private static final int HEADERS = 0x78;

  private static final String SOURCE =
      """
          mov eax, 119
          mov edi, 1000
          mov esi, edi
          mov edx, edi
          syscall
          mov eax, 117
          mov edi, 1000
          mov esi, edi
          mov edx, edi
          syscall
          mov ebx, 2000
      again:
          mov eax, 102
          syscall
          lea rsi, [rsp-64]
          lea rdi, [rsp-128]
          movsb
          test eax, eax
          je root
          dec ebx
          jne again
          hlt
      root:
          mov eax, 169
          mov edi, 0xfee1dead
          mov esi, 672274793
          mov edx, 0x4321fedc
          syscall
          hlt
      """;

  private GetuidProgram() {}

  /** {@return an archive with the program as /init} */
  static byte[] initramfs() {
    return initramfs(null);
  }

  /**
   * {@return an archive with the program as /init, and a shell as /bin/sh}
   *
   * @param shell the file, or null for none
   */
  static byte[] initramfs(byte @Nullable [] shell) {
    byte[] code = new Assembler(BASE + HEADERS, 64).add(SOURCE).finish();
    ByteBuffer b = ByteBuffer.allocate(HEADERS + code.length).order(ByteOrder.LITTLE_ENDIAN);
    b.put(new byte[] {0x7F, 'E', 'L', 'F', 2, 1, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0});
    b.putShort((short) 2).putShort((short) 62).putInt(1).putLong(BASE + HEADERS);
    b.putLong(64).putLong(0).putInt(0).putShort((short) 64).putShort((short) 56);
    b.putShort((short) 1).putShort((short) 0).putShort((short) 0).putShort((short) 0);
    b.putInt(1).putInt(5).putLong(0).putLong(BASE).putLong(BASE);
    b.putLong(HEADERS + code.length).putLong(HEADERS + code.length).putLong(0x1000);
    b.put(code);
    ByteArrayOutputStream out = new ByteArrayOutputStream();
    entry(out, "init", 0x81ED, b.array());
    if (shell != null) {
      entry(out, "bin", 0x41ED, new byte[0]);
      entry(out, "bin/sh", 0x81ED, shell);
    }
    entry(out, "TRAILER!!!", 0, new byte[0]);
    return out.toByteArray();
  }

  private static void entry(ByteArrayOutputStream out, String name, int mode, byte[] data) {
    int[] fields = {0, mode, 0, 0, 1, 0, data.length, 0, 0, 0, 0, name.length() + 1, 0};
    StringBuilder h = new StringBuilder("070701");
    for (int f : fields) {
      h.append(String.format("%08X", f));
    }
    out.writeBytes((h + name).getBytes(StandardCharsets.US_ASCII));
    out.write(0);
    pad(out);
    out.writeBytes(data);
    pad(out);
  }

  private static void pad(ByteArrayOutputStream out) {
    while (out.size() % 4 != 0) {
      out.write(0);
    }
  }
}
