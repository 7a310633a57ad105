package dev.vesper.machine;

import dev.vesper.machine.assembly.Assembly;
import dev.vesper.machine.assembly.GuestLoader;
import dev.vesper.machine.boot.FirmwareImage;
import dev.vesper.machine.boot.LoadedGuest;
import dev.vesper.machine.launch.GuestPolicy;
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

/**
 * What a launch with some options encrypts and measures, in the order of the commands, without a
 * machine: what an owner can compute beforehand.
 *
 * @param policy of LAUNCH_START
 * @param items in order
 */
public record LaunchPlan(GuestPolicy policy, List<Item> items) {
  /** What the data is called that holds the hashes of what firmware is handed. */
  public static final String HASHES = FirmwareImage.HASHES;

  /** A piece of what is measured. */
  public sealed interface Item {
    /** {@return the bytes that enter the digest} */
    byte[] bytes();
  }

  /**
   * Part of LAUNCH_UPDATE_DATA: at most a page of guest memory.
   *
   * @param what lies there
   * @param address guest physical
   */
  public record Data(String what, long address, byte[] bytes) implements Item {}

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
  public static LaunchPlan of(MachineSpec o) throws BootException {
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
      for (long at = r.address(); at < r.address() + r.length(); ) {
        int n = (int) Math.min(Page.SIZE - (at & 0xFFF), r.address() + r.length() - at);
        byte[] b = new byte[n];
        view.read(at, b, 0, n);
        items.add(new Data(r.what(), at, b));
        at += n;
      }
    }
    if (o.mode() == SevMode.ES) {
      for (int i = 0; i < o.processors(); i++) {
        items.add(new Vmsa(i, g.stateOf(i).bytes()));
      }
    }
    return new LaunchPlan(policyOf(o), items);
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

  /** {@return the launch digest: SHA-256 of all items} */
  public byte[] digest() {
    MessageDigest d = sha256();
    items.forEach(i -> d.update(i.bytes()));
    return d.digest();
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
