package dev.vesper.cli;

import static org.assertj.core.api.Assertions.assertThat;

import dev.vesper.guest.FlatGuest;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Items that a person adds to fw_cfg, read by a guest that writes them to the debug port. */
final class ConfigItemsTest {
  private static final int DIRECTORY = 2048;
  private static final int FIRST_KEY = 0x20;
  private static final int KEYS = 16;
  private static final int HEAD = 96;

  /** Writes the directory, and then the beginning of each file, to port E9h. */
  private static final String READER =
      """
      mov ebx, 0x19
      mov ecx, %d
      call READ
      mov ebx, 0x20
      K: mov ecx, %d
      call READ
      inc ebx
      cmp ebx, %d
      jne K
      mov al, 0x10
      out 0xf4, al
      hlt
      READ: mov edx, 0x510
      mov eax, ebx
      out dx, ax
      mov edx, 0x511
      B: in al, dx
      out 0xe9, al
      dec ecx
      jnz B
      ret
      """
          .formatted(DIRECTORY, HEAD, FIRST_KEY + KEYS);

  @TempDir Path dir;

  /** {@return what the guest has read of an item, by its entry in the directory} */
  private static String content(byte[] read, String name) {
    ByteBuffer b = ByteBuffer.wrap(read);
    for (int i = 0; i < b.getInt(0); i++) {
      int at = 4 + 64 * i;
      String entry = new String(read, at + 8, 56, StandardCharsets.US_ASCII);
      if (entry.substring(0, entry.indexOf(0)).equals(name)) {
        int key = b.getShort(at + 4);
        int from = DIRECTORY + (key - FIRST_KEY) * HEAD;
        return new String(read, from, b.getInt(at), StandardCharsets.ISO_8859_1);
      }
    }
    throw new AssertionError("no item " + name);
  }

  @Test
  void aGuestReadsThem() throws IOException {
    // With a stack: the guest calls.
    Path guest =
        Files.write(dir.resolve("guest.elf"), FlatGuest.image("mov rsp, 0x200000\n" + READER));
    Path file = Files.writeString(dir.resolve("item"), "of a file");
    Path debug = dir.resolve("debug");
    int status =
        Main.execute(
            "run",
            guest.toString(),
            "--sev",
            "off",
            "-serial",
            "none",
            "-fw_cfg",
            "name=opt/x,string=hello,,you",
            "-fw_cfg",
            "opt/test/y,file=" + file,
            "-debugcon",
            "file:" + debug);

    assertThat(status).isEqualTo(33);
    byte[] read = Files.readAllBytes(debug);
    assertThat(read).hasSize(DIRECTORY + KEYS * HEAD);
    assertThat(content(read, "opt/x")).isEqualTo("hello,you");
    assertThat(content(read, "opt/test/y")).isEqualTo("of a file");
  }

  /** Where firmware looks for what to boot, and for how long it waits. */
  @Test
  void firmwareIsToldOfBooting() throws IOException {
    Path guest =
        Files.write(dir.resolve("guest.elf"), FlatGuest.image("mov rsp, 0x200000\n" + READER));
    Path debug = dir.resolve("debug");
    Path disk = Files.write(dir.resolve("disk"), new byte[1 << 16]);
    String line =
        "run %s --sev off -serial none -debugcon file:%s -snapshot -drive file=%s,format=raw"
            + " -drive file=%s,format=raw,if=ide -drive file=%s,format=raw,if=ide,bootindex=2"
            + " -drive file=%s,format=raw,bootindex=1 -boot splash-time=5000,strict=on"
            + " -boot reboot-timeout=7";
    int status = Main.execute(line.formatted(guest, debug, disk, disk, disk, disk).split(" "));
    assertThat(status).isEqualTo(33);
    byte[] read = Files.readAllBytes(debug);
    // The first disk is behind the entropy device in slot 3; the controller comes last.
    assertThat(content(read, "bootorder"))
        .isEqualTo("/pci@i0cf8/scsi@5/disk@0,0\n/pci@i0cf8/pci8086,2922@6/drive@1/disk@0\nHALT\0");
    assertThat(content(read, "etc/boot-menu-wait")).isEqualTo("\u0088\u0013");
    assertThat(content(read, "etc/boot-fail-wait")).isEqualTo("\7\0\0\0");
  }

  private int exit(int value, Path json, String... more) throws IOException {
    Path guest =
        Files.write(
            dir.resolve("exit.elf"), FlatGuest.image("mov al, " + value + "\nout 0xf4, al\nhlt"));
    String[] args = {
      "run", guest.toString(), "--sev", "off", "-serial", "none", "--json", json.toString()
    };
    String[] all = Arrays.copyOf(args, args.length + more.length);
    System.arraycopy(more, 0, all, args.length, more.length);
    return Main.execute(all);
  }

  @Test
  void aGuestsStatusIsItsOwnOrOurs() throws IOException {
    Path json = dir.resolve("end.json");
    // A guest may choose what would be a triple fault of ours.
    assertThat(exit(2, json)).isEqualTo(5);
    assertThat(json).content().contains("\"status\":5,\"guest_value\":2,");
    assertThat(exit(2, json, "--exit-status", "outcome")).isEqualTo(1);
    assertThat(json).content().contains("\"status\":1,\"guest_value\":2,").endsWith("}\n");
    assertThat(exit(2, json, "--exit-status", "outcome", "--success-status", "5")).isZero();
    assertThat(json).content().contains("\"status\":0,\"guest_value\":2,");
    assertThat(exit(2, json, "--exit-status", "outcome", "--limit-insns", "0")).isEqualTo(124);
    assertThat(json).content().contains("\"status\":124,").doesNotContain("guest_value");
  }
}
