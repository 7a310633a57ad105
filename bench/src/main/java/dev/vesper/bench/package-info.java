/** Benchmarks: guest kernels of our own, each with what it measures. Nothing here is shipped. */
@NullMarked
package dev.vesper.bench;

import org.jspecify.annotations.NullMarked;
