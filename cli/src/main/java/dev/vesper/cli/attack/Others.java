package dev.vesper.cli.attack;

import dev.vesper.ghcb.ExitCode;
import dev.vesper.ghcb.GhcbField;
import dev.vesper.machine.LaunchPlan;
import dev.vesper.machine.Machine;
import dev.vesper.machine.VcpuView;
import dev.vesper.machine.observe.Event;
import dev.vesper.machine.observe.check.Checker;
import dev.vesper.machine.observe.check.Finding;
import dev.vesper.machine.observe.check.Rule;
import dev.vesper.machine.spec.BootException;
import dev.vesper.machine.spec.Outcome;
import dev.vesper.machine.spec.SevMode;
import dev.vesper.x86.Msr;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;

/** Attacks that are of no larger kind. */
final class Others {
  private static final long PROTECTION = 13 | 3 << 8 | 0x800;
  private static final int MOST_STEPS = 200_000;
  private static final long GET = 1;
  private static final long PAGE = 4096;

  private Others() {}

  static List<Attack> all() {
    return List.of(
        Attack.lawful(
            "sev-status-fault",
            "#GP is injected where the guest asks its processor whether it is encrypted",
            "Project Oak 303d2e0b70",
            "early code reads SEV_STATUS",
            "pages that were private are touched as shared",
            Others::sevStatus),
        Attack.lawful(
            "ap-table-anywhere",
            "the AP jump table is said to lie in the kernel's own data",
            "GHCB standard, AP jump table; Linux, sev_es_setup_ap_jump_table",
            "the guest starts a second processor by the table",
            "the kernel's plaintext there is overwritten by the guest",
            Others::apTable),
        Attack.lawful(
            "double-fetch",
            "another processor or a device writes to the GHCB between two reads of a field",
            "CVE-2023-46813 and the like; rule double-fetch of 'vesper check'",
            "the guest makes requests in a GHCB",
            "a field of an answer is read twice and acted upon",
            Others::doubleFetch),
        Attack.lawful(
            "tsc-backwards",
            "RDTSC is intercepted, and time goes back",
            "Radev and Morbitzer, ROOTS 2020",
            "the guest reads the time-stamp counter by #VC",
            "the #VC of the RDTSC returns with the earlier time",
            Others::time),
        Attack.lawful(
            "launch-permuted",
            "two launched pages are given each other's addresses, in the same order",
            "undeSErVed trust, 2021, CVE-2021-26311",
            "two pages of different contents are launched",
            "the launch digest is the same",
            Others::permuted),
        pages("snp-take", "a private page is taken from the guest", "take"),
        pages("snp-remap", "a page is taken, gets its ciphertext back and is given again", "remap"),
        pages("snp-swap", "two private pages are given each other's places", "swap"),
        Attack.lawful(
            "psc-stuck",
            "a page state change has no error and no progress",
            "GHCB standard, page state change",
            "SEV-SNP",
            "the guest goes on to its untouched end",
            run -> states(run, "page-state-stuck")));
  }

  private static Attack pages(String name, String title, String action) {
    return Attack.lawful(
        name,
        title,
        "AMD APM volume 2, 15.36; SEVered and SEVurity under SEV-SNP",
        "SEV-SNP; an ordinary function of the kernel runs and uses its stack",
        "the guest goes on to its untouched end",
        run -> {
          BrokenMachines.Stack s = BrokenMachines.stack(run);
          if (s.instructions() < 0) {
            return Verdict.notApplicable("nothing is known of the kernel's places in this guest");
          }
          long page = s.gpa() & -PAGE;
          String other = action.equals("swap") ? ":0x" + Long.toHexString(page + PAGE) : "";
          return states(
              run, action + ":0x" + Long.toHexString(page) + other + "@" + s.instructions());
        });
  }

  private static Verdict states(AttackRun run, String fault) {
    if (run.target().spec().mode() != SevMode.SNP) {
      return Verdict.notApplicable("pages have no states without SEV-SNP");
    }
    try (Trial t = run.trial(b -> b.hostFaults(fault))) {
      Outcome o = t.run();
      String ending = t.ending(o);
      if (o.equals(run.untouched())) {
        return Verdict.vulnerable("does not notice", o.reason());
      }
      return Verdict.defended(ending != null ? ending : "does not go on", o.reason());
    }
  }

