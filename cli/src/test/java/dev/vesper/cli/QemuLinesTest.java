package dev.vesper.cli;

import static org.assertj.core.api.Assertions.assertThat;

import dev.vesper.cli.qemu.Translation;
import dev.vesper.guest.FlatGuest;
import java.io.IOException;
import java.io.InputStream;
import java.net.ServerSocket;
import java.net.UnixDomainSocketAddress;
import java.nio.ByteBuffer;
import java.nio.channels.SocketChannel;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Objects;
import java.util.concurrent.locks.LockSupport;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.MethodSource;
import org.junit.jupiter.params.provider.ValueSource;

/**
 * Everyday command lines of QEMU's users: each is taken, or has words without an effect which is
 * said, or is refused in a line; lines.txt says which, and why.
 */
final class QemuLinesTest {
  private static final String K = "-kernel vmlinuz -initrd initrd.gz -append console=ttyS0";
  private static final List<String> FILES =
      List.of(
          "vmlinuz",
          "initrd.gz",
          "disk.img",
          "disk.qcow2",
          "fd.img",
          "x.iso",
          "code.fd",
          "vars.fd",
          "ser.log",
          "log",
          "dbg.log",
          "x.png");

  @TempDir static Path dir;

  /**
   * A line of the table.
   *
   * @param kind taken, harmless, refused or help
   * @param line as it is typed
   * @param said what stderr says, or for what is taken Vesper's line
   */
  record Case(String kind, String line, String said) {
    @Override
    public String toString() {
      return line;
    }
  }

  @BeforeAll
  static void makeFiles() throws IOException {
    Files.write(dir.resolve("vmlinuz"), FlatGuest.image("L: jmp short L"));
    Files.write(dir.resolve("initrd.gz"), new byte[] {1, 2, 3});
    for (String disk : List.of("disk.img", "fd.img", "x.iso")) {
      Files.write(dir.resolve(disk), new byte[1 << 16]);
    }
    byte[] firmware = new byte[1 << 16];
    // JMP to itself at the reset vector.
    firmware[0xFFF0] = (byte) 0xEB;
    firmware[0xFFF1] = (byte) 0xFE;
    Files.write(dir.resolve("code.fd"), firmware);
    Files.write(dir.resolve("vars.fd"), firmware);
    // A qcow2 image of version 2 whose tables are empty: 1 MiB.
    ByteBuffer b = ByteBuffer.allocate(4 << 16);
    b.putInt(0, 0x5146_49FB).putInt(4, 2).putInt(20, 16).putLong(24, 1 << 20);
    b.putInt(36, 1).putLong(40, 1 << 16).putLong(48, 2 << 16).putInt(56, 1);
    Files.write(dir.resolve("disk.qcow2"), b.array());
    Files.createDirectory(dir.resolve("share"));
  }

  static List<Case> lines() throws IOException {
    List<Case> all = new ArrayList<>();
    try (InputStream in =
        Objects.requireNonNull(
            QemuLinesTest.class.getResourceAsStream("/dev/vesper/cli/qemu/lines.txt"))) {
      for (String l : new String(in.readAllBytes(), StandardCharsets.UTF_8).lines().toList()) {
        if (!l.isBlank() && !l.startsWith("#")) {
          String[] f = l.split(" +\\| +", 3);
          all.add(new Case(f[0], f[1], f[2]));
        }
      }
    }
    return all;
  }

  /** Comes to the socket as soon as it is there. */
  private static void visit() {
    while (!Thread.currentThread().isInterrupted()) {
      try (SocketChannel c =
          SocketChannel.open(UnixDomainSocketAddress.of(dir.resolve("s.sock")))) {
        c.read(ByteBuffer.allocate(1));
        return;
      } catch (IOException e) {
        LockSupport.parkNanos(10_000_000);
      }
    }
  }

  private static CommandResult execute(List<String> args) {
    CommandResult r = CommandResult.of(args.toArray(String[]::new));
    return new CommandResult(r.status(), r.out(), r.err().replace(dir + "/", ""));
  }

