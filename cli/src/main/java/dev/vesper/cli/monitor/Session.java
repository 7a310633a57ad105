package dev.vesper.cli.monitor;

import dev.vesper.machine.Machine;
import dev.vesper.machine.VcpuView;
import dev.vesper.machine.observe.format.Visible;
import java.util.ArrayDeque;
import java.util.Deque;
import java.util.List;

/** Somebody who types commands: which vCPU they are about, how memory is seen, what was typed. */
public final class Session {
  /** As whom memory is read. */
  public enum View {
    GUEST,
    HOST,
    DEVICE
  }

  private static final int MOST_LINES = 50;

  /** What a command is answered with that fails as none should. */
  static final String FAILED = "Vesper has a defect, and did not do this to its end: ";

  /** A line that is longer is refused, and not kept. */
  static final int LONGEST = 4096;

  private final Control control;
  private final Deque<String> history = new ArrayDeque<>();
  private View view = View.GUEST;
  private int cpu;

  /** Begins one. */
  public Session(Control control) {
    this.control = control;
  }

  Control control() {
    return control;
  }

  /** {@return as whom memory is read} */
  public View view() {
    return view;
  }

  /** Has memory be read so from now on. */
  public void view(View v) {
    view = v;
  }

  /** Has commands be about another vCPU. */
  public void cpu(int number) {
    cpu = number;
  }

  VcpuView vcpu() {
    List<VcpuView> all = control.machine().observer().vcpus();
    return all.get(Math.min(cpu, all.size() - 1));
  }

  List<String> history() {
    return List.copyOf(history);
  }

  /**
   * Does what a line asks for, on the thread that runs the machine while it stands still.
   *
   * @return what is to be said: whole lines
   */
  public String run(String typed) {
    String line = typed.strip();
    if (line.isEmpty()) {
      return "";
    }
    if (line.length() > LONGEST) {
      return "a command has " + LONGEST + " characters at most\n";
    }
    history.addLast(line);
    if (history.size() > MOST_LINES) {
      history.removeFirst();
    }
    Commands.Found f = Commands.find(line);
    if (f == null) {
      return "unknown command: '" + Visible.of(line) + "'\n";
    }
    Call c = new Call(this, new Words(f.command().label(), f.rest()));
    try {
      f.command().action().run(c);
    } catch (Refusal r) {
      c.line(Visible.of(r.line()));
      if (r.isUsage()) {
        c.line("Try \"help " + f.command().name() + "\" for more information");
      }
    } catch (IndexOutOfBoundsException e) {
      // What a guest's tables and registers name need not be there.
      c.line("Cannot access memory: " + Visible.of(String.valueOf(e.getMessage())));
    } catch (RuntimeException | StackOverflowError e) {
      // A defect of ours, which must not be the end of a run that somebody only looks at.
      c.line(FAILED + Visible.of(String.valueOf(e)));
    }
    // Names in it are a stranger's, whatever families of commands do.
    return Visible.lines(c.said());
  }

  /** {@return the machine that commands are about} */
  Machine machine() {
    return control.machine();
  }
}
