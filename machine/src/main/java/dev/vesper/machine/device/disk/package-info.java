/**
 * Disks: images of several formats behind one interface; controllers live elsewhere. An image reads
 * and writes the file that it was given and no other.
 */
@NullMarked
package dev.vesper.machine.device.disk;

import org.jspecify.annotations.NullMarked;
