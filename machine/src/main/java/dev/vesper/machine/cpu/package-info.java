/**
 * The processor: registers, segmentation, paging with its TLB, exceptions, interrupts and the run
 * loop. Instruction semantics live in {@code cpu.interp}, floating-point arithmetic in {@code
 * cpu.fp}.
 *
 * <p>The classes form one chain, each adding one concern to the state below it: {@link
 * dev.vesper.machine.cpu.CpuState} (registers), {@link dev.vesper.machine.cpu.Mmu} (memory), {@link
 * dev.vesper.machine.cpu.Segmentation} (descriptors), {@link dev.vesper.machine.cpu.FarTransfers}
 * (gates, levels), {@link dev.vesper.machine.cpu.Exceptions} (delivery), {@link
 * dev.vesper.machine.cpu.Cpu} (running). Fields are public for the interpreter's sake; the package
 * is not exported.
 */
@NullMarked
package dev.vesper.machine.cpu;

import org.jspecify.annotations.NullMarked;
