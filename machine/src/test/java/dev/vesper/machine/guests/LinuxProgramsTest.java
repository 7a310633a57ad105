package dev.vesper.machine.guests;

import static org.assertj.core.api.Assertions.assertThat;

import dev.vesper.fixtures.DebianKernel;
import dev.vesper.fixtures.GuestLibraries;
import dev.vesper.fixtures.Tools;
import dev.vesper.machine.TestMachine;
import dev.vesper.machine.device.disk.FileStorage;
import dev.vesper.machine.device.disk.RawDisk;
import dev.vesper.machine.spec.BootException;
import dev.vesper.machine.spec.Hardware;
import dev.vesper.machine.spec.MachineSpec;
import dev.vesper.machine.spec.SevMode;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Programs and file systems of Debian, unmodified, which check their own work. */
@Tag("slow")
final class LinuxProgramsTest {
  private static final String START =
      """
      #!/bin/busybox sh
      /bin/busybox mount -t proc proc /proc
      /bin/busybox mount -t sysfs sys /sys
      /bin/busybox mount -t devtmpfs dev /dev
      /bin/busybox --install -s /bin
      export PATH=/bin:/usr/bin:/usr/sbin:/sbin
      for f in $(cat /order); do insmod /m/$f || echo NOT-LOADED $f; done
      """;

  @TempDir Path folder;

  private static MachineSpec.Builder options(SevMode mode, String init, Map<String, byte[]> files) {
    return MachineSpec.builder(mode, DebianKernel.image(), b -> {})
        .append("console=ttyS0 quiet cryptomgr.notests=1")
        .initrd(DebianKernel.initramfs(START + init, files))
        .memoryBytes(512L << 20)
        .cpuModel("EPYC-Milan");
  }

  private static String run(MachineSpec.Builder o, long limit) throws BootException {
    TestMachine m = TestMachine.of(o);
    String reason = m.run(limit).reason();
    String text = m.console();
    assertThat(reason).as(text).startsWith("guest ");
    assertThat(text).contains("MARK-DONE").doesNotContain("NOT-LOADED");
    return text;
  }

  private static Map<String, byte[]> modules(String pattern) {
    Map<String, byte[]> files = new TreeMap<>();
    Map<String, byte[]> found = DebianKernel.modules(pattern);
    files.put("order", String.join("\n", found.keySet()).getBytes(StandardCharsets.UTF_8));
    found.forEach((name, data) -> files.put("m/" + name, data));
    return files;
  }

  private Hardware disks(String... names) throws IOException {
    List<Hardware.Drive> drives = new ArrayList<>();
    for (String n : names) {
      FileChannel c =
          FileChannel.open(folder.resolve(n), StandardOpenOption.READ, StandardOpenOption.WRITE);
      drives.add(new Hardware.Drive(new RawDisk(new FileStorage(c), false), true));
    }
    return new Hardware(Hardware.Board.PC, drives);
  }

  private void empty(String name, int mebibytes) throws IOException {
    try (FileChannel c =
        FileChannel.open(
            folder.resolve(name), StandardOpenOption.CREATE, StandardOpenOption.WRITE)) {
      c.write(ByteBuffer.allocate(1), ((long) mebibytes << 20) - 1);
    }
  }

