/**
 * Floating-point arithmetic in integers: exact results, rounding and exception flags of the x87 and
 * SSE formats. Knows numbers, not registers or instructions.
 */
@NullMarked
package dev.vesper.machine.cpu.fp;

import org.jspecify.annotations.NullMarked;
