/**
 * The op-object interpreter: one small object an instruction, the reference semantics of the
 * machine. One family of instructions a file.
 *
 * <p>Hot families are templates (see {@link dev.vesper.machine.cpu.interp.Templates}): one source
 * that becomes a class of its own for each operation, size and operand form, so that HotSpot
 * compiles each of them without branches.
 */
@NullMarked
package dev.vesper.machine.cpu.interp;

import org.jspecify.annotations.NullMarked;
