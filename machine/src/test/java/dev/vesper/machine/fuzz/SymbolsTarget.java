package dev.vesper.machine.fuzz;

import dev.vesper.fixtures.fuzz.FuzzTarget;
import dev.vesper.machine.boot.ImageSeeds;
import dev.vesper.machine.boot.SymbolFile;
import dev.vesper.machine.observe.Symbols;
import dev.vesper.machine.spec.BootException;
import java.util.List;

/** ELF symbol tables, DWARF's lines, and System.map. */
public final class SymbolsTarget implements FuzzTarget {
  @Override
  public String name() {
    return "symbols";
  }

  @Override
  public List<String> covers() {
    return List.of(
        "dev.vesper.machine.boot.ElfSections",
        "dev.vesper.machine.boot.ElfSymbols",
        "dev.vesper.machine.boot.Dwarf",
        "dev.vesper.machine.boot.SymbolFile",
        "dev.vesper.machine.observe.Symbols",
        "dev.vesper.machine.observe.LineTable");
  }

  @Override
  public List<byte[]> seeds() {
    return ImageSeeds.symbolFiles();
  }

  @Override
  public void take(byte[] input) {
    try {
      Symbols s = SymbolFile.read("symbols", input);
      for (Symbols of : List.of(s, s.slid(0x20_0000))) {
        for (long a : new long[] {0, 0x100_0000, 0x100_0041, 0xFFFF_FFFF_8100_0101L, -1}) {
          of.at(a);
          of.running(a);
          of.source(a);
          of.lines().rows(a, a + 4096);
        }
        of.address("start");
        of.running("start");
      }
    } catch (BootException e) {
      Refusals.requireLine(e);
    }
  }
}
