package dev.vesper.machine.input;

/**
 * Something that somebody has changed of a machine that stood still: a debugger, or who sits before
 * the board.
 *
 * @param point the machine's last point
 * @param instructions that all vCPUs had executed
 * @param inside whether a vCPU was in its turn
 * @param registers what all registers came to before
 * @param what the change, as whoever makes it writes it; at most {@link InputRecord#MOST_BYTES}
 */
public record InputChange(
    long point, long instructions, boolean inside, long registers, byte[] what) {}
