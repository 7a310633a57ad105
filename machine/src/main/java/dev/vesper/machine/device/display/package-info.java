/** The screen: a VGA adapter with a linear framebuffer, and pictures of what it shows. */
@NullMarked
package dev.vesper.machine.device.display;

import org.jspecify.annotations.NullMarked;
