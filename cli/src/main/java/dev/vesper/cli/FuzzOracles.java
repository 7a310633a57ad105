package dev.vesper.cli;

import dev.vesper.fuzz.Oracles;
import org.jspecify.annotations.Nullable;

/** {@code --oracle} of a campaign: what it looks for besides guests that fail. */
final class FuzzOracles {
  private static final String CBIT = "cbit";
  private static final String RIP = "rip";

  private FuzzOracles() {}

  /**
   * {@return what a list of words asks for; nothing if it is null}
   *
   * @throws UserError if a word is none
   */
  static Oracles read(@Nullable String text) {
    if (text == null) {
      return Oracles.NONE;
    }
    boolean cBit = false;
    boolean rip = false;
    FlowWords flow = new FlowWords();
    for (String word : FlowWords.split(text)) {
      if (word.equals(CBIT)) {
        cBit = true;
      } else if (word.equals(RIP)) {
        rip = true;
      } else if (!flow.takes(word)) {
        throw new UserError(
            FlowWords.OPTION
                + " takes cbit, rip, leak, taint, secret=SYMBOL or secret=ADDRESS+LENGTH, not '"
                + word
                + "'");
      }
    }
    if (!cBit && !rip && !flow.any()) {
      throw new UserError(FlowWords.OPTION + " takes cbit, rip, leak and taint");
    }
    return new Oracles(cBit, rip, flow.any() ? flow.options() : null);
  }
}
