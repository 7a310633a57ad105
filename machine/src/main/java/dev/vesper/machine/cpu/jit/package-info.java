/**
 * The translator: hot guest code becomes JVM methods, one hidden class a region.
 *
 * <p>Here live the choice of what is translated, the emission of byte code, and the small static
 * methods that emitted code calls. What instructions mean lives in {@code cpu.interp}, which stays
 * the reference: an instruction that has no emission here is executed by its own operation, and
 * every fault, TLB miss and rare case is given back to it.
 *
 * <h2>Words</h2>
 *
 * What the interpreter runs:
 *
 * <dl>
 *   <dt>operation
 *   <dd>One decoded instruction that executes itself ({@link dev.vesper.machine.cpu.Op}). Hot ones
 *       come from <i>templates</i>, classes that are defined anew for each kind, size and form of
 *       operands ({@code cpu.interp}).
 *   <dt>block
 *   <dd>Operations in a row inside one physical page, entered at the first alone ({@link
 *       dev.vesper.machine.cpu.Block}). It is <i>current</i> while its page's code has not changed.
 *   <dt>transfer
 *   <dd>What the last operation of a block does with RIP ({@link
 *       dev.vesper.machine.cpu.jit.Kinds.Transfer}).
 *   <dt>turn
 *   <dd>One pass of the run loop: a block is found and executed, or a region is entered.
 * </dl>
 *
 * What is chosen:
 *
 * <dl>
 *   <dt>threshold
 *   <dd>How often a block is interpreted before it is <i>looked at</i>, and how many instructions
 *       the interpreter must have spent for each one of a region: then the region is
 *       <i>worthwhile</i> ({@code HotCode}).
 *   <dt>head
 *   <dd>The block that was looked at. A region is entered there and nowhere else.
 *   <dt>plan, shape
 *   <dd>The blocks that a region would have: the head, and what it leads to often enough ({@link
 *       dev.vesper.machine.cpu.jit.Shape}). Nothing is emitted yet.
 *   <dt>place
 *   <dd>Where a block lies: bytes from the start of the head's page, in linear addresses. The upper
 *       bits tell which page.
 *   <dt>region
 *   <dd>Those blocks as one method ({@link dev.vesper.machine.cpu.Region}).
 *   <dt>candidate, waiting
 *   <dd>A region that HotSpot has not compiled yet: its blocks are interpreted as before, because
 *       HotSpot's interpreter is slower than ours.
 * </dl>
 *
 * What a region does:
 *
 * <dl>
 *   <dt>edge
 *   <dd>A way from block to block inside a region. A block with one edge into it <i>inherits</i>
 *       what is known about the flags there.
 *   <dt>budget, need
 *   <dd>The instructions that a region may execute, and how many one pass through all its blocks
 *       takes. A region does nothing with less than it needs, and looks again at each edge back.
 *   <dt>lazy flags
 *   <dd>What arithmetic flags are computed from, and by which <i>kind</i> of operation ({@link
 *       dev.vesper.machine.cpu.jit.LazyFlags}). To <i>sync</i> is to put a kind that is known while
 *       emitting into its variable, since other code comes to the same place.
 *   <dt>plain
 *   <dd>Of a memory operand or the stack: no segment has to be looked at.
 *   <dt>fast path
 *   <dd>An access whose page the TLB has: its bytes are read or written where they are.
 *   <dt>giving up, miss
 *   <dd>Going back to the interpreter in front of an instruction, with everything as it was there,
 *       because it takes more than the fast path. Operations that miss often are called from then
 *       on: their own method is executed inside the region.
 *   <dt>leaving
 *   <dd>Ending a region behind an instruction, with RIP set: the run loop <i>dispatches</i>.
 *   <dt>epoch
 *   <dd>Goes up when any decoded code is dropped. A region compares it behind each call of an
 *       operation and leaves if it has changed.
 *   <dt>stale
 *   <dd>Of a region with a page whose code has changed: it is forgotten.
 * </dl>
 */
@NullMarked
package dev.vesper.machine.cpu.jit;

import org.jspecify.annotations.NullMarked;
