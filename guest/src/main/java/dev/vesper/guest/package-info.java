/**
 * {@code locore}, the reference guest: a kernel for SEV-ES and SEV-SNP written with Vesper's own
 * assembler. It knows the architecture and the GHCB standard, nothing of the machine that runs it.
 */
@NullMarked
package dev.vesper.guest;

import org.jspecify.annotations.NullMarked;
