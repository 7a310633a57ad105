package dev.vesper.machine;

import static org.assertj.core.api.Assertions.assertThat;

import dev.vesper.machine.spec.Hardware;
import dev.vesper.x86.Assembler;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

/** What a multiboot kernel finds of the firmware that is taken to have run before it. */
final class EntryStateTest {
  private static String store(String source) {
    return "mov eax, [%s]\nmov [edi], eax\nadd edi, 4\n".formatted(source);
  }

  @ParameterizedTest
  @EnumSource(
      value = Hardware.Board.class,
      names = {"PC", "Q35"})
  void theAcpiTablesAreFoundWhereABiosHasThem(Hardware.Board board) throws Exception {
    KernelGuest g =
        KernelGuest.run(
            store("0xe0000") + store("0xe0004") + "mov ebx, [0xe0010]\n" + store("ebx") + "jmp end",
            o -> o.toBuilder().hardware(new Hardware(board, List.of())).build());
    assertThat(new int[] {g.result(0), g.result(1)})
        .as("RSD PTR")
        .containsExactly(0x2044_5352, 0x2052_5450);
    assertThat(g.result(2)).as("RSDT").isEqualTo(0x5444_5352);
  }

  @Test
  void interruptControllersTimerAndVectorsAreAsABiosLeavesThem() throws Exception {
    KernelGuest g =
        KernelGuest.run(
            """
            mov eax, 0
            in al, 0x21
            mov [edi], eax
            in al, 0xa1
            mov [edi + 4], eax
            add edi, 8
            """
                + store("0x20")
                + store("0x24")
                + store("0x1c0")
                + store("0x84")
                + store("0x412")
                + """
                mov al, 0xe2
                out 0x43, al
                mov eax, 0
                in al, 0x40
                mov [edi], eax
                jmp end
                """);
    assertThat(g.result(0)).as("mask of the first").isEqualTo(0xB8);
    assertThat(g.result(1)).as("mask of the second").isEqualTo(0x8E);
    assertThat(g.result(2)).as("tick").isEqualTo(0xF000_FEA5);
    assertThat(g.result(3)).as("keyboard").isEqualTo(0xF000_FEE0);
    assertThat(g.result(4)).as("clock").isEqualTo(0xF000_FEE8);
    assertThat(g.result(5)).as("a call").isEqualTo(0xF000_FF53);
    assertThat(g.result(6) >>> 8 & 0xFFFF).as("KiB of low memory").isEqualTo(639);
    assertThat(g.result(7) & 0x3F).as("timer: words, rate generator").isEqualTo(0x34);
  }

  @Test
  void theBiosCountsTicksForAKernelThatGoesToRealMode() throws Exception {
    byte[] real =
        new Assembler(0x7000, 16)
            .add(
                """
                mov ax, 32
                mov ds, ax
                mov ss, ax
                mov eax, cr0
                and al, 0xfe
                mov cr0, eax
                jmpf 0:low
                low:
                xor ax, ax
                mov ss, ax
                mov sp, 0x6000
                mov ds, ax
                lidt [table]
                sti
                hlt
                hlt
                hlt
                cli
                mov ebx, [0x46c]
                mov ax, 0x1000
                mov ds, ax
                mov [0], ebx
                mov al, 0
                out 0xf4, al
                table:
                dw 0x3ff
                dd 0
                """)
            .finish();
    StringBuilder bytes = new StringBuilder("real:\ndb ");
    for (int i = 0; i < real.length; i++) {
      bytes.append(i == 0 ? "" : ", ").append(real[i] & 0xFF);
    }
    KernelGuest g =
        KernelGuest.run(
            """
            mov esi, real
            mov edi, 0x7000
            mov ecx, %d
            rep movsb
            lgdt [narrow]
            jmpf 24:0x7000
            narrow:
            dw 39
            dd descriptors
            align 8
            descriptors:
            dq 0
            dq 0x00cf9b000000ffff
            dq 0x00cf93000000ffff
            dq 0x00009b000000ffff
            dq 0x000093000000ffff
            """
                    .formatted(real.length)
                + bytes);
    assertThat(g.result(0)).as("ticks").isEqualTo(3);
  }
}
