package dev.vesper.machine;

import dev.vesper.machine.assembly.Assembly;
import dev.vesper.machine.assembly.GuestLoader;
import dev.vesper.machine.boot.FirmwareImage;
import dev.vesper.machine.boot.LoadedGuest;
import dev.vesper.machine.launch.GuestPolicy;
import dev.vesper.machine.launch.SnpDigest;
import dev.vesper.machine.launch.SnpPageType;
import dev.vesper.machine.launch.VmplPermissions;
import dev.vesper.machine.memory.HostView;
import dev.vesper.machine.memory.Page;
import dev.vesper.machine.memory.PhysicalMemory;
import dev.vesper.machine.model.CpuModel;
import dev.vesper.machine.sev.VmsaFields;
import dev.vesper.machine.spec.BootException;
import dev.vesper.machine.spec.MachineSpec;
import dev.vesper.machine.spec.SevMode;
import dev.vesper.machine.vmm.Profile;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/**
 * What a launch with some options encrypts and measures, in the order of the commands, without a
 * machine: what an owner can compute beforehand.
 *
 * @param policy of LAUNCH_START; that of SNP_LAUNCH_START is {@link MachineSpec#snp()}'s
 * @param snp the digest from which a launch under SEV-SNP goes on, zeros for a whole one; null for
 *     the SHA-256 of other launches
 * @param items in order
 */
public record LaunchPlan(GuestPolicy policy, byte @Nullable [] snp, List<Item> items) {
  /** What the data is called that holds the hashes of what firmware is handed. */
  public static final String HASHES = FirmwareImage.HASHES;

  /** A piece of what is measured. */
  public sealed interface Item {
    /** {@return the bytes that enter the digest} */
    byte[] bytes();
  }

  /**
   * Part of LAUNCH_UPDATE_DATA or SNP_LAUNCH_UPDATE: at most a page of guest memory, or any number
   * of pages of which the contents are not measured.
   *
   * @param what lies there
   * @param address guest physical
   * @param bytes what is measured, empty if only the place is
   * @param length in bytes
   * @param type of the pages under SEV-SNP
   */
  public record Data(String what, long address, byte[] bytes, long length, SnpPageType type)
      implements Item {}

  /** LAUNCH_UPDATE_VMSA: the registers of a vCPU. */
  public record Vmsa(int vcpu, byte[] bytes) implements Item {
    /**
     * {@return the fields of the save area that are not zero by their names in the AMD manual, in
     * the order of their offsets; what has no name is called by its offset}
     */
    public Map<String, Long> fields() {
      return VmsaFields.of(bytes);
    }
  }

  /**
   * Plans a launch.
   *
   * @throws BootException if the image cannot be loaded
   * @throws IllegalArgumentException if the options make no machine, or one without SEV
   */
  public static LaunchPlan of(MachineSpec spec) throws BootException {
    MachineSpec o = IgvmImage.settled(spec);
    if (o.mode() == SevMode.OFF) {
      throw new IllegalArgumentException("a guest without SEV has no measurement");
    }
    Profile profile = Profile.named(o.profile());
    Assembly.check(o, profile);
    MachineSpec.Firmware f = o.boot().firmware();
    HostView view =
        new PhysicalMemory(GuestLoader.ram(o, profile), f == null ? 0 : Assembly.BELOW_4G, 0)
            .hostView();
    LoadedGuest g = GuestLoader.load(o, profile, CpuModel.named(o.cpuModel()), view);
    List<Item> items = new ArrayList<>();
    for (LoadedGuest.Range r : g.ranges()) {
      if (!r.type().measured()) {
        items.add(new Data(r.what(), r.address(), new byte[0], r.length(), r.type()));
        continue;
      }
      for (long at = r.address(); at < r.address() + r.length(); ) {
        int n = (int) Math.min(Page.SIZE - (at & 0xFFF), r.address() + r.length() - at);
        byte[] b = new byte[n];
        view.read(at, b, 0, n);
        items.add(new Data(r.what(), at, b, n, r.type()));
        at += n;
      }
    }
    if (o.mode().encryptsState()) {
      for (int i = 0; i < o.processors(); i++) {
        if (g.addsArea(i)) {
          items.add(new Vmsa(i, g.stateOf(i).bytes()));
        }
      }
    }
    return new LaunchPlan(
        policyOf(o), o.mode() == SevMode.SNP ? new byte[SnpDigest.BYTES] : null, items);
  }

