package dev.vesper.cli.gdb;

import dev.vesper.machine.Machine;
import dev.vesper.machine.Until;
import dev.vesper.machine.VcpuView;
import dev.vesper.machine.observe.Event;
import dev.vesper.machine.observe.Producer;
import dev.vesper.machine.observe.format.Visible;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.function.Consumer;
import java.util.stream.Collectors;

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
      stop-on WHAT          stand still at vc, vmgexit or the #VCs of a code (0x72, ...)
      stop-on none          at nothing any more
      time                  instructions and virtual time so far
      name                  what the code at RIP is called
      """;

  /** More than anybody waits for, so that a stranger's take no memory without end. */
  private static final int MOST_STOPS = 64;

  private final Machine machine;
  private final GuestMemory view;

  /** Events at which a run stands still, by the words that asked for them. */
  private final Map<String, Until> stops = new LinkedHashMap<>();

  Monitor(Machine machine) {
    this.machine = machine;
    view = new GuestMemory(machine);
  }

  /** {@return memory as the client wants to see it} */
  GuestMemory view() {
    return view;
  }

  /** {@return where a run stands still besides breakpoints} */
  Until until() {
    Until u = Until.end();
    for (Until stop : stops.values()) {
      u = u.or(stop);
    }
    return u;
  }

  /** Takes the events over that were asked for of a machine before. */
  void takeOver(Monitor before) {
    stops.putAll(before.stops);
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
    switch (words[0]) {
      case "help", "?" -> out.accept(HELP);
      case "info" -> info(rest, out);
      case "gva2gpa" -> physical(rest, v, out);
      case "host-view" -> hostView(rest, out);
      case "stop-on" -> stopOn(rest, out);
      case "time" ->
          out.accept(
              "%d instructions, %d ns of virtual time%n"
                  .formatted(machine.instructions(), machine.virtualTime()));
      case "name" -> out.accept(Visible.of(machine.codeName(v)) + "\n");
      default -> out.accept("unknown command: '" + Visible.of(line.strip()) + "'\n");
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

  private void stopOnCode(String what, Consumer<String> out) {
    try {
      long code = Packets.number(what.replaceFirst("^0[xX]", ""));
      String name = "0x" + Long.toHexString(code);
      if (stops.size() == MOST_STOPS && !stops.containsKey(name)) {
        out.accept("there are %d already: begin again with stop-on none%n".formatted(MOST_STOPS));
        return;
      }
      stops.put(name, Until.event(Event.VcRaised.class, e -> e.exit() == code));
    } catch (NumberFormatException e) {
      out.accept("stop-on takes vc, vmgexit, a code as 0x72, or none\n");
    }
  }

  private void stopOn(String what, Consumer<String> out) {
    switch (what) {
      case "none" -> stops.clear();
      case "vc" -> stops.put(what, Until.event(Event.VcRaised.class));
      case "vmgexit" -> stops.put(what, Until.event(Event.GhcbExchange.class));
      case "" -> {}
      default -> stopOnCode(what, out);
    }
    out.accept(
        stops.isEmpty()
            ? "the guest is not stopped at events\n"
            : "the guest is stopped at "
                + stops.keySet().stream().collect(Collectors.joining(", "))
                + "\n");
  }
}
