package dev.vesper.machine.device;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.vesper.machine.device.disk.Disk;
import dev.vesper.machine.device.disk.DiskFile;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** Which files are taken for disks, and as what. */
final class DiskFormatsTest {
  private static final int CLUSTER = 1 << 16;

  @TempDir Path dir;

  private Disk open(byte[] file, DiskFile.@Nullable Format format) throws IOException {
    return DiskFile.open(Files.write(dir.resolve("disk"), file), format, false, false);
  }

  @ParameterizedTest
  @ValueSource(strings = {"KDMV", "# Disk DescriptorFile\n", "conectix", "vhdxfile", "QED\0"})
  void anImageOfAnotherFormatIsNobodysDisk(String beginning) throws IOException {
    byte[] file = Arrays.copyOf(beginning.getBytes(StandardCharsets.ISO_8859_1), CLUSTER);

    assertThatThrownBy(() -> open(file, null))
        .isInstanceOf(IOException.class)
        .hasMessageContaining("qemu-img convert")
        .hasMessageContaining("format=raw");
    try (Disk d = open(file, DiskFile.Format.RAW)) {
      assertThat(d.sectors()).isEqualTo(CLUSTER / Disk.SECTOR);
    }
  }

  @ParameterizedTest
  @ValueSource(ints = {0, 3, 100, 511})
  void aFileOfLessThanASectorIsRaw(int bytes) throws IOException {
    try (Disk d = open(new byte[bytes], null)) {
      assertThat(d.sectors()).isZero();
    }
  }

  /** {@return qcow2, version 2: header, L1, counts, their block, L2, one cluster of data} */
  private static byte[] image() {
    ByteBuffer b = ByteBuffer.allocate(6 * CLUSTER);
    b.putInt(0, 0x5146_49FB).putInt(4, 2).putInt(20, 16).putLong(24, 1 << 20);
    b.putInt(36, 1).putLong(40, CLUSTER).putLong(48, 2 * CLUSTER).putInt(56, 1);
    b.putLong(2 * CLUSTER, 3 * CLUSTER);
    for (int i = 0; i < 6; i++) {
      b.putShort(3 * CLUSTER + 2 * i, (short) 1);
    }
    b.putLong(CLUSTER, 1L << 63 | 4 * CLUSTER);
    b.putLong(4 * CLUSTER, 1L << 63 | 5 * CLUSTER);
    b.put(5 * CLUSTER, (byte) 7);
    return b.array();
  }

  @Test
  void anImageWhoseEndIsCutOffIsRefused() throws IOException {
    byte[] sector = new byte[Disk.SECTOR];
    for (int there : new int[] {6 * CLUSTER, 5 * CLUSTER + 1}) {
      // The last cluster need not be whole: what is behind the end was never written.
      try (Disk d = open(Arrays.copyOf(image(), there), null)) {
        d.read(0, sector, Disk.SECTOR);
        assertThat(sector[0]).isEqualTo((byte) 7);
      }
    }
    for (int there : new int[] {5 * CLUSTER, 4 * CLUSTER}) {
      assertThatThrownBy(() -> open(Arrays.copyOf(image(), there), null))
          .as("%d bytes", there)
          .isInstanceOf(IOException.class)
          .hasMessageContaining("truncated");
    }
  }
}
