package dev.vesper.cli;

import static org.assertj.core.api.Assertions.assertThat;

import dev.vesper.fixtures.Tools;
import dev.vesper.guest.FlatGuest;
import dev.vesper.guest.MultibootImage;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeMap;
import java.util.TreeSet;
import java.util.concurrent.TimeUnit;
import java.util.regex.Pattern;
import java.util.stream.Collectors;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** {@code -d} and {@code -D}: what a guest does is logged as QEMU logs it, and stays the same. */
final class QemuLogTest {
  /** Each event goes to a handler that goes on at R14. */
  private static final String EVENTS =
      """
      mov esp, 0x300000
      mov edi, 0x200000
      mov ecx, 256
      G: mov eax, H
      movzx edx, ax
      or edx, 0x80000
      mov [rdi], edx
      and eax, 0xFFFF0000
      or eax, 0x8E00
      mov [rdi+4], eax
      mov qword [rdi+8], 0
      add edi, 16
      loop G
      mov dword [0x201000], 0x00000FFF
      mov dword [0x201002], 0x200000
      mov word [0x201006], 0
      mov dword [0x201008], 0
      lidt [0x201000]
      mov r14d, A
      ud2
      A: mov r14d, B
      xor ecx, ecx
      div ecx
      B: mov r14d, C
      mov eax, 0x40000000
      mov [rax], eax
      C: mov r14d, D
      mov eax, 0x70
      mov ds, ax
      D: mov r14d, E
      int 0x21
      E: mov r14d, F
      int3
      F: mov eax, 0x60000000
      mov r14d, I
      mov ebx, [rax]
      I: mov r14d, J
      jmp rax
      J: mov eax, 0x10
      out 0xf4, al
      X: jmp X
      H: mov esp, 0x300000
      jmp r14
      """;

  /** What QEMU 7.2 logs of it. */
  private static final List<String> RECORDED =
      List.of(
          "v=06 e=0000 i=0 cpl=0 IP=0008:0000000000100072 pc=0000000000100072"
              + " SP=0010:0000000000300000 env->regs[R_EAX]=0000000000108e00",
          "v=00 e=0000 i=0 cpl=0 IP=0008:000000000010007c pc=000000000010007c"
              + " SP=0010:0000000000300000 env->regs[R_EAX]=0000000000108e00",
          "v=0e e=0002 i=0 cpl=0 IP=0008:0000000000100089 pc=0000000000100089"
              + " SP=0010:0000000000300000 CR2=0000000040000000",
          "v=0d e=0070 i=0 cpl=0 IP=0008:0000000000100096 pc=0000000000100096"
              + " SP=0010:0000000000300000 env->regs[R_EAX]=0000000000000070",
          "v=21 e=0000 i=1 cpl=0 IP=0008:000000000010009e pc=000000000010009e"
              + " SP=0010:0000000000300000 env->regs[R_EAX]=0000000000000070",
          "v=03 e=0000 i=1 cpl=0 IP=0008:00000000001000a6 pc=00000000001000a6"
              + " SP=0010:0000000000300000 env->regs[R_EAX]=0000000000000070",
          "v=0e e=0000 i=0 cpl=0 IP=0008:00000000001000b2 pc=00000000001000b2"
              + " SP=0010:0000000000300000 CR2=0000000060000000",
          "v=0e e=0010 i=0 cpl=0 IP=0008:0000000060000000 pc=0000000060000000"
              + " SP=0010:0000000000300000 CR2=0000000060000000");

  @TempDir Path dir;

  /** {@return the log of a run that ends with a status} */
  private List<String> log(int status, String items, byte[] image, String... more)
      throws Exception {
    Path kernel = Files.write(dir.resolve("image"), image);
    Path f = dir.resolve("log");
    List<String> args = new ArrayList<>(List.of("run", kernel.toString(), "-d", items));
    args.addAll(List.of("-D", f.toString(), "--sev", "off", "-serial", "none"));
    args.addAll(List.of(more));
    CommandResult r = CommandResult.of(args.toArray(String[]::new));
    assertThat(r.status()).as(r.err()).isEqualTo(status);
    return Files.readAllLines(f);
  }

  private static List<String> records(List<String> log) {
    return log.stream()
        .filter(l -> l.contains(": v="))
        .map(l -> l.substring(l.indexOf("v=")))
        .toList();
  }

  @Test
  void eventsAreThoseThatQemuLogs() throws Exception {
    assertThat(records(log(33, "int", MultibootImage.of(EVENTS)))).isEqualTo(RECORDED);
  }

