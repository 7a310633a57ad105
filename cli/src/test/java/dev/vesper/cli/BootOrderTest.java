package dev.vesper.cli;

import static org.assertj.core.api.Assertions.assertThat;

import dev.vesper.fixtures.Tools;
import dev.vesper.guest.FlatGuest;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** {@code -boot} and {@code bootindex}, by what a BIOS makes of them. */
final class BootOrderTest {
  private static final String BIOS = "/usr/share/seabios/bios-256k.bin";

  /** Some cylinders: a BIOS reads the first sector by cylinder, head and sector. */
  private static final int DISK = 4 << 20;

  @TempDir static Path dir;

  /** A disk whose boot sector ends the run with a status of its own. */
  @BeforeAll
  static void makeDisks() throws Exception {
    for (int i = 0; i < 3; i++) {
      byte[] disk =
          Arrays.copyOf(new byte[] {(byte) 0xB0, (byte) i, (byte) 0xE6, (byte) 0xF4}, DISK);
      disk[4] = (byte) 0xF4;
      disk[510] = 0x55;
      disk[511] = (byte) 0xAA;
      Files.write(dir.resolve("disk" + i), disk);
    }
  }

  private static CommandResult run(String options) {
    List<String> line = new ArrayList<>(List.of("run", "--sev", "off", "-m", "64M"));
    line.addAll(List.of("-bios", BIOS, "-serial", "none", "--limit-insns", "100M", "-snapshot"));
    for (String o : options.split(" +")) {
      line.add(o.replace("disk", dir.resolve("disk").toString()));
    }
    return CommandResult.of(line.toArray(String[]::new));
  }

  @ParameterizedTest
  @CsvSource({
    "-drive file=disk0 -drive file=disk1 -drive file=disk2, 1",
    "'-drive file=disk0 -drive file=disk1,bootindex=1 -drive file=disk2', 3",
    "'-drive file=disk0,bootindex=3 -drive file=disk1,bootindex=2 -drive file=disk2,if=ide,bootindex=1', 5",
    "'-drive file=disk0,if=none,id=a -device virtio-blk-pci,drive=a -drive file=disk1,if=none,id=b"
        + " -device ide-hd,drive=b,bootindex=0', 3"
  })
  void theDriveWithTheLeastIndexIsBooted(String drives, int status) {
    Tools.require(BIOS, "seabios");
    CommandResult r = run(drives);
    assertThat(r.status()).as(r.err()).isEqualTo(status);
  }

  /** A guest finds the order in CMOS memory, and after a reset the one that is not for once. */
  @Test
  void onceIsUpToTheFirstReset() throws Exception {
    Path image =
        Files.write(
            dir.resolve("guest"),
            FlatGuest.image(
                """
                mov al, 0x3d
                out 0x70, al
                in al, 0x71
                mov dx, 0x3f8
                out dx, al
                mov al, 0x38
                out 0x70, al
                in al, 0x71
                out dx, al
                inc byte [0x300000]
                cmp byte [0x300000], 2
                jne reset
                mov al, 0x10
                out 0xf4, al
                reset: mov al, 0xfe
                out 0x64, al
                hlt
                """));
    Path out = dir.resolve("out");
    String line = "run --sev off %s -serial file:%s -boot once=nc,menu=on -boot order=dca";
    CommandResult r = CommandResult.of(line.formatted(image, out).split(" "));
    assertThat(r.status()).as(r.err()).isEqualTo(33);
    assertThat(out).hasBinaryContent(new byte[] {0x24, 0, 0x23, 0x10});
  }

  @Test
  void aBoardWithoutFirmwareIsToldNothing() {
    CommandResult r = CommandResult.of("run", "-M", "minimal", "-boot", "d");
    assertThat(r.status()).isEqualTo(2);
    assertThat(r.err()).contains("-M minimal has no PCI devices and no fw_cfg");
    assertThat(CommandResult.of("run", "-boot", "q").err()).contains("-boot q: there are c");
  }
}
