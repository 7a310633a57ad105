/**
 * The inside of tracing: observers that the processor, the host and memory call, and what they make
 * {@code observe} events of. They look at the guest's registers and plaintext, which the modelled
 * host cannot, and change nothing. Judging events and writing them down live in {@code observe};
 * what is shown to programs is {@code Machine}'s.
 */
@NullMarked
package dev.vesper.machine.trace;

import org.jspecify.annotations.NullMarked;
