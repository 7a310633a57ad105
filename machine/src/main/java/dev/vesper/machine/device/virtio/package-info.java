/**
 * virtio devices and their transports over PCI (virtio 1.2; 0.9.5 for the legacy one). What a guest
 * puts into a queue is checked here, all of its memory is read and written through the host view,
 * and nothing that it offers can do more than stop the device.
 */
@NullMarked
package dev.vesper.machine.device.virtio;

import org.jspecify.annotations.NullMarked;
