/**
 * Campaigns: one guest is run over and over from one point, each time with other answers of its
 * host. What an input is, how it is changed, executed and judged, which inputs are kept, and what
 * is said of all that. It uses the machine's public face alone; files are written by the store, and
 * nothing here writes to a stream of the process.
 */
@NullMarked
package dev.vesper.fuzz;

import org.jspecify.annotations.NullMarked;
