package dev.vesper.cli;

import dev.vesper.cli.confine.Confinement;
import dev.vesper.cli.confine.Policy;
import dev.vesper.machine.observe.Producer;
import dev.vesper.machine.spec.Outcome;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.Callable;
import java.util.function.Function;
import java.util.function.Supplier;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine;
import picocli.CommandLine.Command;

/** The {@code vesper} command. */
@Command(
    name = "vesper",
    version = Main.VERSION,
    mixinStandardHelpOptions = true,
    description = "Runs unmodified kernels as AMD SEV-ES guests on any computer.",
    footer = {
      "",
      "A line of options alone is a 'run', and QEMU's options are taken: vesper -kernel F -m 1G.",
      "'vesper convert-qemu LINE' says a command line of QEMU's in Vesper's words;",
      "'vesper doctor' what this computer lacks, and what installs it.",
      "",
      "Exit status of 'run': the guest's own by port 0xf4 ((value << 1) | 1); 0 clean power-off;",
      "2 usage or unreadable image; 3 the guest asked for termination; 4 --check found violations;",
      "5 triple fault or shutdown; 6 the hypervisor gave up on the guest; 122 an output takes no",
      "more; 121 a replay differs from its recording; 123 out of memory; 124 time or instruction"
          + " limit; 125 a defect of Vesper; 130 Ctrl-A x",
      "or SIGINT has ended the run; 129 SIGHUP, 141 SIGPIPE of the console, 143 SIGTERM."
    })
public final class Main implements Runnable {
  static final String VERSION = "vesper " + Producer.VERSION;

  /** What begins with a dash and is no option of {@code run}. */
  private static final List<String> OWN_OPTIONS =
      List.of("-h", "--help", "-help", "-V", "--version", "-version");

  @CommandLine.Spec private CommandLine.Model.@Nullable CommandSpec spec;

  @Override
  public void run() {
    CommandLine self = spec == null ? commandLine() : spec.commandLine();
    throw new CommandLine.ParameterException(
        self,
        "name a command: run, debug, replay, boot, check, measure, attest, attack, fuzz, igvm,"
            + " session,"
            + " isa, symbols, gdb-script, dissector or convert-qemu");
  }

  /** How a command is confined; null in a process that is not the command's own, as of tests. */
  private static @Nullable Function<Policy, Confinement> confine;

  private static final String CONVERT = "convert-qemu";

  private static final Map<String, Supplier<Callable<Integer>>> SUBCOMMANDS = new LinkedHashMap<>();

  static {
    SUBCOMMANDS.put("run", () -> new RunCommand(confine));
    SUBCOMMANDS.put("debug", () -> new RunCommand(confine).debugged());
    SUBCOMMANDS.put("replay", () -> new RunCommand(confine).replay());
    SUBCOMMANDS.put("boot", () -> new BootCommand(confine));
    SUBCOMMANDS.put("check", () -> new CheckCommand(confine));
    SUBCOMMANDS.put("measure", () -> new MeasureCommand(confine));
    SUBCOMMANDS.put("attest", () -> new AttestCommand(confine));
    SUBCOMMANDS.put("attack", () -> new AttackCommand(confine));
    SUBCOMMANDS.put("fuzz", FuzzCommand::new);
    SUBCOMMANDS.put("igvm", () -> new IgvmCommand(confine));
    SUBCOMMANDS.put("session", SessionCommand::new);
    SUBCOMMANDS.put("isa", IsaCommand::new);
    SUBCOMMANDS.put("symbols", () -> new SymbolsCommand(confine));
    SUBCOMMANDS.put("gdb-script", GdbScriptCommand::new);
    SUBCOMMANDS.put("dissector", DissectorCommand::new);
  }

  /** {@return a command line that knows every subcommand} */
  static CommandLine commandLine() {
    CommandLine c = new CommandLine(new Main());
    SUBCOMMANDS.forEach((name, command) -> c.addSubcommand(name, model(name, command.get())));
    return c;
  }

