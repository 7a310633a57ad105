package dev.vesper.machine.boot;

import dev.vesper.machine.sev.LaunchState;
import java.util.List;

/**
 * A guest in memory, ready to be launched.
 *
 * @param format what the image was recognised as
 * @param state registers to start with
 * @param ranges page-aligned guest physical ranges that LAUNCH_UPDATE_DATA must encrypt, in order
 */
public record LoadedGuest(String format, LaunchState state, List<Range> ranges) {
  /** A guest physical range. */
  public record Range(long address, long length) {}
}
