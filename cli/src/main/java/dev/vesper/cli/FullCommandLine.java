package dev.vesper.cli;

import dev.vesper.machine.spec.Outcome;
import picocli.CommandLine;

/** Runs commands by picocli: a class of its own, because checking it loads picocli's. */
final class FullCommandLine {
  private FullCommandLine() {}

  /** {@return the exit status} */
  static int execute(CommandLine c, String... args) {
    // -hda is no -h with letters behind it.
    c.setPosixClusteredShortOptionsAllowed(false);
    try {
      return c.getExecutionStrategy().execute(c.parseArgs(args));
    } catch (CommandLine.ParameterException e) {
      Terminal.say(
          e.getMessage()
              + " (see "
              + e.getCommandLine().getCommandSpec().qualifiedName()
              + " --help)");
      return Outcome.USAGE;
    } catch (CommandLine.InitializationException e) {
      // A file of arguments cannot be read.
      Terminal.say(String.valueOf(e.getMessage()));
      return Outcome.USAGE;
    } catch (CommandLine.ExecutionException e) {
      return Main.failed(e.getCause() == null ? e : e.getCause());
    }
  }
}
