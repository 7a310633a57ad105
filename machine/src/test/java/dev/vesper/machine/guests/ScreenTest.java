package dev.vesper.machine.guests;

import static org.assertj.core.api.Assertions.assertThat;

import dev.vesper.fixtures.Tools;
import dev.vesper.machine.Machine;
import dev.vesper.machine.device.disk.FileStorage;
import dev.vesper.machine.device.disk.RawDisk;
import dev.vesper.machine.spec.BootException;
import dev.vesper.machine.spec.Hardware;
import dev.vesper.machine.spec.MachineSpec;
import dev.vesper.machine.spec.SevMode;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.HexFormat;
import java.util.List;
import java.util.Objects;
import java.util.zip.DataFormatException;
import java.util.zip.Inflater;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Firmware's own drivers of the screen: OVMF's framebuffer, and the modes of a VGA BIOS. */
@Tag("slow")
final class ScreenTest {
  private static final String SEABIOS = "/usr/share/seabios/bios-256k.bin";
  private static final String VGABIOS = "/usr/share/seabios/vgabios-stdvga.bin";
  private static final int BLACK = 0;
  private static final int RED = 0xA8_0000;
  private static final int YELLOW = 0xFC_FC54;

  @TempDir Path folder;

  /** A decoded picture: pixels row by row, red in bits 23:16. */
  private record Picture(int width, int height, int[] pixels) {
    static Picture of(Machine m) throws DataFormatException {
      byte[] png = Objects.requireNonNull(m.screenPng(), "no picture");
      ByteBuffer b = ByteBuffer.wrap(png);
      int width = b.getInt(16);
      int height = b.getInt(20);
      Inflater inflater = new Inflater();
      inflater.setInput(png, 41, b.getInt(33));
      byte[] rows = new byte[height * (1 + 3 * width)];
      assertThat(inflater.inflate(rows)).isEqualTo(rows.length);
      inflater.end();
      int[] pixels = new int[width * height];
      for (int i = 0; i < pixels.length; i++) {
        int at = i / width * (1 + 3 * width) + 1 + i % width * 3;
        pixels[i] = (rows[at] & 0xFF) << 16 | (rows[at + 1] & 0xFF) << 8 | rows[at + 2] & 0xFF;
      }
      return new Picture(width, height, pixels);
    }

    int at(int x, int y) {
      return pixels[y * width + x];
    }

    long lit() {
      return Arrays.stream(pixels).filter(p -> p != BLACK).count();
    }
  }

  private static byte[] file(String name, String debianPackage) throws IOException {
    Tools.require(name, debianPackage);
    return Files.readAllBytes(Path.of(name));
  }

  private static Machine machine(byte[] firmware, List<Hardware.Drive> drives, byte[] bios)
      throws BootException {
    return new Machine(
        MachineSpec.builder(SevMode.OFF, new byte[0], b -> {})
            .firmware(MachineSpec.Firmware.of(firmware))
            .hardware(
                new Hardware(
                    Hardware.Board.PC,
                    drives,
                    List.of(),
                    false,
                    List.of(),
                    new Hardware.Screen(bios)))
            .build());
  }

  /** OVMF finds the adapter, sets a mode and draws. */
  @Test
  void firmwareDrawsOnTheScreen() throws IOException, BootException, DataFormatException {
    Machine m = machine(file("/usr/share/ovmf/OVMF.fd", "ovmf"), List.of(), new byte[0]);
    m.limit(900_000_000L, Long.MAX_VALUE);
    m.run();
    Picture p = Picture.of(m);
    assertThat(p.width()).isGreaterThanOrEqualTo(640);
    assertThat(p.lit()).isGreaterThan(200);
  }

