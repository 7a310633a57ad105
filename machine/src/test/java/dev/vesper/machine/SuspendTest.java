package dev.vesper.machine;

import static org.assertj.core.api.Assertions.assertThat;

import dev.vesper.machine.boot.WakingVector;
import dev.vesper.machine.device.acpi.AcpiTables;
import dev.vesper.machine.host.GuestRam;
import dev.vesper.machine.memory.HostView;
import dev.vesper.machine.memory.PhysicalMemory;
import dev.vesper.machine.sev.LaunchState;
import dev.vesper.machine.sev.VmsaField;
import dev.vesper.machine.spec.BootException;
import dev.vesper.machine.spec.Hardware;
import dev.vesper.machine.spec.MachineSpec;
import dev.vesper.machine.spec.Outcome;
import dev.vesper.machine.spec.SevMode;
import dev.vesper.machine.vmm.PcBoard;
import dev.vesper.x86.Assembler;
import java.nio.charset.StandardCharsets;
import java.util.List;
import java.util.Objects;
import java.util.Random;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** Suspend to RAM and to disk (ACPI 6.4, chapter 16). */
final class SuspendTest {
  private static final int PM = 0x600;
  private static final int PASS = 33;
  private static final int ROM = 4096;

  /** Puts ACPI's registers at 600h by the PIIX4's configuration. */
  private static final String PLACE =
      """
          mov eax, 0x80000b40
          mov dx, 0xcf8
          out dx, eax
          mov eax, 0x601
          mov dx, 0xcfc
          out dx, eax
          mov eax, 0x80000b80
          mov dx, 0xcf8
          out dx, eax
          mov al, 1
          mov dx, 0xcfc
          out dx, al
      """;

  /** An alarm each second. */
  private static final String ALARM = cmos(1, 0xC0) + cmos(3, 0xC0) + cmos(5, 0xC0);

  private static String cmos(int register, int v) {
    return "mov al, %d\nout 0x70, al\nmov al, %d\nout 0x71, al\n".formatted(register, v);
  }

  private static String pm(int offset, int v) {
    return "mov dx, %d\nmov ax, %d\nout dx, ax\n".formatted(PM + offset, v);
  }

  /** Firmware that starts code at the reset vector. */
  private static byte[] rom(String code) {
    byte[] rom = new byte[ROM];
    byte[] c = Assembler.assemble(16, code);
    System.arraycopy(c, 0, rom, 0, c.length);
    byte[] jump = Assembler.assemble(16, "skip 0xff0\nstart:\njmp start-0xff0");
    System.arraycopy(jump, ROM - 16, rom, ROM - 16, jump.length - ROM + 16);
    return rom;
  }

  private static Outcome run(String code) throws BootException {
    MachineSpec o =
        MachineSpec.builder(SevMode.OFF, new byte[0], b -> {})
            .memoryBytes(16 << 20)
            .hardware(new Hardware(Hardware.Board.PC, List.of()))
            .firmware(MachineSpec.Firmware.of(rom(code)))
            .build();
    Machine m = new Machine(o);
    m.limit(1_000_000, Long.MAX_VALUE);
    return m.run();
  }

  private static String sleepsAndWakes(String prepare, int woken) {
    return """
        mov al, 0x0f
        out 0x70, al
        in al, 0x71
        cmp al, 0xfe
        je woken
        mov word [0x500], 0x5a5a
        mov al, 0x11
        out 0x20, al
    """
        + PLACE
        + prepare
        + pm(4, 0x2401)
        + """
        fail:
            mov al, 0
            out 0xf4, al
        woken:
        """
        + PLACE
        + """
            cmp word [0x500], 0x5a5a
            jne fail
            mov dx, %d
            in ax, dx
            and ax, %d
            cmp ax, %d
            jne fail
            mov dx, %d
            in ax, dx
            cmp ax, 0
            jne fail
            mov al, 0x10
            out 0xf4, al
        """
            .formatted(PM, woken | 0xFF00, woken, PM + 2);
  }

  @ParameterizedTest
  @CsvSource({"alarm, 0x8400", "timer, 0x8001"})
  void firmwareWakesAtTheResetVectorWithItsMemory(String by, String status) throws BootException {
    String prepare =
        by.equals("alarm") ? ALARM + cmos(0x0B, 0x22) + pm(2, 0x400) : pm(0, 1) + pm(2, 1);
    assertThat(run(sleepsAndWakes(prepare, Integer.decode(status))).status()).isEqualTo(PASS);
  }

  @Test
  void whoNobodyWakesIsSaidToSleep() throws BootException {
    Outcome o = run(sleepsAndWakes("", 0));
    assertThat(o)
        .isEqualTo(
            new Outcome(Outcome.GAVE_UP, "guest sleeps, and no alarm is set that could wake it"));
  }

  @Test
  void suspendToDiskEndsTheRun() throws BootException {
    Outcome o = run(PLACE + pm(4, 0x2801) + "mov al, 0\nout 0xf4, al\n");
    assertThat(o).isEqualTo(new Outcome(Outcome.POWER_OFF, "guest powered off"));
  }

  private static HostView withTables(int vector) {
    HostView v = new PhysicalMemory(2 << 20, 0).hostView();
    byte[] t =
        new AcpiTables(PcBoard.describe(Hardware.Board.PC, 1, GuestRam.below(2 << 20), true))
            .linked(0xE_0000);
    v.write(0xE_0000, t, 0, t.length);
    // The FACS is the first of the tables.
    v.write(0xE_0000 + 64 + 12, 4, vector);
    return v;
  }

  @Test
  void aKernelIsWokenAtTheVectorOfItsFacs() {
    LaunchState s = Objects.requireNonNull(WakingVector.state(withTables(0x9_8123)));
    LaunchState wanted =
        new LaunchState()
            .segment(VmsaField.CS, 0x9812, 0x9B, 0xFFFF, 0x9_8120)
            .set(VmsaField.RIP, 3);
    assertThat(s.bytes()).isEqualTo(wanted.bytes());
    assertThat(WakingVector.state(withTables(0))).as("there is none").isNull();
    assertThat(WakingVector.state(withTables(0x10_0000))).as("beyond real mode").isNull();
  }

  @Test
  void damagedTablesAreBorne() {
    Random r = new Random(3);
    for (int i = 0; i < 2_000; i++) {
      HostView v = withTables(0x9_8000);
      for (int n = 0; n < 4; n++) {
        v.write(0xE_0000 + r.nextInt(0x1400), 1 << r.nextInt(3), r.nextInt());
      }
      WakingVector.state(v);
    }
  }

  private static String tables(boolean sleeps) {
    AcpiTables t =
        new AcpiTables(PcBoard.describe(Hardware.Board.Q35, 1, GuestRam.below(64 << 20), sleeps));
    return new String(t.tables(), StandardCharsets.ISO_8859_1);
  }

  @Test
  void sleepIsOfferedToGuestsThatFirmwareCanWake() {
    assertThat(tables(true)).contains("_S3_", "_S4_", "_S5_", "_PTS", "_WAK");
    assertThat(tables(false)).contains("_S5_").doesNotContain("_S3_", "_S4_", "_PTS");
  }
}
