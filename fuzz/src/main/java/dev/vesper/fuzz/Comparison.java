package dev.vesper.fuzz;

/**
 * Two numbers that a guest has compared, with zeros above their size.
 *
 * @param left the first one
 * @param right the second one
 * @param bytes size of both: 1, 2, 4 or 8
 */
record Comparison(long left, long right, int bytes) {}
