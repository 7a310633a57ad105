package dev.vesper.machine;

import dev.vesper.machine.assembly.IgvmLaunch;
import dev.vesper.machine.igvm.IgvmFile;
import dev.vesper.machine.igvm.IgvmListing;
import dev.vesper.machine.spec.BootException;
import dev.vesper.machine.spec.MachineSpec;
import java.util.List;

/**
 * IGVM files, in which a paravisor or firmware says itself how it is launched. A machine takes one
 * as its {@linkplain MachineSpec.Firmware firmware}.
 */
public final class IgvmImage {
  private IgvmImage() {}

  /** {@return whether bytes begin as such a file does} */
  public static boolean isOne(byte[] file) {
    return IgvmFile.isOne(file);
  }

  /**
   * {@return what a file says, a line for each header or for pages that follow each other}
   *
   * @throws BootException if it is damaged
   */
  public static List<String> describe(byte[] file) throws BootException {
    return IgvmListing.of(IgvmFile.parse(file));
  }

  /**
   * {@return a machine's description with what its IGVM file says of a launch under SEV-SNP, which
   * is its policy, SEV_FEATURES, ID block and levels; the same if it has no such file}
   *
   * @throws BootException if the file is damaged, not for such a guest, or contradicts what was
   *     said
   */
  public static MachineSpec settled(MachineSpec o) throws BootException {
    return IgvmLaunch.settled(o);
  }
}