  /** {@return a word with the names of files in it as those of files that there are} */
  private static String placed(String word, int port) {
    String w = word.replaceFirst("=/tmp(?=,|$)", "=" + dir.resolve("share"));
    for (String f : FILES) {
      w = w.replaceFirst("(^|[=:])" + f + "(?=,|$)", "$1" + dir.resolve(f));
    }
    return w.replace("/usr/share/ovmf/OVMF.fd", dir.resolve("code.fd").toString())
        .replace("s.sock", dir.resolve("s.sock").toString())
        .replace(":2222-", ":" + port + "-")
        .replace(":4444,", ":" + port + ",");
  }

  private static int freePort() throws IOException {
    try (ServerSocket s = new ServerSocket(0)) {
      return s.getLocalPort();
    }
  }

  @ParameterizedTest
  @MethodSource("lines")
  void eachIsTakenOrHarmlessOrRefused(Case c) throws IOException {
    boolean bare = c.line.startsWith("!");
    List<String> words = List.of((bare ? c.line.substring(1) : c.line).replace("$K", K).split(" "));
    List<String> args = new ArrayList<>(bare ? List.of() : List.of("run"));
    int port = freePort();
    words.forEach(w -> args.add(placed(w, port)));
    if (!c.line.contains("--limit-insns") && !c.kind.equals("help")) {
      args.addAll(List.of("--limit-insns", "1000"));
    }
    if (c.kind.equals("stands")) {
      args.addAll(List.of("--timeout", "0.5"));
    }
    Thread visitor =
        c.kind.equals("visited") ? Thread.startVirtualThread(QemuLinesTest::visit) : null;
    CommandResult r = execute(args);
    if (visitor != null) {
      visitor.interrupt();
    }
    String err = r.err().replace(":" + port + "-", ":2222-");
    List<String> said = err.lines().filter(l -> !l.contains("instruction limit of ")).toList();
    switch (c.kind) {
      case "taken" -> {
        assertThat(r.status()).as(err).isEqualTo(124);
        assertThat(said).isEmpty();
        Translation t = ConvertCommand.translation(words);
        assertThat(String.join(" ", t.words()).replace(K, "$K")).isEqualTo(c.said);
      }
      case "visited" -> {
        assertThat(r.status()).as(err).isEqualTo(124);
        assertThat(said).singleElement().asString().startsWith("vesper: ").contains(c.said);
      }
      case "stands" -> {
        assertThat(r.status()).as(err).isEqualTo(124);
        assertThat(said).first().asString().startsWith("vesper: ").contains(c.said);
      }
      case "harmless" -> {
        assertThat(r.status()).as(err).isEqualTo(124);
        assertThat(said).singleElement().asString().startsWith("vesper: left out").contains(c.said);
      }
      case "refused" -> {
        assertThat(r.status()).as(err).isEqualTo(2);
        assertThat(said).singleElement().asString().startsWith("vesper: ").contains(c.said);
        assertThat(r.out()).isEmpty();
      }
      case "help" -> {
        assertThat(r.status()).as(err).isZero();
        assertThat(said).isEmpty();
        assertThat(r.out()).contains(c.said);
      }
      default -> throw new AssertionError(c.kind);
    }
  }

  @Test
  void noLineIsLeftOut() throws IOException {
    // The lines are those of QEMU's users; none may be dropped because it is inconvenient.
    assertThat(lines()).hasSize(140);
  }

  private static Translation of(String line) {
    return ConvertCommand.translation(Arrays.asList(line.split(" ")));
  }

