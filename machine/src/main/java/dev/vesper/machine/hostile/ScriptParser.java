package dev.vesper.machine.hostile;

import java.util.ArrayList;
import java.util.List;
import org.jspecify.annotations.Nullable;

/**
 * Reads scripts from text: rules that begin a line with {@code when}, with their actions indented
 * below them, and lines of {@code expect}. {@code docs/hostile.md} has the grammar.
 */
public final class ScriptParser {
  /** The most characters that a script has. */
  public static final int LONGEST = 1 << 20;

  private static final int MOST_ACTIONS = 100_000;

  private final List<Rule> rules = new ArrayList<>();
  private final List<Expectation> expectations = new ArrayList<>();
  private @Nullable Draft draft;
  private int actions;

  /** A rule whose actions are being read. */
  private static final class Draft {
    final int line;
    final boolean silicon;
    final boolean optional;
    final Trigger trigger;
    String state = "";
    Condition condition = Condition.ALWAYS;
    long times = 1;
    final List<Action> actions = new ArrayList<>();

    Draft(int line, boolean silicon, boolean optional, Trigger trigger) {
      this.line = line;
      this.silicon = silicon;
      this.optional = optional;
      this.trigger = trigger;
    }

    Rule rule(int number, List<Action> done) {
      return new Rule(number, line, state, trigger, condition, done, times, silicon, optional);
    }
  }

  private ScriptParser() {}

  /**
   * {@return the script that a text is}
   *
   * @throws ScriptException if it is none, saying what is wrong and where
   */
  public static Script parse(String text) throws ScriptException {
    if (text.length() > LONGEST) {
      throw new ScriptException(0, 0, "a script has at most " + LONGEST + " characters");
    }
    ScriptParser p = new ScriptParser();
    int number = 0;
    for (String line : text.split("\r?\n", -1)) {
      number++;
      p.line(ScriptLine.of(number, line), line.startsWith(" ") || line.startsWith("\t"));
    }
    p.finish();
    try {
      return new Script(p.rules, p.expectations);
    } catch (IllegalArgumentException e) {
      throw new ScriptException(0, 0, String.valueOf(e.getMessage()));
    }
  }

  private void line(ScriptLine line, boolean indented) throws ScriptException {
    if (line.isEmpty()) {
      return;
    }
    if (indented) {
      action(line);
    } else if (line.skip("expect")) {
      finish();
      expectations.add(expectation(line));
      line.end();
    } else {
      finish();
      rule(line);
    }
  }

  private void finish() {
    Draft d = draft;
    if (d != null) {
      rules.add(d.rule(rules.size() + 1, d.actions));
    }
    draft = null;
  }

  private void rule(ScriptLine line) throws ScriptException {
    Token t = line.peek();
    if (rules.size() == Script.MOST) {
      throw line.error(t, "a script has at most " + Script.MOST + " rules");
    }
    boolean silicon = line.skip("silicon");
    boolean optional = line.skip("maybe");
    if (!line.skip("when")) {
      throw line.expected("'when', 'silicon', 'maybe' or 'expect', or blanks before an action,");
    }
    Draft d = new Draft(line.number(), silicon, optional, TriggerReader.read(line));
    if (line.skip("in")) {
      d.state = ValueReader.name(line, "a state");
    }
    if (line.skip("if")) {
      d.condition = ValueReader.condition(line);
    }
    Token times = line.peek();
    if (line.skip("always")) {
      d.times = Rule.ALWAYS;
    } else if (line.skip("times")) {
      d.times = line.number("a number", 1, Rule.ALWAYS - 1);
    }
    line.end();
    ValueReader.made(line, times.kind() == Token.Kind.END ? t : times, () -> d.rule(1, List.of()));
    draft = d;
  }

  private void action(ScriptLine line) throws ScriptException {
    Draft d = draft;
    Token t = line.peek();
    if (d == null) {
      throw line.error(
          t, "an action stands below the rule that it is of: 'when' at a line's start");
    }
    if (++actions > MOST_ACTIONS) {
      throw line.error(t, "a script has at most " + MOST_ACTIONS + " actions");
    }
    Action a = ActionReader.read(line);
    line.end();
    ValueReader.made(line, t, () -> d.rule(1, List.of(a)));
    d.actions.add(a);
  }

  private static Expectation expectation(ScriptLine line) throws ScriptException {
    if (line.skip("status")) {
      return new Expectation.Status((int) line.number("a status", 0, 255));
    }
    if (line.skip("terminated")) {
      int set = (int) line.number("a reason set", 0, 15);
      line.require(":");
      return new Expectation.Terminated(set, (int) line.number("a reason code", 0, 255));
    }
    boolean no = line.skip("no");
    if (line.skip("console")) {
      return new Expectation.Console(line.string("a text"), !no);
    }
    if (!no && line.skip("note")) {
      String name = ValueReader.name(line, "a name");
      return new Expectation.Noted(name, ValueReader.relation(line), line.number("a number"));
    }
    if (!no && line.skip("rule")) {
      int rule = (int) line.number("a rule's number", 1, Script.MOST);
      line.require("fired");
      return new Expectation.Fired(rule, ValueReader.relation(line), line.number("a number"));
    }
    throw line.expected("status, terminated, console, no console, note or rule");
  }
}
