package dev.vesper.cli;

import dev.vesper.machine.vmm.Outcome;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.function.Supplier;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine;
import picocli.CommandLine.Command;

/** The {@code vesper} command. */
@Command(
    name = "vesper",
    version = "vesper 0.1",
    mixinStandardHelpOptions = true,
    description = "Runs unmodified kernels as AMD SEV-ES guests on any computer.",
    footer = {
      "",
      "Exit status of 'run': the guest's own by port 0xf4 ((value << 1) | 1); 0 clean power-off;",
      "2 usage or unreadable image; 3 the guest asked for termination; 4 --check found violations;",
      "5 triple fault or shutdown; 6 the hypervisor gave up on the guest; 124 time or instruction",
      "limit; 125 a defect of Vesper."
    })
public final class Main implements Runnable {
  @CommandLine.Spec private CommandLine.Model.@Nullable CommandSpec spec;

  @Override
  public void run() {
    CommandLine self = spec == null ? commandLine() : spec.commandLine();
    throw new CommandLine.ParameterException(self, "name a command: run, check, isa or dissector");
  }

  private static final Map<String, Supplier<Object>> SUBCOMMANDS = new LinkedHashMap<>();

  static {
    SUBCOMMANDS.put("run", RunCommand::new);
    SUBCOMMANDS.put("check", CheckCommand::new);
    SUBCOMMANDS.put("isa", IsaCommand::new);
    SUBCOMMANDS.put("dissector", DissectorCommand::new);
  }

  /**
   * {@return a configured command line}
   *
   * @param args what it will be given: a subcommand that is named first is the only one that it
   *     learns, because learning takes longer than most of a start
   */
  static CommandLine commandLine(String... args) {
    CommandLine c = new CommandLine(new Main());
    Supplier<Object> named = args.length == 0 ? null : SUBCOMMANDS.get(args[0]);
    if (named != null) {
      c.addSubcommand(args[0], named.get());
    } else {
      SUBCOMMANDS.forEach((name, command) -> c.addSubcommand(name, command.get()));
    }
    c.setExecutionExceptionHandler(
        (e, cmd, parsed) -> {
          if (e instanceof UserError u) {
            System.err.println("vesper: " + u.getMessage());
            return Outcome.USAGE;
          }
          System.err.println("vesper: a defect of Vesper, please report it:");
          e.printStackTrace();
          return Outcome.DEFECT;
        });
    c.setParameterExceptionHandler(
        (e, given) -> {
          System.err.println(
              "vesper: "
                  + e.getMessage()
                  + " (see "
                  + e.getCommandLine().getCommandSpec().qualifiedName()
                  + " --help)");
          return Outcome.USAGE;
        });
    return c;
  }

  /** Runs the command and exits with its status. */
  public static void main(String[] args) {
    int status;
    if (args.length > 0 && args[0].equals("run")) {
      WarmUp.start();
    }
    try {
      status = commandLine(args).execute(args);
    } catch (OutOfMemoryError e) {
      System.err.println(
          "vesper: this computer has too little memory for the guest: give it less with -m");
      status = Outcome.USAGE;
    }
    System.exit(status);
  }
}
