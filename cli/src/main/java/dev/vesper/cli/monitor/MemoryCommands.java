package dev.vesper.cli.monitor;

import java.util.List;

/** Commands that show memory and numbers. */
final class MemoryCommands {
  static final List<Command> ALL =
      List.of(
          Command.of(
              "x",
              "/fmt addr",
              "virtual memory dump starting at 'addr'; fmt is a count, one of x d u o c i, and one"
                  + " of b h w g",
              c -> dump(c, false)),
          Command.of(
              "xp",
              "/fmt addr",
              "physical memory dump starting at 'addr', as view has it",
              c -> dump(c, true)),
          Command.of(
              "print|p", "/fmt expr", "print expression value (use $reg)", MemoryCommands::print),
          Command.of(
              "gva2gpa",
              "addr",
              "print the guest physical address of a virtual one",
              MemoryCommands::physical),
          Command.of(
              "gpa2hva",
              "addr",
              "refused: guest memory is no piece of this process's",
              c -> host(c, "Host virtual")),
          Command.of(
              "gpa2hpa",
              "addr",
              "refused: guest memory is no piece of this process's",
              c -> host(c, "Host physical")),
          Command.of(
              "sum",
              "addr size",
              "print the checksum of physical memory, as System V's sum does",
              MemoryCommands::sum),
          Command.of(
              "view",
              "[guest|host|device]",
              "have memory read as the guest sees it, or as host and devices do: private pages are"
                  + " ciphertext",
              MemoryCommands::view),
          Command.of(
              "private",
              "addr",
              "say whether a physical address is private, and show 64 bytes both ways",
              MemoryCommands::isPrivate));

  private static final int SHOWN = 64;

  private MemoryCommands() {}

  private static void dump(Call c, boolean physical) throws Refusal {
    Dump d = Dump.of(c.words().format());
    long address = c.words().number(c.vcpu());
    c.words().end();
    d.show(c, new MemoryReader(c.session(), physical), address);
  }

  private static void print(Call c) throws Refusal {
    Dump d = Dump.of(c.words().format());
    long v = c.words().number(c.vcpu());
    c.words().end();
    c.line(
        switch (d.format()) {
          case 'o' -> v == 0 ? "0" : "0" + Long.toOctalString(v);
          case 'd' -> Long.toString(v);
          case 'u' -> Long.toUnsignedString(v);
          case 'c' -> Dump.character(v);
          default -> v == 0 ? "0" : "0x" + Long.toHexString(v);
        });
  }

  private static void physical(Call c) throws Refusal {
    long linear = c.words().number(c.vcpu());
    c.words().end();
    long gpa = c.vcpu().physical(linear);
    c.line(gpa < 0 ? "Unmapped" : "gpa: 0x" + Long.toHexString(gpa));
  }

  private static void host(Call c, String what) throws Refusal {
    long gpa = c.words().number(c.vcpu());
    c.words().end();
    throw new Refusal(
        c.machine().hostView().contains(gpa, 1)
            ? what + " address for 0x" + Long.toHexString(gpa) + " there is none: read it with xp"
            : "No memory is mapped at address 0x" + Long.toHexString(gpa));
  }

  private static void sum(Call c) throws Refusal {
    long from = c.words().number(c.vcpu());
    long size = c.words().number(c.vcpu());
    c.words().end();
    if (size < 0 || size > 1L << 30) {
      throw new Refusal("a size is at most 1 GiB");
    }
    MemoryReader r = new MemoryReader(c.session(), true);
    int sum = 0;
    for (long done = 0; done < size; ) {
      int n = (int) Math.min(size - done, 4096);
      for (byte b : r.read(from + done, n)) {
        sum = (sum >> 1 | (sum & 1) << 15) + (b & 0xFF) & 0xFFFF;
      }
      done += n;
    }
    c.line("%05d", sum);
  }

  private static void view(Call c) throws Refusal {
    if (!c.words().atEnd()) {
      String as = c.words().string("view");
      c.words().end();
      c.session()
          .view(
              switch (as) {
                case "guest" -> Session.View.GUEST;
                case "host" -> Session.View.HOST;
                case "device" -> Session.View.DEVICE;
                default -> throw new Refusal("view takes guest, host or device");
              });
    }
    c.line(
        switch (c.session().view()) {
          case GUEST -> "memory is read as the guest sees it";
          case HOST -> "memory is read as the host sees it: what is private, encrypted";
          case DEVICE -> "memory is read as devices see it: what is private, encrypted";
        });
  }

  private static void isPrivate(Call c) throws Refusal {
    long gpa = c.words().number(c.vcpu());
    c.words().end();
    if (!c.machine().hostView().contains(gpa, SHOWN)) {
      throw new Refusal("No memory is mapped at address 0x" + Long.toHexString(gpa));
    }
    boolean is = c.machine().observer().isPrivate(gpa);
    c.line(
        "0x%x: %s", gpa, is ? "private, as it was touched last" : "shared, as it was touched last");
    Dump d = new Dump(SHOWN / 8, 'x', 8);
    Session asHost = new Session(c.control());
    asHost.view(Session.View.HOST);
    Session asGuest = new Session(c.control());
    c.line("guest:");
    d.show(c, new MemoryReader(asGuest, true), gpa);
    c.line("host:");
    d.show(c, new MemoryReader(asHost, true), gpa);
  }
}
