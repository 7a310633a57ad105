package dev.vesper.machine.hostile;

/** What a rule does when it fires. */
public sealed interface Action permits LawfulAction, SiliconAction, Action.Note {
  /**
   * Keeps a number for the report, under a name. Observers may see what no host does; nothing that
   * rules do depends on it.
   */
  record Note(String name, Value value) implements Action {}
}
