/**
 * Secure virtualisation: VMCB and VMSA at their architectural offsets, VMRUN with its world switch,
 * and the secure processor that launches guests.
 *
 * <p>This is where the two worlds meet: what the host may have is public and speaks of control area
 * and host view; the processor stays inside. A host gets an {@link
 * dev.vesper.machine.sev.EncryptedVcpu}, which has no way to registers, or a {@link
 * dev.vesper.machine.sev.PlainVcpu}.
 */
@NullMarked
package dev.vesper.machine.sev;

import org.jspecify.annotations.NullMarked;
