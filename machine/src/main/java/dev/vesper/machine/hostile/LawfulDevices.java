package dev.vesper.machine.hostile;

import dev.vesper.machine.host.HostPlatform;

/** Does what lawful actions say to devices and to other processors. */
final class LawfulDevices {
  private final HostPlatform platform;
  private final HostKnowledge knowledge;

  LawfulDevices(HostPlatform platform, HostKnowledge knowledge) {
    this.platform = platform;
    this.knowledge = knowledge;
  }

  /** Does it: see {@link LawfulHost#perform}. */
  String perform(LawfulAction.OnDevice a, Moment m) {
    return switch (a) {
      case LawfulAction.PortAnswer p -> {
        long v = knowledge.value(p.value(), m);
        platform.answerPort(p.port(), v);
        yield "port " + LawfulHost.hex(p.port()) + " reads " + LawfulHost.hex(v);
      }
      case LawfulAction.CmosAnswer c -> {
        int v = (int) knowledge.value(c.value(), m) & 0xFF;
        platform.answerCmos(c.index(), v);
        yield "CMOS " + LawfulHost.hex(c.index()) + " reads " + LawfulHost.hex(v);
      }
      case LawfulAction.UsedElement u -> used(u, m);
      case LawfulAction.UsedDescriptor d -> {
        long value = knowledge.value(d.value(), m);
        platform.descriptor(d.times(), d.field(), value);
        yield "the next "
            + d.times()
            + " descriptors used have "
            + d.field().word()
            + " "
            + LawfulHost.hex(value & -1L >>> 64 - 8 * d.field().bytes());
      }
      case LawfulAction.MmioAnswer x -> {
        long v = knowledge.value(x.value(), m);
        platform.answerMmio(x.gpa(), v);
        yield "device memory at " + LawfulHost.hex(x.gpa()) + " reads " + LawfulHost.hex(v);
      }
      case LawfulAction.PortWrite p -> {
        int v = (int) knowledge.value(p.value(), m);
        platform.writePort(p.port(), p.bytes(), v);
        yield "port " + LawfulHost.hex(p.port()) + " written " + LawfulHost.hex(v & 0xFFFF_FFFFL);
      }
      case LawfulAction.FwCfgFile f ->
          platform.file(f.name(), f.offset(), f.bytes().bytes())
              ? "fw_cfg " + f.name() + " changed at " + LawfulHost.hex(f.offset())
              : "fw_cfg has no file " + f.name() + " with bytes there";
      case LawfulAction.Sipi s ->
          platform.startup(s.vcpu(), s.vector())
              ? "SIPI to vCPU " + s.vcpu()
              : "there is no vCPU " + s.vcpu();
      case LawfulAction.SkipWake s -> {
        platform.skipStartups(s.vcpu(), s.times());
        yield "the next " + s.times() + " SIPIs to vCPU " + s.vcpu() + " are passed over";
      }
    };
  }

  private String used(LawfulAction.UsedElement u, Moment m) {
    HostValue id = u.id();
    HostValue length = u.length();
    long otherId = id == null ? -1 : knowledge.value(id, m) & 0xFFFF_FFFFL;
    long otherLength = length == null ? -1 : knowledge.value(length, m) & 0xFFFF_FFFFL;
    platform.used(u.times(), otherId, otherLength);
    return "the next "
        + u.times()
        + " used elements have "
        + (id == null ? "their id" : "id " + LawfulHost.hex(otherId))
        + " and "
        + (length == null ? "their length" : "length " + LawfulHost.hex(otherLength));
  }
}