  @ParameterizedTest
  @CsvSource(
      delimiter = '|',
      value = {
        "-machine q35,confidential-guest-support=s -object sev-guest,id=s,policy=0x1"
            + "| -M q35 --sev sev --policy 0x1",
        "-object sev-guest,id=s,policy=0x5,session-file=a,dh-cert-file=b,kernel-hashes=on"
            + " -machine memory-encryption=s"
            + "| --sev es --policy 0x5 --session-file a --dh-cert-file b --kernel-hashes on",
        "-machine q35,confidential-guest-support=s -object sev-snp-guest,id=s,cbitpos=51,"
            + "reduced-phys-bits=1,policy=0x30000,kernel-hashes=on"
            + "| -M q35 --sev snp --policy 0x30000 --kernel-hashes on",
        "-machine confidential-guest-support=s -object"
            + " sev-snp-guest,id=s,id-block=QUE=,id-auth=QkI=,"
            + "host-data=AA==,guest-visible-workarounds=Q0M=,author-key-enabled=on| --sev snp"
            + " --id-block QUE= --id-auth QkI= --host-data AA== --guest-visible-workarounds Q0M="
            + " --author-key-enabled on",
        "-machine confidential-guest-support=s -object sev-snp-guest,id=s,secure-tsc=on,"
            + "tsc-frequency=2000000000"
            + "| --sev snp --guest-features 0x201 --tsc-frequency 2000000000",
        "-machine confidential-guest-support=s -object sev-snp-guest,id=s,debug-swap=on,"
            + "secure-tsc=off | --sev snp --guest-features 0x21",
        "-device virtio-blk-pci,drive=d -drive file=a,if=none,id=d | -drive file=a,if=virtio",
        "-drive file=a,if=none,id=d,format=raw -device ide-hd,drive=d"
            + "| -drive file=a,format=raw,if=ide",
        "-blockdev driver=file,node-name=f,filename=a -blockdev qcow2,node-name=q,file=f"
            + " -device virtio-blk-pci,drive=q | -drive file=a,format=qcow2,if=virtio",
        "-device virtio-blk-pci,drive=d,bootindex=1 -drive file=a,if=none,id=d"
            + "| -drive file=a,if=virtio,bootindex=1",
        "-boot dc,menu=on -boot once=d | -boot order=dc -boot menu=on -boot once=d",
        "-machine q35,pflash0=c,pflash1=v -blockdev driver=file,node-name=c,filename=C,read-only=on"
            + " -blockdev driver=file,node-name=v,filename=V | -M q35 -bios C --nvram V",
        "-drive if=pflash,unit=1,file=V -drive if=pflash,unit=0,file=C,readonly=on"
            + "| -bios C --nvram V",
        "-drive file=b,index=1 -drive file=a,index=0 | -drive file=a -drive file=b",
        "-drive file=a -drive file=b,if=virtio -drive file=c | -drive file=a -drive"
            + " file=b,if=virtio -drive file=c",
        "--json=x.json -nographic -vga none | --json=x.json -vga none",
        "-hdb b -hda a | -drive file=a,if=ide -drive file=b,if=ide",
        "-netdev user,id=n,hostfwd=:2222-:22 -device virtio-net-pci,netdev=n"
            + "| -nic user,hostfwd=tcp:2222-:22",
        "-chardev stdio,mux=on,id=c -serial chardev:c | -serial stdio",
        "-chardev file,path=F,id=c -device isa-debugcon,iobase=0x402,chardev=c | --debugcon file:F",
        "-nodefaults -display none | -serial none",
        "-serial pty | -serial pty",
        "-serial unix:/tmp/s,server,nowait | -serial unix:/tmp/s,server,nowait",
        "-chardev socket,host=localhost,port=4444,server=on,id=c -serial chardev:c | -serial"
            + " tcp:localhost:4444,server",
        "-chardev socket,path=S,server,wait=off,id=c -device isa-serial,chardev=c | -serial"
            + " unix:S,server,wait=off",
        "-smp sockets=2,cores=2,threads=2 | -smp 8",
        "-m size=2048M,slots=2 | -m 2048M",
        "-m 1048576K | -m 1024M",
        "--accel tcg --nographic | ''",
        "-seed 5 -timeout 3 | --seed 5 --timeout 3",
        "-cpu max,avx2=off | -cpu EPYC-Genoa,-avx2",
        "-cpu EPYC-Milan-v2,+secure-tsc,+invtsc,tsc-frequency=2000000000 | -cpu"
            + " EPYC-Milan,+secure-tsc",
      })
  void whatBelongsTogetherIsPutTogether(String line, String words) {
    Translation t = of(line);
    assertThat(t.refusals()).isEmpty();
    assertThat(String.join(" ", t.words())).isEqualTo(words);
  }

