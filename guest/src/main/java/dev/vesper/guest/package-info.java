/**
 * {@code locore}, the reference guest: a kernel for SEV-ES and SEV-SNP written with Vesper's own
 * assembler; and the service module, under which guests run at VMPL2. They know the architecture
 * and the GHCB standard, and share what they have of those; nothing of the machine that runs them.
 */
@NullMarked
package dev.vesper.guest;

import org.jspecify.annotations.NullMarked;
