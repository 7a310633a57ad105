package dev.vesper.machine.observe;

/**
 * What has happened in a machine until the moment that it is at, since somebody began to look on. A
 * machine that is taken back has the tally of that moment again, whatever listeners have been told
 * since: it says which of their events lie before.
 *
 * @param events of all kinds
 * @param exceptions that were #VC
 * @param exchanges by a GHCB
 */
public record Tally(long events, long exceptions, long exchanges) {
  /** Nobody has looked on. */
  public static final Tally NONE = new Tally(0, 0, 0);
}