  private static Object model(String name, Callable<Integer> command) {
    return command instanceof Options.Command o ? o.options().model(name, o) : command;
  }

  /**
   * Runs a command. Picocli is loaded only for what is not plain, because loading it takes longer
   * than most of a start, and then learns no more than the subcommand that is named first.
   *
   * @return the exit status
   */
  static int execute(String... args) {
    try {
      return command(args);
    } catch (StackOverflowError | OutOfMemoryError | LinkageError e) {
      return failed(e);
    }
  }

  /**
   * {@return a line with its command: one that begins with an option of a run is a run, as QEMU's
   * users write it}
   */
  private static String[] named(String... args) {
    if (args.length == 0 || !args[0].startsWith("-")) {
      return args;
    }
    if (OWN_OPTIONS.contains(args[0])) {
      return args[0].length() > 2 ? new String[] {args[0].replaceFirst("^-+", "--")} : args;
    }
    List<String> line = new ArrayList<>(List.of("run"));
    line.addAll(List.of(args));
    return line.toArray(new String[0]);
  }

  private static int command(String... given) {
    String[] args = named(given);
    if (args.length > 0 && args[0].equals(CONVERT)) {
      return converted(List.of(args).subList(1, args.length));
    }
    Supplier<Callable<Integer>> named = args.length == 0 ? null : SUBCOMMANDS.get(args[0]);
    if (named == null) {
      return FullCommandLine.execute(commandLine(), args);
    }
    List<String> rest = List.of(args).subList(1, args.length);
    Callable<Integer> command = named.get();
    if (command instanceof Options.Command o) {
      o.typed(List.of(given));
      Options options = o.options();
      try {
        rest = options.completed(Settings.expanded(args[0], options, o.words(rest)));
        if (options.readPlain(rest)) {
          return o.call();
        }
        rest = options.completed(o.translated(rest));
        if (options.readPlain(rest)) {
          return o.call();
        }
      } catch (Answered a) {
        Terminal.outLines(a.text());
        return 0;
      } catch (Exception e) {
        return failed(e);
      }
    }
    CommandLine c = new CommandLine(model("vesper " + args[0], command));
    c.setCommandName("vesper " + args[0]);
    return FullCommandLine.execute(c, rest.toArray(new String[0]));
  }

  /** Says what has ended a command that did not end by itself; {@return the exit status} */
  static int failed(Throwable e) {
    if (e instanceof OutputError o && o.isPipe()) {
      // As of any program that SIGPIPE ends, there is nobody to whom it would matter.
      return o.status();
    }
    if (e instanceof UserError u) {
      Terminal.say(String.valueOf(u.getMessage()));
      return u.status();
    }
    if (e instanceof OutOfMemoryError) {
      Terminal.say(
          ("out of memory: the Java runtime may have %d MiB for guest and machine (%s);"
                  + " './vesper run --memory-limit' gives it more")
              .formatted(MemoryLimit.room() >> 20, e.getMessage()));
      return Outcome.EXHAUSTED;
    }
    Terminal.say(
        "a defect of Vesper, please report it: send the command line, the files that it names and"
            + " what follows");
    Terminal.err(e);
    return Outcome.DEFECT;
  }

  private static int converted(List<String> rest) {
    try {
      return ConvertCommand.call(rest);
    } catch (UserError e) {
      return failed(e);
    }
  }

  /** Runs the command and exits with its status. */
  public static void main(String[] args) {
    Terminal.watchOut();
    start(Confinement::apply, args);
  }

  /**
   * Runs the command in a process of its own and exits with its status.
   *
   * @param confined how a command is confined
   */
  static void start(Function<Policy, Confinement> confined, String[] args) {
    confine = confined;
    if (Sandbox.isExpected(named(args))) {
      Confinement.prepare();
    }
    int status;
    try {
      status = execute(args);
      Terminal.flushOut();
    } catch (OutputError e) {
      status = failed(e);
    }
    System.exit(status);
  }
}
