package dev.vesper.machine;

import static org.assertj.core.api.Assertions.assertThat;

import dev.vesper.machine.spec.Hardware;
import java.util.List;
import org.junit.jupiter.api.Test;

/** What a guest finds of its local APIC, of CPUID that depends on its state, and of hypercalls. */
final class LocalApicGuestTest {
  private static final String BASE =
      """
      mov ecx, 0x1b
      mov edx, 0
      mov eax, %s
      wrmsr
      """;

  /** Stores CPUID 1: EDX, ECX. */
  private static final String FEATURES =
      """
      mov eax, 1
      cpuid
      mov [edi], edx
      mov [edi + 4], ecx
      add edi, 8
      """;

  private static final String ENABLE = "mov dword [0xfee000f0], 0x1ff\n";

  @Test
  void cpuidsApicBitFollowsTheBaseRegister() throws Exception {
    KernelGuest g =
        KernelGuest.run(
            FEATURES
                + BASE.formatted("0xfee00100")
                + FEATURES
                + BASE.formatted("0xfee00900")
                + FEATURES
                + "jmp end");
    assertThat(g.result(0) >> 9 & 1).isEqualTo(1);
    assertThat(g.result(1) >> 21 & 1).as("x2APIC is offered").isEqualTo(1);
    assertThat(g.result(2) >> 9 & 1).as("disabled").isZero();
    assertThat(g.result(4) >> 9 & 1).as("enabled again").isEqualTo(1);
  }

  @Test
  void aBoardWithoutLocalApicOffersNone() throws Exception {
    KernelGuest g =
        KernelGuest.run(
            FEATURES + "jmp end",
            o -> o.toBuilder().hardware(new Hardware(Hardware.Board.MINIMAL, List.of())).build());
    assertThat(g.result(0) >> 9 & 1).isZero();
    assertThat(g.result(1) >> 21 & 1).isZero();
  }

  @Test
  void itsRegistersMoveAndGoAway() throws Exception {
    String look =
        """
        mov eax, [0xfee00030]
        mov [edi], eax
        mov eax, [0xfed40030]
        mov [edi + 4], eax
        add edi, 8
        """;
    KernelGuest g =
        KernelGuest.run(
            look
                + BASE.formatted("0xfed40900")
                + look
                + BASE.formatted("0xfee00100")
                + look
                + BASE.formatted("0xfee00900")
                + look
                + BASE.formatted("0xfee00d00")
                + look
                + "jmp end");
    assertThat(new int[] {g.result(0), g.result(1)}).containsExactly(0x5_0014, -1);
    assertThat(new int[] {g.result(2), g.result(3)}).as("moved").containsExactly(-1, 0x5_0014);
    assertThat(new int[] {g.result(4), g.result(5)}).as("disabled").containsExactly(-1, -1);
    assertThat(new int[] {g.result(6), g.result(7)}).as("again").containsExactly(0x5_0014, -1);
    assertThat(new int[] {g.result(8), g.result(9)}).as("x2APIC").containsExactly(-1, -1);
  }

  @Test
  void aChangedIdentityIsWhatCommandsName() throws Exception {
    KernelGuest g =
        KernelGuest.run(
            ENABLE
                + """
                sti
                mov dword [0xfee00020], 0x05000000
                mov dword [0xfee00310], 0
                mov dword [0xfee00300], 0x4031
                mov dword [0xfee00310], 0x05000000
                mov dword [0xfee00300], 0x4032
                mov eax, [0xfee00020]
                mov [edi], eax
                nop
                """
                + BASE.formatted("0xfee00100")
                + BASE.formatted("0xfee00900")
                + "mov eax, [0xfee00020]\nmov [edi + 4], eax\njmp end");
    assertThat(g.interrupts(0x31)).as("its old number").isZero();
    assertThat(g.interrupts(0x32)).as("its new number").isEqualTo(1);
    assertThat(g.result(0)).isEqualTo(0x0500_0000);
    assertThat(g.result(1)).as("after it was enabled again").isZero();
  }

  @Test
  void anIllegalVectorIsAnErrorThatAWriteLatches() throws Exception {
    KernelGuest g =
        KernelGuest.run(
            ENABLE
                + """
                sti
                mov dword [0xfee00370], 0x41
                mov dword [0xfee00300], 0x44005
                mov eax, [0xfee00280]
                mov [edi], eax
                mov dword [0xfee00280], 0
                mov eax, [0xfee00280]
                mov [edi + 4], eax
                mov dword [0xfee00280], 0
                mov eax, [0xfee00280]
                mov [edi + 8], eax
                jmp end
                """);
    assertThat(g.interrupts(0x41)).as("error interrupts").isEqualTo(1);
    assertThat(g.result(0)).as("before the write").isZero();
    assertThat(g.result(1)).isEqualTo(0x20);
    assertThat(g.result(2)).isZero();
  }