  /**
   * {@return the policy of LAUNCH_START: what the options ask for, or else what the profile's
   * launcher gives}
   *
   * @throws IllegalArgumentException if there is no such profile
   */
  public static GuestPolicy policyOf(MachineSpec o) {
    GuestPolicy asked = o.launch().policy();
    return asked != null ? asked : new GuestPolicy(Profile.named(o.profile()).policy(o.mode()));
  }

  /**
   * {@return the plan of a launch under SEV-SNP whose firmware is known by the digest that it comes
   * to}
   *
   * @param digest 48 bytes
   */
  public LaunchPlan afterFirmware(byte[] digest) {
    return new LaunchPlan(
        policy,
        digest,
        items.stream()
            .filter(i -> !(i instanceof Data d && d.what().equals(FirmwareImage.FIRMWARE)))
            .toList());
  }

  /** {@return the plan of the firmware alone, whose digest {@link #afterFirmware} takes} */
  public LaunchPlan firmware() {
    return new LaunchPlan(
        policy,
        snp,
        items.stream()
            .filter(i -> i instanceof Data d && d.what().equals(FirmwareImage.FIRMWARE))
            .toList());
  }

  /** {@return the launch digest of all items} */
  public byte[] digest() {
    Digest d = start();
    items.forEach(d::add);
    return d.value();
  }

  /** {@return the digest of no items yet} */
  public Digest start() {
    byte[] chain = snp;
    return chain == null ? new Whole() : new Chain(new SnpDigest(chain));
  }

  /** A launch digest in the making. */
  public interface Digest {
    /** Adds what is measured next. */
    void add(Item item);

    /** {@return the digest so far} */
    byte[] value();

    /** {@return the hash of what is measured of an item, empty if only its place is} */
    byte[] contents(Item item);
  }

  /** SHA-256 of everything. */
  private static final class Whole implements Digest {
    private final MessageDigest all = sha256();

    @Override
    public void add(Item item) {
      all.update(item.bytes());
    }

    @Override
    public byte[] value() {
      try {
        return ((MessageDigest) all.clone()).digest();
      } catch (CloneNotSupportedException e) {
        throw new IllegalStateException("this Java runtime's SHA-256 cannot be copied", e);
      }
    }

    @Override
    public byte[] contents(Item item) {
      return sha256().digest(item.bytes());
    }
  }

  /** The chain of pages of SEV-SNP. */
  private record Chain(SnpDigest all) implements Digest {
    @Override
    public void add(Item item) {
      switch (item) {
        case Data d -> {
          for (long at = 0; at < d.length(); at += Page.SIZE) {
            all.add(d.type(), d.address() + at, VmplPermissions.NONE, d.bytes());
          }
        }
        case Vmsa v ->
            all.add(SnpPageType.VMSA, SnpDigest.VMSA_ADDRESS, VmplPermissions.NONE, v.bytes());
      }
    }

    @Override
    public byte[] value() {
      return all.value();
    }

    @Override
    public byte[] contents(Item item) {
      return switch (item) {
        case Data d -> d.type().measured() ? SnpDigest.hash(d.type(), d.bytes()) : new byte[0];
        case Vmsa v -> SnpDigest.hash(SnpPageType.VMSA, v.bytes());
      };
    }
  }

  /** {@return a SHA-256 that is empty} */
  public static MessageDigest sha256() {
    try {
      return MessageDigest.getInstance("SHA-256");
    } catch (NoSuchAlgorithmException e) {
      throw new IllegalStateException("this Java runtime has no SHA-256", e);
    }
  }
}
