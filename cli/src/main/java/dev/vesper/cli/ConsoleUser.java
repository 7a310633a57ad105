package dev.vesper.cli;

import dev.vesper.cli.monitor.Control;
import dev.vesper.machine.Machine;
import dev.vesper.machine.spec.Outcome;
import java.util.List;
import org.jspecify.annotations.Nullable;

/**
 * What a person at the console has asked Vesper for. The thread that reads keys has the run come
 * back; the one that runs does what was asked, because a machine is for one thread.
 */
final class ConsoleUser implements EscapeKey.Commands {
  /** Ctrl, Alt and Delete in scan code set 1. */
  private static final List<Integer> CONTROL_ALT_DELETE = List.of(0x1D, 0x38, 0xE053);

  private static final String REASON = "ended at the console (C-a x)";

  private final @Nullable Screenshots screenshots;
  private final boolean screen;
  private @Nullable Machine machine;
  private final Ending ending;
  private final TerminalMonitor monitor;
  private int pictures;
  private int chords;

  /**
   * @param screen whether the machine has one
   * @param screenshots where pictures go, or null if no place was named
   * @param ending ends the run
   * @param control has commands of the monitor done
   */
  ConsoleUser(boolean screen, @Nullable Screenshots screenshots, Ending ending, Control control) {
    this.screen = screen;
    this.screenshots = screenshots;
    this.ending = ending;
    monitor = new TerminalMonitor(control);
  }

  /** Says on a line of its own what goes for the guest's whole line. */
  private static void say(String message) {
    Terminal.errLines("\n");
    Terminal.say(message);
  }

  @Override
  public void help() {
    Terminal.errLines("\n" + EscapeKey.HELP);
  }

  @Override
  public void monitor() {
    monitor.toggle();
  }

  @Override
  public boolean takes(int key) {
    return monitor.takes(key);
  }

  @Override
  public void quit() {
    ending.end(new Outcome(Outcome.QUIT, REASON));
  }

  @Override
  public synchronized void screenshot() {
    if (!screen) {
      say("there is no screen: -vga std");
    } else if (screenshots == null) {
      say("no place for a screenshot was named: --screenshot F");
    } else {
      pictures++;
      stop();
    }
  }

  @Override
  public synchronized void controlAltDelete() {
    chords++;
    stop();
  }

  private void stop() {
    Machine m = machine;
    if (m != null) {
      m.stop();
    }
  }

  /** Says which machine runs, before it does. */
  synchronized void serves(Machine m) {
    machine = m;
    if (pictures + chords > 0) {
      m.stop();
    }
  }

  /** The run has come back, and will go on: does what was asked. */
  void serve(Machine m) {
    int wanted;
    int pressed;
    synchronized (this) {
      wanted = pictures;
      pictures = 0;
      pressed = chords;
      chords = 0;
    }
    for (; pressed > 0; pressed--) {
      press(m);
    }
    for (; wanted > 0 && screenshots != null; wanted--) {
      say(screenshots.save(m));
    }
  }

  private static void press(Machine m) {
    boolean keyboard = true;
    for (int key : CONTROL_ALT_DELETE) {
      keyboard &= m.key(key, true);
    }
    for (int key : CONTROL_ALT_DELETE.reversed()) {
      keyboard &= m.key(key, false);
    }
    if (!keyboard) {
      say("there is no keyboard: -M pc");
    }
  }
}
