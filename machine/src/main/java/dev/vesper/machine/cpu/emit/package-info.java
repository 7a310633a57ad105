/**
 * Native code: blocks of guest code as x86-64 code of the computer that Vesper runs on.
 *
 * <p>Here live the assembler for that code, the memory that it lies in, its entry and exits, and
 * the emission of instructions by family. Native code does what the interpreter does, bit for bit
 * and instruction by instruction; what it cannot do, or only sometimes, it leaves to the
 * interpreter's operation, from the state before the instruction. It changes guest memory, its
 * processor's state block and registers, and nothing else, and it raises no exception of the
 * computer's.
 *
 * <p>Nothing about when code is run belongs here: that is the processor's run loop, which knows
 * this package by {@link dev.vesper.machine.cpu.NativeTier} alone.
 */
@NullMarked
package dev.vesper.machine.cpu.emit;

import org.jspecify.annotations.NullMarked;
