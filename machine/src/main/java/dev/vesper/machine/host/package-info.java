/**
 * What a hypervisor of one's own is given: an exit as its host sees it, and nothing that a host may
 * not have. Interfaces only; the machine implements them. No type of the processor, of plaintext or
 * of a profile may appear here.
 *
 * {@snippet :
 * machine.hypervisor().onEvent(ExitCode.CPUID, (exit, profile) -> {
 *   profile.run();
 *   if ((int) exit.request(GhcbField.RAX) == 0x8000_001F) {
 *     exit.set(GhcbField.RBX, 0);
 *   }
 * });
 * }
 */
@NullMarked
package dev.vesper.machine.host;

import org.jspecify.annotations.NullMarked;
