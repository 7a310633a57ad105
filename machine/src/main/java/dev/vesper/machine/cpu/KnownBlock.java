package dev.vesper.machine.cpu;

/**
 * What is known of a block without decoding it, because an earlier run did.
 *
 * @param length the number of instructions, all of them valid
 * @param span their bytes
 * @param transfers the last one sets RIP
 * @param indirect it ends with a jump or call through a register or memory
 * @param kind the TLB of data that its native code looks into
 * @param record where the code is, for the tier that knows the block
 */
public record KnownBlock(
    int length, int span, boolean transfers, boolean indirect, int kind, long record) {}
