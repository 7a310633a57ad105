package dev.vesper.cli.monitor;

import java.util.List;

/** Commands that do something to the guest: the run is no longer what it would have been. */
final class InputCommands {
  static final List<Command> ALL =
      List.of(
          Command.of(
              "i",
              "/fmt addr",
              "I/O port read; fmt is b, h or w (changes the run)",
              InputCommands::in),
          Command.of(
              "o",
              "/fmt addr value",
              "I/O port write; fmt is b, h or w (changes the run)",
              InputCommands::out),
          Command.of(
              "nmi", "", "inject an NMI into all vCPUs (changes the run)", InputCommands::nmi),
          Command.of(
              "sendkey",
              "keys [hold_ms]",
              "send keys to the VM (e.g. 'sendkey ctrl-alt-f1'; changes the run)",
              InputCommands::sendKey));

  private InputCommands() {}

  private static int size(Call c) throws Refusal {
    String f = c.words().format();
    return switch (f) {
      case "", "b" -> 1;
      case "h" -> 2;
      case "w" -> 4;
      default -> throw new Refusal("ports have b, h or w, 1, 2 or 4 bytes, not '" + f + "'");
    };
  }

  private static int port(Call c) throws Refusal {
    return (int) c.words().number(c.vcpu()) & 0xFFFF;
  }

  private static void in(Call c) throws Refusal {
    int size = size(c);
    int port = port(c);
    c.words().end();
    c.control().changes("i");
    int v = c.machine().board().readPort(port, size);
    char suffix = size == 1 ? 'b' : size == 2 ? 'w' : 'l';
    c.line(("port%c[0x%04x] = 0x%0" + 2 * size + "x"), suffix, port, v);
  }

  private static void out(Call c) throws Refusal {
    int size = size(c);
    int port = port(c);
    long v = c.words().number(c.vcpu());
    c.words().end();
    c.control().changes("o");
    c.machine().board().writePort(port, size, (int) v);
  }

  private static void nmi(Call c) throws Refusal {
    c.words().end();
    c.control().changes("nmi");
    c.machine().board().nmi();
  }

  private static void sendKey(Call c) throws Refusal {
    String keys = c.words().string("keys");
    if (!c.words().atEnd()) {
      // How long they are held has no meaning for a keyboard that is told of both at once.
      c.words().number(c.vcpu());
    }
    c.words().end();
    Keys.press(c.control(), Keys.of(keys));
  }
}
