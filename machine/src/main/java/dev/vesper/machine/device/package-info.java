/**
 * Devices and the port bus. They see memory through a host view, time as a number, and raise
 * interrupt lines; processors are out of their reach.
 */
@NullMarked
package dev.vesper.machine.device;

import org.jspecify.annotations.NullMarked;