  /** Boots a sector of code, given in hexadecimal, that ends with CLI and HLT. */
  private Machine sector(String code) throws IOException, BootException {
    byte[] image = new byte[1 << 20];
    byte[] b = HexFormat.of().parseHex((code + "FAF4").replace(" ", ""));
    System.arraycopy(b, 0, image, 0, b.length);
    image[510] = 0x55;
    image[511] = (byte) 0xAA;
    Path disk = folder.resolve("disk");
    Files.write(disk, image);
    try (FileChannel c = FileChannel.open(disk)) {
      Machine m =
          machine(
              file(SEABIOS, "seabios"),
              List.of(new Hardware.Drive(new RawDisk(new FileStorage(c), true), false)),
              file(VGABIOS, "seabios"));
      m.limit(2_000_000_000L, Long.MAX_VALUE);
      assertThat(m.run().reason()).startsWith("guest halted");
      return m;
    }
  }

  /** INT 10h with AH 0Ch draws a point: AL its color, CX and DX its place. */
  private static String point(int color, int x, int y) {
    return String.format(
        "B8%02X0C B9%02X%02X BA%02X%02X CD10 ", color, x & 0xFF, x >> 8, y & 0xFF, y >> 8);
  }

  private Picture mode(int number, String code)
      throws IOException, BootException, DataFormatException {
    return Picture.of(sector(String.format("B8%02X00 CD10 ", number) + code));
  }

  @Test
  void planesHaveSixteenColors() throws IOException, BootException, DataFormatException {
    Picture p = mode(0x12, point(4, 10, 20) + point(14, 639, 479) + point(0x8A, 10, 20));
    assertThat(p.width()).isEqualTo(640);
    assertThat(p.height()).isEqualTo(480);
    assertThat(p.at(639, 479)).isEqualTo(YELLOW);
    // Red, and then its color combined with light green by XOR.
    assertThat(p.at(10, 20)).isEqualTo(YELLOW);
    assertThat(p.lit()).isEqualTo(2);
  }

  @Test
  void a256ColorModeIsABytePerPoint() throws IOException, BootException, DataFormatException {
    // The second point is written into memory: PUSH A000h, POP ES, MOV byte [ES:320 * 199 + 5].
    Picture p = mode(0x13, point(4, 10, 20) + "6800A0 07 26C606 C5F8 0E ");
    assertThat(p.width()).isEqualTo(320);
    assertThat(p.height()).isEqualTo(400);
    assertThat(p.at(10, 40)).isEqualTo(RED);
    assertThat(p.at(10, 41)).isEqualTo(RED);
    assertThat(p.at(5, 399)).isEqualTo(YELLOW);
    assertThat(p.lit()).isEqualTo(4);
  }

  @Test
  void cgaGraphicsAreInTextMemory() throws IOException, BootException, DataFormatException {
    Picture p = mode(6, point(1, 100, 31));
    assertThat(p.width()).isEqualTo(640);
    assertThat(p.lit()).isEqualTo(p.height() / 200);
  }

  @Test
  void textIsDrawnWithTheFontOfTheBios() throws IOException, BootException, DataFormatException {
    // Mode 3, then "A" in red by INT 10h with AH 09h, and no cursor.
    Machine m = sector("B80300 CD10 B84109 BB0400 B90100 CD10 B80001 B90020 CD10 ");
    assertThat(m.screenText()).startsWith("A\n");
    Picture p = Picture.of(m);
    assertThat(p.width()).isEqualTo(720);
    assertThat(p.height()).isEqualTo(400);
    // The letter's rows in the font of every VGA.
    int[] rows = {0, 0, 0x10, 0x38, 0x6C, 0xC6, 0xC6, 0xFE, 0xC6, 0xC6, 0xC6, 0xC6, 0, 0, 0, 0};
    for (int y = 0; y < 16; y++) {
      for (int x = 0; x < 9; x++) {
        int color = (rows[y] << 1 >> 8 - x & 1) != 0 ? RED : BLACK;
        assertThat(p.at(x, y)).as("row %d column %d", y, x).isEqualTo(color);
      }
    }
  }
}