  /**
   * {@return what a log has behind the entry of the guest's 64-bit code; QEMU's begins with
   * SeaBIOS}
   */
  private static List<String> own(List<String> log) {
    return log.stream().dropWhile(l -> !l.startsWith("0x00100000:")).toList();
  }

  /** What both say of exceptions, and registers with them. */
  private static List<String> events(List<String> log) {
    // Flags that QEMU has put off, what firmware leaves, and that QEMU does not mark a segment of
    // long mode as accessed.
    Pattern different = Pattern.compile("CCS=.*|RBX=\\S+|9[ab]00 DPL=0 CS64 \\[-R[-A]\\]");
    return own(log).stream()
        .filter(l -> !l.matches("0x.*|Trace .*|Linking .*|-+|IN: |"))
        .map(l -> different.matcher(l).replaceAll(""))
        .toList();
  }

  /** Addresses and bytes of instructions, however they are spelled and put together in blocks. */
  private static Set<String> instructions(List<String> log) {
    return own(log).stream()
        .filter(l -> l.startsWith("0x"))
        .map(l -> l.substring(0, Math.min(l.length(), 37)).strip())
        .collect(Collectors.toCollection(TreeSet::new));
  }

  /** Bases, addresses and flags of blocks, by address: where they end is a translator's affair. */
  private static Map<String, String> blocks(List<String> log) {
    Map<String, String> all = new TreeMap<>();
    for (String l : own(log)) {
      if (l.startsWith("Trace 0: 0x")) {
        String[] f = l.substring(l.indexOf('[')).split("/");
        all.put(f[1], f[0] + "/" + f[2]);
      }
    }
    return all;
  }

  @Test
  void anEventWhoseStackLiesInCodeIsLoggedOnce() throws Exception {
    String stack = "nop\n".repeat(64) + "S: mov esp, S";
    List<String> log =
        log(33, "int", MultibootImage.of(EVENTS.replaceFirst("mov esp, 0x300000", stack)));
    assertThat(records(log))
        .extracting(l -> l.substring(0, 11))
        .isEqualTo(RECORDED.stream().map(l -> l.substring(0, 11)).toList());
  }

  @Test
  void codeAndRegistersAreThoseThatQemuLogs() throws Exception {
    Tools.need("qemu-system-x86_64", "qemu-system-x86");
    byte[] image = MultibootImage.of(EVENTS);
    List<String> ours = log(33, "int,in_asm,exec", image);
    Path theirs = dir.resolve("theirs");
    String line =
        "qemu-system-x86_64 -accel tcg -M pc -m 64 -display none -monitor none -net none -serial"
            + " none -device isa-debug-exit,iobase=0xf4,iosize=4 -d int,in_asm,exec -D "
            + theirs
            + " -kernel "
            + dir.resolve("image");
    Process p = new ProcessBuilder(line.split(" ")).inheritIO().start();
    assertThat(p.waitFor(60, TimeUnit.SECONDS)).isTrue();
    assertThat(p.exitValue()).isEqualTo(33);
    List<String> log = Files.readAllLines(theirs);
    assertThat(events(ours)).hasSizeGreaterThan(150).isEqualTo(events(log));
    Set<String> instructions = instructions(log);
    // QEMU ends some time behind the access.
    instructions.removeIf(l -> l.startsWith("0x001000c3:"));
    assertThat(instructions(ours)).hasSizeGreaterThan(40).isEqualTo(instructions);
    Map<String, String> blocks = blocks(ours);
    blocks.keySet().retainAll(blocks(log).keySet());
    assertThat(blocks)
        .hasSizeGreaterThan(8)
        .satisfies(b -> assertThat(blocks(log)).containsAllEntriesOf(b));
  }

  @ParameterizedTest
  @CsvSource({
    "off, int, false",
    "off, 'int,in_asm,exec', true",
    "es, 'int,cpu_reset,guest_errors', true",
    "es, 'int,in_asm,exec,cpu_reset,guest_errors', false"
  })
  void aRunIsTheSameWithALog(String mode, String items, boolean traced) throws Exception {
    List<String> hashes = new ArrayList<>();
    for (String log : List.of("", items)) {
      String json = dir.resolve("s.json").toString();
      List<String> args = new ArrayList<>(List.of("run", "--sev", mode, "-serial", "none"));
      args.add("--json=" + json);
      Path trace = dir.resolve("t.jsonl");
      if (traced) {
        args.add("--trace=" + trace);
      }
      if (!log.isEmpty()) {
        args.addAll(List.of("-d", log, "-D", dir.resolve("log").toString()));
      }
      CommandResult r = CommandResult.of(args.toArray(String[]::new));
      assertThat(r.status()).as(r.err()).isZero();
      hashes.add(
          Arrays.stream(Files.readString(Path.of(json)).split("[,{}]"))
              .filter(w -> w.contains("state_hash") || w.contains("instructions"))
              .toList()
              .toString());
      if (traced) {
        hashes.set(hashes.size() - 1, hashes.getLast() + Files.readString(trace));
      }
    }
    assertThat(hashes.get(0)).contains("state_hash");
    assertThat(hashes.get(1)).isEqualTo(hashes.get(0));
    assertThat(Files.size(dir.resolve("log"))).isGreaterThan(10_000);
    if (mode.equals("es")) {
      // The reference guest asks its host by #VC, with the exit's number as error code.
      assertThat(records(Files.readAllLines(dir.resolve("log"))))
          .anyMatch(l -> l.startsWith("v=1d e=0072 i=0 cpl=0 "));
    }
  }

