package example;

import static dev.vesper.junit.GuestAssertions.assertThat;

import dev.vesper.ghcb.ExitCode;
import dev.vesper.junit.SevGuest;
import dev.vesper.machine.Machine;
import org.junit.jupiter.api.Test;

/** An unmodified Linux kernel finds itself to be an SEV-ES guest. */
@SevGuest(kernel = "${vmlinuz}", append = "console=ttyS0")
class LinuxTest {
  @Test
  void runsWithEncryptedState(Machine guest) {
    assertThat(guest).reached("start_kernel").exchanged(ExitCode.CPUID).printed("AMD SEV SEV-ES");
  }
}
