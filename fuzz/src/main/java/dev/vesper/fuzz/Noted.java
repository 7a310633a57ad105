package dev.vesper.fuzz;

import java.util.List;

/**
 * What one execution has shown of a guest, for inputs that are to be made of its input.
 *
 * @param seen answers that it has got
 * @param reads shared memory that it has read, other than its GHCBs
 * @param comparisons numbers that it has compared
 */
record Noted(List<Seen> seen, List<SharedRead> reads, List<Comparison> comparisons) {}
