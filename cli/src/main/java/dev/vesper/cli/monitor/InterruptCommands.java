package dev.vesper.cli.monitor;

import dev.vesper.machine.VcpuView;
import dev.vesper.machine.observe.DeviceState;
import dev.vesper.machine.observe.Event;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;

/** Commands that show interrupt controllers. */
final class InterruptCommands {
  static final List<Command> ALL =
      List.of(
          Command.of("info pic", "", "show PIC state", InterruptCommands::pic),
          Command.of("info ioapic", "", "show the I/O APIC", InterruptCommands::ioApic),
          Command.of("info lapic", "[cpu]", "show local apic state", InterruptCommands::localApic),
          Command.of(
              "info irq",
              "",
              "show how often which interrupt came lately",
              InterruptCommands::irq));

  private static final String[] DELIVERY = {
    "fixed", "lowest", "SMI", "...", "NMI", "INIT", "...", "extINT"
  };

  private static final String[] LOCAL_DELIVERY = {
    "Fixed", "Lowest", "SMI", "...", "NMI", "INIT", "...", "ExtINT"
  };

  private static final String[] SHORTHAND = {"no-shorthand", "self", "all-self", "all"};
  private static final String[] TIMER = {"one-shot", "periodic", "tsc-deadline", "reserved"};

  // Offsets of registers of a local APIC.
  private static final int TPR = 0x80;
  private static final int APR = 0x90;
  private static final int PPR = 0xA0;
  private static final int LDR = 0xD0;
  private static final int DFR = 0xE0;
  private static final int SVR = 0xF0;
  private static final int ISR = 0x100;
  private static final int IRR = 0x200;
  private static final int ESR = 0x280;
  private static final int ICR = 0x300;
  private static final int ICR_HIGH = 0x310;
  private static final int LVT_TIMER = 0x320;
  private static final int LVT_THERMAL = 0x330;
  private static final int LVT_PERFORMANCE = 0x340;
  private static final int LVT_LINT0 = 0x350;
  private static final int LVT_LINT1 = 0x360;
  private static final int LVT_ERROR = 0x370;
  private static final int INITIAL_COUNT = 0x380;
  private static final int CURRENT_COUNT = 0x390;
  private static final int DIVIDE = 0x3E0;
  private static final int LONG_ID = 1 << 10;

  private InterruptCommands() {}

  private static void pic(Call c) throws Refusal {
    c.words().end();
    ioApicIfAny(c);
    for (int n = 1; n >= 0; n--) {
      DeviceState.Pic p = c.machine().board().pic(n == 1);
      c.line(
          "pic%d: irr=%02x imr=%02x isr=%02x hprio=%d irq_base=%02x rr_sel=%d elcr=%02x fnm=%d",
          n,
          p.irr(),
          p.imr(),
          p.isr(),
          p.priority(),
          p.base(),
          p.readsIsr() ? 1 : 0,
          p.elcr(),
          p.nested() ? 1 : 0);
    }
  }

  private static void ioApic(Call c) throws Refusal {
    c.words().end();
    if (!ioApicIfAny(c)) {
      throw new Refusal("the board has no I/O APIC, as -M pc and q35 have");
    }
  }

  private static boolean ioApicIfAny(Call c) {
    DeviceState.IoApic a = c.machine().board().ioApic();
    if (a == null) {
      return false;
    }
    c.line("ioapic0: ver=0x%x id=0x%02x sel=0x%02x", a.version(), a.id(), a.selected());
    int remote = 0;
    for (int i = 0; i < a.entries().size(); i++) {
      long e = a.entries().get(i);
      remote |= (e >> 14 & 1) != 0 ? 1 << i : 0;
      c.line(
          "  pin %-2d 0x%016x dest=%x vec=%-3d active-%s %-5s %-6s %-6s %s",
          i,
          e,
          e >>> 56,
          e & 0xFF,
          (e >> 13 & 1) != 0 ? "lo" : "hi",
          (e >> 15 & 1) != 0 ? "level" : "edge",
          (e >> 16 & 1) != 0 ? "masked" : "",
          DELIVERY[(int) (e >> 8) & 7],
          (e >> 11 & 1) != 0 ? "logical" : "physical");
    }
    c.line("  IRR     " + set(a.lines()));
    c.line("  Remote IRR" + set(remote));
    return true;
  }

  private static String set(int bits) {
    StringBuilder b = new StringBuilder();
    for (int i = 0; i < 32; i++) {
      b.append((bits >> i & 1) != 0 ? " " + i : "");
    }
    return b.isEmpty() ? " (none)" : b.toString();
  }

