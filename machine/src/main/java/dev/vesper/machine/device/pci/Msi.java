package dev.vesper.machine.device.pci;

/**
 * The MSI capability of one 64-bit message (PCI Local Bus 3.0, 6.8.1): control at 2, address at 4
 * and 8, data at 12.
 *
 * @param at offset of the capability
 */
record Msi(int at) {}
