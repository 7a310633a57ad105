package dev.vesper.machine.guests;

import static org.assertj.core.api.Assertions.assertThat;

import dev.vesper.fixtures.DebianPackages;
import dev.vesper.machine.Machine;
import dev.vesper.machine.Until;
import dev.vesper.machine.device.net.UserNetwork;
import dev.vesper.machine.spec.BootException;
import dev.vesper.machine.spec.Hardware;
import dev.vesper.machine.spec.MachineSpec;
import dev.vesper.machine.spec.SevMode;
import java.io.IOException;
import java.nio.file.Files;
import java.util.List;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;

/** Other people's boot loaders, to their prompts. */
@Tag("slow")
final class BootLoadersTest {
  private static byte[] packaged(String name, String file)
      throws IOException, InterruptedException {
    return Files.readAllBytes(DebianPackages.file(DebianPackages.unpacked(name), file));
  }

  private static void run(MachineSpec o, long instructions) throws BootException {
    Machine m = new Machine(o);
    m.limit(instructions, Long.MAX_VALUE);
    m.run();
  }

  @Test
  void uBootComesToItsPrompt() throws IOException, InterruptedException, BootException {
    byte[] rom = packaged("u-boot-qemu", "qemu-x86/u-boot.rom");
    Dialogue user =
        new Dialogue().when("stop autoboot", " ").when("=> ", "version\n").when("=> ", "reset\n");
    MachineSpec o =
        MachineSpec.builder(SevMode.OFF, new byte[0], user::write)
            .firmware(MachineSpec.Firmware.of(rom))
            .hardware(new Hardware(Hardware.Board.PC, List.of()))
            .input(user)
            .build();
    run(o, 1_000_000_000L);
    assertThat(user.text()).contains("U-Boot 20", "Model: QEMU x86", "=> version", "resetting");
  }

  /**
   * A kernel of boot protocol 2.07, which SeaBIOS enters in real mode. It gathers entropy from some
   * hundreds of the clock's periodic interrupts, which it waits for in a loop that writes to a byte
   * beside itself: half a second of virtual time.
   */
  @Test
  void ipxeIsBootedInRealModeAndAsksTheNetworkForItsAddress()
      throws IOException, InterruptedException, BootException {
    byte[] bios = packaged("seabios", "bios-256k.bin");
    byte[] ipxe = packaged("ipxe", "ipxe.lkrn");
    Dialogue user = new Dialogue();
    MachineSpec o =
        MachineSpec.builder(SevMode.OFF, ipxe, user::write)
            .firmware(MachineSpec.Firmware.of(bios))
            .hardware(
                new Hardware(
                    Hardware.Board.PC,
                    List.of(),
                    List.of(new UserNetwork()),
                    false,
                    List.of(),
                    null))
            .input(user)
            .build();
    new Machine(o).run(Until.console("Nothing to boot").or(Until.instructions(2_500_000_000L)));
    assertThat(user.text())
        .contains("Booting from ROM", "iPXE initialising devices...ok")
        .contains("net0: 10.0.2.15/255.255.255.0 gw 10.0.2.2")
        .contains("Nothing to boot");
  }
}
