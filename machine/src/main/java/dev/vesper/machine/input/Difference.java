package dev.vesper.machine.input;

/**
 * Where a replay is not what was recorded.
 *
 * @param point the machine's point
 * @param instructions that all vCPUs have executed
 * @param what differs, in words
 */
public record Difference(long point, long instructions, String what) {}
