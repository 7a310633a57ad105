package dev.vesper.cli;

import static org.assertj.core.api.Assertions.assertThat;

import dev.vesper.guest.FlatGuest;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** The command: options, messages, exit status. */
final class CommandTest {
  @TempDir Path dir;

  @ParameterizedTest
  @CsvSource({
    "--sev maybe, off",
    "--no-such-option, no-such-option",
    "-m 5X, 512M",
    "-m 0M, memory",
    "-m 65537M, 1 to 65536 MiB",
    "'-m 64G -cpu vesper-min,phys-bits=36', phys-bits=36",
    "-smp 65, 64 processors",
    "-smp 0, processors",
    "--profile openbsd -smp 2, 1 processor",
    "--profile openbsd:2019, 2025-06",
    "'--profile openbsd,cr8=maybe', cr8=trap",
    "-drive file=/no/such/disk, no file",
    "--profile openbsd -drive file=/no/such/disk, /no/such/disk",
    "'-drive file=/etc/passwd,format=vhd', qcow2",
    "--intercept iret, rdtscp",
    "'-cpu vesper-min,+avx9', xsave",
    "--virtio-console tape, --virtio-console",
    "-entry 16, -entry",
    "-serial tape, -serial",
    "--profile xen, kvm",
    "-cpu pentium, pentium",
    "'-cpu ,', EPYC-Genoa",
    "'-cpu EPYC-Genoa,avx', +NAME",
    "/no/such/file, no such file",
    "--trace t.bin, .perfetto",
    "--trace /no/such/folder/t.jsonl, no such file",
    "--check --allow no-such-rule, no-such-rule",
    "--check --report f.pdf, .sarif",
    "--check --report /no/such/folder/f.md, folder",
    "--check --baseline /no/such/file, no such file",
    "--allow dma-private, --check",
    "--coverage x.txt, .drcov",
    "--host-fault tantrum, no-valid-bits",
    "--host-fault remap:0x1000@5, --sev snp",
    "--host-fault swap:0x1000@5, swap:GPA:GPA@INSTRUCTIONS",
    "--host-fault take:0x1001@5, 4096 bytes",
    "--host-fault smash:0x1000@5, no-permissions",
    "--coverage x.info, no DWARF lines",
    "--sev off --check, --sev es",
    "-bios /no/such/file, no such file",
    "-bios /etc/passwd, 4 KiB",
    "--nvram /etc/passwd, -bios",
    "--profile openbsd -bios /etc/passwd, use kvm",
    "--symbols /no/such/file, no such file",
    "--symbols /etc/passwd, System.map",
    "'-drive file=/etc/passwd,format=qcow2', no qcow2 image",
    "-drive readonly=on, file=F",
    "-M pdp11, q35",
    "'-M minimal -bios /usr/share/ovmf/OVMF.fd', -M pc",
    "--profile openbsd -M q35, kvm",
    "-nic bridge, user",
    "'-nic user,hostfwd=tcp:0.0.0.0:2222-:22', only 127.0.0.1",
    "'-cpu vesper-min,phys-bits=64', 36 to 52",
    "-vga cirrus, std",
    "--screenshot x.png, -vga std",
    "'--vga std --screenshot x.gif', .png",
    "'--share path=/no/such/folder,tag=a', folder",
    "'--share path=/tmp', tag",
    "--limit-insns -4, limits",
    "--sandbox maybe, on or off",
    "--translator fast, 'native, regions or none'",
    "--translator native --translate-after 5, regions",
    "--sandbox on, alone"
  })
  void mistakesAreOneLineAndStatus2(String args, String words) {
    String[] a = ("run " + args + " -serial none").split(" ");
    if (args.startsWith("-serial")) {
      a = ("run " + args).split(" ");
    }
    CommandResult r = CommandResult.of(a);
    assertThat(r.status()).as(r.err()).isEqualTo(2);
    assertThat(r.err()).startsWith("vesper: ").contains(words).doesNotContain("\tat ");
    assertThat(r.err().lines().count()).isEqualTo(1);
  }

  /** The folder of native code is opened for a processor, before there is a machine. */
  @Test
  void anUnknownModelIsAMistakeWithACodeCacheToo() {
    CommandResult r =
        CommandResult.of(
            "run", "-serial", "none", "-cpu", "pentium", "--code-cache", dir.toString());
    assertThat(r.status()).as(r.err()).isEqualTo(2);
    assertThat(r.err()).startsWith("vesper: no CPU model named pentium").hasLineCount(1);
  }

  @ParameterizedTest
  @CsvSource({"EPYC-Rome, EPYC-v4", "vesper-min, vesper-min"})
  void aModelWithoutSnpIsRefusedWithThoseThatHaveIt(String cpu, String model) throws IOException {
    Path kernel = Files.write(dir.resolve("kernel"), FlatGuest.image("hlt"));
    CommandResult r =
        CommandResult.of("run", "-serial", "none", "--sev", "snp", "-cpu", cpu, kernel.toString());
    assertThat(r.status()).as(r.err()).isEqualTo(2);
    assertThat(r.err())
        .isEqualTo(
            "vesper: "
                + model
                + " has no SEV-SNP, as no processor before Milan has:"
                + " take -cpu EPYC-Milan or EPYC-Genoa or EPYC-Turin\n");
  }

  @Test
  void noCommandIsAMistake() {
    assertThat(CommandResult.of().status()).isEqualTo(2);
  }

  @Test
  void theReferenceGuestPasses() {
    assertThat(CommandResult.of("run", "-serial", "none").status()).isZero();
  }

  @Test
  void traceJsonAndSummary() throws IOException {
    Path t = dir.resolve("t.jsonl");
    Path console = dir.resolve("console.txt");
    CommandResult r =
        CommandResult.of(
            "run", "--json", "-v", "--trace", t.toString(), "-serial", "file:" + console);
    assertThat(r.status()).isZero();
    assertThat(r.err())
        .contains("\"schema\":\"vesper.run/1\"")
        .contains("\"state_hash\":\"")
        .contains("vc SVM_VMEXIT_CPUID");
    assertThat(Files.readString(console)).contains("self-test passed");
    assertThat(Files.readAllLines(t))
        .isNotEmpty()
        .allMatch(l -> l.startsWith("{\"schema\":\"vesper.trace/2\"") && l.endsWith("}"));
  }

  @Test
  void limitsEndWithStatus124() throws IOException {
    Path f = dir.resolve("loop.elf");
    Files.write(f, FlatGuest.image("L: jmp short L"));
    assertThat(
            CommandResult.of("run", f.toString(), "--limit-insns", "1000", "-serial", "none")
                .status())
        .isEqualTo(124);
    assertThat(
            CommandResult.of("run", f.toString(), "--timeout", "0.2", "-serial", "none").status())
        .isEqualTo(124);
  }

  @Test
  void aKernelWithoutSevSupportIsExplained() throws IOException {
    Path f = dir.resolve("plain.elf");
    Files.write(f, FlatGuest.image("cpuid\nhlt"));
    CommandResult r = CommandResult.of("run", f.toString(), "-serial", "none");
    assertThat(r.status()).isEqualTo(5);
    assertThat(r.err()).contains("--sev off");
  }
}