  @Test
  void resetsAreLoggedWithWhatWasThere() throws Exception {
    String twice =
        """
        mov rax, 0x1234
        lidt [I]
        ud2
        I: dw 0
        dq 0
        """;
    List<String> log = log(5, "cpu_reset,int", FlatGuest.image(twice), "-no-reboot");
    assertThat(log).filteredOn(l -> l.startsWith("CPU Reset")).containsExactly("CPU Reset (CPU 0)");
    assertThat(log)
        .containsSubsequence(
            "check_exception old: 0xffffffff new 0x6",
            "check_exception old: 0xffffffff new 0xd",
            "check_exception old: 0xd new 0xd",
            "check_exception old: 0x8 new 0xd",
            "Triple fault");
    assertThat(records(log))
        .extracting(l -> l.substring(0, 4))
        .containsExactly("v=06", "v=0d", "v=08");
    log = log(5, "cpu_reset", FlatGuest.image(twice));
    assertThat(log).filteredOn(l -> l.startsWith("CPU Reset (CPU 0)")).hasSize(3);
    assertThat(log).filteredOn(l -> l.startsWith("RAX=0000000000001234")).hasSize(2);
  }

  @Test
  void whatNobodyAnswersIsAnErrorOfTheGuest() throws Exception {
    String code =
        """
        mov edx, 0x5550
        in eax, dx
        out dx, ax
        in al, 0x64
        mov eax, 0xFEE00020
        mov eax, [0x3F000000]
        mov word [0x3F000002], 7
        mov eax, 0x10
        out 0xf4, al
        """;
    assertThat(log(33, "guest_errors", FlatGuest.image(code), "-m", "64"))
        .containsExactly(
            "Invalid read at addr 0x5550, size 4, region 'io', reason: rejected",
            "Invalid write at addr 0x5550, size 2, region 'io', reason: rejected",
            "Invalid read at addr 0x3F000000, size 4, region '(null)', reason: rejected",
            "Invalid write at addr 0x3F000002, size 2, region '(null)', reason: rejected");
    String msr = "mov ecx, 0x12345\nrdmsr";
    assertThat(log(5, "guest_errors", FlatGuest.image(msr), "-no-reboot"))
        .containsExactly("Invalid read at addr 0x12345, size 8, region 'msrs', reason: rejected");
  }

  @Test
  void registersStandBeforeEachBlock() throws Exception {
    String code = "mov eax, 7\nfld1\njmp L\nL: mov eax, 0x10\nout 0xf4, al";
    List<String> log = log(33, "cpu,fpu,nochain,unimp", FlatGuest.image(code));
    assertThat(log).filteredOn(l -> l.startsWith("RAX=")).hasSize(2);
    assertThat(log)
        .anyMatch(l -> l.startsWith("RAX=0000000000000007"))
        .anyMatch(l -> l.endsWith("FPR7=8000000000000000 3fff"));
    assertThat(log("cpu", code)).noneMatch(l -> l.startsWith("XMM"));
  }

  private List<String> log(String items, String code) throws Exception {
    return log(33, items, FlatGuest.image(code));
  }

  @Test
  void hardwareInterruptsAreServiced() throws Exception {
    // The local APIC of -M pc interrupts its own processor.
    String self =
        """
        lidt [T]
        sti
        mov eax, 0xFEE000F0
        mov dword [rax], 0x1FF
        mov eax, 0xFEE00300
        mov dword [rax], 0x40030
        nop
        hlt
        H: mov eax, 0x10
        out 0xf4, al
        T: dw 0xFFF
        dq 0x300000
        """;
    assertThat(records(log(5, "int", FlatGuest.image(self), "-no-reboot")))
        .first()
        .asString()
        .startsWith("v=30 e=0000 i=0 cpl=0 IP=");
  }
}
