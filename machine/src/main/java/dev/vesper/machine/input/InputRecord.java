package dev.vesper.machine.input;

/**
 * Something that was given, and where.
 *
 * @param point how many points the machine had come to with this one, from 1 on: see {@link
 *     InputLog}
 * @param instructions that all vCPUs had executed then
 * @param bytes what was given, as the asker writes it; at most {@link #MOST_BYTES}
 */
public record InputRecord(long point, long instructions, Source source, byte[] bytes) {
  /** More bytes than any asker writes at once. */
  public static final int MOST_BYTES = 1 << 17;
}
