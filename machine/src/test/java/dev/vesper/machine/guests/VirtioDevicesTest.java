package dev.vesper.machine.guests;

import static org.assertj.core.api.Assertions.assertThat;

import dev.vesper.fixtures.DebianKernel;
import dev.vesper.machine.Machine;
import dev.vesper.machine.device.net.UserNetwork;
import dev.vesper.machine.device.share.FuseServer;
import dev.vesper.machine.spec.BootException;
import dev.vesper.machine.spec.Hardware;
import dev.vesper.machine.spec.MachineSpec;
import dev.vesper.machine.spec.SevMode;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

/** Linux's own drivers of network, console and file system. */
@Tag("slow")
final class VirtioDevicesTest {
  private static final String MODULES =
      "drivers/virtio/virtio.*|net/core/failover|drivers/net/net_failover|drivers/net/virtio_net"
          + "|net/packet/af_packet|fs/fuse/fuse|fs/fuse/virtiofs|drivers/char/virtio_console";

  private static final String INIT =
      """
      #!/bin/busybox sh
      b=/bin/busybox
      $b mount -t proc proc /proc
      $b mount -t sysfs sys /sys
      $b mount -t devtmpfs dev /dev
      for m in %s; do $b insmod /m/$m; done
      $b ip link set eth0 up
      $b udhcpc -i eth0 -n -q -s /bin/busybox 2>&1
      $b ip addr add 10.0.2.15/24 dev eth0
      $b ping -c 2 10.0.2.2
      $b sleep 3
      $b ip -6 addr show dev eth0
      $b ping -6 -c 3 fec0::2
      $b nc 10.0.2.2 80 < /dev/null 2>&1
      echo to the console > /dev/hvc0
      $b mkdir /mnt
      $b mount -t virtiofs folder /mnt && $b ls /mnt
      $b cp /mnt/from /mnt/to && $b mkdir -p /mnt/d/e && $b mv /mnt/to /mnt/d/e/to
      $b seq 1 100000 > /mnt/d/long && $b sha256sum /mnt/d/long
      $b ln -s / /mnt/link && $b ls -l /mnt/link && $b rm /mnt/link
      $b umount /mnt
      echo DONE
      $b poweroff -f
      """;

  @TempDir Path folder;

  @ParameterizedTest
  @EnumSource(
      value = SevMode.class,
      names = {"OFF", "ES", "SNP"})
  void linuxUsesThem(SevMode mode) throws IOException, BootException {
    Map<String, byte[]> modules = DebianKernel.modules(MODULES);
    Map<String, byte[]> files = new TreeMap<>();
    modules.forEach((n, b) -> files.put("m/" + n, b));
    Files.writeString(folder.resolve("from"), "the computer's");
    ByteArrayOutputStream console = new ByteArrayOutputStream();
    ByteArrayOutputStream virtioConsole = new ByteArrayOutputStream();
    try (FuseServer server = new FuseServer(folder, false)) {
      Machine m =
          new Machine(
              MachineSpec.builder(mode, DebianKernel.image(), console::write)
                  .append("console=ttyS0 quiet cryptomgr.notests=1")
                  .initrd(
                      DebianKernel.initramfs(
                          INIT.formatted(String.join(" ", modules.keySet())), files))
                  .virtioConsole(virtioConsole::write)
                  .hardware(
                      new Hardware(
                          Hardware.Board.PC,
                          List.of(),
                          List.of(new UserNetwork()),
                          true,
                          List.of(new Hardware.Share("folder", server)),
                          null))
                  .build());
      m.limit(6_000_000_000L, Long.MAX_VALUE);
      m.run();
    }
    String text = console.toString(StandardCharsets.ISO_8859_1);
    assertThat(text)
        .contains("lease of 10.0.2.15 obtained")
        .contains("2 packets transmitted, 2 packets received")
        .contains("inet6 fec0::5054:ff:fe12:3456/64")
        .contains("3 packets transmitted, 3 packets received")
        .containsIgnoringCase("connection refused")
        .contains("DONE");
    assertThat(virtioConsole.toString(StandardCharsets.ISO_8859_1)).contains("to the console");
    assertThat(folder.resolve("d/e/to")).hasContent("the computer's");
    assertThat(Files.readAllLines(folder.resolve("d/long"))).hasSize(100_000).endsWith("100000");
  }
}
