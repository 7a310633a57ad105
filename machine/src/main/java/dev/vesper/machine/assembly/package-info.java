/**
 * Puts a machine together from its description: memory, processors, hypervisor, the loaded guest,
 * and the commands that launch it. What runs it, and what others see of it, is the face's.
 */
@NullMarked
package dev.vesper.machine.assembly;

import org.jspecify.annotations.NullMarked;
