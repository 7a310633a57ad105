/**
 * The translator: hot guest code becomes JVM methods, one hidden class a region.
 *
 * <p>Here live the choice of what is translated, the emission of byte code, and the small static
 * methods that emitted code calls. What instructions mean lives in {@code cpu.interp}, which stays
 * the reference: an instruction that has no emission here is executed by its own operation, and
 * every fault, TLB miss and rare case is given back to it.
 */
@NullMarked
package dev.vesper.machine.cpu.jit;

import org.jspecify.annotations.NullMarked;
