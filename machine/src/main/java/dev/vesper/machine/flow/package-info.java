/**
 * Follows values by labels: each byte of registers and memory has one, which says what private
 * memory and what answers of the host it was made of. Instructions move and join labels as they
 * move and join bytes. It is an observer: it sees everything, changes nothing, and costs nothing
 * while nobody asks for it. What is tracked and what is not is in docs/flow.md; what is found is
 * {@code observe.flow}'s.
 */
@NullMarked
package dev.vesper.machine.flow;

import org.jspecify.annotations.NullMarked;
