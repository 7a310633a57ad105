/**
 * The x86-64 instruction set: one opcode table ({@code opcodes.txt}) drives {@link
 * dev.vesper.x86.Decoder}, {@link dev.vesper.x86.Formatter} and {@link dev.vesper.x86.Assembler}.
 *
 * <p>What lives here knows encodings and names. Processor state, semantics and memory do not belong
 * here.
 */
@NullMarked
package dev.vesper.x86;

import org.jspecify.annotations.NullMarked;
