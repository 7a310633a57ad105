package dev.vesper.machine.hostile;

import dev.vesper.ghcb.GhcbField;
import dev.vesper.ghcb.GhcbPage;
import dev.vesper.machine.host.Exit;
import dev.vesper.machine.host.HostMemory;
import dev.vesper.machine.host.HypervisorProgram;
import dev.vesper.machine.host.VmcbView;
import java.util.function.Consumer;
import java.util.function.ToLongFunction;

/**
 * Does what lawful actions say, with what a host has: an exit, memory on the bus, nested paging,
 * devices. Neither observers nor silicon are within its reach.
 */
final class LawfulHost {
  private static final int PAGE = 4096;
  private static final int EXITINTINFO = 0x088;
  private static final int EVENTINJ = 0x0A8;
  private static final int VMSA_PTR = 0x108;
  private static final long VALID = 1L << 31;
  private static final int STATUS = 6;

  private final HypervisorProgram program;
  private final HostKnowledge knowledge;
  private final CpuidLies cpuid;
  private final TscLies tsc;
  private final LawfulMemory memory;
  private final LawfulDevices devices;

  LawfulHost(HypervisorProgram program, HostKnowledge knowledge, CpuidLies cpuid, TscLies tsc) {
    this.program = program;
    this.knowledge = knowledge;
    this.cpuid = cpuid;
    this.tsc = tsc;
    memory = new LawfulMemory(program, knowledge);
    devices = new LawfulDevices(program.platform(), knowledge);
  }

  /**
   * Does it.
   *
   * @param places guest physical addresses of places, -1 for what is not mapped
   * @return what was done, or why it was not, in words
   */
  String perform(LawfulAction a, Moment m, ToLongFunction<Place> places) {
    Exit exit = m.exit();
    return switch (a) {
      case LawfulAction.OnMemory o -> memory.perform(o, m, places);
      case LawfulAction.OnAnswer o -> perform(o, m);
      case LawfulAction.OnDevice o -> devices.perform(o, m);
      case LawfulAction.Inject i -> inject(i, m);
      case LawfulAction.DropEvent d -> drop(exit.vmcb());
      case LawfulAction.Tsc t -> tsc.change(t, exit);
      case LawfulAction.RunTwice r -> runTwice(exit);
      case LawfulAction.Delay d -> {
        exit.delay(d.nanos());
        yield d.nanos() + " ns later";
      }
      case LawfulAction.Let l -> {
        long v = value(l.value(), m);
        knowledge.keep(l.name(), v);
        yield l.name() + " = " + hex(v);
      }
      case LawfulAction.Goto g -> "state " + g.state();
      case LawfulAction.End e -> {
        exit.end(STATUS, e.reason());
        yield "the guest is given up";
      }
    };
  }

  private String perform(LawfulAction.OnAnswer a, Moment m) {
    return switch (a) {
      case LawfulAction.AnswerField f -> answer(f, m);
      case LawfulAction.AnswerInvalid f -> invalidate(f.field(), m);
      case LawfulAction.Unanswered u -> "unanswered";
      case LawfulAction.MsrAnswer x -> respond(value(x.value(), m), m);
      case LawfulAction.CpuidAnswer c -> cpuid.add(c, v -> value(v, m));
    };
  }

  private long value(HostValue v, Moment m) {
    return knowledge.value(v, m);
  }

  static String hex(long v) {
    return "0x" + Long.toHexString(v);
  }

  private String inject(LawfulAction.Inject i, Moment m) {
    HostValue error = i.error();
    long code = error == null ? 0 : value(error, m);
    long event = i.vector() | (long) i.type().code << 8 | (error == null ? 0 : 0x800 | code << 32);
    m.exit().inject(event);
    return "EVENTINJ " + hex(event | VALID);
  }

  private static String drop(VmcbView b) {
    long lost = b.get(EXITINTINFO);
    long next = b.get(EVENTINJ);
    b.set(EXITINTINFO, lost & ~VALID);
    b.set(EVENTINJ, next & ~VALID);
    long dropped = (lost & VALID) != 0 ? lost : next;
    return (dropped & VALID) == 0 ? "no event to drop" : "event " + hex(dropped) + " dropped";
  }

  private String answer(LawfulAction.AnswerField f, Moment m) {
    Exit.Event e = m.event();
    if (e == null) {
      return "no request";
    }
    long v = value(f.value(), m);
    if (f.valid()) {
      e.set(f.field(), v);
    } else {
      e.put(f.field(), v);
    }
    return f.field() + " = " + hex(v);
  }

  private static String invalidate(GhcbField f, Moment m) {
    Exit.Event e = m.event();
    if (e == null) {
      return "no request";
    }
    long at = e.ghcb() + GhcbPage.VALID_BITMAP + f.bit() / 8;
    e.memory().write(at, 1, e.memory().read(at, 1) & ~(1L << f.bit() % 8));
    return f + " not valid";
  }

  private static String respond(long v, Moment m) {
    Exit.Msr e = m.msr();
    if (e == null) {
      return "no request";
    }
    e.respond(v);
    return "GHCB MSR = " + hex(v);
  }

  /** A save area is what it was. */
  private record Again(long area, byte[] bytes) implements Consumer<Exit.Appointment> {
    @Override
    public void accept(Exit.Appointment exit) {
      exit.memory().write(area, bytes, 0, PAGE);
    }
  }

  private String runTwice(Exit exit) {
    long area = exit.vmcb().get(VMSA_PTR) & -PAGE;
    HostMemory memory = exit.memory();
    byte[] before = memory.bytes(area, PAGE);
    program.next(exit.vcpu(), new Again(area, before));
    return "the save area at " + hex(area) + " will be what it is now";
  }
}
