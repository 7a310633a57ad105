package dev.vesper.cli.gdb;

import dev.vesper.machine.Machine;
import dev.vesper.machine.VcpuView;
import dev.vesper.machine.observe.RmpMap;
import java.util.Map;
import java.util.function.Consumer;

/**
 * What the commands of {@code vesper.py} ask for, in forms that stay as they are: {@code vc-log
 * [N]}, {@code exchange-log [N]}, {@code page-state ADDRESS} and {@code vmsa}.
 */
final class FieldCommands {
  private static final long PAGE = 4096;

  private final Machine machine;
  private final ExchangeLog log;

  FieldCommands(Machine machine, ExchangeLog log) {
    this.machine = machine;
    this.log = log;
  }

  /** {@return whether it is one of these commands} */
  boolean run(String command, String argument, VcpuView v, Consumer<String> out) {
    switch (command) {
      case "vc-log" -> {
        log.begin();
        out.accept(log.exceptions(count(argument)));
      }
      case "exchange-log" -> {
        log.begin();
        out.accept(log.exchanges(count(argument)));
      }
      case "page-state" -> out.accept(pageState(argument, v));
      case "vmsa" -> out.accept(saveArea(v));
      default -> {
        return false;
      }
    }
    return true;
  }

  private static int count(String n) {
    return n.matches("[0-9]{1,4}") ? Integer.parseInt(n) : 10;
  }

  private String pageState(String address, VcpuView v) {
    long linear;
    try {
      linear = Packets.number(address.replaceFirst("^0[xX]", ""));
    } catch (NumberFormatException e) {
      return "page-state takes a linear address in hexadecimal\n";
    }
    long gpa = v.physical(linear);
    if (gpa < 0) {
      return "Unmapped\n";
    }
    String mapped = "gpa 0x%x mapped %s".formatted(gpa, word(v.mapsPrivate(linear)));
    if (!machine.hostView().contains(gpa, 1)) {
      return mapped + ", no memory\n";
    }
    RmpMap all = machine.memoryMap();
    String table = all.isEmpty() ? "" : ", table: " + words(all, gpa / PAGE);
    return mapped + ", touched " + word(machine.observer().isPrivate(gpa)) + table + "\n";
  }

  private static String words(RmpMap all, long frame) {
    return all.areas().stream()
        .filter(a -> a.span().first() <= frame && frame < a.span().end())
        .map(RmpMap.Area::words)
        .findFirst()
        .orElse("shared");
  }

  private static String word(boolean isPrivate) {
    return isPrivate ? "private" : "shared";
  }

  private static String saveArea(VcpuView v) {
    Map<String, Long> fields = v.saveArea();
    if (fields.isEmpty()) {
      return "the guest's registers are not encrypted: --sev es and snp have a VMSA\n";
    }
    StringBuilder b = new StringBuilder("VMSA of CPU#%d%n".formatted(v.id()));
    fields.forEach((name, value) -> b.append("  %-24s %016x%n".formatted(name, value)));
    return b.toString();
  }
}