  private static void localApic(Call c) throws Refusal {
    VcpuView v = c.vcpuOrOwn();
    c.words().end();
    DeviceState.LocalApic a = c.machine().board().localApic(v.id());
    if (a == null) {
      throw new Refusal("the vCPU has no local APIC: -M minimal has none for one alone");
    }
    c.line("dumping local APIC state for CPU %d \n", v.id());
    vector(c, a, "LVT0", LVT_LINT0);
    vector(c, a, "LVT1", LVT_LINT1);
    vector(c, a, "LVTPC", LVT_PERFORMANCE);
    vector(c, a, "LVTERR", LVT_ERROR);
    vector(c, a, "LVTTHMR", LVT_THERMAL);
    vector(c, a, "LVTT", LVT_TIMER);
    int divide = a.at(DIVIDE);
    int code = divide >> 1 & 4 | divide & 3;
    c.line(
        "Timer\t DCR=0x%x (divide by %d) initial_count = %s current_count = %s",
        divide,
        code == 7 ? 1 : 2 << code,
        Integer.toUnsignedString(a.at(INITIAL_COUNT)),
        Integer.toUnsignedString(a.at(CURRENT_COUNT)));
    int spurious = a.at(SVR);
    c.line(
        "SPIV\t 0x%08x APIC %s, focus=%s, spurious vec %d",
        spurious,
        (spurious >> 8 & 1) != 0 ? "enabled" : "disabled",
        (spurious >> 9 & 1) != 0 ? "on" : "off",
        spurious & 0xFF);
    command(c, a);
    c.line("ESR\t 0x%08x", a.at(ESR));
    c.line("ISR\t" + vectors(a, ISR));
    c.line("IRR\t" + vectors(a, IRR));
    c.line(
        "\nAPR 0x%02x TPR 0x%02x DFR 0x%02x LDR 0x%02x PPR 0x%02x",
        a.at(APR), a.at(TPR), a.at(DFR) >>> 28, a.at(LDR) >>> 24, a.at(PPR));
  }

  private static void vector(Call c, DeviceState.LocalApic a, String name, int at) {
    int e = a.at(at);
    int delivery = e >> 8 & 7;
    c.line(
        "%s\t 0x%08x %s %-5s %-6s %-7s %-12s %-6s%s",
        name,
        e,
        (e >> 13 & 1) != 0 ? "active-lo" : "active-hi",
        (e >> 15 & 1) != 0 ? "level" : "edge",
        (e >> 16 & 1) != 0 ? "masked" : "",
        (e >> 12 & 1) != 0 ? "pending" : "",
        at == LVT_TIMER ? TIMER[e >> 17 & 3] : "",
        LOCAL_DELIVERY[delivery],
        delivery == 0 ? " (vec " + (e & 0xFF) + ")" : "");
  }

  private static void command(Call c, DeviceState.LocalApic a) {
    int low = a.at(ICR);
    boolean logical = (low >> 11 & 1) != 0;
    c.line(
        "ICR\t 0x%08x %s %s %s %s",
        low,
        logical ? "logical" : "physical",
        (low >> 15 & 1) != 0 ? "level" : "edge",
        (low >> 14 & 1) != 0 ? "assert" : "de-assert",
        SHORTHAND[low >> 18 & 3]);
    int high = a.at(ICR_HIGH);
    boolean wide = (a.base() & LONG_ID) != 0;
    c.line(
        "ICR2\t 0x%08x %s",
        high,
        logical
            ? "mask 0x%x (logical)".formatted(wide ? high : high >>> 24)
            : "cpu %s (%s)"
                .formatted(
                    Integer.toUnsignedString(wide ? high : high >>> 24),
                    wide ? "X2APIC ID" : "APIC ID"));
  }

  private static String vectors(DeviceState.LocalApic a, int at) {
    StringBuilder b = new StringBuilder();
    for (int i = 0; i < 256; i++) {
      b.append((a.at(at + (i >> 5) * 16) >> (i & 31) & 1) != 0 ? " " + i : "");
    }
    return b.isEmpty() ? " (none)" : b.toString();
  }

  private static void irq(Call c) throws Refusal {
    c.words().end();
    Map<Long, Long> counts = new TreeMap<>();
    for (Event e : c.control().events().last(Integer.MAX_VALUE, Event.Injected.class::isInstance)) {
      counts.merge(((Event.Injected) e).event() & 0xFF, 1L, Long::sum);
    }
    c.line("IRQ statistics for the vectors that were injected lately:");
    counts.forEach((vector, n) -> c.line("%2d: %d", vector, n));
  }
}
