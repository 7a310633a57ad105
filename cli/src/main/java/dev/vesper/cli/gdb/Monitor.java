package dev.vesper.cli.gdb;

import dev.vesper.cli.monitor.Control;
import dev.vesper.cli.monitor.Session;
import dev.vesper.machine.Machine;
import dev.vesper.machine.VcpuView;
import java.util.function.Consumer;

/**
 * What is typed behind {@code monitor}: QEMU's commands in its words and forms where clients take
 * them apart, and ours.
 */
final class Monitor {
  private static final String HELP =
      """
      host-view on|off      have gdb read memory as the host sees it, as view host|guest does
      """;

  /** A debugger believes what it has read until the guest goes on, and cannot be told otherwise. */
  private static final String OLD =
      "what gdb has read is old: 'maintenance flush register-cache' and 'maintenance flush dcache'"
          + " have it read again\n";

  /** Characters in a packet, which has two digits for each byte of them. */
  private static final int MOST_AT_ONCE = 8192;

  private final GuestMemory view;
  private final Session session;
  private final Control control;

  /** Events at which a run stands still. */
  private final StopOn stops;

  Monitor(Machine machine) {
    this(machine, Control.of(machine));
  }

  /**
   * @param control has the commands done that all monitors have
   */
  Monitor(Machine machine, Control control) {
    view = new GuestMemory(machine);
    session = new Session(control);
    stops = new StopOn(machine, control::keepEvents);
    this.control = control;
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
    session.view(Session.View.GUEST);
    view.host(false);
    view.physical(false);
  }

  /** Runs a command; what it says is handed on. */
  void run(String line, VcpuView v, Consumer<String> out) {
    String[] words = line.strip().split("\\s+");
    String rest = words.length > 1 ? words[1] : "";
    String arguments = line.strip().substring(words[0].length());
    switch (words[0]) {
      case "host-view" -> hostView(rest, out);
      case "stop-on" -> out.accept(stops.add(arguments));
      case "stop-off" -> out.accept(stops.off(arguments));
      default -> {
        session.cpu(v.id());
        String said = session.run(line);
        control.concludeChange();
        if (words[0].equals("loadvm") && said.isEmpty()) {
          out.accept(OLD);
        }
        for (int at = 0; at < said.length(); at += MOST_AT_ONCE) {
          out.accept(said.substring(at, Math.min(said.length(), at + MOST_AT_ONCE)));
        }
        view.host(session.view() != Session.View.GUEST);
        if (words[0].equals("help") && words.length == 1) {
          out.accept(HELP + StopOn.HELP);
        }
      }
    }
  }

  private void hostView(String onOff, Consumer<String> out) {
    if (onOff.equals("on") || onOff.equals("off")) {
      session.view(onOff.equals("on") ? Session.View.HOST : Session.View.GUEST);
      view.host(onOff.equals("on"));
    }
    out.accept(
        view.isHost()
            ? "memory is read as the host sees it: what is private, encrypted\n"
            : "memory is read as the guest sees it\n");
  }
}
