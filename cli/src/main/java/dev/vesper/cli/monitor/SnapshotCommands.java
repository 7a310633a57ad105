package dev.vesper.cli.monitor;

import dev.vesper.machine.observe.format.Visible;
import java.util.List;

/** Commands that keep a machine's state and go back to it. */
final class SnapshotCommands {
  static final List<Command> ALL =
      List.of(
          Command.of("savevm", "tag", "save a VM snapshot", c -> with(c, (s, tag) -> s.save(tag))),
          Command.of(
              "loadvm",
              "tag",
              "restore a VM snapshot from its tag (changes the run)",
              c ->
                  with(
                      c,
                      (s, tag) -> {
                        c.control().requireLife();
                        c.control().requireChangeable();
                        s.load(tag);
                        c.control().changes("loadvm");
                      })),
          Command.of(
              "delvm",
              "tag",
              "delete a VM snapshot from its tag",
              c -> with(c, (s, tag) -> s.delete(tag))),
          Command.of(
              "info snapshots",
              "",
              "show the currently saved VM snapshots",
              SnapshotCommands::list));

  private SnapshotCommands() {}

  /** What is done with a tag. */
  private interface Work {
    void with(Snapshots s, String tag) throws Snapshots.Failed, Refusal;
  }

  private static Snapshots kept(Call c) throws Refusal {
    Snapshots s = c.control().kept();
    if (s == null) {
      throw new Refusal("Error: this run has no snapshots");
    }
    return s;
  }

  private static void with(Call c, Work w) throws Refusal {
    Snapshots s = kept(c);
    String tag = c.words().string("tag");
    c.words().end();
    try {
      w.with(s, tag);
    } catch (Snapshots.Failed e) {
      throw new Refusal("Error: " + e.getMessage());
    }
  }

  private static void list(Call c) throws Refusal {
    c.words().end();
    List<Snapshots.Entry> all = kept(c).list();
    if (all.isEmpty()) {
      c.line("There is no snapshot available.");
      return;
    }
    c.line("List of snapshots present on all disks:");
    c.line("%-10s%-17s%8s%20s%13s%11s", "ID", "TAG", "VM SIZE", "DATE", "VM CLOCK", "ICOUNT");
    for (Snapshots.Entry e : all) {
      c.line(
          "%-10s%-17s%8s%20s%13s%11s",
          e.id() == 0 ? "--" : e.id(),
          Visible.of(e.name()),
          size(e.bytes()),
          e.date(),
          e.virtualTime() < 0 ? "--" : clock(e.virtualTime()),
          e.instructions() < 0 ? "--" : e.instructions());
    }
  }

  private static String size(long bytes) {
    return bytes >= 1 << 20 ? (bytes >> 20) + " MiB" : (bytes >> 10) + " KiB";
  }

  private static String clock(long nanos) {
    long millis = nanos / 1_000_000;
    long seconds = millis / 1000;
    return "%02d:%02d:%02d.%03d"
        .formatted(seconds / 3600, seconds / 60 % 60, seconds % 60, millis % 1000);
  }
}
