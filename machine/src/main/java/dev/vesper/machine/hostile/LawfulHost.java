package dev.vesper.machine.hostile;

import dev.vesper.ghcb.GhcbField;
import dev.vesper.ghcb.GhcbPage;
import dev.vesper.machine.host.Exit;
import dev.vesper.machine.host.HostMemory;
import dev.vesper.machine.host.HypervisorProgram;
import dev.vesper.machine.host.NestedPaging;
import dev.vesper.machine.host.VmcbView;
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

  LawfulHost(HypervisorProgram program, HostKnowledge knowledge, CpuidLies cpuid, TscLies tsc) {
    this.program = program;
    this.knowledge = knowledge;
    this.cpuid = cpuid;
    this.tsc = tsc;
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
      case LawfulAction.Inject i -> inject(i, m);
      case LawfulAction.DropEvent d -> drop(exit.vmcb());
      case LawfulAction.Permit p -> permit(p, places.applyAsLong(p.page()));
      case LawfulAction.MapTo t -> map(value(t.gpa(), m), value(t.to(), m));
      case LawfulAction.Swap s -> swap(value(s.one(), m), value(s.other(), m));
      case LawfulAction.Capture c -> capture(c, m);
      case LawfulAction.Replay r -> {
        byte[] bytes = knowledge.bytes(r.name());
        yield bytes.length == 0
            ? "replay: nothing was captured as " + r.name() + " yet"
            : write("replay " + r.name(), exit.memory(), value(r.gpa(), m), bytes);
      }
      case LawfulAction.WriteCiphertext x ->
          write("write", exit.memory(), value(x.gpa(), m), x.bytes().bytes());
      case LawfulAction.PokeShared p -> poke(p, m);
      case LawfulAction.AnswerField f -> answer(f, m);
      case LawfulAction.AnswerInvalid f -> invalidate(f.field(), m);
      case LawfulAction.Unanswered u -> "unanswered";
      case LawfulAction.MsrAnswer x -> respond(value(x.value(), m), m);
      case LawfulAction.CpuidAnswer c -> cpuid.add(c, v -> value(v, m));
      case LawfulAction.Tsc t -> tsc.change(t, exit);
      case LawfulAction.PortAnswer p -> {
        long v = value(p.value(), m);
        program.platform().answerPort(p.port(), v);
        yield "port " + hex(p.port()) + " reads " + hex(v);
      }
      case LawfulAction.CmosAnswer c -> {
        int v = (int) value(c.value(), m) & 0xFF;
        program.platform().answerCmos(c.index(), v);
        yield "CMOS " + hex(c.index()) + " reads " + hex(v);
      }
      case LawfulAction.UsedElement u -> used(u, m);
      case LawfulAction.MmioAnswer x -> {
        long v = value(x.value(), m);
        program.platform().answerMmio(x.gpa(), v);
        yield "device memory at " + hex(x.gpa()) + " reads " + hex(v);
      }
      case LawfulAction.PortWrite p -> {
        int v = (int) value(p.value(), m);
        program.platform().writePort(p.port(), p.bytes(), v);
        yield "port " + hex(p.port()) + " written " + hex(v & 0xFFFF_FFFFL);
      }
      case LawfulAction.FwCfgFile f ->
          program.platform().file(f.name(), f.offset(), f.bytes().bytes())
              ? "fw_cfg " + f.name() + " changed at " + hex(f.offset())
              : "fw_cfg has no file " + f.name() + " with bytes there";
      case LawfulAction.Assign x -> {
        long page = value(x.page(), m);
        HostValue gpa = x.gpa();
        yield program.platform().assign(page, gpa == null ? -1 : value(gpa, m))
            + " of "
            + hex(page);
      }
      case LawfulAction.Sipi s ->
          program.platform().startup(s.vcpu(), s.vector())
              ? "SIPI to vCPU " + s.vcpu()
              : "there is no vCPU " + s.vcpu();
      case LawfulAction.SkipWake s -> {
        program.platform().skipStartups(s.vcpu(), s.times());
        yield "the next " + s.times() + " SIPIs to vCPU " + s.vcpu() + " are passed over";
      }
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

  private String permit(LawfulAction.Permit p, long gpa) {
    if (gpa < 0) {
      return "the page is not mapped";
    }
    program.nested().set(gpa, p.mapping());
    return "nested page " + hex(gpa & -PAGE) + " " + p.mapping();
  }

  private String map(long gpa, long to) {
    try {
      program.nested().map(gpa, to);
    } catch (IndexOutOfBoundsException e) {
      return String.valueOf(e.getMessage());
    }
    return "nested page " + hex(gpa & -PAGE) + " is " + hex(to & -PAGE);
  }

  private String swap(long one, long other) {
    NestedPaging n = program.nested();
    long first = n.backing(one);
    long second = n.backing(other);
    return map(one, second) + ", " + map(other, first);
  }

  private String capture(LawfulAction.Capture c, Moment m) {
    long at = value(c.gpa(), m);
    HostMemory memory = m.exit().memory();
    if (!memory.contains(at, c.length())) {
      return nothingAt(at);
    }
    knowledge.keep(c.name(), memory.bytes(at, c.length()));
    return c.length() + " bytes at " + hex(at) + " are " + c.name();
  }

  private static String nothingAt(long at) {
    return "there is no guest memory at " + hex(at);
  }

  private static String write(String how, HostMemory memory, long at, byte[] bytes) {
    if (!memory.contains(at, bytes.length)) {
      return nothingAt(at);
    }
    memory.write(at, bytes, 0, bytes.length);
    return how + ", " + bytes.length + " bytes at " + hex(at);
  }

  private String poke(LawfulAction.PokeShared p, Moment m) {
    long at = value(p.gpa(), m);
    HostMemory memory = m.exit().memory();
    if (!memory.contains(at, p.bytes())) {
      return nothingAt(at);
    }
    long v = value(p.value(), m);
    memory.write(at, p.bytes(), v);
    return hex(v) + " at " + hex(at);
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

  private String used(LawfulAction.UsedElement u, Moment m) {
    HostValue id = u.id();
    HostValue length = u.length();
    long otherId = id == null ? -1 : value(id, m) & 0xFFFF_FFFFL;
    long otherLength = length == null ? -1 : value(length, m) & 0xFFFF_FFFFL;
    program.platform().used(u.times(), otherId, otherLength);
    return "the next "
        + u.times()
        + " used elements have "
        + (id == null ? "their id" : "id " + hex(otherId))
        + " and "
        + (length == null ? "their length" : "length " + hex(otherLength));
  }

  private String runTwice(Exit exit) {
    long area = exit.vmcb().get(VMSA_PTR) & -PAGE;
    HostMemory memory = exit.memory();
    byte[] before = memory.bytes(area, PAGE);
    program.next(exit.vcpu(), next -> next.memory().write(area, before, 0, PAGE));
    return "the save area at " + hex(area) + " will be what it is now";
  }
}
