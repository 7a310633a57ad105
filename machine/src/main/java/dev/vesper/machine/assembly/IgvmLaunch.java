package dev.vesper.machine.assembly;

import dev.vesper.ghcb.HvFeatures;
import dev.vesper.machine.igvm.IgvmFile;
import dev.vesper.machine.igvm.IgvmHeader;
import dev.vesper.machine.igvm.IgvmPlatform;
import dev.vesper.machine.launch.IdBlock;
import dev.vesper.machine.launch.SnpPolicy;
import dev.vesper.machine.memory.Page;
import dev.vesper.machine.sev.VmsaField;
import dev.vesper.machine.spec.BootException;
import dev.vesper.machine.spec.MachineSpec;
import dev.vesper.machine.spec.SevMode;
import dev.vesper.machine.spec.SnpHost;
import dev.vesper.machine.spec.SnpLaunch;
import java.util.Arrays;
import org.jspecify.annotations.Nullable;

/**
 * What an IGVM file says of a launch under SEV-SNP, in the place of what is else said of it: the
 * policy, SEV_FEATURES, the ID block, and that the guest has more levels than one.
 */
public final class IgvmLaunch {
  private IgvmLaunch() {}

  /**
   * {@return a machine's description with what its IGVM file says; the same if it has none}
   *
   * @throws BootException if the file is damaged, not for such a guest, or contradicts what was
   *     said
   */
  public static MachineSpec settled(MachineSpec o) throws BootException {
    MachineSpec.Firmware f = o.boot().firmware();
    if (f == null || o.mode() != SevMode.SNP || !IgvmFile.isOne(f.code())) {
      return o;
    }
    IgvmFile file = IgvmFile.parse(f.code());
    IgvmHeader.Platform p = file.platform(IgvmPlatform.SEV_SNP);
    SnpLaunch l = o.snp();
    IgvmHeader.@Nullable SnpIdBlock id = null;
    for (IgvmHeader h : file.headers()) {
      if ((h.mask() & p.mask()) == 0) {
        continue;
      }
      switch (h) {
        case IgvmHeader.Policy policy -> {
          SnpPolicy own = new SnpPolicy(policy.bits());
          require(l.policy(), SnpPolicy.DEFAULT, own, "policy", "--policy");
          l = l.withPolicy(own);
        }
        case IgvmHeader.VpContext c when c.processor() == 0 -> {
          byte[] area = file.data("registers of processor 0", c.offset(), Page.SIZE);
          long own = (long) Page.LONG.get(area, VmsaField.SEV_FEATURES.offset);
          require(
              "0x" + Long.toHexString(l.features()),
              "0x" + Long.toHexString(SnpLaunch.SNP_ACTIVE),
              "0x" + Long.toHexString(own),
              "SEV_FEATURES",
              "--guest-features");
          if ((own & SnpLaunch.SNP_ACTIVE) == 0) {
            throw new BootException(
                "the IGVM file starts processor 0 with SEV_FEATURES 0x"
                    + Long.toHexString(own)
                    + ": bit 0 (SNPActive) is always set");
          }
          l = l.withFeatures(own);
        }
        case IgvmHeader.SnpIdBlock b -> id = b;
        default -> {
          // Of what is loaded.
        }
      }
    }
    if (id != null) {
      l = identified(l, id);
    }
    if (p.vtl() > 0) {
      SnpHost h = l.host();
      l = l.withHost(h.offering(h.features() | HvFeatures.MULTI_VMPL));
    }
    return o.toBuilder().snp(l).build();
  }

  private static SnpLaunch identified(SnpLaunch l, IgvmHeader.SnpIdBlock id) throws BootException {
    IdBlock b = id.block();
    IdBlock whole =
        new IdBlock(b.digest(), b.familyId(), b.imageId(), b.version(), b.guestSvn(), l.policy());
    IdBlock said = l.idBlock();
    if (said != null && !Arrays.equals(said.encode(), whole.encode())) {
      throw new BootException("the IGVM file has an ID block of its own: leave --id-block out");
    }
    return l.withIdBlock(whole, id.authentication(), id.authorKey());
  }

  /** What was said must be what is meant when nothing is said, or what the file says. */
  private static void require(Object said, Object unsaid, Object own, String what, String option)
      throws BootException {
    if (!said.equals(unsaid) && !said.equals(own)) {
      throw new BootException(
          "the IGVM file has " + what + " " + own + ", not " + said + ": leave " + option + " out");
    }
  }
}
