/**
 * What the oracle of flows finds: private bytes that reach the host, and values of the host's that
 * are used unchecked. Types alone; who finds it is the machine.
 */
@NullMarked
package dev.vesper.machine.observe.flow;

import org.jspecify.annotations.NullMarked;
