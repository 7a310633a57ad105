package dev.vesper.cli.monitor;

import static org.assertj.core.api.Assertions.assertThat;

import dev.vesper.fixtures.Tools;
import dev.vesper.guest.MultibootImage;
import dev.vesper.machine.Machine;
import dev.vesper.machine.Until;
import dev.vesper.machine.observe.format.JsonTree;
import dev.vesper.machine.spec.Hardware;
import dev.vesper.machine.spec.MachineSpec;
import dev.vesper.machine.spec.SevMode;
import java.io.BufferedReader;
import java.io.IOException;
import java.net.UnixDomainSocketAddress;
import java.nio.ByteBuffer;
import java.nio.channels.Channels;
import java.nio.channels.SocketChannel;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/**
 * What clients take apart has the form that QEMU 7.2 gives it: its words for the same guest at the
 * same place are in a file, which QEMU itself is held to where it is installed.
 */
final class QemuFormsTest {
  private static final String GUEST =
      """
      mov rax, 0x1122334455667788
      mov rbx, 0xFFFFFFFFFFFFFFFF
      mov rcx, 0x8000000000000000
      mov r15, 0x0123456789ABCDEF
      mov esp, 0x300000
      mov [0x310000], rax
      mov dword [0x310008], 0x27415C0A
      mov dword [0x31000C], 0xFEDCBA98
      mov al, 0xFF
      add al, 1
      mov rax, 0x1122334455667788
      X: jmp X
      """;

  private static final List<String> COMMANDS =
      List.of(
          "info registers",
          "info mem",
          "info status",
          "info kvm",
          "info usb",
          "x /4xw 0x310000",
          "x /6xb 0x310000",
          "x /5xh 0x310000",
          "x /3xg 0x310000",
          "x /3dw 0x310000",
          "x /2dg 0x310000",
          "x /3uw 0x310000",
          "x /4ob 0x310000",
          "x /16cb 0x310000",
          "xp /4xw 0x310000",
          "xp /1xw 0x100000000000",
          "x /1xw 0xffffffffffff0000",
          "print /x 1+2*3",
          "print /d -1",
          "print /u -1",
          "print /o 8",
          "print /c 65",
          "print /c 10",
          "print /x $eax",
          "print /x $eax & 0xff + 1",
          "print /x ~0",
          "print /x (1+2)*3",
          "print /x 'a'",
          "print /x 0x10-020",
          "print /x $pc",
          "print /x 1+",
          "print /x $foo",
          "print /x 1/0",
          "print /x 1)",
          "xp /zz 0",
          "gva2gpa 0x310008",
          "gva2gpa 0xffffffffffff0000",
          "sum 0x310000 16",
          "info foo",
          "sendkey foo",
          "cpu 7");

  @TempDir Path dir;

  private Path image() throws IOException {
    Path p = dir.resolve("image");
    Files.write(p, MultibootImage.of(GUEST));
    return p;
  }

  private static String recorded() throws IOException {
    try (var in = Objects.requireNonNull(QemuFormsTest.class.getResourceAsStream("qemu-7.2.txt"))) {
      return new String(in.readAllBytes(), StandardCharsets.UTF_8);
    }
  }

  @Test
  void theyAreOurs() throws Exception {
    StringBuilder said = new StringBuilder();
    try (Machine m =
        new Machine(
            MachineSpec.builder(SevMode.OFF, Files.readAllBytes(image()), b -> {})
                .memoryBytes(64 << 20)
                .hardware(new Hardware(Hardware.Board.PC, List.of()))
                .build())) {
      m.run(Until.instructions(100_000));
      Session s = new Session(Control.of(m));
      COMMANDS.forEach(c -> said.append("(qemu) ").append(c).append('\n').append(s.run(c)));
    }
    String theirs =
        recorded()
            // Processors set the A bit of a descriptor that they load.
            .replace("00af9a00 DPL=0 CS64 [-R-]", "00af9b00 DPL=0 CS64 [-RA]")
            // Multiboot says nothing of IDTR, and QEMU's is its BIOS's.
            .replace("IDT=     0000000000000000 000003ff", "IDT=     0000000000000000 0000ffff")
            // A guest of SVM runs with EFER.SVME.
            .replace("EFER=0000000000000d01", "EFER=0000000000001d01");
    assertThat(said.toString()).isEqualTo(theirs);
  }

  @Test
  void theyAreQemus() throws Exception {
    Tools.need("qemu-system-x86_64", "qemu-system-x86");
    Path socket = dir.resolve("qmp");
    Process p =
        new ProcessBuilder(
                "qemu-system-x86_64",
                "-accel",
                "tcg",
                "-M",
                "pc",
                "-m",
                "64",
                "-display",
                "none",
                "-net",
                "none",
                "-serial",
                "none",
                "-kernel",
                image().toString(),
                "-qmp",
                "unix:" + socket + ",server,wait=off")
            .inheritIO()
            .start();
    StringBuilder said = new StringBuilder();
    try (SocketChannel c = connect(socket);
        BufferedReader in = new BufferedReader(Channels.newReader(c, StandardCharsets.UTF_8))) {
      in.readLine();
      ask(c, in, Map.of("execute", "qmp_capabilities"));
      String rip = "";
      while (!rip.contains("AX=1122334455667788")) {
        rip = human(c, in, "info registers");
      }
      ask(c, in, Map.of("execute", "stop"));
      for (String command : COMMANDS) {
        said.append("(qemu) ").append(command).append('\n');
        said.append(human(c, in, command).replace("\r", ""));
      }
    } finally {
      p.destroyForcibly().waitFor(10, TimeUnit.SECONDS);
    }
    assertThat(said.toString()).isEqualTo(recorded());
  }

  private static SocketChannel connect(Path socket) throws Exception {
    long end = System.nanoTime() + TimeUnit.SECONDS.toNanos(30);
    for (; ; ) {
      try {
        return SocketChannel.open(UnixDomainSocketAddress.of(socket));
      } catch (IOException e) {
        assertThat(System.nanoTime()).as("QEMU listens").isLessThan(end);
        Thread.sleep(20);
      }
    }
  }

  private static String human(SocketChannel c, BufferedReader in, String line) throws Exception {
    Map<String, Object> a = Map.of("command-line", line);
    Map<?, ?> answer = ask(c, in, Map.of("execute", "human-monitor-command", "arguments", a));
    return String.valueOf(answer.get("return"));
  }

  private static Map<?, ?> ask(SocketChannel c, BufferedReader in, Map<String, Object> request)
      throws Exception {
    c.write(ByteBuffer.wrap((JsonTree.text(request) + "\n").getBytes(StandardCharsets.UTF_8)));
    for (; ; ) {
      Map<?, ?> m = (Map<?, ?>) JsonTree.strict(in.readLine());
      if (!m.containsKey("event")) {
        return m;
      }
    }
  }
}
