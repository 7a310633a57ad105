/**
 * System physical memory as 4 KiB pages, the encryption domains that they are stored in, the table
 * of who owns them, and the view that hosts and devices have of them. Their bytes lie outside the
 * Java heap.
 *
 * <p>Nothing here knows of processors. Code that is part of the modelled host gets a {@link
 * dev.vesper.machine.memory.HostView}, never {@link dev.vesper.machine.memory.PhysicalMemory}.
 */
@NullMarked
package dev.vesper.machine.memory;

import org.jspecify.annotations.NullMarked;
