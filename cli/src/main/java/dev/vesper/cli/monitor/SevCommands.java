package dev.vesper.cli.monitor;

import dev.vesper.ghcb.ExitCode;
import dev.vesper.ghcb.GhcbPage;
import dev.vesper.machine.Machine;
import dev.vesper.machine.Observer;
import dev.vesper.machine.VcpuView;
import dev.vesper.machine.host.GuestRam;
import dev.vesper.machine.launch.ApiVersion;
import dev.vesper.machine.launch.Measurement;
import dev.vesper.machine.observe.RmpMap;
import dev.vesper.machine.spec.SevMode;
import java.util.List;

/** Commands about what protects the guest: launch, VMCB, save area, GHCB and pages. */
final class SevCommands {
  static final List<Command> ALL =
      List.of(
          Command.of("sev|info sev", "", "show SEV information", SevCommands::sev),
          Command.of("vmcb", "[cpu]", "show a vCPU's VMCB, the control area", SevCommands::vmcb),
          Command.of(
              "vmsa", "[cpu]", "show a vCPU's encrypted save area in plaintext", SevCommands::vmsa),
          Command.of(
              "ghcb", "[cpu]", "show a vCPU's GHCB as it is, or its GHCB MSR", SevCommands::ghcb),
          Command.of("pages", "", "show which memory is private", SevCommands::pages),
          Command.of(
              "page-state",
              "address",
              "show how the page of a linear address is mapped, and how it was touched last",
              SevCommands::pageState));

  private static final int MOST_AREAS = 10_000;
  private static final int ASID = 0x58;
  private static final int EXITCODE = 0x70;

  /** Fields of the control area by their offsets (AMD APM volume 2, table B-1). */
  private static final Object[][] VMCB = {
    {0x000, "intercepts CR, DR"},
    {0x008, "intercepts exceptions, 3"},
    {0x010, "intercepts 4, 5"},
    {0x040, "IOPM_BASE_PA"},
    {0x048, "MSRPM_BASE_PA"},
    {0x050, "TSC_OFFSET"},
    {ASID, "ASID, TLB_CONTROL"},
    {0x060, "V_INTR"},
    {0x068, "INTERRUPT_SHADOW"},
    {EXITCODE, "EXITCODE"},
    {0x078, "EXITINFO1"},
    {0x080, "EXITINFO2"},
    {0x088, "EXITINTINFO"},
    {0x090, "NP, SEV, SEV-ES enable"},
    {0x0A0, "GHCB_GPA"},
    {0x0A8, "EVENTINJ"},
    {0x0B0, "N_CR3"},
    {0x0B8, "LBR, VMSAVE virtualization"},
    {0x0C0, "VMCB_CLEAN"},
    {0x0C8, "nRIP"},
    {0x108, "VMSA_PTR"},
    {0x110, "VMGEXIT_RAX"},
    {0x118, "VMGEXIT_CPL"},
    {0x138, "ALLOWED_SEV_FEATURES"},
    {0x140, "GUEST_SEV_FEATURES"},
  };

  private SevCommands() {}

  private static void sev(Call c) throws Refusal {
    c.words().end();
    Machine m = c.machine();
    if (m.spec().mode() == SevMode.OFF) {
      c.line("SEV is not enabled");
      return;
    }
    boolean snp = m.spec().mode() == SevMode.SNP;
    c.line("SEV type: " + (snp ? "sev-snp" : m.spec().mode() == SevMode.ES ? "sev-es" : "sev"));
    c.line("handle: " + m.handle());
    c.line("state: " + state(m));
    c.line("build: " + ApiVersion.CURRENT.build());
    c.line("api version: " + ApiVersion.CURRENT.major() + "." + ApiVersion.CURRENT.minor());
    if (!snp) {
      c.line("debug: " + ((m.policyBits() & 1) == 0 ? "on" : "off"));
      c.line("key-sharing: " + ((m.policyBits() & 2) == 0 ? "on" : "off"));
    }
    c.line("policy: 0x%x (%s)", m.policyBits(), m.policy());
    c.line("ASID: " + (m.observer().vcpu(0).vmcb(ASID) & 0xFFFF_FFFFL));
    c.line("C-bit: " + m.cBit());
    c.line("SEV_STATUS: 0x%x", c.vcpu().sevStatus());
    c.line("launch digest: " + m.launchDigest());
    Measurement s = m.measurement();
    if (s != null) {
      c.line("measurement: " + s);
    }
  }

  /** {@return the state of a launched guest in QEMU's words} */
  static String state(Machine m) {
    return m.isLaunchOpen() ? "launch-secret" : "running";
  }

