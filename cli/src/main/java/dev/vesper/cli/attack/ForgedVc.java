package dev.vesper.cli.attack;

import dev.vesper.ghcb.ExitCode;
import dev.vesper.ghcb.GhcbField;
import dev.vesper.ghcb.GhcbPage;
import dev.vesper.machine.Machine;
import dev.vesper.machine.Until;
import dev.vesper.machine.VcpuView;
import dev.vesper.machine.host.Exit;
import dev.vesper.machine.observe.Event;
import dev.vesper.machine.observe.Registers;
import dev.vesper.machine.spec.Outcome;
import java.util.ArrayList;
import java.util.EnumMap;
import java.util.List;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/**
 * A host injects #VC with an error code that it makes up: WeSee. What proves it is where the
 * interrupted code goes on and with what registers, and what the handler sends meanwhile.
 */
final class ForgedVc {
  /** Vector 29, an exception with an error code. */
  static final long EVENT = 29 | 3 << 8 | 0x800;

  /** What the host answers where the handler takes a register from it. */
  static final long LIE = 0x5A5A_5A5A_5A5A_5A5AL;

  private static final List<GhcbField> ANSWERED =
      List.of(GhcbField.RAX, GhcbField.RBX, GhcbField.RCX, GhcbField.RDX);

  private static final long ENOUGH = 3_000_000;

  private final AttackRun run;
  private final long at;
  private final int code;
  private boolean armed;
  private long forged;
  private long latest;
  private final Map<GhcbField, Long> sent = new EnumMap<>(GhcbField.class);
  private Event.@Nullable VcReturned returned;

  /**
   * @param at instructions before which it is injected
   * @param code its error code
   */
  ForgedVc(AttackRun run, long at, int code) {
    this.run = run;
    this.at = at;
    this.code = code;
  }

  /** {@return the attack at a place} */
  static Verdict at(AttackRun run, Place place, int code) {
    long n = place.find(run);
    return n < 0
        ? Verdict.notApplicable("nothing is known of " + place + " in this guest")
        : new ForgedVc(run, n, code).judge();
  }

  private void observe(Trial t) {
    t.on(
        Event.VcRaised.class,
        e -> {
          latest = e.vc();
          if (armed && forged == 0 && e.exit() == code) {
            forged = e.vc();
          }
        });
    t.on(
        Event.VcReturned.class,
        e -> {
          if (forged != 0 && e.vc() == forged) {
            returned = e;
          }
        });
    t.machine()
        .hypervisor()
        .onEvents(
            (exit, profile) -> {
              if (forged == 0 || latest != forged) {
                profile.run();
                return;
              }
              for (GhcbField f : ANSWERED) {
                if (isValid(exit, f) && returned == null) {
                  sent.putIfAbsent(f, exit.request(f));
                }
                exit.set(f, LIE);
              }
              exit.set(GhcbField.SW_EXITINFO1, 0);
              exit.set(GhcbField.SW_EXITINFO2, 0);
            });
  }

  /** Carries it out; {@return what it has come to} */
  Verdict judge() {
    try (Trial t = run.trialAt(at)) {
      Machine m = t.machine();
      observe(t);
      m.hypervisor()
          .at(
              at,
              host -> {
                armed = true;
                host.inject(EVENT | Integer.toUnsignedLong(code) << 32);
              });
      m.run(Until.instructions(at));
      VcpuView v = m.observer().current();
      long rip = v.rip();
      String instruction = v.instruction();
      String place = m.codeName(v);
      Registers before = v.registers();
      m.run(
          Until.event(Event.VcReturned.class, e -> forged != 0 && e.vc() == forged)
              .or(Until.instructions(at + ENOUGH)));
      List<String> proof = new ArrayList<>();
      proof.add("injected before '" + instruction + "' at " + Event.hex(rip) + " <" + place + ">");
      List<String> leaked = leaked(before);
      if (!leaked.isEmpty()) {
        proof.add("the host was sent " + String.join(", ", leaked));
      }
      if (returned != null) {
        return moved(v, rip, before, proof);
      }
      if (!leaked.isEmpty()) {
        return new Verdict.Vulnerable(
            "sends the host " + names(leaked) + ", then does not return", proof);
      }
      Outcome o = t.run();
      String ending = t.ending(o);
      return new Verdict.Defended(
          ending != null ? ending : "does not return to the code that was interrupted", proof);
    }
  }

  private Verdict moved(VcpuView v, long rip, Registers before, List<String> proof) {
    Registers after = v.registers();
    List<String> done = new ArrayList<>();
    if (v.rip() != rip) {
      done.add("skips bytes of code");
      proof.add("code goes on at " + Event.hex(v.rip()) + " with '" + v.instruction() + "'");
    }
    if (!after.equals(before)) {
      done.add("takes registers from the host");
      proof.add(Judge.registers(before) + " became " + Judge.registers(after));
    }
    List<String> leaked = leaked(before);
    if (!leaked.isEmpty()) {
      done.add("sends the host " + names(leaked));
    }
    return done.isEmpty()
        ? new Verdict.Defended("goes on as if nothing had come", proof)
        : new Verdict.Vulnerable(String.join(", ", done), proof);
  }

  private static boolean isValid(Exit.Event exit, GhcbField f) {
    long bits = exit.memory().read(exit.ghcb() + GhcbPage.VALID_BITMAP + f.bit() / 8, 1);
    return (bits >>> f.bit() % 8 & 1) != 0;
  }

  /** {@return registers of the interrupted code that the handler has sent} */
  private List<String> leaked(Registers before) {
    if (code == ExitCode.IOIO) {
      return List.of();
    }
    List<String> all = new ArrayList<>();
    leaked(all, GhcbField.RAX, before.rax());
    leaked(all, GhcbField.RCX, before.rcx());
    leaked(all, GhcbField.RDX, before.rdx());
    leaked(all, GhcbField.RBX, before.rbx());
    return all;
  }

  private void leaked(List<String> to, GhcbField f, long value) {
    Long is = sent.get(f);
    if (is != null && (is == value || is == (value & 0xFFFF_FFFFL))) {
      to.add(f + " " + Event.hex(is));
    }
  }

  private static String names(List<String> leaked) {
    return String.join(", ", leaked.stream().map(s -> s.substring(0, s.indexOf(' '))).toList());
  }
}
