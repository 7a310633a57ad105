package dev.vesper.cli.monitor;

import dev.vesper.machine.Machine;
import dev.vesper.machine.VcpuView;
import dev.vesper.machine.host.VcpuState;
import dev.vesper.machine.observe.Producer;
import dev.vesper.machine.observe.Symbols;
import dev.vesper.machine.observe.format.Visible;
import dev.vesper.machine.spec.Smbios;
import java.util.List;
import java.util.UUID;

/** Commands that say what the machine is and where its processors are. */
final class StateCommands {
  /** What clients look for who ask whether this is KVM. */
  static final boolean KVM = false;

  static final List<Command> ALL =
      List.of(
          Command.of(
              "info registers", "[-a|vcpu]", "show the cpu registers", StateCommands::registers),
          Command.of("info cpus", "", "show infos for each CPU", StateCommands::cpus),
          Command.of("info version", "", "show the version", StateCommands::version),
          Command.of("info status", "", "show whether the guest runs", StateCommands::status),
          Command.of(
              "info kvm",
              "",
              "show KVM information: there is none here",
              c -> c.line("kvm support: disabled")),
          Command.of("info name", "", "show the current VM name", StateCommands::vmName),
          Command.of("info uuid", "", "show the current VM UUID", StateCommands::uuid),
          Command.of(
              "info usb",
              "",
              "show guest USB devices: there are none",
              c -> {
                throw new Refusal("Error: USB support not enabled");
              }),
          Command.of("time", "", "show instructions and virtual time so far", StateCommands::time),
          Command.of(
              "count",
              "",
              "show the instructions that each vCPU has executed",
              StateCommands::count),
          Command.of("name", "", "show what the code at RIP is called", StateCommands::name),
          Command.of(
              "kaslr", "", "show how far the kernel has moved itself", StateCommands::kaslr));

  private StateCommands() {}

  private static void registers(Call c) throws Refusal {
    if (c.words().flag('a')) {
      c.words().end();
      c.machine().observer().vcpus().forEach(v -> c.say(RegistersText.of(v)));
      return;
    }
    VcpuView v = c.vcpuOrOwn();
    c.words().end();
    c.say(RegistersText.of(v));
  }

  private static void cpus(Call c) throws Refusal {
    c.words().end();
    long process = ProcessHandle.current().pid();
    for (VcpuView v : c.machine().observer().vcpus()) {
      String doing =
          switch (v.state()) {
            case RUNNABLE -> "";
            case HALTED -> " (halted)";
            case WAIT_FOR_SIPI -> " (waits for SIPI)";
            case RESET_HOLD -> " (AP reset hold)";
          };
      char mark = v.id() == c.vcpu().id() ? '*' : ' ';
      c.line("%c CPU #%d: thread_id=%d%s", mark, v.id(), process + v.id(), doing);
    }
  }

  private static void version(Call c) throws Refusal {
    c.words().end();
    c.line(Producer.VERSION + " (" + Producer.NAME + ")");
  }

  private static void status(Call c) throws Refusal {
    c.words().end();
    String s = c.control().status();
    boolean plain = s.equals("running") || s.equals("paused");
    c.line("VM status: " + (plain ? s : "paused (" + s + ")"));
  }

  private static void vmName(Call c) throws Refusal {
    c.words().end();
    String n = c.control().facts().name();
    if (!n.isEmpty()) {
      c.line(Visible.of(n));
    }
  }

  /** {@return the machine's UUID, zeros if it has none} */
  static UUID uuid(Machine m) {
    Smbios s = m.spec().hardware().smbios();
    UUID u = s == null ? null : s.uuid();
    return u == null ? new UUID(0, 0) : u;
  }

  private static void uuid(Call c) throws Refusal {
    c.words().end();
    c.line(uuid(c.machine()).toString());
  }

  private static void time(Call c) throws Refusal {
    c.words().end();
    c.line(
        "%d instructions, %d ns of virtual time",
        c.machine().instructions(), c.machine().virtualTime());
  }

  private static void count(Call c) throws Refusal {
    c.words().end();
    for (VcpuView v : c.machine().observer().vcpus()) {
      c.line("CPU #%d: %d instructions, %d ns", v.id(), v.instructions(), v.time());
    }
    c.line("total: %d instructions", c.machine().instructions());
  }

  private static void name(Call c) throws Refusal {
    c.words().end();
    c.line(Visible.of(c.machine().codeName(c.vcpu())));
  }

  private static void kaslr(Call c) throws Refusal {
    c.words().end();
    Symbols s = c.machine().symbols(c.vcpu());
    if (s.isEmpty()) {
      throw new Refusal("no names are known of the code that runs here: --symbols F");
    }
    c.line("slide: 0x%x", s.slide());
  }

  /** {@return whether a vCPU waits} */
  static boolean halted(VcpuView v) {
    return v.state() != VcpuState.RUNNABLE;
  }
}
