/**
 * The ACPI tables that describe a board to a guest: byte code and resources, tables, and the script
 * by which firmware puts them into memory. Data alone: the registers that they speak of are
 * devices.
 */
@NullMarked
package dev.vesper.machine.device.acpi;

import org.jspecify.annotations.NullMarked;
