package dev.vesper.machine.memory;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.Random;
import org.junit.jupiter.api.Test;

/** Encryption domains: what the other side sees, block by block. */
final class EncryptionTest {
  private final PhysicalMemory memory = new PhysicalMemory(16 << 12, 0);
  private final int key = memory.createKey(42);
  private final HostView host = memory.hostView();

  private byte[] plain(long seed) {
    byte[] b = new byte[4096];
    new Random(seed).nextBytes(b);
    return b;
  }

  private void writePrivate(int frame, byte[] b) {
    memory.page(frame, key).copyFrom(0, b, 0, 4096);
  }

  private byte[] hostRead(int frame) {
    byte[] b = new byte[4096];
    host.read((long) frame << 12, b, 0, 4096);
    return b;
  }

  @Test
  void theHostSeesCiphertextAndLookingChangesNothing() {
    byte[] p = plain(1);
    writePrivate(3, p);
    byte[] c = hostRead(3);
    assertThat(c).isNotEqualTo(p).isEqualTo(hostRead(3));
    assertThat(memory.domain(3)).isEqualTo(key);
    assertThat(memory.page(3, key).bytes()).isEqualTo(p);
  }

  @Test
  void equalBlocksDifferByAddress() {
    byte[] p = new byte[4096];
    writePrivate(3, p);
    writePrivate(4, p);
    byte[] a = hostRead(3);
    assertThat(a).isNotEqualTo(hostRead(4));
    assertThat(java.util.Arrays.copyOf(a, 16))
        .isNotEqualTo(java.util.Arrays.copyOfRange(a, 16, 32));
  }

  @Test
  void aHostWriteGarblesExactlyItsBlocks() {
    byte[] p = plain(2);
    writePrivate(5, p);
    // Bytes 30..33 touch the blocks at 16 and 32.
    host.write((5L << 12) + 30, new byte[] {1, 2, 3, 4}, 0, 4);
    byte[] after = memory.page(5, key).bytes();
    for (int block = 0; block < 256; block++) {
      byte[] was = java.util.Arrays.copyOfRange(p, block * 16, block * 16 + 16);
      byte[] is = java.util.Arrays.copyOfRange(after, block * 16, block * 16 + 16);
      if (block == 1 || block == 2) {
        assertThat(is).as("block %d", block).isNotEqualTo(was);
      } else {
        assertThat(is).as("block %d", block).isEqualTo(was);
      }
    }
  }

  @Test
  void movedCiphertextIsNoise() {
    byte[] p = plain(3);
    writePrivate(6, p);
    byte[] c = hostRead(6);
    host.write(7L << 12, c, 0, 4096);
    assertThat(memory.page(7, key).bytes()).isNotEqualTo(p);
    host.write(6L << 12, c, 0, 4096);
    assertThat(memory.page(6, key).bytes()).isEqualTo(p);
  }

  @Test
  void untouchedMemoryReadsAsNoisePrivately() {
    assertThat(memory.page(9, key).bytes()).isNotEqualTo(new byte[4096]);
    assertThat(hostRead(9)).isEqualTo(new byte[4096]);
  }

  @Test
  void launchMakesPlaintextOfWhatTheHostWrote() {
    byte[] p = plain(4);
    host.write(10L << 12, p, 0, 4096);
    memory.encryptInPlace(10, key);
    assertThat(memory.page(10, key).bytes()).isEqualTo(p);
    writePrivate(10, memory.page(10, key).bytes());
    assertThat(hostRead(10)).isNotEqualTo(p);
  }
}
