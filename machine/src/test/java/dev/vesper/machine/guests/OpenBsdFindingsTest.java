package dev.vesper.machine.guests;

import static org.assertj.core.api.Assertions.assertThat;

import dev.vesper.guest.FlatGuest;
import dev.vesper.machine.TestMachine;
import dev.vesper.machine.observe.Event;
import dev.vesper.machine.spec.BootException;
import dev.vesper.machine.spec.Hardware;
import dev.vesper.machine.spec.MachineSpec;
import dev.vesper.machine.spec.SevMode;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.EnumSource;

/** What the OpenBSD kernel found wrong in the machine around it, each as a small guest. */
final class OpenBsdFindingsTest {
  private static final long RESULTS = 0x20_0000;
  private static final long MOST_INSTRUCTIONS = 1_000_000;

  /** Keeps EAX as the next result. */
  private static final String KEEP = "mov [rdi], eax\nadd rdi, 4\n";

  private static final String END = "\ncli\nhlt\n";

  private static TestMachine run(MachineSpec.Builder spec) throws BootException {
    TestMachine m = TestMachine.of(spec.memoryBytes(64L << 20)).traced();
    m.run(MOST_INSTRUCTIONS);
    return m;
  }

  private static TestMachine run(String profile, Hardware.Board board, String source)
      throws BootException {
    byte[] image = FlatGuest.image("mov edi, " + RESULTS + "\n" + source + END);
    return run(MachineSpec.builder(SevMode.OFF, image, c -> {}).profile(profile).board(board));
  }

  private static int result(TestMachine m, int n) {
    return (int) m.machine().hostView().read(RESULTS + 4L * n, 4);
  }

  /** An 8250 has no FIFOs: bits 7 and 6 of IIR stay 0 whatever is written to the FCR. */
  @ParameterizedTest
  @CsvSource({"openbsd, 0", "kvm, 3"})
  void vmdsSerialPortHasNoFifo(String profile, int enabled) throws BootException {
    TestMachine m =
        run(
            profile,
            Hardware.Board.AUTO,
            """
            mov edx, 0x3fa
            mov al, 0xc7
            out dx, al
            xor eax, eax
            in al, dx
            """
                + KEEP);
    assertThat(result(m, 0) >> 6).isEqualTo(enabled);
  }

  /** viornd(4) and vmmci(4) are there, and no console that nobody asked for. */
  @Test
  void vmdsBusHasEntropyAndTheControlInterface() throws BootException {
    TestMachine m =
        run(
            "openbsd",
            Hardware.Board.AUTO,
            """
            mov ebx, 0x80000800
            slot:
            mov edx, 0xcf8
            mov eax, ebx
            out dx, eax
            mov edx, 0xcfc
            in eax, dx
            """
                + KEEP
                + """
                add ebx, 0x800
                cmp ebx, 0x80010000
                jne slot
                """);
    List<Integer> found = new ArrayList<>();
    for (int slot = 0; slot < 31; slot++) {
      if (result(m, slot) != -1) {
        found.add(result(m, slot));
      }
    }
    assertThat(found).containsExactly(0x1005_1AF4, 0x0777_0B5D);
  }

  /**
   * The root bus hands on addresses above 4 GiB: the DSDT has a QWord address space descriptor
   * (ACPI 6.4.3.5.1: tag 8Ah, length 2Bh, type 0 memory; least and greatest address at 14 and 22).
   */
  @ParameterizedTest
  @EnumSource(
      value = Hardware.Board.class,
      names = {"PC", "Q35"})
  void theRootBusHasAWindowAbove4GiB(Hardware.Board board) throws BootException {
    TestMachine m =
        run(
            "kvm",
            board,
            """
            mov esi, 0xe0000
            next:
            cmp dword [rsi], 0x00002b8a
            je found
            inc esi
            cmp esi, 0x100000
            jne next
            hlt
            found:
            mov eax, [rsi + 18]
            """
                + KEEP
                + "mov eax, [rsi + 26]\n"
                + KEEP);
    assertThat(result(m, 0)).as("least address / 4 GiB").isPositive();
    assertThat(result(m, 1)).as("greatest address / 4 GiB").isGreaterThanOrEqualTo(result(m, 0));
  }

  /** A kernel has names in both halves of the addresses, and runs in the lower one at first. */
  @Test
  void codeInTheLowerHalfHasItsName() throws BootException {
    byte[] image =
        FlatGuest.image(
            """
            mov ecx, 0xc0010130
            mov eax, 2
            xor edx, edx
            wrmsr
            ask:
            vmgexit
            """
                + END,
            Map.of("kernel", 0xFFFF_FFFF_8100_0000L));
    TestMachine m = run(MachineSpec.builder(SevMode.ES, image, c -> {}));
    assertThat(m.events())
        .filteredOn(Event.MsrExchange.class::isInstance)
        .extracting(e -> e.at().symbol())
        .containsExactly("ask");
  }
}
