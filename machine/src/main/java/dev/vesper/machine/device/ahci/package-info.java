/**
 * The AHCI controller: its registers and command lists. What lies on its disks is not its matter.
 */
@NullMarked
package dev.vesper.machine.device.ahci;

import org.jspecify.annotations.NullMarked;
