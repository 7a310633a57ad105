package dev.vesper.cli;

import dev.vesper.machine.observe.format.GhcbDissector;
import java.util.concurrent.Callable;
import picocli.CommandLine.Command;

/** {@code vesper dissector}. */
@Command(
    name = "dissector",
    mixinStandardHelpOptions = true,
    description = "Prints the Wireshark dissector, in Lua, for traces with the ending .pcapng.",
    footer = {"", "Example: vesper dissector > ~/.local/lib/wireshark/plugins/vesper-ghcb.lua"})
final class DissectorCommand implements Callable<Integer> {
  @Override
  public Integer call() {
    Terminal.outLines(GhcbDissector.lua());
    return 0;
  }
}