  @ParameterizedTest
  @CsvSource(
      delimiter = '|',
      value = {
        "-object sev-guest,id=a,cbitpos=47 -machine confidential-guest-support=a | at 51",
        "-object sev-snp-guest,id=a,cbitpos=47 -machine confidential-guest-support=a | at 51",
        "-machine q35,confidential-guest-support=a | no -object sev-guest has id=a",
        "-device virtio-blk-pci,drive=d | is named 'd'",
        "-device virtio-net-pci,netdev=d | is named 'd'",
        "-device e1000,netdev=d -netdev user,id=d | virtio-net-pci",
        "-netdev tap,id=n | -nic user",
        "-device nosuch | -device help",
        "-drive file=a,nosuch=1 | nosuch=1",
        "-drive if=pflash,file=C,format=qcow2 | raw",
        "-serial telnet:localhost:4444,server | socat",
        "-debugcon pty | only -serial",
        "-serial chardev:x | is named 'x'",
        "-monitor telnet:127.0.0.1:4444,server | use -monitor unix:PATH,server",
        "-acpitable file=x | its ACPI tables itself",
        "-kernel -initrd x | -kernel needs a value",
        "-accel nosuch | tcg",
      })
  void whatCannotBeHadIsRefused(String line, String words) {
    assertThat(of(line).refusals()).isNotEmpty().first().asString().contains(words);
  }

  @Test
  void whatIsNotUsedIsSaid() {
    assertThat(of("-object sev-guest,id=a,policy=5").words()).isEmpty();
    assertThat(of("-object sev-guest,id=a,policy=5").dropped())
        .containsExactly("-object sev-guest,id=a (no -machine names it)");
    assertThat(of("-drive file=a,if=none,id=d").notice()).contains("no -device takes it");
    assertThat(of("-kernel a -kernel b").words()).containsExactly("-kernel", "b");
    assertThat(of("-kernel a -kernel b").notice()).contains("-kernel a (it is given again");
  }

  @ParameterizedTest
  @ValueSource(
      strings = {
        "-kernel vmlinuz -initrd initrd.gz -append console=ttyS0 -m 1G -smp 2 -M q35",
        "vmlinuz --sev off -serial file:log -cpu EPYC-Milan,+x2apic,-avx2,phys-bits=40",
        "-bios ./OVMF.fd -drive file=a.qcow2,format=qcow2,if=ide,readonly=on,snapshot=off -vga std",
        "-nic user,hostfwd=tcp::2222-:22,guestfwd=tcp:10.0.2.2:80-tcp:127.0.0.1:80 -nic none",
        "-device pc-testdev -device isa-debug-exit,iobase=0xf4,iosize=0x4 -debugcon none"
      })
  void plainLinesAreReadWithoutTheTable(String line) {
    assertThat(new RunCommand(null).options().readPlain(List.of(line.split(" ")))).isTrue();
  }

  @ParameterizedTest
  @ValueSource(
      strings = {
        "-serial mon:stdio",
        "-drive file=a,if=none,id=d",
        "-m 0.5G",
        "-M pc-q35-7.2",
        "-cpu EPYC",
        "-nic user,model=virtio",
        "-device VGA",
        "-vga virtio",
        "-bios no-such-file.fd"
      })
  void whatMayBeQemusIsNotPlain(String line) {
    assertThat(new RunCommand(null).options().readPlain(List.of(line.split(" ")))).isFalse();
  }

  @Test
  void aLineIsConvertedWithoutRunning() {
    String line =
        "LC_ALL=C /usr/bin/qemu-system-x86_64 -enable-kvm -append 'console=ttyS0 quiet' \\\n"
            + " -vnc :1";
    CommandResult r = execute(List.of("convert-qemu", line));
    assertThat(r.status()).isEqualTo(2);
    assertThat(r.out().lines())
        .satisfiesExactly(
            l -> assertThat(l).isEqualTo("vesper run -append 'console=ttyS0 quiet'"),
            l -> assertThat(l).startsWith("# left out: -enable-kvm ("),
            l -> assertThat(l).startsWith("# cannot be had: -vnc :1: "));
    assertThat(r.err()).isEmpty();
    assertThat(execute(List.of("convert-qemu", "qemu-system-x86_64 -m 1G")).status()).isZero();
    assertThat(execute(List.of("convert-qemu", "-m '1G")).err()).contains("not closed");
    assertThat(execute(List.of("convert-qemu")).status()).isEqualTo(2);
  }
}
