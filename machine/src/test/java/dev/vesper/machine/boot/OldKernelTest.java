package dev.vesper.machine.boot;

import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.vesper.machine.Machine;
import dev.vesper.machine.spec.BootException;
import dev.vesper.machine.spec.MachineSpec;
import dev.vesper.machine.spec.SevMode;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** Kernels of boot protocols that say too little to be entered without a BIOS. */
final class OldKernelTest {
  @ParameterizedTest
  @CsvSource({
    "OFF, 0x200, boot protocol 2.00, give one with -bios",
    "OFF, 0x207, boot protocol 2.07, give one with -bios",
    "SEV, 0x207, boot protocol 2.07, an encrypted guest has none",
    "ES, 0x209, boot protocol 2.09, an encrypted guest has none"
  })
  void theyAreRefusedWithWhatToDo(SevMode mode, String version, String what, String advice) {
    ByteBuffer b = ByteBuffer.allocate(8192).order(ByteOrder.LITTLE_ENDIAN);
    b.putInt(0x202, 0x5372_6448).putShort(0x206, Integer.decode(version).shortValue());
    assertThatThrownBy(() -> new Machine(MachineSpec.of(mode, b.array(), c -> {})))
        .isInstanceOf(BootException.class)
        .hasMessageContaining(what)
        .hasMessageContaining(advice);
  }
}
