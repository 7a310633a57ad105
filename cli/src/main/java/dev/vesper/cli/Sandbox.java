package dev.vesper.cli;

import dev.vesper.cli.confine.Confinement;
import dev.vesper.cli.confine.Policy;
import java.util.List;
import java.util.Set;
import java.util.function.Function;
import org.jspecify.annotations.Nullable;

/** The option {@code --sandbox} of commands that read what strangers wrote. */
final class Sandbox {
  private static final String OPTION = "--sandbox";
  private static final Set<String> COMMANDS =
      Set.of("run", "debug", "replay", "boot", "check", "measure", "attest", "igvm", "symbols");

  private final @Nullable Function<Policy, Confinement> confine;
  private String wanted = "";

  /**
   * @param confine gives up the process's rights for good; null if others need them
   */
  Sandbox(@Nullable Function<Policy, Confinement> confine) {
    this.confine = confine;
  }

  /** Adds the option to a command's. */
  void addTo(Options o) {
    o.text(
        "on|off",
        "hold the process by the system (Landlock, seccomp) to the files and ports that are named"
            + " here; on refuses to run where that is not possible, off does without (default:"
            + " what the system can do; -v of run says what that is)",
        v -> wanted = v,
        OPTION);
  }

  /**
   * {@return whether it is worth while to prepare a confinement before the options have been read,
   * which takes as long as a part of it} What they say is looked at by {@link #validate}.
   */
  static boolean isExpected(String[] args) {
    if (args.length == 0 || !COMMANDS.contains(args[0])) {
      return false;
    }
    int option = List.of(args).indexOf(OPTION);
    boolean off = option > 0 && option + 1 < args.length && args[option + 1].equals("off");
    return !off && !List.of(args).contains(OPTION + "=off");
  }

  /**
   * Looks at the option before anything is done.
   *
   * @throws UserError if the option is not understood, or cannot be done here
   */
  void validate() {
    if (!List.of("", "on", "off").contains(wanted)) {
      throw new UserError("--sandbox takes on or off, not '" + wanted + "'");
    }
    if (wanted.equals("on") && !isAlone()) {
      throw new UserError("--sandbox on: the process is not this command's alone");
    }
  }

  /** {@return whether the process is this command's alone} */
  boolean isAlone() {
    return confine != null;
  }

  private boolean isOff() {
    return wanted.equals("off") || confine == null;
  }

  /**
   * Gives up what the command does not need. Everything is open that is named, and nothing has been
   * read that a stranger wrote.
   *
   * @return what holds, or null if nothing was to
   * @throws UserError if not all of it does and the option says on
   */
  @Nullable Confinement enter(Policy p) {
    Function<Policy, Confinement> f = confine;
    if (f == null || isOff()) {
      return null;
    }
    Confinement c = f.apply(p);
    if (wanted.equals("on") && !c.whole()) {
      throw new UserError("--sandbox on: not possible here: " + c.files() + "; " + c.calls());
    }
    return c;
  }
}
