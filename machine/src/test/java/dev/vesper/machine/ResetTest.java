package dev.vesper.machine;

import static org.assertj.core.api.Assertions.assertThat;

import dev.vesper.guest.FlatGuest;
import dev.vesper.machine.cpu.Execution;
import dev.vesper.machine.spec.BootException;
import dev.vesper.machine.spec.Hardware;
import dev.vesper.machine.spec.MachineSpec;
import dev.vesper.machine.spec.Outcome;
import dev.vesper.machine.spec.ResetPolicy;
import dev.vesper.machine.spec.SevMode;
import dev.vesper.x86.Assembler;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Set;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** A guest that resets itself starts again as hardware does, if that is wanted and possible. */
final class ResetTest {
  private static final int PASS = 33;
  private static final int ROM = 4096;

  /** Ways to reset in real mode; zeros make an interrupt table without vectors. */
  private static final Map<String, String> WAYS =
      Map.of(
          "keyboard", "mov al, 0xfe\nout 0x64, al\n",
          "output port", "mov al, 0xd1\nout 0x64, al\nmov al, 0xce\nout 0x60, al\n",
          "cf9", "mov al, 6\nmov dx, 0xcf9\nout dx, al\n",
          "92", "mov al, 1\nout 0x92, al\n",
          "fault", "mov dword [0x510], 0\nmov word [0x514], 0\nlidt [0x510]\nint 3\n");

  private static final String IN_PROTECTED_MODE = "mov al, 0xfe\nout 0x64, al\n";

  private final List<ResetPolicy.Reset> resets = new ArrayList<>();

  private @Nullable Outcome again(ResetPolicy.Reset r) {
    resets.add(r);
    return resets.size() > 3 ? r.end() : null;
  }

  private static String cmos(int register, int v) {
    return "mov al, %d\nout 0x70, al\nmov al, %d\nout 0x71, al\n".formatted(register, v);
  }

  private static String cmosIs(int register, int v) {
    return "mov al, %d\nout 0x70, al\nin al, 0x71\ncmp al, %d\njne fail\n".formatted(register, v);
  }

  /** Firmware that starts code at the reset vector. */
  private static MachineSpec.Firmware rom(String code) {
    byte[] rom = new byte[ROM];
    byte[] c = Assembler.assemble(16, code);
    System.arraycopy(c, 0, rom, 0, c.length);
    byte[] jump = Assembler.assemble(16, "skip 0xff0\nstart:\njmp start-0xff0");
    System.arraycopy(jump, ROM - 16, rom, ROM - 16, jump.length - ROM + 16);
    return MachineSpec.Firmware.of(rom);
  }

  private MachineSpec.Builder firmware(SevMode mode, Hardware.Board board, String code) {
    return MachineSpec.builder(mode, new byte[0], b -> {})
        .memoryBytes(16 << 20)
        .board(board)
        .firmware(rom(code))
        .resets(this::again);
  }

  private static Outcome run(MachineSpec.Builder b) throws BootException {
    Machine m = new Machine(b.build());
    m.limit(1_000_000, Long.MAX_VALUE);
    return m.run();
  }

  @ParameterizedTest
  @CsvSource({
    "OFF, PC, keyboard",
    "OFF, PC, output port",
    "OFF, PC, cf9",
    "OFF, PC, 92",
    "OFF, PC, fault",
    "OFF, Q35, cf9",
    "SEV, PC, cf9",
    "SEV, Q35, fault"
  })
  void firmwareFindsItsMemoryAndTheClockButNewDevices(
      SevMode mode, Hardware.Board board, String way) throws BootException {
    String code =
        """
            cmp word [0x500], 0x5a5a
            je again
            mov word [0x500], 0x5a5a
            mov al, 0x11
            out 0x20, al
            mov al, 8
            out 0x21, al
            mov al, 4
            out 0x21, al
            mov al, 1
            out 0x21, al
            mov al, 0x5a
            out 0x21, al
        """
            + cmos(0x40, 0x77)
            + cmos(0x0B, 0x42)
            + WAYS.get(way)
            + """
            stay:
                jmp stay
            again:
                in al, 0x21
                cmp al, 0x5a
                je fail
                rdtsc
                cmp edx, 0
                jne fail
                cmp eax, 50000
                ja fail
            """
            + cmosIs(0x40, 0x77)
            + cmosIs(0x0B, 2)
            + """
                mov al, 0x10
                out 0xf4, al
            fail:
                mov al, 0
                out 0xf4, al
            """;
    assertThat(run(firmware(mode, board, code)).status()).isEqualTo(PASS);
    assertThat(resets).singleElement().matches(ResetPolicy.Reset::possible);
    assertThat(resets.get(0).end().status())
        .isEqualTo(way.equals("fault") ? Outcome.SHUTDOWN : Outcome.POWER_OFF);
  }