  private static Verdict permuted(AttackRun run) {
    LaunchPlan plan;
    try {
      plan = LaunchPlan.of(run.target().spec());
    } catch (BootException e) {
      throw new IllegalArgumentException(run.target().name() + ": " + e.getMessage(), e);
    }
    List<LaunchPlan.Item> items = new ArrayList<>(plan.items());
    for (int i = 0; i + 1 < items.size(); i++) {
      if (items.get(i) instanceof LaunchPlan.Data a
          && items.get(i + 1) instanceof LaunchPlan.Data b
          && a.bytes().length == PAGE
          && b.bytes().length == PAGE
          && !Arrays.equals(a.bytes(), b.bytes())) {
        items.set(i, at(a, b.address()));
        items.set(i + 1, at(b, a.address()));
        byte[] digest = new LaunchPlan(plan.policy(), plan.snp(), items).digest();
        String pages = Event.hex(a.address()) + " and " + Event.hex(b.address());
        return Arrays.equals(digest, plan.digest())
            ? Verdict.limit("has the digest of another program", Tampering.SNP, pages)
            : Verdict.defended("has another digest", pages);
      }
    }
    return Verdict.notApplicable("no two whole pages of different contents are launched");
  }

  private static LaunchPlan.Data at(LaunchPlan.Data d, long address) {
    return new LaunchPlan.Data(d.what(), address, d.bytes(), d.length(), d.type());
  }

  private static boolean asks(AttackRun run, Machine m) {
    VcpuView v = m.observer().vcpu(0);
    for (int i = 0; i < MOST_STEPS; i++) {
      if ((int) v.gpr(VcpuView.RCX) == Msr.SEV_STATUS && v.instruction().equals("rdmsr")) {
        return true;
      }
      m.step(0);
    }
    return false;
  }

  private static Verdict sevStatus(AttackRun run) {
    long n = run.instructionsAt("SEV_STATUS", Others::asks);
    if (n < 0) {
      return Verdict.notApplicable("early code does not read SEV_STATUS");
    }
    try (Trial t = run.trial()) {
      t.machine()
          .hypervisor()
          .at(
              n,
              exit -> {
                exit.inject(PROTECTION);
                t.lied(exit);
              });
      return Judge.unencrypted(run, t, t.run(), "the place is not reached");
    }
  }

  private static Verdict apTable(AttackRun run) {
    if (!run.target().spec().profile().equals("kvm")) {
      return Verdict.notApplicable("the profile has one processor");
    }
    try (Trial t = run.trial(b -> b.processors(2))) {
      Machine m = t.machine();
      byte[][] seen = new byte[2][];
      long[] at = {-1};
      m.hypervisor()
          .onEvent(
              ExitCode.AP_JUMP_TABLE,
              (exit, profile) -> {
                profile.run();
                if (exit.request(GhcbField.SW_EXITINFO1) == GET) {
                  // Some page that the kernel uses: that of its stack.
                  VcpuView v = m.observer().vcpu(exit.vcpu());
                  at[0] = v.physical(v.gpr(VcpuView.RSP)) & -PAGE;
                  if (!exit.memory().contains(at[0], PAGE)) {
                    return;
                  }
                  seen[0] = m.observer().readPrivate(at[0], 4);
                  exit.set(GhcbField.SW_EXITINFO2, at[0]);
                  t.lied(exit);
                  m.hypervisor()
                      .after(exit.vcpu(), 2_000, e -> seen[1] = m.observer().readPrivate(at[0], 4));
                }
              });
      Outcome o = t.run(false);
      if (t.lies() == 0) {
        return Verdict.notApplicable("the guest does not ask for the table");
      }
      String ending = t.ending(o);
      if (seen[1] != null && !Arrays.equals(seen[0], seen[1])) {
        return Verdict.vulnerable("overwrites its own memory where the host says", o.reason());
      }
      return Verdict.defended(ending != null ? ending : "does not write there", o.reason());
    }
  }

  private static Verdict doubleFetch(AttackRun run) {
    Checker checker = new Checker();
    try (Trial t = run.trial()) {
      t.machine().trace(checker, true);
      t.run();
      List<Finding> twice =
          checker.findings().stream().filter(f -> f.rule() == Rule.DOUBLE_FETCH).toList();
      return twice.isEmpty()
          ? Verdict.defended("reads each field of an answer once")
          : Verdict.vulnerable(
              "reads a field of an answer twice",
              twice.stream()
                  .map(f -> f.place() + ": " + f.message())
                  .limit(5)
                  .toArray(String[]::new));
    }
  }

  private static Verdict time(AttackRun run) {
    if (!run.target().spec().profile().equals("kvm")) {
      return Verdict.notApplicable("the profile's host does not serve RDTSC");
    }
    try (Trial t = run.trial(b -> b.intercepts("rdtsc"))) {
      int[] asked = new int[1];
      t.machine()
          .hypervisor()
          .onEvent(
              ExitCode.RDTSC,
              (exit, profile) -> {
                profile.run();
                if (asked[0]++ > 0 && t.lies() == 0) {
                  exit.set(GhcbField.RAX, 1);
                  exit.set(GhcbField.RDX, 0);
                  t.lied(exit);
                }
              });
      Outcome o = t.run();
      return Judge.believed(
          t,
          o,
          "the guest does not read the counter by #VC more than once",
          r -> r.registers().rax() == 1 && r.registers().rdx() == 0,
          "takes the earlier time");
    }
  }
}
