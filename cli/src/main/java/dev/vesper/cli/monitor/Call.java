package dev.vesper.cli.monitor;

import dev.vesper.machine.Machine;
import dev.vesper.machine.VcpuView;

/** One command as somebody has typed it: its words, who has typed it, and what it says. */
final class Call {
  /** What one command says at most, in characters; then the rest is left out. */
  static final int MOST = 4 << 20;

  private final Session session;
  private final Words words;
  private final StringBuilder said = new StringBuilder();
  private boolean cut;

  Call(Session session, Words words) {
    this.session = session;
    this.words = words;
  }

  Session session() {
    return session;
  }

  Control control() {
    return session.control();
  }

  /** {@return the machine, which stands still} */
  Machine machine() {
    return session.control().machine();
  }

  /** {@return the vCPU that commands are about} */
  VcpuView vcpu() {
    return session.vcpu();
  }

  /** {@return what is behind the command's name} */
  Words words() {
    return words;
  }

  /** {@return a vCPU by the number that comes next, or the session's} */
  VcpuView vcpuOrOwn() throws Refusal {
    if (words.atEnd()) {
      return vcpu();
    }
    long n = words.number(vcpu());
    if (n < 0 || n >= machine().observer().vcpus().size()) {
      throw new Refusal("CPU#" + n + " not available");
    }
    return machine().observer().vcpu((int) n);
  }

  /** Says a line. */
  void line(String text) {
    say(text + "\n");
  }

  /** Says a line with values in it. */
  void line(String format, Object... values) {
    say(format.formatted(values) + "\n");
  }

  /** Says a text of which each line has its end. */
  void say(String text) {
    if (said.length() + text.length() <= MOST) {
      said.append(text);
    } else if (!cut) {
      cut = true;
      said.append("(the rest is left out: it is more than ").append(MOST).append(" characters)\n");
    }
  }

  /** {@return whether nothing more is taken} */
  boolean isFull() {
    return cut;
  }

  /** {@return what was said} */
  String said() {
    return said.toString();
  }
}
