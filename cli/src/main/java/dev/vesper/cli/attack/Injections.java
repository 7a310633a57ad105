package dev.vesper.cli.attack;

import dev.vesper.ghcb.ExitCode;
import java.util.List;

/** WeSee: #VC that no instruction has raised. */
final class Injections {
  private static final String WESEE = "WeSee, S&P 2024, CVE-2024-25742";
  private static final String OURS = "as WeSee, by another code";
  private static final String RUNS = "the place is reached with #VC handlers of the guest's own";
  private static final String ORACLE =
      "RIP or registers of the interrupted code change, or the handler sends them";
  private static final int UNDEFINED = 0x7FFF_FFF0;

  private Injections() {}

  static List<Attack> all() {
    return List.of(
        forged("wesee-skip", WESEE, Place.KERNEL, ExitCode.VMMCALL),
        forged("wesee-program", WESEE, Place.PROGRAM, ExitCode.VMMCALL),
        forged("wesee-nested", WESEE, Place.HANDLER, ExitCode.VMMCALL),
        forged("wesee-load", WESEE, Place.LOAD, ExitCode.NPF),
        forged("wesee-store", WESEE, Place.STORE, ExitCode.NPF),
        forged("wesee-cpuid", OURS, Place.KERNEL, ExitCode.CPUID),
        forged("wesee-wbinvd", OURS, Place.KERNEL, ExitCode.WBINVD),
        forged("wesee-msr", OURS, Place.KERNEL, ExitCode.MSR),
        forged("wesee-ioio", OURS, Place.KERNEL, ExitCode.IOIO),
        forged("wesee-rdtsc", OURS, Place.KERNEL, ExitCode.RDTSC),
        forged("wesee-rdtscp", OURS, Place.KERNEL, ExitCode.RDTSCP),
        forged("wesee-dr7", OURS, Place.KERNEL, ExitCode.DR7_WRITE),
        forged("wesee-undefined", OURS, Place.KERNEL, UNDEFINED),
        forged("wesee-early-cpuid", OURS, Place.EARLY, ExitCode.CPUID),
        forged("wesee-early-dr7", OURS, Place.EARLY, ExitCode.DR7_WRITE));
  }

  private static Attack forged(String name, String source, Place place, int code) {
    String what = code == UNDEFINED ? "a code that nobody has defined" : "of " + word(code);
    return Attack.lawful(
        name,
        "#VC " + what + " is injected in " + place,
        source,
        RUNS,
        ORACLE,
        run -> ForgedVc.at(run, place, code));
  }

  private static String word(int code) {
    return ExitCode.name(code).replaceFirst("^SVM_VMEXIT_", "");
  }
}
