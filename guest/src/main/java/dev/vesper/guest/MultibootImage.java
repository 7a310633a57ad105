package dev.vesper.guest;

import dev.vesper.x86.Assembler;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;

/**
 * A flat guest for machines that cannot enter 64-bit code: an ELF32 with a Multiboot header whose
 * entry turns long mode on with an identity map of 1 GiB in 2 MiB pages, as our own loader does.
 */
public final class MultibootImage {
  private static final int ENTRY = 0x100_0000;
  private static final int MAGIC = 0x1BAD_B002;
  private static final int FIRST = 0x1000;

  private static final String LONG_MODE =
      """
      xor eax, eax
      mov edi, 0x70000
      mov ecx, 0xC00
      rep stosd
      mov dword [0x70000], 0x71003
      mov dword [0x71000], 0x72003
      mov edi, 0x72000
      mov eax, 0x83
      P: mov [edi], eax
      add edi, 8
      add eax, 0x200000
      cmp edi, 0x73000
      jne P
      mov eax, 0x70000
      mov cr3, eax
      mov eax, 0x620
      mov cr4, eax
      mov ecx, 0xC0000080
      xor edx, edx
      mov eax, 0x901
      wrmsr
      mov eax, 0x80000033
      mov cr0, eax
      lgdt [G]
      mov eax, 0x10
      mov ds, ax
      mov es, ax
      mov ss, ax
      mov esp, 0x80000
      push 8
      push BASE
      retf
      align 8
      D: dq 0, 0x00af9a000000ffff, 0x00cf92000000ffff
      G: dw 23
      dd D
      """
          .replace("BASE", "0x" + Long.toHexString(FlatGuest.BASE));

  private MultibootImage() {}

  private static byte[] assemble(long base, int bits, String source) {
    Assembler a = new Assembler(base, bits);
    a.add(source);
    return a.finish();
  }

  /** {@return the ELF32 file} */
  public static byte[] of(String source) {
    byte[] code = assemble(FlatGuest.BASE, 64, source);
    byte[] entry = assemble(ENTRY, 32, LONG_MODE);
    int second = FIRST + code.length + 0xFFF & -0x1000;
    ByteBuffer b = ByteBuffer.allocate(second + entry.length).order(ByteOrder.LITTLE_ENDIAN);
    b.putInt(0x464C_457F).putInt(0x0001_0101).putLong(0);
    b.putShort((short) 2).putShort((short) 3).putInt(1).putInt(ENTRY).putInt(52).putInt(0);
    b.putInt(0).putShort((short) 52).putShort((short) 32).putShort((short) 2);
    b.putShort((short) 0).putShort((short) 0).putShort((short) 0);
    segment(b, FIRST, (int) FlatGuest.BASE, code.length);
    segment(b, second, ENTRY, entry.length);
    b.putInt(MAGIC).putInt(0).putInt(-MAGIC);
    b.put(FIRST, code).put(second, entry);
    return b.array();
  }

  private static void segment(ByteBuffer b, int offset, int address, int bytes) {
    b.putInt(1).putInt(offset).putInt(address).putInt(address);
    b.putInt(bytes).putInt(bytes).putInt(7).putInt(0x1000);
  }
}
