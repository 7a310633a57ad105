/**
 * Image formats and the states that their kernels are entered in: bzImage, multiboot v1, PVH,
 * OpenBSD kernels as vmd(8) and boot(8) start them, plain ELF64. Loaders write plain bytes through
 * the host view and say which ranges a launch must encrypt. A service module is put before what was
 * loaded.
 */
@NullMarked
package dev.vesper.machine.boot;

import org.jspecify.annotations.NullMarked;
