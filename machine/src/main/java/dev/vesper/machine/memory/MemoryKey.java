package dev.vesper.machine.memory;

import java.lang.foreign.MemorySegment;

/** A guest's memory encryption key. Blocks are tweaked by their system physical address. */
final class MemoryKey {
  private final XexCipher cipher;

  /** Takes what is not to be encrypted or decrypted where it lies. */
  private final MemorySegment work = LazyMemory.map(Page.SIZE);

  MemoryKey(XexCipher cipher) {
    this.cipher = cipher;
  }

  private static long address(Page p) {
    return (long) p.frame << 12;
  }

  /** Encrypts a page in place. */
  void encrypt(Page p) {
    cipher.encrypt(p.address, address(p), Page.SIZE / XexCipher.BLOCK);
  }

  /**
   * Encrypts a part of a page.
   *
   * @param to takes it at its offset in the page
   * @param start offset in the page, a multiple of 16
   * @param end offset behind it, a multiple of 16
   */
  void encrypt(Page p, byte[] to, int start, int end) {
    long at = work.address();
    int n = end - start;
    RawMemory.move(p.address + start, at, n);
    cipher.encrypt(at, address(p) + start, n / XexCipher.BLOCK);
    RawMemory.copy(at, to, start, n);
  }

  /** Decrypts a page in place. */
  void decrypt(Page p) {
    cipher.decrypt(p.address, address(p), Page.SIZE / XexCipher.BLOCK);
  }

  /** Decrypts a copy of a page in place. */
  void decrypt(byte[] page, int frame) {
    long at = work.address();
    RawMemory.copy(page, 0, at, Page.SIZE);
    cipher.decrypt(at, (long) frame << 12, Page.SIZE / XexCipher.BLOCK);
    RawMemory.copy(at, page, 0, Page.SIZE);
  }
}
