package dev.vesper.cli.monitor;

import java.util.List;
import java.util.Map;

/** Commands that have the guest stand still, go on, begin again or end. */
final class RunCommands {
  static final List<Command> ALL =
      List.of(
          Command.of("stop|s", "", "stop emulation", RunCommands::stop),
          Command.of("cont|c", "", "resume emulation", RunCommands::cont),
          Command.of("system_reset", "", "reset the system (changes the run)", RunCommands::reset),
          Command.of(
              "system_powerdown",
              "",
              "press the power button (changes the run)",
              RunCommands::powerDown),
          Command.of("quit|q", "", "end the run, with status 130", RunCommands::quit),
          Command.of("cpu", "index", "have commands be about another vCPU", RunCommands::cpu));

  private RunCommands() {}

  private static void stop(Call c) throws Refusal {
    c.words().end();
    c.control().hold();
  }

  private static void cont(Call c) throws Refusal {
    c.words().end();
    c.control().release();
  }

  private static void reset(Call c) throws Refusal {
    c.words().end();
    c.control().reset();
  }

  private static void powerDown(Call c) throws Refusal {
    c.words().end();
    powerDown(c.control());
  }

  static void powerDown(Control control) throws Refusal {
    if (!control.machine().board().pressPowerButton()) {
      throw new Refusal("the board has no power button, as -M pc and q35 have");
    }
    control.changes("system_powerdown");
    control.tell("POWERDOWN", Map.of());
  }

  private static void quit(Call c) throws Refusal {
    c.words().end();
    c.control().end("quit in the monitor");
  }

  private static void cpu(Call c) throws Refusal {
    long n = c.words().number(c.vcpu());
    c.words().end();
    if (n < 0 || n >= c.machine().observer().vcpus().size()) {
      throw new Refusal("invalid CPU index");
    }
    c.session().cpu((int) n);
  }
}
