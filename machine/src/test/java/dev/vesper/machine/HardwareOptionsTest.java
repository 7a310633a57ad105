package dev.vesper.machine;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.vesper.guest.Locore;
import dev.vesper.machine.device.net.Network;
import dev.vesper.machine.spec.Hardware;
import dev.vesper.machine.spec.MachineSpec;
import dev.vesper.machine.spec.SevMode;
import java.net.InetAddress;
import java.net.ServerSocket;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Instant;
import java.time.ZoneId;
import java.util.Objects;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** QEMU's words for hardware: what they give, and that what cannot be is refused. */
final class HardwareOptionsTest {
  private static final Instant NOW = Instant.parse("2026-07-01T12:00:00Z");
  private static final ZoneId ZONE = ZoneId.of("Europe/Berlin");

  private static String start(String option) {
    return Instant.ofEpochSecond(HardwareOptions.clock("-rtc", option, NOW, ZONE)).toString();
  }

  @ParameterizedTest
  @CsvSource(
      delimiter = '|',
      value = {
        "''                       | 2027-01-01T00:00:00Z",
        "clock=vm,driftfix=none   | 2027-01-01T00:00:00Z",
        "base=utc                 | 2026-07-01T12:00:00Z",
        "base=localtime           | 2026-07-01T14:00:00Z",
        "base=2030-02-03          | 2030-02-03T00:00:00Z",
        "base=2030-02-03T04:05:06 | 2030-02-03T04:05:06Z"
      })
  void theClockStartsWhereItIsTold(String option, String date) {
    assertThat(start(option)).isEqualTo(date);
  }

  @Test
  void theDateIsLaterThanWhatOpenBsdTakesForABadClock() {
    assertThat(start("")).isGreaterThan("2024-12-18");
  }

  @ParameterizedTest
  @CsvSource(
      delimiter = '|',
      value = {
        "clock=host       | virtual time",
        "clock=rt         | virtual time",
        "driftfix=slew    | no tick is lost",
        "base=yesterday   | a date is",
        "base=1969-12-31  | from 1970",
        "base             | takes base=utc",
        "tick=1           | not 'tick=1'"
      })
  void whatCannotBeIsRefusedWithItsReason(String option, String reason) {
    assertThatThrownBy(() -> start(option))
        .isInstanceOf(IllegalArgumentException.class)
        .hasMessageContaining(reason);
  }

  @ParameterizedTest
  @CsvSource(
      delimiter = '|',
      value = {
        "format=raw           | drive needs file=F",
        "file=none,format=vmdk | there are raw and qcow2",
        "file=none,if=scsi    | there are virtio and ide",
        "file=none,snapshot=1 | say on or off",
        "bus=1                | drive takes file=F",
        "file=none            | the disk none is no file"
      })
  void aDiskThatCannotBeIsRefusedByItsOptionsName(String option, String message) {
    assertThatThrownBy(() -> HardwareOptions.drive("drive", option, false))
        .isInstanceOf(IllegalArgumentException.class)
        .hasMessageContaining(message);
  }

  @Test
  void aMachineClosesTheDisksAndSocketsThatItWasGiven(@TempDir Path folder) throws Exception {
    Path image = Files.write(folder.resolve("image"), new byte[4096]);
    int port;
    try (ServerSocket s = new ServerSocket(0, 1, InetAddress.getLoopbackAddress())) {
      port = s.getLocalPort();
    }
    MachineSpec spec =
        MachineSpec.builder(SevMode.OFF, Locore.image(), b -> {})
            .memoryBytes(HardwareOptions.memory("memory", "64M"))
            .build();
    Hardware.Drive d = HardwareOptions.drive("drive", "file=" + image, false);
    String door = "user,hostfwd=tcp::" + port + "-:22";
    Network n = Objects.requireNonNull(HardwareOptions.nic("nic", door));
    assertThatThrownBy(() -> HardwareOptions.drive("drive", "file=" + image, false))
        .hasMessageContaining("named twice");
    assertThatThrownBy(() -> HardwareOptions.nic("nic", "user,hostfwd=tcp::" + port + "-:23"))
        .hasMessageContaining("cannot listen at port " + port);
    new Machine(spec.toBuilder().drive(d.disk(), d.virtio()).network(n).build()).close();
    HardwareOptions.drive("drive", "file=" + image, false).disk().close();
    Objects.requireNonNull(HardwareOptions.nic("nic", door)).close();
  }
}
