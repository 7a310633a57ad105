package dev.vesper.machine;

import static org.assertj.core.api.Assertions.assertThat;

import dev.vesper.machine.spec.MachineSpec;
import dev.vesper.machine.spec.SevMode;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

/** Processors and devices in memory above 4 GiB. */
final class UpperMemoryTest {
  private static final long UPPER = 1L << 32;
  private static final long PAGE = 0x20_0000;
  private static final long END = 7L << 30;
  private static final int C_BIT_HIGH = 1 << 51 - 32;

  /**
   * PAE paging with pages of 2 MiB: the first is the first of memory, and linear 80000000h on are
   * three of upper memory, the second of them shared and the third its last. Memory that was not
   * part of the launch is noise.
   */
  private static String pages(int cBit) {
    return """
        mov dword [0x20000], 0x21001
        mov dword [0x20004], 0
        mov dword [0x20010], 0x22001
        mov dword [0x20014], 0
        mov dword [0x21000], 0x83
        mov dword [0x21004], %1$d
        mov dword [0x22000], 0x83
        mov dword [0x22004], %2$d
        mov dword [0x22008], 0x200083
        mov dword [0x2200c], 1
        mov dword [0x22010], 0xbfe00083
        mov dword [0x22014], %2$d
        mov eax, 0x20
        mov cr4, eax
        mov eax, 0x20000
        mov cr3, eax
        mov eax, cr0
        or eax, 0x80000000
        mov cr0, eax
    """
        .formatted(cBit, 1 | cBit);
  }

  private static final String STORES =
      """
          mov dword [0x80000000], 0x11223344
          mov dword [0x80200008], 0x55667788
          mov dword [0x805ffffc], 0x12345678
      stay:
          jmp stay
      """;

  private static Machine machine(SevMode mode, String code) throws Exception {
    return new Machine(
        MachineSpec.builder(mode, KernelGuest.image(code), c -> {}).memoryBytes(6L << 30).build());
  }

  @ParameterizedTest
  @EnumSource(
      value = SevMode.class,
      names = {"OFF", "ES"})
  void aGuestStoresThere(SevMode mode) throws Exception {
    boolean encrypted = mode == SevMode.ES;
    Machine m = machine(mode, pages(encrypted ? C_BIT_HIGH : 0) + STORES);
    m.limit(1_000_000, Long.MAX_VALUE);
    m.run();
    assertThat((int) m.hostView().read(UPPER + PAGE + 8, 4)).isEqualTo(0x5566_7788);
    int[] values = {0x1122_3344, 0x1234_5678};
    long[] places = {UPPER, UPPER + (3L << 30) - 4};
    for (int i = 0; i < values.length; i++) {
      int seen = (int) m.hostView().read(places[i], 4);
      if (encrypted) {
        assertThat(seen).isNotEqualTo(values[i]);
        assertThat(m.observer().readPrivate(places[i], 4))
            .containsExactly(values[i], values[i] >> 8, values[i] >> 16, values[i] >> 24);
      } else {
        assertThat(seen).isEqualTo(values[i]);
      }
    }
    assertThat(m.hostView().contains(END - 4, 4)).isTrue();
    assertThat(m.hostView().contains(END, 1)).isFalse();
  }

  /** fw_cfg writes its signature by DMA; its command is big-endian and has a 64-bit address. */
  @Test
  void aDeviceWritesThere() throws Exception {
    Machine m =
        machine(
            SevMode.OFF,
            """
                mov dword [0x7000], 0x0a000000
                mov dword [0x7004], 0x04000000
                mov dword [0x7008], 0x01000000
                mov dword [0x700c], 0x00300040
                mov dx, 0x514
                xor eax, eax
                out dx, eax
                mov dx, 0x518
                mov eax, 0x00700000
                out dx, eax
                jmp end
            """);
    m.limit(1_000_000, Long.MAX_VALUE);
    assertThat(m.run().status()).isEqualTo(1);
    assertThat(m.hostView().bytes(UPPER + 0x4000_3000L, 4)).containsExactly('Q', 'E', 'M', 'U');
  }
}
