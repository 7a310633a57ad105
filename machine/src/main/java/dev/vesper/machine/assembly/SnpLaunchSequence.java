package dev.vesper.machine.assembly;

import dev.vesper.machine.boot.LoadedGuest;
import dev.vesper.machine.launch.CommandFailed;
import dev.vesper.machine.launch.CpuidPage;
import dev.vesper.machine.launch.SevFeature;
import dev.vesper.machine.launch.SnpPageType;
import dev.vesper.machine.launch.SnpPolicy;
import dev.vesper.machine.launch.SnpProduct;
import dev.vesper.machine.launch.VmplPermissions;
import dev.vesper.machine.memory.HostRmp;
import dev.vesper.machine.memory.HostView;
import dev.vesper.machine.memory.Page;
import dev.vesper.machine.memory.RmpEntry;
import dev.vesper.machine.memory.RmpResult;
import dev.vesper.machine.model.CpuModel;
import dev.vesper.machine.sev.EncryptedVcpu;
import dev.vesper.machine.sev.SecureProcessor;
import dev.vesper.machine.sev.SnpSecureProcessor;
import dev.vesper.machine.sev.Vmcb;
import dev.vesper.machine.spec.MachineSpec;
import dev.vesper.machine.spec.SnpLaunch;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Objects;

/**
 * The launch of a guest under SEV-SNP, in the order of KVM and QEMU (spec: snp 6.6): the image and
 * what it asks for, then a save area for each vCPU.
 */
final class SnpLaunchSequence {
  private static final int ASID = SecureProcessor.FIRST_ES_ASID;
  private static final int LARGE = 2 << 20;

  private final SnpSecureProcessor processor;
  private final long context;
  private final SnpPolicy policy;
  private final List<LoadedGuest.Range> pages;

  private SnpLaunchSequence(
      SnpSecureProcessor processor, long context, SnpPolicy policy, List<LoadedGuest.Range> pages) {
    this.pages = pages;
    this.processor = processor;
    this.context = context;
    this.policy = policy;
  }

  /**
   * Launches the guest.
   *
   * @throws CommandFailed if the secure processor refuses a command
   * @throws IllegalArgumentException if the processor lacks what SEV_FEATURES ask for
   */
  static SnpLaunchSequence launch(Assembly parts, MachineSpec o) {
    SnpLaunch l = o.snp();
    List<String> refused = SevFeature.refused(l.features());
    if (!refused.isEmpty()) {
      throw new IllegalArgumentException("SEV_FEATURES: " + String.join(", ", refused));
    }
    CpuModel model = CpuModel.named(o.cpuModel());
    CpuidPage.Host host =
        new CpuidPage.Host(model.leaf(1, 0).eax(), model.leaf(0x8000_0022, 0).ebx());
    SnpSecureProcessor p = new SnpSecureProcessor(parts.memory, o.seed(), host);
    HostView view = parts.memory.hostView();
    HostRmp rmp = Objects.requireNonNull(view.rmp());
    parts.vcpus.forEach(v -> v.vmcb().set(Vmcb.ASID, ASID));
    long context = (long) parts.memory.allocateHostPage() << 12;
    p.init();
    if (l.host().vlek()) {
      p.vlekLoad();
    }
    RmpResult given = rmp.update(context, RmpEntry.guest(0, 0).forFirmware());
    assert given == RmpResult.SUCCESS : given;
    p.contextCreate(context);
    p.launchStart(context, l.policy(), l.workarounds(), l.tscKilohertz());
    p.dfFlush();
    p.activate(context, ASID);
    byte[] cpuid = CpuidPage.encode(parts.host.cpuidPage());
    for (LoadedGuest.Range r : parts.guest.ranges()) {
      if (r.type() == SnpPageType.CPUID) {
        view.write(r.address(), cpuid, 0, cpuid.length);
      }
      long end = r.address() + r.length();
      for (long at = r.address(); at < end; ) {
        boolean large =
            l.host().largePages()
                && r.type().mayBeLarge()
                && (at & LARGE - 1) == 0
                && at + LARGE <= end;
        RmpEntry e = RmpEntry.guest(at, ASID).forFirmware();
        given = rmp.update(at, large ? e.ofTwoMebibytes() : e);
        assert given == RmpResult.SUCCESS : given;
        p.launchUpdate(context, at, large, r.type(), VmplPermissions.NONE);
        at += large ? LARGE : Page.SIZE;
      }
      p.note(r.address(), r.length(), r.type());
    }
    Map<Integer, Long> areas = parts.guest.areas();
    List<LoadedGuest.Range> pages = new ArrayList<>(parts.guest.ranges());
    for (int i = 0; i < parts.vcpus.size(); i++) {
      if (areas != null && !parts.guest.addsArea(i)) {
        Long at = areas.get(i);
        if (at != null) {
          parts.host.startsFrom(i, at);
        }
        continue;
      }
      long area = parts.vcpus.get(i).vmcb().get(Vmcb.VMSA_PTR);
      pages.add(new LoadedGuest.Range(area, Page.SIZE, "vCPU " + i, SnpPageType.VMSA));
      p.launchUpdateVmsa(context, (EncryptedVcpu) parts.vcpus.get(i), parts.guest.stateOf(i));
    }
    p.launchFinish(
        context,
        new SnpSecureProcessor.Finish(
            l.idBlock(), l.authentication(), l.authorKey(), l.vcekDisabled(), l.hostData()));
    parts.host.certificates(
        l.host().certificates().table(SnpProduct.of(host.signature()), o.seed(), l.host().vlek()));
    parts.host.guestRequests(new MessageBounce(p, context, parts.memory));
    return new SnpLaunchSequence(p, context, l.policy(), List.copyOf(pages));
  }

  List<String> commands() {
    return processor.commands();
  }

  String digest() {
    return processor.digest(context);
  }

  /** {@return what was launched, at its place in system memory, in order} */
  List<LoadedGuest.Range> pages() {
    return pages;
  }

  SnpPolicy policy() {
    return policy;
  }
}
