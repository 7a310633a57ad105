package dev.vesper.cli;

import dev.vesper.cli.confine.Confinement;
import dev.vesper.cli.confine.Policy;
import dev.vesper.cli.gdb.SymbolElf;
import dev.vesper.machine.Machine;
import dev.vesper.machine.Stop;
import dev.vesper.machine.Until;
import dev.vesper.machine.launch.CommandFailed;
import dev.vesper.machine.observe.Symbols;
import dev.vesper.machine.spec.BootException;
import dev.vesper.machine.spec.MachineSpec;
import dev.vesper.machine.spec.SevMode;
import java.io.IOException;
import java.nio.file.Path;
import java.util.function.Function;
import org.jspecify.annotations.Nullable;

/** {@code vesper symbols}: the names that a kernel carries, as a file for debuggers. */
final class SymbolsCommand implements Options.Command {
  /** How often it is looked whether the names are there, in instructions. */
  private static final long LOOK = 20_000_000;

  /** Kernels have unpacked themselves and set up their #VC handler long before that. */
  private static final long MOST = 2_000_000_000;

  private final Sandbox sandbox;
  private @Nullable Path kernel;
  private @Nullable Path output;

  /**
   * @param confine gives up the process's rights for good; null if others need them
   */
  SymbolsCommand(@Nullable Function<Policy, Confinement> confine) {
    sandbox = new Sandbox(confine);
  }

  @Override
  public Options options() {
    Options o =
        new Options(
            "Writes the names that a kernel carries as an ELF file for gdb's symbol-file.",
            "",
            "A compressed kernel unpacks itself: it is booted, without SEV, to where its table of",
            "names is in memory.",
            "Example: vesper symbols vmlinuz -o names.elf");
    o.positional("KERNEL", "the kernel's image", p -> kernel = p);
    o.path("F", "the file to write", p -> output = p, "-o", "--output");
    sandbox.addTo(o);
    return o;
  }

  @Override
  public Integer call() {
    sandbox.validate();
    Path from = kernel;
    Path to = output;
    if (from == null || to == null) {
      throw new UserError("name the kernel and, with -o, the file to write");
    }
    byte[] image = UserFiles.read(from, "kernel");
    try (Outputs outputs = new Outputs()) {
      outputs.open(to);
      sandbox.enter(new Policy.Builder().build());
      Symbols names = names(from, image);
      if (names.isEmpty()) {
        throw new UserError(from + " carries no names that can be found: it needs CONFIG_KALLSYMS");
      }
      outputs.write(to, SymbolElf.of(names));
      Terminal.out(
          names.all().size()
              + names.data().size()
              + " names, where the kernel has them with nokaslr on its command line");
    }
    return 0;
  }

  private static Symbols names(Path from, byte[] image) {
    MachineSpec spec =
        MachineSpec.builder(SevMode.OFF, image, b -> {})
            .cpuModel("EPYC-Milan")
            .append("nokaslr")
            .build();
    try (Machine m = new Machine(spec)) {
      if (!m.symbols().isEmpty()) {
        return m.symbols();
      }
      Symbols names = Symbols.NONE;
      for (long n = LOOK; n <= MOST && names.isEmpty(); n += LOOK) {
        Stop s = m.run(Until.instructions(n));
        names = m.symbols(m.observer().vcpu(0));
        if (s instanceof Stop.Ended) {
          break;
        }
      }
      return names;
    } catch (BootException | IllegalArgumentException | CommandFailed e) {
      throw new UserError(from + ": " + e.getMessage());
    } catch (IOException e) {
      throw new OutputError("the guest's devices", e);
    }
  }
}
