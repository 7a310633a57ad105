package dev.vesper.cli;

import static org.assertj.core.api.Assertions.assertThat;

import dev.vesper.fixtures.DebianDisk;
import dev.vesper.fixtures.DebianKernel;
import dev.vesper.fixtures.DebianPackages;
import dev.vesper.fixtures.Tools;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.condition.EnabledIfSystemProperty;
import org.junit.jupiter.api.io.TempDir;

/** Other people's programs that take the whole screen, used by the keys of a terminal. */
@Tag("slow")
@Timeout(value = 10, unit = TimeUnit.MINUTES)
final class MenusTest {
  static final String OVMF = "/usr/share/ovmf/OVMF.fd";
  private static final String DOWN = "\u001b[B";
  private static final String QUIT = "\u0001x";

  private static final String GRUB =
      """
      serial --unit=0
      terminal_input serial
      terminal_output serial
      set timeout=-1
      menuentry "first of two" { echo FIRST; halt }
      menuentry "second of two" { echo SECOND; halt }
      """;

  @TempDir Path dir;

  @BeforeEach
  void tools() {
    Tools.need("script", "bsdutils");
    Tools.need("bash", "bash");
  }

  @Test
  void firmwareIsSetUpByArrows() throws Exception {
    Tools.require(OVMF, "ovmf");
    try (TerminalSession s = new TerminalSession(dir, "run", "-bios", OVMF)) {
      s.until("UEFI Interactive Shell");
      s.answer("\u001b", "Shell>");
      s.answer("exit\r", "Continue");
      s.until("Select Entry");
      // The help beside the entry that is chosen.
      s.answer(DOWN, "Device Manager");
      s.answer("\r", "Devices List");
      s.answer("\u001b", "Select Language");
      s.type(QUIT);
      assertThat(s.status()).isEqualTo(130);
    }
    TerminalSession.modesAreAsBefore(dir);
  }

  /** {@return an EFI program with GRUB and a menu of two entries, made in a folder} */
  static Path grub(Path dir) throws Exception {
    Tools.need("grub-mkstandalone", "grub-common");
    Path modules = DebianPackages.unpacked("grub-efi-amd64-bin").resolve("usr/lib/grub/x86_64-efi");
    Files.writeString(dir.resolve("grub.cfg"), GRUB);
    Tools.call(
        dir,
        "grub-mkstandalone",
        "-d",
        modules.toString(),
        "-O",
        "x86_64-efi",
        "-o",
        "grub.efi",
        "--install-modules=serial terminal halt echo normal",
        "--locales=",
        "--fonts=",
        "--themes=",
        "boot/grub/grub.cfg=" + dir.resolve("grub.cfg"));
    return dir.resolve("grub.efi");
  }

  @Test
  void grubStartsWhatTheArrowsHaveChosen() throws Exception {
    Tools.require(OVMF, "ovmf");
    String image = grub(dir).toString();
    try (TerminalSession s = new TerminalSession(dir, "run", "-bios", OVMF, "-kernel", image)) {
      s.until("second of two");
      s.answer(DOWN, "*second of two");
      s.answer("\r", "SECOND");
      assertThat(s.status()).isZero();
    }
    TerminalSession.modesAreAsBefore(dir);
  }

  /** A login, and a shell with lines that are edited. */
  @Test
  @EnabledIfSystemProperty(named = "long", matches = "true")
  void bashIsUsedBehindALogin() throws Exception {
    Path disk = dir.resolve("debian.img");
    Files.copy(DebianDisk.image(), disk);
    Path kernel = Files.write(dir.resolve("vmlinuz"), DebianKernel.image());
    Path initrd = Files.write(dir.resolve("initrd"), DebianDisk.initramfs());
    try (TerminalSession s =
        new TerminalSession(
            dir,
            "run",
            "-kernel",
            kernel.toString(),
            "-initrd",
            initrd.toString(),
            "-append",
            "console=ttyS0 quiet",
            "-drive",
            "file=" + disk + ",format=raw")) {
      s.until("login: ");
      s.answer("root\r", "Password: ");
      s.answer("vesper\r", "# ");
      // Ctrl-A is Vesper's, and its own if it comes twice: the beginning of the line.
      s.type("-$((6*7))\u0001\u0001echo sum\r");
      s.until("sum-42");
      s.until("# ");
      // Bash loses its prompt if Ctrl-C meets it before it has read the line, and the signal is its
      // own until the child has the terminal: the child says when it has.
      s.answer("sh -c 'echo go$((1+1)); exec sleep 1000'\r", "go2");
      s.answer("\u0003", "# ");
      s.answer("echo status $?\r", "status 130");
      s.until("# ");
      s.type("systemctl poweroff\r");
      assertThat(s.status()).isZero();
    }
    TerminalSession.modesAreAsBefore(dir);
  }
}