  @ParameterizedTest
  @CsvSource({"PC", "Q35", "MINIMAL"})
  void aKernelIsLoadedAgainIntoMemoryThatIsKept(Hardware.Board board) throws Exception {
    KernelGuest g =
        KernelGuest.run(
            """
                inc dword [loaded]
                inc dword [0x70000]
                cmp dword [0x70000], 3
                je third
            """
                + IN_PROTECTED_MODE
                + """
                stay:
                    jmp stay
                third:
                    mov eax, [loaded]
                    mov [RESULTS], eax
                    mov eax, [0x70000]
                    mov [RESULTS + 4], eax
                    jmp end
                loaded:
                    dd 0
                """,
            o -> o.toBuilder().board(board).resets(this::again).build());
    assertThat(new int[] {g.result(0), g.result(1)}).containsExactly(1, 3);
    assertThat(resets).hasSize(2);
    assertThat(resets.get(1).lived()).isBetween(1L, 100_000_000L);
  }

  @Test
  void otherProcessorsWaitAgain() throws Exception {
    byte[] count = Assembler.assemble(16, "mov ax, 0x7000\nmov ds, ax\nL: inc dword [4]\njmp L");
    StringBuilder copy = new StringBuilder();
    for (int i = 0; i < count.length; i++) {
      copy.append("mov byte [%d], %d\n".formatted(0x8000 + i, count[i] & 0xFF));
    }
    KernelGuest g =
        KernelGuest.run(
            """
                inc dword [0x70000]
                cmp dword [0x70000], 2
                je second
            """
                + copy
                + """
                    mov dword [0xfee000f0], 0x1ff
                    mov dword [0xfee00300], 0xc4500
                    mov dword [0xfee00300], 0xc4608
                wait:
                    cmp dword [0x70004], 100
                    jb wait
                """
                + IN_PROTECTED_MODE
                + """
                stay:
                    jmp stay
                second:
                    mov eax, [0x70004]
                    mov [RESULTS], eax
                    mov ecx, 200000
                spin:
                    dec ecx
                    jne spin
                    sub eax, [0x70004]
                    mov [RESULTS + 4], eax
                    jmp end
                """,
            o -> o.toBuilder().processors(2).resets(this::again).build());
    assertThat(g.result(0)).isGreaterThanOrEqualTo(100);
    assertThat(g.result(1)).isZero();
  }

  @ParameterizedTest
  @CsvSource({"ES", "SEV"})
  void nobodyLoadsAKernelIntoEncryptedMemoryAgain(SevMode mode) throws BootException {
    byte[] image = FlatGuest.image("lidt [0x8000]\nint3");
    Outcome o = run(MachineSpec.builder(mode, image, b -> {}).resets(this::again));
    assertThat(o.status()).isEqualTo(Outcome.SHUTDOWN);
    assertThat(resets).singleElement().matches(r -> !r.possible());
  }

  @Test
  void translatedCodeResetsAtTheSameTime() throws BootException {
    byte[] image =
        FlatGuest.image(
            """
                inc dword [0x300000]
                mov ecx, 20000
            L:  dec ecx
                jne L
                mov al, 0xfe
                out 0x64, al
                hlt
            """);
    List<String> hashes = new ArrayList<>();
    for (int after : Execution.andNative(0, 1)) {
      resets.clear();
      Machine m =
          new Machine(MachineSpec.builder(SevMode.OFF, image, b -> {}).resets(this::again).build());
      Execution.choose(m, after);
      m.limit(10_000_000, Long.MAX_VALUE);
      assertThat(m.run().status()).isEqualTo(Outcome.POWER_OFF);
      hashes.add(m.stateHash());
    }
    assertThat(Set.copyOf(hashes)).hasSize(1);
    assertThat(resets).hasSize(4);
  }

  // ---- watchdogs

  /** Firmware that halts until an alarm so many minutes after midnight, and resets. */
  private static String waits(int minutes, String then) {
    return """
        mov ax, 0
        mov ss, ax
        mov sp, 0x4000
        mov word [0x1c0], handler
        mov word [0x1c2], 0xff00
        mov al, 0x11
        out 0x20, al
        out 0xa0, al
        mov al, 8
        out 0x21, al
        mov al, 0x70
        out 0xa1, al
        mov al, 4
        out 0x21, al
        mov al, 2
        out 0xa1, al
        mov al, 1
        out 0x21, al
        out 0xa1, al
        mov al, 0xfb
        out 0x21, al
        mov al, 0xfe
        out 0xa1, al
    """
        + cmos(1, 0)
        + cmos(3, minutes)
        + cmos(5, 0xC0)
        + cmos(0x0B, 0x22)
        + "sti\nhlt\n"
        + then
        + WAYS.get("cf9")
        + """
        stay:
            jmp stay
        handler:
            iret
        """;
  }

  @ParameterizedTest
  @CsvSource({"5, , 8", "2, , 0", "5, 'mov dx, 0x3f8; mov al, 65; out dx, al; ', 0"})
  void whoWaitsForAWatchdogHasAskedForNothing(int minutes, String then, int status)
      throws BootException {
    String said = then == null ? "" : then.replace("; ", "\n");
    Outcome o =
        run(firmware(SevMode.OFF, Hardware.Board.PC, waits(minutes, said)).resets(ResetPolicy.END));
    assertThat(o.status()).as(o.reason()).isEqualTo(status);
  }
}
