package dev.vesper.machine.observe.check;

import dev.vesper.machine.observe.At;
import dev.vesper.machine.observe.format.Visible;

/**
 * A breach of a rule.
 *
 * @param rule which
 * @param vcpu processor on which it was seen first
 * @param time virtual nanoseconds
 * @param rip address of the instruction that did it
 * @param symbol its place, or empty
 * @param source file and line, or empty
 * @param instruction its disassembly, or empty
 * @param cpl privilege level
 * @param vc number of the #VC in service, 0 for none
 * @param message what happened, with both values where two were compared
 */
public record Finding(
    Rule rule,
    int vcpu,
    long time,
    long rip,
    String symbol,
    String source,
    String instruction,
    int cpl,
    long vc,
    String message) {

  /** {@return what stays the same when the guest is built anew, for baselines: one line} */
  public String fingerprint() {
    String at = Visible.of(symbol).replaceAll("\\+0x[0-9a-f]+$", "");
    return rule.id() + " " + (at.isEmpty() ? "0x" + Long.toHexString(rip) : at);
  }

  /** {@return the place for people} */
  public String place() {
    return At.place(rip, symbol, source);
  }
}
