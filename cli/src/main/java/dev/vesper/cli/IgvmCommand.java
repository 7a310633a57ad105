package dev.vesper.cli;

import dev.vesper.cli.confine.Confinement;
import dev.vesper.cli.confine.Policy;
import dev.vesper.machine.IgvmImage;
import dev.vesper.machine.spec.BootException;
import java.nio.file.Path;
import java.util.List;
import java.util.function.Function;
import org.jspecify.annotations.Nullable;

/** {@code vesper igvm}: what an IGVM file says. */
final class IgvmCommand implements Options.Command {
  private List<Path> words = List.of();
  private final Sandbox sandbox;

  /**
   * @param confine gives up the process's rights for good; null if others need them
   */
  IgvmCommand(@Nullable Function<Policy, Confinement> confine) {
    sandbox = new Sandbox(confine);
  }

  @Override
  public Options options() {
    Options o =
        new Options(
            "Explains IGVM files, which say themselves how they are launched.",
            "",
            "  igvm show FILE   every header, a line each; pages that follow each other are one",
            "",
            "'vesper run --sev snp -igvm FILE' runs one, 'vesper measure --mode snp --igvm FILE'",
            "computes its launch digest.");
    o.positionals("show FILE", "what to do, and with which file", v -> words = v);
    sandbox.addTo(o);
    return o;
  }

  @Override
  public Integer call() {
    sandbox.validate();
    if (words.size() != 2 || !words.getFirst().toString().equals("show")) {
      throw new UserError("igvm takes show and one file: vesper igvm show FILE");
    }
    byte[] file = UserFiles.read(words.getLast(), "IGVM file");
    sandbox.enter(new Policy.Builder().build());
    try {
      IgvmImage.describe(file).forEach(Terminal::out);
    } catch (BootException e) {
      throw new UserError(String.valueOf(e.getMessage()));
    }
    return 0;
  }
}
