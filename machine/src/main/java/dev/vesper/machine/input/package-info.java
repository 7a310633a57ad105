/**
 * The one boundary by which anything reaches a guest that does not follow from image, options and
 * seed, and what is written of it. Devices and hypervisor ask an {@link
 * dev.vesper.machine.input.InputLog} where they would ask somebody outside; it is below all of them
 * and knows none: what an answer means is its asker's.
 */
@NullMarked
package dev.vesper.machine.input;

import org.jspecify.annotations.NullMarked;
