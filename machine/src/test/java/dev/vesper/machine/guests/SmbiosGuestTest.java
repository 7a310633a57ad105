package dev.vesper.machine.guests;

import static org.assertj.core.api.Assertions.assertThat;

import dev.vesper.fixtures.DebianKernel;
import dev.vesper.fixtures.Tools;
import dev.vesper.machine.SmbiosOptions;
import dev.vesper.machine.TestMachine;
import dev.vesper.machine.spec.BootException;
import dev.vesper.machine.spec.Hardware;
import dev.vesper.machine.spec.MachineSpec;
import dev.vesper.machine.spec.SevMode;
import java.io.IOException;
import java.nio.file.Path;
import java.util.List;
import java.util.UUID;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** What Linux finds in SMBIOS tables. */
@Tag("slow")
final class SmbiosGuestTest {
  private static final String OVMF = "/usr/share/ovmf/OVMF.fd";

  private static final String INIT =
      """
      #!/bin/busybox sh
      b=/bin/busybox
      $b mount -t sysfs sys /sys
      cd /sys/class/dmi/id
      for f in sys_vendor product_name product_serial product_uuid; do echo $f $($b cat $f); done
      $b poweroff -f
      """;

  @ParameterizedTest
  @CsvSource({"ES, false, PC", "OFF, false, Q35", "OFF, true, Q35"})
  void linuxFindsThem(SevMode mode, boolean firmware, Hardware.Board board)
      throws BootException, IOException {
    MachineSpec.Builder o =
        MachineSpec.builder(mode, DebianKernel.image(), b -> {})
            .append("console=ttyS0 quiet cryptomgr.notests=1")
            .initrd(DebianKernel.initramfs(INIT))
            .hardware(
                Hardware.NONE
                    .withBoard(board)
                    .withSmbios(
                        SmbiosOptions.read(
                            "-smbios",
                            List.of("type=1,manufacturer=Acme,serial=S-1234"),
                            UUID.fromString("00112233-4455-6677-8899-aabbccddeeff"))));
    if (firmware) {
      Tools.require(OVMF, "ovmf");
      o.firmware(Path.of(OVMF));
    }
    TestMachine m = TestMachine.of(o);
    m.run(4_000_000_000L);
    assertThat(m.console())
        .contains("sys_vendor Acme", "product_name Standard PC (")
        .contains("product_serial S-1234")
        .contains("product_uuid 00112233-4455-6677-8899-aabbccddeeff");
  }
}
