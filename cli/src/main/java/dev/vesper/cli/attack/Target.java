package dev.vesper.cli.attack;

import dev.vesper.guest.Locore;
import dev.vesper.machine.spec.Hardware;
import dev.vesper.machine.spec.MachineSpec;
import dev.vesper.machine.spec.SevMode;
import java.nio.charset.StandardCharsets;

/**
 * A guest that is attacked.
 *
 * @param name for people
 * @param kind what is known of its inside
 * @param spec the machine that it runs in, whose ports lead nowhere
 * @param most instructions after which a run has told enough
 */
public record Target(String name, Kind kind, MachineSpec spec, long most) {
  /** What an attack may take for granted. */
  public enum Kind {
    /** The reference guest, or a variant of it: its places have the reference guest's names. */
    LOCORE,
    /** Linux: its places have the names of its own table. */
    LINUX,
    /** Anything else. */
    OTHER
  }

  /** Instructions after which a run of a guest of one's own has told enough. */
  public static final long MOST_OF_A_KERNEL = 6_000_000_000L;

  private static final long MEMORY = 64L << 20;
  private static final int LINUX_MAGIC_AT = 0x202;
  private static final long MOST = 20_000_000;

  /** {@return the reference guest} */
  public static Target locore(SevMode mode) {
    return locore("locore", mode, "kvm", Locore.image());
  }

  /**
   * {@return a variant of the reference guest}
   *
   * @param profile of the hypervisor
   */
  public static Target locore(String name, SevMode mode, String profile, byte[] image) {
    MachineSpec.Builder b =
        MachineSpec.builder(mode, image, c -> {})
            .memoryBytes(MEMORY)
            .profile(profile)
            .cpuModel(mode == SevMode.SNP ? "EPYC-Milan" : "vesper-min,+xsave");
    if (profile.equals("kvm")) {
      b.board(Hardware.Board.PC);
    }
    return new Target(name, Kind.LOCORE, b.build(), MOST);
  }

  /**
   * {@return a guest of a user's}
   *
   * @param reference it is the reference guest
   */
  public static Target of(String name, MachineSpec spec, boolean reference, long most) {
    if (reference) {
      return new Target(name, Kind.LOCORE, spec, MOST);
    }
    boolean linux = isLinux(spec.boot().image());
    return new Target(name, linux ? Kind.LINUX : Kind.OTHER, spec, most);
  }

  /** {@return whether an image is a bzImage} */
  private static boolean isLinux(byte[] image) {
    return image.length > LINUX_MAGIC_AT + 4
        && new String(image, LINUX_MAGIC_AT, 4, StandardCharsets.ISO_8859_1).equals("HdrS");
  }
}
