package dev.vesper.machine.boot;

import dev.vesper.machine.sev.LaunchState;
import dev.vesper.machine.sev.VmsaField;
import dev.vesper.machine.spec.BootException;
import dev.vesper.x86.Assembler;

/**
 * What UEFI firmware leaves behind for application processors of an SEV-ES guest at
 * ExitBootServices (spec: guest-flows section 4): a loop in real mode that waits in AP reset hold,
 * and the AP jump table page through which a released processor continues.
 */
final class FirmwareRemains {
  /** Guest physical address of the loop. */
  static final long BASE = 0x9_E000;

  /** Guest physical address of the jump table: word 0 IP, word 1 CS. */
  static final long JUMP_TABLE = BASE + 0x1000;

  /**
   * A GHCB is shared memory, which real mode cannot reach: the hold is asked for by the MSR
   * protocol. Anything but a release by SIPI waits again.
   */
  private static final String LOOP =
      """
      park:
          mov ecx, 0xc0010130
          mov eax, 6
          xor edx, edx
          wrmsr
          vmgexit
          rdmsr
          mov ebx, eax
          and eax, 0xfff
          cmp eax, 7
          jne short park
          shr ebx, 12
          or ebx, edx
          je short park
          jmpf dword [cs:0x1000]
      """;

  /** Writes bytes that become part of the launch. */
  interface Writer {
    void put(long address, byte[] bytes) throws BootException;
  }

  private FirmwareRemains() {}

  static void place(Writer w) throws BootException {
    w.put(BASE, java.util.Arrays.copyOf(Assembler.assemble(16, LOOP), 0x1000));
    w.put(JUMP_TABLE, new byte[0x1000]);
  }

  /** {@return the state that an application processor is launched in} */
  static LaunchState parked() {
    return new LaunchState()
        .segment(VmsaField.CS, (int) (BASE >>> 4), 0x9B, 0xFFFF, BASE)
        .set(VmsaField.RIP, 0);
  }
}