  @Test
  void cpuidSaysWhatControlRegistersSwitchOnAndHowLargeTheXsaveAreasAre() throws Exception {
    String sizes =
        """
        mov eax, 1
        cpuid
        mov [edi], ecx
        mov eax, 7
        mov ecx, 0
        cpuid
        mov [edi + 4], ecx
        mov eax, 13
        mov ecx, 0
        cpuid
        mov [edi + 8], ebx
        mov eax, 13
        mov ecx, 1
        cpuid
        mov [edi + 12], ebx
        add edi, 16
        """;
    String enable =
        """
        mov eax, cr4
        or eax, 0x440600
        mov cr4, eax
        mov ecx, 0
        mov edx, 0
        mov eax, 7
        xsetbv
        """;
    KernelGuest g =
        KernelGuest.run(
            sizes + enable + sizes + "jmp end", o -> o.toBuilder().cpuModel("EPYC-Milan").build());
    assertThat(g.result(0) >> 27 & 1).as("OSXSAVE").isZero();
    assertThat(g.result(1) >> 4 & 1).as("OSPKE").isZero();
    assertThat(new int[] {g.result(2), g.result(3)}).containsExactly(576, 576);
    assertThat(g.result(4) >> 27 & 1).as("OSXSAVE").isEqualTo(1);
    assertThat(g.result(5) >> 4 & 1).as("OSPKE").isEqualTo(1);
    assertThat(new int[] {g.result(6), g.result(7)}).containsExactly(832, 832);
  }

  private static String call(int number, String a, String b, String c, String d) {
    return """
    mov eax, %d
    mov ebx, %s
    mov ecx, %s
    mov edx, %s
    mov esi, %s
    vmmcall
    mov [edi], eax
    add edi, 4
    """
        .formatted(number, a, b, c, d);
  }

  @Test
  void hypercallsAreServedAsKvmServesThem() throws Exception {
    KernelGuest g =
        KernelGuest.run(
            ENABLE
                + "sti\n"
                + call(10, "1", "0", "0", "0x4035")
                + call(10, "-1", "0", "-1", "0")
                + call(10, "1", "0", "0", "0x4835")
                + call(1, "0", "0", "0", "0")
                + call(11, "0", "0", "0", "0")
                + call(5, "0", "0", "0", "0")
                + call(12, "0", "1", "0", "0")
                + call(9, "0x40000", "0", "0", "0")
                + call(9, "0x40000", "1", "0", "0")
                + call(77, "0", "0", "0", "0")
                // Kicked before: this HLT ends at once, though nothing interrupts.
                + "cli\nhlt\n"
                + "mov eax, [0x40000]\nmov [edi], eax\njmp end");
    assertThat(g.result(0)).as("SEND_IPI").isEqualTo(1);
    assertThat(g.interrupts(0x35)).isEqualTo(1);
    assertThat(g.result(1)).as("nobody has that number").isZero();
    assertThat(g.result(2)).as("logical").isEqualTo(-22);
    assertThat(g.result(3)).as("VAPIC_POLL_IRQ").isZero();
    assertThat(g.result(4)).as("SCHED_YIELD").isZero();
    assertThat(g.result(5)).as("KICK_CPU").isZero();
    assertThat(g.result(6)).as("MAP_GPA_RANGE").isEqualTo(-1000);
    assertThat(g.result(7)).as("CLOCK_PAIRING").isZero();
    assertThat(g.result(8)).as("another clock").isEqualTo(-95);
    assertThat(g.result(9)).as("unknown").isEqualTo(-1000);
    assertThat(g.result(10)).as("seconds").isGreaterThan(1_700_000_000);
  }

  @Test
  void kvmsClockTellsTheTimeInMemory() throws Exception {
    KernelGuest g =
        KernelGuest.run(
            """
            mov ecx, 0x4b564d01
            mov edx, 0
            mov eax, 0x40001
            wrmsr
            mov ecx, 0x4b564d00
            mov eax, 0x40100
            wrmsr
            mov esi, 0x40000
            mov ecx, 8
            copy:
            mov eax, [esi]
            mov [edi], eax
            add esi, 4
            add edi, 4
            dec ecx
            jne copy
            mov eax, [0x40104]
            mov [edi], eax
            mov eax, [0x40100]
            mov [edi + 4], eax
            jmp end
            """);
    assertThat(g.result(0)).as("version").isEqualTo(2);
    assertThat(g.result(2)).as("ticks are nanoseconds").isEqualTo(g.result(4)).isPositive();
    assertThat(g.result(6)).as("multiplier").isEqualTo(0x8000_0000);
    assertThat(g.result(7)).as("shift, and stable").isEqualTo(0x101);
    assertThat(g.result(8)).as("seconds").isGreaterThan(1_700_000_000);
    assertThat(g.result(9) & 1).as("version of the wall clock").isZero();
  }
}
