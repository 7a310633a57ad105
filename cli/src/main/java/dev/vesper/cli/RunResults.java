package dev.vesper.cli;

import dev.vesper.machine.Machine;
import dev.vesper.machine.launch.Measurement;
import dev.vesper.machine.observe.format.Json;
import dev.vesper.machine.spec.MachineSpec;
import dev.vesper.machine.spec.Outcome;
import dev.vesper.machine.spec.SevMode;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.Base64;
import java.util.Locale;
import java.util.Map;
import java.util.stream.Collectors;

/** What is written when a run is over. */
final class RunResults {
  private final RunOptions said;
  private final Outputs outputs;

  /**
   * @param said what of it is wanted
   * @param outputs the files, which are open
   */
  RunResults(RunOptions said, Outputs outputs) {
    this.said = said;
    this.outputs = outputs;
  }

  /** Writes what the screen shows at the end. */
  void writeScreenshot(Machine m) {
    Path p = said.screenshot;
    if (p == null) {
      return;
    }
    byte[] picture = Screenshots.picture(m, p);
    if (picture == null) {
      throw new UserError(
          "--screenshot "
              + p
              + ": the screen shows text and nobody has loaded a font; name a .txt file");
    }
    outputs.write(p, picture);
  }

  /** Writes the variable store back if the guest has changed it. */
  void keepVariables(MachineSpec options, Machine m) {
    Path file = said.guest.nvram();
    MachineSpec.Firmware f = options.boot().firmware();
    if (file == null || f == null || said.forgets()) {
      return;
    }
    byte[] now = m.variables();
    if (!Arrays.equals(now, f.variables())) {
      outputs.write(file, now);
    }
  }

  /** Writes which code was executed. */
  void writeCoverage(Machine m, String path) {
    for (Path p : said.coverage) {
      if (p.toString().endsWith(".drcov")) {
        outputs.write(p, m.drcov(path));
        continue;
      }
      outputs.write(p, m.lcov().getBytes(StandardCharsets.UTF_8));
    }
  }

  /** Says what happened to pages, and what has become of memory. */
  void sayPages(Machine m) {
    Terminal.errLines(
        said.pages.history() + (said.pages.wantsMap() ? PageOptions.map(m.memoryMap()) : ""));
  }

  /** Says what a host that means harm has done. */
  void sayHostile(Machine m) {
    Terminal.errLines(said.hostile.text(m.hostile()));
  }

  /** Says what the oracle has found. */
  void sayFlows() {
    Terminal.errLines(said.oracle.text());
  }

  /** Prints what a launch has come to. */
  static void printMeasurement(Machine m) {
    Terminal.out("launch digest " + m.launchDigest());
    Measurement measured = m.measurement();
    if (measured != null) {
      Terminal.out("measurement   " + Base64.getEncoder().encodeToString(measured.encode()));
    }
  }

  /** Prints registers and the place. */
  static void dump(Machine m) {
    Terminal.errLines(m.dump() + "\n");
  }

  /**
   * Says how the run has ended, and writes the summary.
   *
   * @param own whether the status is a program's of the guest, which needs no word
   */
  void report(Machine m, Outcome o, SevMode mode, boolean own) {
    if (o.status() != 0 && !own || said.verbose) {
      Terminal.say(o.reason());
    }
    if (said.verbose || o.is(Outcome.DEFECT) || o.is(Outcome.SHUTDOWN)) {
      dump(m);
    }
    if (said.json.equals(RunOptions.STDERR)) {
      Terminal.err(summary(m, o, mode));
    } else if (!said.json.isEmpty()) {
      outputs.write(
          Path.of(said.json), (summary(m, o, mode) + "\n").getBytes(StandardCharsets.UTF_8));
    }
  }

  /**
   * Says what was done to the guest from outside: the run is not the one that it would have been.
   */
  static void sayTouched(Map<String, Integer> commands) {
    if (!commands.isEmpty()) {
      Terminal.say(
          "the run was changed by commands of a monitor: "
              + commands.entrySet().stream()
                  .map(e -> e.getKey() + (e.getValue() == 1 ? "" : " (" + e.getValue() + ")"))
                  .sorted()
                  .collect(Collectors.joining(", ")));
    }
  }

  private String summary(Machine m, Outcome o, SevMode mode) {
    return "{\"schema\":\"vesper.run/1\",\"status\":"
        + o.status()
        + (o.guestValue() == null ? "" : ",\"guest_value\":" + o.guestValue())
        + ",\"reason\":"
        + Json.quote(o.reason())
        + ",\"sev\":"
        + Json.quote(mode.name().toLowerCase(Locale.ROOT))
        + ",\"format\":"
        + Json.quote(m.format())
        + ",\"instructions\":"
        + m.instructions()
        + ",\"virtual_ns\":"
        + m.virtualTime()
        + ",\"launch_digest\":"
        + Json.quote(m.launchDigest())
        + ",\"state_hash\":"
        + Json.quote(m.stateHash())
        + HostileOptions.json(m.hostile())
        + said.oracle.json()
        + "}";
  }
}
