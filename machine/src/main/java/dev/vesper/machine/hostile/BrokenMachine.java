package dev.vesper.machine.hostile;

import dev.vesper.machine.host.Exit;
import dev.vesper.machine.host.HypervisorProgram;
import java.util.HashMap;
import java.util.Map;
import java.util.function.Consumer;
import java.util.function.ToLongFunction;

/** Does what silicon actions say. */
final class BrokenMachine {
  private static final String RSP = "rsp";

  private record Lines(long gpa, byte[] bytes) {}

  private final transient Silicon silicon;
  private final HypervisorProgram program;
  private final HostKnowledge knowledge;
  private final Map<String, Lines> written = new HashMap<>();

  /** The stack pointer goes back to where it was. */
  private record Back(BrokenMachine silicon, int vcpu, long by)
      implements Consumer<Exit.Appointment> {
    @Override
    public void accept(Exit.Appointment exit) {
      silicon.move(vcpu, by);
    }
  }

  BrokenMachine(Silicon silicon, HypervisorProgram program, HostKnowledge knowledge) {
    this.silicon = silicon;
    this.program = program;
    this.knowledge = knowledge;
  }

  /**
   * Does it.
   *
   * @param places guest physical addresses of places, -1 for what is not mapped
   * @return what was done, or why it was not, in words
   */
  String perform(SiliconAction a, Moment m, ToLongFunction<Place> places) {
    Exit exit = m.exit();
    return switch (a) {
      case SiliconAction.WriteBack w -> writeBack(w, exit, places.applyAsLong(w.where()));
      case SiliconAction.DropStores d -> {
        Lines l = written.get(d.since());
        if (l == null) {
          yield "nothing was written back as " + d.since() + " yet";
        }
        silicon.plaintext(l.gpa, l.bytes);
        yield "stores to " + l.bytes.length + " bytes at " + LawfulHost.hex(l.gpa) + " dropped";
      }
      case SiliconAction.MoveRsp r -> moveRsp(r, exit.vcpu());
      case SiliconAction.KeepTlb k -> {
        silicon.keepTranslations(k.on());
        yield k.on() ? "TLBs are not flushed" : "TLBs are flushed again";
      }
      case SiliconAction.AliasFrames f -> {
        if (!exit.memory().contains(f.page(), 1) || !exit.memory().contains(f.second(), 1)) {
          yield "there is no guest memory at one of the two";
        }
        silicon.alias(f.page(), f.second());
        yield LawfulHost.hex(f.second()) + " is " + LawfulHost.hex(f.page());
      }
      case SiliconAction.RmpEntry e ->
          silicon.moveEntry(e.page(), e.gpa())
              ? "the entry of " + LawfulHost.hex(e.page()) + " is for " + LawfulHost.hex(e.gpa())
              : "no guest has an entry for " + LawfulHost.hex(e.page());
      case SiliconAction.ConstantRandom c -> {
        long v = knowledge.value(c.number(), m);
        silicon.constantRandom(v);
        yield "RDRAND gives " + LawfulHost.hex(v);
      }
      case SiliconAction.SetRegister s -> {
        long v = knowledge.value(s.value(), m);
        silicon.register(exit.vcpu(), s.name(), v);
        yield s.name() + " = " + LawfulHost.hex(v);
      }
    };
  }

  private String writeBack(SiliconAction.WriteBack w, Exit exit, long gpa) {
    if (gpa < 0 || !exit.memory().contains(gpa, w.length())) {
      return "the place is not mapped to guest memory";
    }
    written.put(w.name(), new Lines(gpa, silicon.plaintext(gpa, w.length())));
    return w.length() + " bytes at " + LawfulHost.hex(gpa) + " written back";
  }

  private String moveRsp(SiliconAction.MoveRsp r, int vcpu) {
    move(vcpu, r.by());
    if (r.instructions() > 0) {
      program.after(vcpu, r.instructions(), new Back(this, vcpu, -r.by()));
    }
    return "RSP moved by " + r.by();
  }

  private void move(int vcpu, long by) {
    silicon.register(vcpu, RSP, silicon.register(vcpu, RSP) + by);
  }
}
