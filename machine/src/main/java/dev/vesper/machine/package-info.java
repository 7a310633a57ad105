/** The public face: put a machine together, run it, look at it. */
@NullMarked
package dev.vesper.machine;

import org.jspecify.annotations.NullMarked;
