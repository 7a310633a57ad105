package dev.vesper.cli;

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
import java.util.concurrent.Callable;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;

/** {@code vesper symbols}. */
@Command(
    name = "symbols",
    mixinStandardHelpOptions = true,
    description = {
      "Writes the names that a kernel carries as an ELF file for gdb's symbol-file.",
      "",
      "A compressed kernel unpacks itself: it is booted, without SEV, to where its table of names"
          + " is in memory.",
    },
    footer = {"", "Example: vesper symbols vmlinuz -o names.elf"})
final class SymbolsCommand implements Callable<Integer> {
  /** How often it is looked whether the names are there, in instructions. */
  private static final long LOOK = 20_000_000;

  /** Kernels have unpacked themselves and set up their #VC handler long before that. */
  private static final long MOST = 2_000_000_000;

  @Parameters(paramLabel = "KERNEL", description = "the kernel's image")
  private @Nullable Path kernel;

  @Option(
      names = {"-o", "--output"},
      paramLabel = "F",
      required = true,
      description = "the file to write")
  private @Nullable Path output;

  @Override
  public Integer call() {
    Path from = kernel;
    Path to = output;
    if (from == null || to == null) {
      throw new UserError("name the kernel and, with -o, the file to write");
    }
    UserFiles.requireFolder(to);
    Symbols names = names(UserFiles.read(from, "kernel"));
    if (names.isEmpty()) {
      throw new UserError(from + " carries no names that can be found: it needs CONFIG_KALLSYMS");
    }
    UserFiles.write(to, SymbolElf.of(names.all()));
    Terminal.out(
        names.all().size() + " names, where the kernel has them with nokaslr on its command line");
    return 0;
  }

  private static Symbols names(byte[] image) {
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
      throw new UserError(String.valueOf(e.getMessage()));
    } catch (IOException e) {
      throw new OutputError("the guest's devices", e);
    }
  }
}