  /** Files are written, the sums taken from the disk again, and the host's tools find no fault. */
  @Test
  void fileSystemsKeepWhatIsWrittenUnderEs()
      throws IOException, InterruptedException, BootException {
    Tools.require("/usr/sbin/mkfs.ext4", "e2fsprogs");
    Tools.require("/usr/sbin/mkfs.xfs", "xfsprogs");
    Tools.require("/usr/sbin/mkfs.btrfs", "btrfs-progs");
    empty("ext4", 64);
    empty("xfs", 320);
    empty("btrfs", 128);
    Tools.call(folder, "/usr/sbin/mkfs.ext4", "-q", "-O", "metadata_csum", "ext4");
    Tools.call(folder, "/usr/sbin/mkfs.xfs", "-q", "xfs");
    Tools.call(folder, "/usr/sbin/mkfs.btrfs", "-q", "--csum", "sha256", "btrfs");
    String init =
        """
        mkdir /d
        seq 1 400000 >/tmp/a
        for f in vda:ext4 vdb:xfs vdc:btrfs; do
          mount -t ${f#*:} /dev/${f%:*} /d || echo NO-MOUNT
          for i in 1 2 3; do cat /tmp/a >/d/$i; done
          mkdir /d/many; for i in $(seq 1 300); do echo $i >/d/many/$i; done
          rm /d/2; mv /d/many/7 /d/seven; ln /d/1 /d/many/link; sync
          umount /d
          echo 3 >/proc/sys/vm/drop_caches
          mount -t ${f#*:} /dev/${f%:*} /d
          echo SUM ${f#*:} $(cat /d/1 /d/3 /d/many/link | md5sum) $(cat /d/many/* /d/seven | wc -l)
          umount /d
        done
        echo MARK-DONE
        poweroff -f
        """;
    Map<String, byte[]> files =
        modules(
            "drivers/virtio/virtio.*|drivers/block/virtio_blk|fs/(xfs|btrfs)/.*|lib/raid6/.*|"
                + "lib/zstd/.*|lib/(zlib_deflate|lzo)/.*|crypto/(xor|blake2b_generic)|lib/libcrc32c|"
                + "crypto/crc32c_generic|arch/x86/crypto/crc32c-intel");
    String text =
        run(
            options(SevMode.ES, init, files).hardware(disks("ext4", "xfs", "btrfs")),
            20_000_000_000L);
    for (String f : List.of("ext4", "xfs", "btrfs")) {
      // The sum is that of coreutils; 300 small files and the link's 400,000 lines.
      assertThat(text).contains("SUM " + f + " d8e0b18ae4284c1be4591af22333a716 - 400300");
    }
    assertThat(text).doesNotContain("NO-MOUNT").doesNotContain("orrupt");
    Tools.call(folder, "/usr/sbin/e2fsck", "-fn", "ext4");
    Tools.call(folder, "/usr/sbin/xfs_repair", "-n", "-f", "xfs");
    Tools.call(folder, "/usr/bin/btrfs", "check", "--check-data-csum", "btrfs");
  }

  /** Keys, signatures and TLS 1.3 between two programs of the guest, by instructions of a Milan. */
  @Test
  void opensslSignsAndCurlTalksToItUnderEs()
      throws IOException, InterruptedException, BootException {
    Map<String, byte[]> files = modules("none");
    for (String program : List.of("/usr/bin/openssl", "/usr/bin/curl")) {
      Tools.require(program, program.substring(9));
      addProgram(files, Path.of(program));
    }
    String init =
        """
        ip link set lo up
        export OPENSSL_CONF=/dev/null
        cd /tmp
        seq 1 20000 >file
        openssl dgst -sha512 file; openssl dgst -sha3-256 file
        openssl enc -aes-256-ctr -K 00 -iv 00 -in file 2>/dev/null | openssl dgst -sha256
        openssl enc -chacha20 -K 00 -iv 00 -in file 2>/dev/null | openssl dgst -sha256
        for a in RSA ED25519 "EC -pkeyopt ec_paramgen_curve:P-384"; do
          openssl genpkey -algorithm $a -out key 2>/dev/null
          openssl pkey -in key -pubout -out pub
          openssl pkeyutl -sign -inkey key -rawin -in file -out sig
          openssl pkeyutl -verify -pubin -inkey pub -rawin -in file -sigfile sig
        done
        openssl req -x509 -key key -subj /CN=localhost -out cert -days 9 \\
          -addext subjectAltName=DNS:localhost
        openssl s_server -key key -cert cert -accept 4433 -tls1_3 -WWW >/dev/null 2>&1 &
        sleep 1
        curl -sS --cacert cert --resolve localhost:4433:127.0.0.1 https://localhost:4433/file | md5sum
        echo MARK-DONE
        poweroff -f
        """;
    String text = run(options(SevMode.ES, init, files), 20_000_000_000L);
    assertThat(text.split("Signature Verified Successfully", -1)).as(text).hasSize(4);
    // What openssl says of the same file elsewhere.
    assertThat(text)
        .contains(
            "7686a0fb0b50564b3e6f2e2ab9bdcbd55d450d1add4bc3ad888d32c51013c3e86eb9d4d89466904cc65a049c1b8e38615df616b31902701b1c81216a9cc5b42b")
        .contains("658656e129914052546af527ba8cf573ab27fb47551a0682ffcf00eeaf56d32b")
        .contains("74b1cdc79d31c960dd9ca38b061d2fc0ff9e4baf2f8ba9c65661f3bb367020f1")
        .contains("328929d552a25c4d6dea1f7f20babbe2fd1bbb6abbfff97f2539444c285745d5")
        .contains("e071f707df7bbeee2a6a1eb48011ddd0");
  }

  /** A program and the libraries that ldd names. */
  static void addProgram(Map<String, byte[]> files, Path program)
      throws IOException, InterruptedException {
    files.put(program.toString().substring(1), Files.readAllBytes(program));
    GuestLibraries.add(files, program);
  }
}
