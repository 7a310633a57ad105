/**
 * The PCI bus: configuration space by ports and by ECAM, base address registers, capabilities,
 * interrupt pins and messages, bridges and the functions of chipsets. Devices behind PCI that are
 * more than their configuration live in packages of their own.
 */
@NullMarked
package dev.vesper.machine.device.pci;

import org.jspecify.annotations.NullMarked;
