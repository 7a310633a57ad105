package dev.vesper.cli.gdb;

import dev.vesper.machine.Machine;
import dev.vesper.machine.VcpuView;
import dev.vesper.machine.observe.Producer;
import dev.vesper.machine.observe.format.Visible;
import java.util.function.Consumer;

/**
 * What is typed behind {@code monitor}: QEMU's commands in its words and forms where clients take
 * them apart, and ours.
 */
final class Monitor {
  private static final String HELP =
      """
      info registers|cpus|status|version|kvm   as QEMU has them
      gva2gpa ADDRESS       the guest physical address of a linear one
      host-view on|off      read memory as the host sees it
      time                  instructions and virtual time so far
      name                  what the code at RIP is called
      """;

  private final Machine machine;
  private final GuestMemory view;

  /** Events at which a run stands still. */
  private final StopOn stops;

  private final FieldCommands field;

  Monitor(Machine machine) {
    this.machine = machine;
    view = new GuestMemory(machine);
    ExchangeLog log = new ExchangeLog(machine);
    stops = new StopOn(log);
    field = new FieldCommands(machine, log);
  }

  /** {@return memory as the client wants to see it} */
  GuestMemory view() {
    return view;
  }

  /** {@return where a run stands still besides breakpoints} */
  StopOn stops() {
    return stops;
  }

  /** Goes back to how a client finds it: what one has asked for is not the next one's. */
  void forget() {
    stops.clear();
    view.host(false);
    view.physical(false);
  }

  /** Runs a command; what it says is handed on. */
  void run(String line, VcpuView v, Consumer<String> out) {
    String[] words = line.strip().split("\\s+");
    String rest = words.length > 1 ? words[1] : "";
    String arguments = line.strip().substring(words[0].length());
    switch (words[0]) {
      case "help", "?" -> out.accept(HELP + StopOn.HELP);
      case "info" -> info(rest, out);
      case "gva2gpa" -> physical(rest, v, out);
      case "host-view" -> hostView(rest, out);
      case "stop-on" -> out.accept(stops.add(arguments));
      case "stop-off" -> out.accept(stops.off(arguments));
      case "time" ->
          out.accept(
              "%d instructions, %d ns of virtual time%n"
                  .formatted(machine.instructions(), machine.virtualTime()));
      case "name" -> out.accept(Visible.of(machine.codeName(v)) + "\n");
      default -> {
        if (!field.run(words[0], rest, v, out)) {
          out.accept("unknown command: '" + Visible.of(line.strip()) + "'\n");
        }
      }
    }
  }

  private void info(String what, Consumer<String> out) {
    switch (what) {
      case "registers" -> machine.observer().vcpus().forEach(v -> out.accept(RegistersText.of(v)));
      case "cpus" ->
          machine
              .observer()
              .vcpus()
              .forEach(v -> out.accept("  CPU #%d: %s%n".formatted(v.id(), v.state())));
      case "status" -> out.accept("VM status: paused\n");
      case "version" -> out.accept(Producer.VERSION + "\n");
      case "kvm" -> out.accept("kvm support: disabled\n");
      default -> out.accept("unknown command: 'info " + Visible.of(what) + "'\n");
    }
  }

  private void physical(String address, VcpuView v, Consumer<String> out) {
    try {
      long gpa = v.physical(Packets.number(address.replaceFirst("^0[xX]", "")));
      out.accept(gpa < 0 ? "Unmapped\n" : "gpa: %#x%n".formatted(gpa));
    } catch (NumberFormatException e) {
      out.accept("gva2gpa takes an address in hexadecimal, not '" + Visible.of(address) + "'\n");
    }
  }

  private void hostView(String onOff, Consumer<String> out) {
    if (onOff.equals("on") || onOff.equals("off")) {
      view.host(onOff.equals("on"));
    }
    out.accept(
        view.isHost()
            ? "memory is read as the host sees it: what is private, encrypted\n"
            : "memory is read as the guest sees it\n");
  }
}
