package dev.vesper.machine.guests;

import static org.assertj.core.api.Assertions.assertThat;

import dev.vesper.machine.TestMachine;
import dev.vesper.machine.spec.BootException;
import dev.vesper.machine.spec.Hardware;
import dev.vesper.machine.spec.MachineSpec;
import dev.vesper.machine.spec.SevMode;
import dev.vesper.x86.Assembler;
import java.nio.charset.StandardCharsets;
import java.util.List;
import org.junit.jupiter.api.Test;

/** What a kernel finds when it is entered by each boot protocol. */
final class BootFormatsTest {
  private record Result(int status, String console, String format) {}

  private static Result run(SevMode mode, byte[] image, String line, byte[] module)
      throws BootException {
    TestMachine m =
        TestMachine.of(
            MachineSpec.builder(mode, image, b -> {})
                .append(line)
                .initrd(module)
                .hardware(new Hardware(Hardware.Board.MINIMAL, List.of()))
                .memoryBytes(160L << 20));
    return new Result(m.run(1_000_000).status(), m.console(), m.machine().format());
  }

  /** Writes a zero-terminated string at ESI to COM1. */
  private static final String PUTS =
      "puts: lodsb\n"
          + "test al, al\n"
          + "je done\n"
          + "mov edx, 0x3f8\n"
          + "out dx, al\n"
          + "jmp short puts\n"
          + "done: mov al, 7\n"
          + "out 0xf4, al\n"
          + "bad: mov al, 9\n"
          + "out 0xf4, al\n";

  @Test
  void multibootGivesCommandLineModulesAndMap() throws BootException {
    String s =
        """
        bits 32
        align 4
        dd 0x1badb002, 0x10000, 0xe4514ffe
        dd 0x100000, 0x100000, 0, 0, start
        start: cmp eax, 0x2badb002
        jne bad
        mov ecx, [ebx]
        and ecx, 0x24d
        cmp ecx, 0x24d
        jne bad
        cmp dword [ebx+20], 1
        jne bad
        mov edx, [ebx+24]
        mov edx, [edx]
        cmp dword [edx], 0x646f6d6d
        jne bad
        mov edx, [ebx+48]
        cmp dword [edx], 20
        jne bad
        cmp dword [edx+28], 0x100000
        jne bad
        mov esi, [ebx+16]
        """;
    byte[] image = new Assembler(0x10_0000, 32).add(s + PUTS).finish();
    Result r = run(SevMode.OFF, image, "one two", "mmod".getBytes(StandardCharsets.US_ASCII));
    assertThat(r.format).isEqualTo("multiboot");
    assertThat(r.console).isEqualTo("image one two");
    assertThat(r.status).isEqualTo(15);
  }

  private static byte[] pvh(String code) {
    byte[] text = new Assembler(0x20_0000, 32).add("bits 32\n" + code).finish();
    byte[] b = new byte[0x1000 + text.length];
    put(b, 0, 4, 0x464C_457FL);
    b[4] = 2;
    b[5] = 1;
    put(b, 18, 2, 62);
    put(b, 24, 8, 0x7777);
    put(b, 32, 8, 64);
    put(b, 54, 2, 56);
    put(b, 56, 2, 2);
    put(b, 64, 4, 1);
    put(b, 72, 8, 0x1000);
    put(b, 80, 8, 0xFFFF_FFFF_8020_0000L);
    put(b, 88, 8, 0x20_0000);
    put(b, 96, 8, text.length);
    put(b, 104, 8, text.length);
    put(b, 120, 4, 4);
    put(b, 128, 8, 0x800);
    put(b, 152, 8, 20);
    put(b, 0x800, 4, 4);
    put(b, 0x804, 4, 4);
    put(b, 0x808, 4, 18);
    put(b, 0x80C, 4, 0x6E_6558);
    put(b, 0x810, 4, 0x20_0000);
    System.arraycopy(text, 0, b, 0x1000, text.length);
    return b;
  }

  private static void put(byte[] b, int at, int n, long v) {
    for (int i = 0; i < n; i++) {
      b[at + i] = (byte) (v >> 8 * i);
    }
  }

  @Test
  void pvhGivesStartInfo() throws BootException {
    String s =
        """
        cmp dword [ebx], 0x336ec578
        jne bad
        cmp dword [ebx+12], 1
        jne bad
        mov edx, [ebx+16]
        mov edx, [edx]
        cmp dword [edx], 0x646f6d6d
        jne bad
        cmp dword [ebx+48], 2
        jne bad
        mov esi, [ebx+24]
        """;
    Result r = run(SevMode.OFF, pvh(s + PUTS), "a=b", "mmod".getBytes(StandardCharsets.US_ASCII));
    assertThat(r.format).isEqualTo("PVH");
    assertThat(r.console).isEqualTo("a=b");
    assertThat(r.status).isEqualTo(15);
  }

  @Test
  void pvhPointsToAcpiTablesOnABoardThatHasThem() throws BootException {
    String s =
        """
        mov edx, [ebx+32]
        cmp dword [edx], 0x20445352
        jne bad
        cmp dword [ebx+48], 4
        jne bad
        mov edx, [ebx+40]
        cmp dword [edx+48], 0xe0000
        jne bad
        cmp dword [edx+64], 3
        jne bad
        mov esi, [ebx+24]
        """;
    TestMachine m =
        TestMachine.of(
            MachineSpec.builder(SevMode.OFF, pvh(s + PUTS), b -> {})
                .append("tables")
                .memoryBytes(160L << 20)
                .hardware(new Hardware(Hardware.Board.PC, List.of())));
    assertThat(m.run(1_000_000).status()).isEqualTo(15);
    assertThat(m.console()).isEqualTo("tables");
  }
}
