package dev.vesper.machine.guests;

import static org.assertj.core.api.Assertions.assertThat;

import dev.vesper.fixtures.DebianDisk;
import dev.vesper.fixtures.DebianKernel;
import dev.vesper.fixtures.Tools;
import dev.vesper.machine.Machine;
import dev.vesper.machine.device.disk.FileStorage;
import dev.vesper.machine.device.disk.RawDisk;
import dev.vesper.machine.spec.BootException;
import dev.vesper.machine.spec.Hardware;
import dev.vesper.machine.spec.MachineSpec;
import dev.vesper.machine.spec.SevMode;
import java.io.IOException;
import java.nio.channels.FileChannel;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.List;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.condition.EnabledIfSystemProperty;
import org.junit.jupiter.api.io.TempDir;

/** A Debian 12 system on a virtio disk: systemd, a login, apt, and a file system that survives. */
@Tag("slow")
@Timeout(value = 25, unit = TimeUnit.MINUTES)
final class DebianSystemTest {
  /** Number of boots in a row that are killed; {@code -Ddebian.kills=20} asks for more. */
  private static final int KILLS = Integer.getInteger("debian.kills", 1);

  @TempDir Path folder;

  private String run(Path image, Dialogue d, long limit, boolean ends)
      throws IOException, BootException {
    return run(SevMode.ES, image, d, limit, ends);
  }

  private String run(SevMode mode, Path image, Dialogue d, long limit, boolean ends)
      throws IOException, BootException {
    try (FileChannel c =
        FileChannel.open(image, StandardOpenOption.READ, StandardOpenOption.WRITE)) {
      RawDisk disk = new RawDisk(new FileStorage(c), false);
      Machine m =
          new Machine(
              MachineSpec.builder(mode, DebianKernel.image(), d::write)
                  .append("console=ttyS0 quiet cryptomgr.notests=1")
                  .initrd(DebianDisk.initramfs())
                  .input(d)
                  .hardware(
                      new Hardware(Hardware.Board.PC, List.of(new Hardware.Drive(disk, true))))
                  .build());
      m.limit(limit, Long.MAX_VALUE);
      String reason = m.run().reason();
      if (ends) {
        assertThat(reason).as(d.text()).isEqualTo("guest powered off");
      }
      return d.text();
    }
  }

  private static Dialogue login() {
    return new Dialogue().when("login: ", "root\n").when("Password: ", "vesper\n");
  }

  private void isClean(Path image) throws IOException, InterruptedException {
    Tools.call(folder, "/usr/sbin/e2fsck", "-fn", image.toString());
  }

  /** A quarter of an hour's work for what the amd64 system and I386GuestsTest show in parts. */
  @Test
  @EnabledIfSystemProperty(named = "long", matches = "true")
  void programsOfI386LogInAndInstallAPackageUnderTheSameKernel()
      throws IOException, InterruptedException, BootException {
    Path image = folder.resolve("i386.img");
    Files.copy(DebianDisk.image("i386"), image);
    Dialogue d =
        login()
            .when("# ", "apt-get install -y hello && hello\n")
            .when(
                "Hello, world!",
                "dpkg --print-architecture; getconf LONG_BIT; perl -e 'print 2**0.5, \"\\n\"';"
                    + " systemctl is-system-running; uname -m\n")
            .when("x86_64", "systemctl poweroff\n");
    assertThat(run(image, d, 30_000_000_000L, true))
        .contains("Setting up hello")
        .containsPattern("(?s)i386\\s+32\\s+1\\.4142135623731\\s+running\\s+x86_64");
    isClean(image);
  }

  /** Every request of the disk goes through a bounce buffer that the guest has shared. */
  @Test
  void startsAndShutsDownUnderSnp() throws IOException, InterruptedException, BootException {
    Path image = folder.resolve("snp.img");
    Files.copy(DebianDisk.image(), image);
    Dialogue d =
        login()
            .when("# ", "dmesg | grep Memory.Enc; systemctl is-system-running; uname -m\n")
            .when("x86_64", "systemctl poweroff\n");
    assertThat(run(SevMode.SNP, image, d, 30_000_000_000L, true))
        .contains("AMD SEV SEV-ES SEV-SNP")
        .containsPattern("running\\s+x86_64");
    isClean(image);
  }

  @Test
  void logsInInstallsAPackageShutsDownAndSurvivesBeingKilled()
      throws IOException, InterruptedException, BootException {
    Path image = folder.resolve("debian.img");
    Files.copy(DebianDisk.image(), image);
    Dialogue d =
        login()
            .when("# ", "apt-get install -y hello && hello\n")
            .when("Hello, world!", "systemctl is-system-running; nproc; uname -m\n")
            .when("x86_64", "systemctl poweroff\n");
    String text = run(image, d, 30_000_000_000L, true);
    assertThat(text).contains("Setting up hello").contains("Hello, world!").contains("running");
    isClean(image);
    for (int i = 0; i < KILLS; i++) {
      // The plug is pulled while files are written; the next boot replays the journal.
      Dialogue writer =
          login()
              .when(
                  "# ",
                  "while :; do cp -r /usr/share/perl5 /root/p; sync; rm -r /root/p; done & sleep 1;"
                      + " echo WRITING$((1+1))\n");
      run(image, writer, 4_500_000_000L + 137_000_003L * i, false);
      assertThat(writer.text()).contains("WRITING2");
      Dialogue after = login().when("# ", "hello; rm -rf /root/p; systemctl poweroff\n");
      assertThat(run(image, after, 30_000_000_000L, true)).contains("Hello, world!");
      isClean(image);
    }
  }
}