  private static void vmcb(Call c) throws Refusal {
    VcpuView v = c.vcpuOrOwn();
    c.words().end();
    c.line("VMCB of CPU#%d%s", v.id(), inside(v));
    for (Object[] f : VMCB) {
      long value = v.vmcb((int) f[0]);
      String name = (int) f[0] == EXITCODE ? " " + ExitCode.name((int) value) : "";
      c.line("  %03x %-28s %016x%s", f[0], f[1], value, name);
    }
  }

  private static String inside(VcpuView v) {
    return v.inside() ? ": it is inside VMRUN, this is what was there at the entry" : "";
  }

  private static void vmsa(Call c) throws Refusal {
    VcpuView v = c.vcpuOrOwn();
    c.words().end();
    if (!c.machine().spec().mode().encryptsState()) {
      throw new Refusal("the guest's registers are not encrypted: --sev es and snp have a VMSA");
    }
    c.line("VMSA of CPU#%d%s", v.id(), inside(v));
    v.saveArea().forEach((name, value) -> c.line("  %-24s %016x", name, value));
  }

  private static void ghcb(Call c) throws Refusal {
    VcpuView v = c.vcpuOrOwn();
    c.words().end();
    if (!c.machine().spec().mode().encryptsState()) {
      throw new Refusal("there is no GHCB: --sev es and snp have one");
    }
    long msr = v.ghcbMsr();
    c.line("GHCB MSR of CPU#%d: 0x%x", v.id(), msr);
    if (msr == 0) {
      c.line("it has not been set");
      return;
    }
    long gpa = msr & -GhcbPage.SIZE;
    if ((msr & GhcbPage.SIZE - 1) != 0) {
      c.line("a message of the MSR protocol, not a page");
      return;
    }
    if (!c.machine().hostView().contains(gpa, GhcbPage.SIZE)) {
      c.line("no page of guest memory");
      return;
    }
    if (c.machine().observer().isPrivate(gpa)) {
      c.line("the page is private: a host could not read it");
      return;
    }
    GhcbPage p = new GhcbPage(c.machine().observer().readBus(gpa, GhcbPage.SIZE));
    c.line("  protocol version %d, usage %d", p.protocolVersion(), p.usage());
    p.values()
        .forEach(
            (f, value) ->
                c.line("  %-14s %016x%s", f, value, p.isValid(f) ? "" : " (not marked valid)"));
  }

  private static void pages(Call c) throws Refusal {
    c.words().end();
    Machine m = c.machine();
    if (m.spec().mode() == SevMode.OFF) {
      throw new Refusal("all memory is shared: the guest runs without SEV");
    }
    RmpMap rmp = m.memoryMap();
    if (!rmp.isEmpty()) {
      c.say(rmp.text(MOST_AREAS));
      return;
    }
    GuestRam ram = m.hostView().ram();
    areas(c, m.observer(), 0, ram.below4G());
    areas(c, m.observer(), GuestRam.FOUR_GIB, ram.above4G());
  }

  private static void pageState(Call c) throws Refusal {
    VcpuView v = c.vcpu();
    long linear = c.words().number(v);
    c.words().end();
    long gpa = v.physical(linear);
    if (gpa < 0) {
      c.line("Unmapped");
      return;
    }
    Machine m = c.machine();
    String mapped = "gpa 0x%x mapped %s".formatted(gpa, word(v.mapsPrivate(linear)));
    if (!m.hostView().contains(gpa, 1)) {
      c.line(mapped + ", no memory");
      return;
    }
    RmpMap all = m.memoryMap();
    String table = all.isEmpty() ? "" : ", table: " + words(all, gpa / GhcbPage.SIZE);
    c.line(mapped + ", touched " + word(m.observer().isPrivate(gpa)) + table);
  }

  private static String words(RmpMap all, long frame) {
    return all.areas().stream()
        .filter(a -> a.span().first() <= frame && frame < a.span().end())
        .map(RmpMap.Area::words)
        .findFirst()
        .orElse("shared");
  }

  private static String word(boolean isPrivate) {
    return isPrivate ? "private" : "shared";
  }

  private static void areas(Call c, Observer o, long from, long bytes) {
    long start = from;
    long end = from + bytes;
    for (long at = from; at < end && !c.isFull(); ) {
      boolean is = o.isPrivate(at);
      while (at < end && o.isPrivate(at) == is) {
        at += GhcbPage.SIZE;
      }
      long pages = (at - start) / GhcbPage.SIZE;
      c.line("  %016x-%016x %8d pages  %s", start, at - 1, pages, is ? "private" : "shared");
      start = at;
    }
  }
}
