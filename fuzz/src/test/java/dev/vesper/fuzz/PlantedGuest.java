package dev.vesper.fuzz;

import dev.vesper.fuzz.store.CampaignException;
import dev.vesper.guest.Locore;
import dev.vesper.machine.Until;
import dev.vesper.machine.spec.MachineSpec;
import dev.vesper.machine.spec.SevMode;

/**
 * The reference guest with a main that asks for a leaf of CPUID, an MSR and a port, and parses the
 * answers: a fault was planted behind what no honest host says.
 */
final class PlantedGuest {
  private static final String MAIN =
      """
        mov eax, 0x40000001
        cpuid
        mov r12d, ebx
        mov ecx, 0x1b
        rdmsr
        mov r13d, eax
        mov dx, 0x61
        in al, dx
        movzx r14d, al
        ; The leaf: a count of entries in bits 7:4.
        mov eax, r12d
        shr eax, 4
        and eax, 15
        cmp eax, 6
        jb planted_done
        cmp eax, 7
        ja planted_done
        ; The MSR: a number of entries, of which there are never so many.
        mov ecx, r13d
        shr ecx, 16
        and ecx, 0xff
        cmp ecx, 0xff
        jne planted_done
        ; The port: a flag.
        test r14d, 0x80
        je planted_done
      planted_fault:
        lidt [planted_none]
        ud2
      planted_done:
        mov eax, 0x10
        mov dx, 0xf4
        out dx, al
        hlt
      planted_none: dq 0, 0
      """;

  private PlantedGuest() {}

  /** {@return a machine with it} */
  static MachineSpec spec() {
    return MachineSpec.builder(SevMode.ES, image(), c -> {})
        .memoryBytes(64L << 20)
        .cpuModel("vesper-min,+xsave")
        .build();
  }

  private static byte[] image() {
    return Locore.withMain(MAIN);
  }

  /** {@return executions from {@code main} on} */
  static Harness harness() throws CampaignException {
    byte[] image = image();
    return new Harness(
        () ->
            MachineSpec.builder(SevMode.ES, image, c -> {})
                .memoryBytes(64L << 20)
                .cpuModel("vesper-min,+xsave")
                .build(),
        Until.symbol("main"),
        null,
        100_000,
        SiteFilter.of("cpuid,msr,port", ""),
        null);
  }
}
