/** SMBIOS tables: what a board says of itself to people (DMTF DSP0134). */
@NullMarked
package dev.vesper.machine.device.smbios;

import org.jspecify.annotations.NullMarked;
