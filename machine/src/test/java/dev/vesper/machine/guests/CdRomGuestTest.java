package dev.vesper.machine.guests;

import static org.assertj.core.api.Assertions.assertThat;

import dev.vesper.fixtures.DebianKernel;
import dev.vesper.fixtures.DebianPackages;
import dev.vesper.fixtures.Tools;
import dev.vesper.machine.HardwareOptions;
import dev.vesper.machine.TestMachine;
import dev.vesper.machine.Until;
import dev.vesper.machine.spec.BootException;
import dev.vesper.machine.spec.Hardware;
import dev.vesper.machine.spec.MachineSpec;
import dev.vesper.machine.spec.SevMode;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.TreeMap;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** CD-ROM images as kernels and firmware find them. */
@Tag("slow")
final class CdRomGuestTest {
  /** Each behind those that it needs. */
  private static final List<String> AHCI =
      List.of(
          "drivers/scsi/scsi_common",
          "drivers/scsi/scsi_mod",
          "drivers/ata/libata",
          "drivers/ata/libahci",
          "drivers/ata/ahci",
          "drivers/cdrom/cdrom",
          "drivers/scsi/sr_mod",
          "fs/isofs/isofs");

  private static final String INIT =
      """
      #!/bin/busybox sh
      /bin/busybox --install /bin
      export PATH=/bin
      mount -t proc proc /proc
      mount -t sysfs sys /sys
      mount -t devtmpfs dev /dev
      for m in %s; do insmod /m/$m.ko; done
      mkdir /mnt
      for i in 1 2 3 4 5; do [ -b /dev/%s ] || sleep 1; done
      mount -t iso9660 -o ro /dev/%s /mnt && ls /mnt
      cat /mnt/hello.txt
      sha256sum < /mnt/noise.bin
      cat /sys/block/%s/ro /sys/block/%s/size
      umount /mnt
      [ -b /dev/sr0 ] && cat /sys/block/sr0/device/model
      echo MARK-DONE
      poweroff -f
      """;

  @TempDir Path folder;

  private final byte[] noise = new byte[700_001];

  private Hardware.Drive image(String how, byte[] boot) throws IOException {
    new Random(1).nextBytes(noise);
    byte[] text = "from the CD\n".getBytes(StandardCharsets.US_ASCII);
    Path iso = folder.resolve("x.iso");
    Files.write(iso, IsoImage.of(Map.of("HELLO.TXT", text, "NOISE.BIN", noise), boot));
    return HardwareOptions.drive("-drive", "file=" + iso + "," + how, false);
  }

  private static String init(String device, List<String> modules) {
    return INIT.formatted(String.join(" ", modules), device, device, device, device);
  }

  private String found(
      MachineSpec.Builder o,
      Hardware.Drive d,
      String init,
      byte[] busybox,
      Map<String, byte[]> modules)
      throws BootException {
    TestMachine m =
        TestMachine.of(
            o.append("console=ttyS0 quiet cryptomgr.notests=1")
                .initrd(DebianKernel.initramfs(busybox, init, modules))
                .hardware(new Hardware(Hardware.Board.PC, List.of(d))));
    m.run(8_000_000_000L);
    assertThat(m.console())
        .contains("hello.txt", "noise.bin", "from the CD", "MARK-DONE")
        .contains(sha256(noise));
    return m.console();
  }

  private static String sha256(byte[] b) {
    try {
      return java.util.HexFormat.of()
          .formatHex(java.security.MessageDigest.getInstance("SHA-256").digest(b));
    } catch (java.security.NoSuchAlgorithmException e) {
      throw new AssertionError(e);
    }
  }

  @Test
  void linuxMountsOneOfTheAhciController() throws IOException, InterruptedException, BootException {
    Path kernel =
        DebianPackages.unpacked(
            DebianPackages.apt("i386").dependency("linux-image-686", "linux-image-\\S+"), "i386");
    Path busybox =
        DebianPackages.file(DebianPackages.unpacked("busybox-static", "i386"), "bin/busybox");
    Map<String, byte[]> modules = new TreeMap<>();
    List<String> names = AHCI.stream().map(m -> m.substring(m.lastIndexOf('/') + 1)).toList();
    for (String m : AHCI) {
      String name = m.substring(m.lastIndexOf('/') + 1);
      modules.put(
          "m/" + name + ".ko",
          Files.readAllBytes(DebianPackages.file(kernel, "kernel/" + m + "\\.ko")));
    }
    MachineSpec.Builder o =
        MachineSpec.builder(
                SevMode.OFF,
                Files.readAllBytes(DebianPackages.file(kernel, "boot/vmlinuz-.*")),
                b -> {})
            .entry32();
    String text =
        found(
            o,
            image("media=cdrom", new byte[0]),
            init("sr0", names),
            Files.readAllBytes(busybox),
            modules);
    assertThat(text).contains("CD-ROM");
  }

  @Test
  void linuxMountsAVirtioDiskThatCannotBeWritten() throws IOException, BootException {
    Map<String, byte[]> modules =
        DebianKernel.modules(
            "drivers/virtio/virtio.*|drivers/block/virtio_blk|fs/isofs/isofs|drivers/cdrom/cdrom");
    Map<String, byte[]> files = new TreeMap<>();
    modules.forEach((n, b) -> files.put("m/" + n, b));
    List<String> names = modules.keySet().stream().map(n -> n.replace(".ko", "")).toList();
    found(
        MachineSpec.builder(SevMode.ES, DebianKernel.image(), b -> {}),
        image("media=cdrom,if=virtio", new byte[0]),
        init("vda", names),
        Files.readAllBytes(Path.of("/bin/busybox")),
        files);
  }

  @Test
  void ovmfBootsFromAnImage() throws IOException, InterruptedException, BootException {
    String grub = "/usr/lib/grub/x86_64-efi-signed/grubx64.efi.signed";
    Tools.require(grub, "grub-efi-amd64-signed");
    Tools.require("/usr/share/ovmf/OVMF.fd", "ovmf");
    Path fat = new BootDisk(folder).with("EFI/BOOT/BOOTX64.EFI", Path.of(grub)).image();
    TestMachine m =
        TestMachine.of(
            MachineSpec.builder(SevMode.OFF, new byte[0], b -> {})
                .memoryBytes(256L << 20)
                .firmware(Path.of("/usr/share/ovmf/OVMF.fd"))
                .hardware(
                    new Hardware(
                        Hardware.Board.Q35,
                        List.of(image("media=cdrom", Files.readAllBytes(fat))))));
    m.machine().run(Until.console("Welcome to GRUB").or(Until.instructions(2_000_000_000L)));
    assertThat(m.console())
        .contains("BdsDxe: starting Boot")
        .contains("UEFI VESPER CD-ROM VESPER02")
        .contains("Welcome to GRUB");
  }
}
