package dev.vesper.machine.cpu;

/**
 * An access to data that an observer waits for.
 *
 * @param address linear, of the first byte that was accessed
 * @param bytes how many were
 * @param rip of the instruction that accessed them
 */
public record WatchedAccess(long address, int bytes, boolean write, long rip) {}
