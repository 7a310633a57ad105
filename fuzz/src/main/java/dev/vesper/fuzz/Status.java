package dev.vesper.fuzz;

import java.util.List;

/**
 * How far a campaign is, for people.
 *
 * @param seconds since it began, real time
 * @param executions that were done
 * @param perSecond of them, over the last while
 * @param edges that were reached
 * @param queue entries
 * @param favored entries that are the cheapest way to something
 * @param pending entries that were never worked on
 * @param depth the greatest number of steps between an entry and the first one
 * @param cycles how often all entries were gone through
 * @param crashes findings, each once
 * @param hangs each once
 * @param again findings that were found before
 * @param unstable findings that did not repeat
 * @param followed executions in which values were followed
 * @param unfollowed executions that have reached something new and are still to be followed
 * @param sinceNew seconds since something new was reached
 * @param sinceCrash seconds since the last new finding, -1 if there is none
 * @param begins instructions of the machine where executions begin
 * @param last titles of the last findings, the newest first
 */
public record Status(
    double seconds,
    long executions,
    double perSecond,
    int edges,
    int queue,
    int favored,
    int pending,
    int depth,
    int cycles,
    int crashes,
    int hangs,
    long again,
    long unstable,
    long followed,
    long unfollowed,
    double sinceNew,
    double sinceCrash,
    long begins,
    List<String> last) {
  /** Makes one. */
  public Status {
    last = List.copyOf(last);
  }
}
