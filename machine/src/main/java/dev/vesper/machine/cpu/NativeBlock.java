package dev.vesper.machine.cpu;

/**
 * Native code of a block for one kind of TLB.
 *
 * @param block what it was made of
 * @param kind the TLB of data that it looks into
 * @param number what its exits name it by
 * @param entry where it is entered
 * @param resume for each operation, how many bytes behind {@code entry} it begins; entering there
 *     leaves the budget alone
 * @param sse one bit for each operation that is reached with vector registers loaded
 * @param avx the same where instructions with VEX have been
 * @param jumps where the distances of its two direct jumps are, as addresses; 0 for none
 * @param targets the offsets in the page that they go to
 */
public record NativeBlock(
    Block block,
    int kind,
    int number,
    long entry,
    int[] resume,
    long sse,
    long avx,
    long[] jumps,
    int[] targets) {}
