/**
 * Bytes that strangers wrote: how files of any format are taken apart without their counts and
 * offsets deciding how long that takes. What the bytes mean is said elsewhere.
 */
@NullMarked
package dev.vesper.machine.foreign;

import org.jspecify.annotations.NullMarked;
