package dev.vesper.machine.boot;

import dev.vesper.machine.device.acpi.Board;
import dev.vesper.machine.vmm.OpenBsdLaunch;
import org.jspecify.annotations.Nullable;

/**
 * What is booted.
 *
 * @param name the image's name for messages
 * @param image its bytes
 * @param initrd initial RAM disk or multiboot module, or null
 * @param commandLine kernel command line
 * @param entry32 take a bzImage's 32-bit entry rather than the 64-bit one
 * @param firmware contents of the flash that the processor starts in, or null
 * @param variables what lies in the flash before the firmware
 * @param openBsd how an OpenBSD kernel is launched
 * @param everyElfIsOpenBsd any ELF image is launched as an OpenBSD kernel, as vmd(8) does
 * @param processors how many vCPUs the guest has
 * @param acpi the board that ACPI tables describe, which a kernel finds as firmware leaves them; or
 *     null for none
 * @param encryptedState APs of the guest have encrypted state, and so wait in firmware's remains
 * @param seed decides random data that a loader gives to a kernel
 * @param launch what decides a launch besides
 * @param cBit mask of the C-bit for page tables that the loader builds, 0 without SEV
 */
public record BootOptions(
    String name,
    byte[] image,
    byte @Nullable [] initrd,
    String commandLine,
    boolean entry32,
    byte @Nullable [] firmware,
    byte[] variables,
    long cBit,
    OpenBsdLaunch openBsd,
    boolean everyElfIsOpenBsd,
    int processors,
    @Nullable Board acpi,
    boolean encryptedState,
    long seed,
    LaunchChoices launch) {}
