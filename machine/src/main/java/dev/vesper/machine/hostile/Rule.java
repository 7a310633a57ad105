package dev.vesper.machine.hostile;

import java.util.List;

/**
 * When something happens, and where a condition holds, do so.
 *
 * @param number of the rule in its script, from 1 on
 * @param line of the text that it was read from, 0 for none
 * @param state in which alone it counts, empty for all
 * @param actions done one after the other; for a lawful rule none is a {@link SiliconAction}
 * @param times how often it fires, {@link #ALWAYS} for as often as its trigger comes
 * @param silicon it is allowed to break the machine's own rules
 * @param optional it need not fire
 */
public record Rule(
    int number,
    int line,
    String state,
    Trigger trigger,
    Condition condition,
    List<Action> actions,
    long times,
    boolean silicon,
    boolean optional) {
  /** As often as the trigger comes. */
  public static final long ALWAYS = Long.MAX_VALUE;

  /**
   * Makes a rule.
   *
   * @throws IllegalArgumentException for an action that the rule's kind or its trigger does not
   *     have, saying which
   */
  public Rule {
    actions = List.copyOf(actions);
    if (times < 1) {
      throw new IllegalArgumentException("a rule fires once or more, not " + times + " times");
    }
    boolean lasting =
        trigger instanceof Trigger.AfterInstruction || trigger instanceof Trigger.AtTime;
    if (lasting && times != 1) {
      throw new IllegalArgumentException("'" + trigger.words() + "' comes once: leave 'times' out");
    }
    Uses.check(trigger, condition);
    for (Action a : actions) {
      if (a instanceof SiliconAction && !silicon) {
        throw new IllegalArgumentException(
            "this is no host's to do: a rule that breaks silicon begins with 'silicon'");
      }
      Uses.check(trigger, a);
    }
  }

  /** {@return its number and its line, for people} */
  public String label() {
    return "rule " + number + (line > 0 ? " (line " + line + ")" : "");
  }

  /** {@return whether its trigger takes somebody who sees more than a host} */
  public boolean aided() {
    return trigger.aided()
        || actions.stream().anyMatch(a -> a instanceof LawfulAction.Permit p && p.page().aided());
  }
}
