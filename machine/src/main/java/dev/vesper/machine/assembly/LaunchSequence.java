package dev.vesper.machine.assembly;

import dev.vesper.machine.boot.FirmwareTable;
import dev.vesper.machine.boot.LoadedGuest;
import dev.vesper.machine.hostile.Trigger;
import dev.vesper.machine.launch.GuestPolicy;
import dev.vesper.machine.launch.LaunchSecret;
import dev.vesper.machine.launch.Measurement;
import dev.vesper.machine.sev.EncryptedVcpu;
import dev.vesper.machine.sev.PlainVcpu;
import dev.vesper.machine.sev.SecureProcessor;
import dev.vesper.machine.sev.VirtualCpu;
import dev.vesper.machine.sev.Vmcb;
import dev.vesper.machine.spec.MachineSpec;
import dev.vesper.machine.spec.SevMode;
import java.util.List;
import java.util.function.Consumer;
import org.jspecify.annotations.Nullable;

/** The launch of an assembled guest, as the profile's tools ask the secure processor for it. */
public final class LaunchSequence {
  private final Assembly parts;
  private final SecureProcessor processor;
  private int handle;
  private GuestPolicy policy = new GuestPolicy(0);
  private @Nullable Measurement measurement;
  private @Nullable SnpLaunchSequence snp;
  private final Consumer<Trigger.Step> steps;

  /**
   * Launches the guest.
   *
   * @param told of each step that the launch has come to
   * @throws dev.vesper.machine.launch.CommandFailed if the secure processor refuses a command
   * @throws IllegalArgumentException if a secret has no place
   */
  public LaunchSequence(Assembly parts, MachineSpec o, Consumer<Trigger.Step> told) {
    this.parts = parts;
    steps = told;
    told.accept(Trigger.Step.LOADED);
    processor = new SecureProcessor(parts.memory, parts.key, o.seed());
    if (o.mode() == SevMode.SNP) {
      snp = SnpLaunchSequence.launch(parts, o);
    } else {
      launch(o);
    }
    if (o.mode().encryptsState() && parts.guest.apsParked()) {
      for (int i = 1; i < o.processors(); i++) {
        parts.host.startedByFirmware(i);
      }
    }
    if (!isOpen()) {
      told.accept(Trigger.Step.FINISHED);
    } else if (!o.holdsLaunch()) {
      finish();
    }
  }

  /** {@return whether the guest is launched but for LAUNCH_FINISH, so that it may have secrets} */
  public boolean isOpen() {
    return processor.state(handle) == SecureProcessor.State.LSECRET;
  }

  /** Finishes the launch, if that is still to be done: the guest may run. */
  public void finish() {
    if (!isOpen()) {
      return;
    }
    processor.launchFinish(handle);
    if (parts.profile.isVmd()) {
      processor.guestStatus(handle);
    }
    steps.accept(Trigger.Step.FINISHED);
  }

  /**
   * LAUNCH_SECRET of a launch that is still open.
   *
   * @param address guest physical, a multiple of 16
   * @throws dev.vesper.machine.launch.CommandFailed if the secure processor refuses it
   */
  public void inject(LaunchSecret packet, long address) {
    processor.launchSecret(handle, packet, address);
  }

  /** {@return the secure processor} */
  public SecureProcessor processor() {
    return processor;
  }

  /** {@return the commands of the launch that succeeded, in order} */
  public List<String> commands() {
    SnpLaunchSequence s = snp;
    return s == null ? processor.commands() : s.commands();
  }

  /** {@return the launch digest in hex, empty without SEV} */
  public String digest() {
    SnpLaunchSequence s = snp;
    return s == null ? processor.digest(handle) : s.digest();
  }

  /** {@return the pages of an SNP launch at their places in system memory, in order} */
  public List<LoadedGuest.Range> pages() {
    SnpLaunchSequence s = snp;
    return s == null ? List.of() : s.pages();
  }

  /** {@return the policy, in words} */
  public String policyText() {
    SnpLaunchSequence s = snp;
    return s == null ? policy.toString() : s.policy().toString();
  }

  /** {@return the policy as its bits} */
  public long policyBits() {
    SnpLaunchSequence s = snp;
    return s == null ? policy.bits() : s.policy().bits();
  }

  /** {@return the guest's handle} */
  public int handle() {
    return handle;
  }

  /** {@return what LAUNCH_MEASURE returned, or null without SEV} */
  public @Nullable Measurement measurement() {
    return measurement;
  }

  /** The secure processor's commands in the profile's order. */
  private void launch(MachineSpec o) {
    SevMode mode = o.mode();
    List<VirtualCpu> vcpus = parts.vcpus;
    LoadedGuest guest = parts.guest;
    if (mode == SevMode.OFF) {
      for (int i = 0; i < vcpus.size(); i++) {
        if (vcpus.get(i) instanceof PlainVcpu p) {
          SecureProcessor.launchPlain(p, guest.stateOf(i));
        }
      }
      return;
    }
    boolean vmd = parts.profile.isVmd();
    MachineSpec.Launch l = o.launch();
    policy = l.policy() != null ? l.policy() : new GuestPolicy(parts.profile.policy(mode));
    int asid = mode.encryptsState() ? SecureProcessor.FIRST_ES_ASID : SecureProcessor.MIN_SEV_ASID;
    vcpus.forEach(v -> v.vmcb().set(Vmcb.ASID, asid));
    processor.init();
    MachineSpec.Session owner = l.owner();
    handle =
        owner == null
            ? processor.launchStart(policy)
            : processor.launchStart(policy, owner.certificate(), owner.session());
    if (vmd) {
      processor.guestStatus(handle);
    }
    processor.dfFlush();
    processor.activate(handle, asid);
    if (vmd) {
      processor.guestStatus(handle);
    }
    for (LoadedGuest.Range r : guest.ranges()) {
      processor.launchUpdateData(handle, r.address(), r.length());
    }
    for (int i = 0; i < vcpus.size(); i++) {
      switch (vcpus.get(i)) {
        case EncryptedVcpu e -> processor.launchUpdateVmsa(handle, e, guest.stateOf(i));
        case PlainVcpu p -> SecureProcessor.launchPlain(p, guest.stateOf(i));
      }
    }
    Measurement m = processor.launchMeasure(handle);
    measurement = m;
    steps.accept(Trigger.Step.MEASURED);
    LaunchSecret secret = l.secret().answer(m);
    if (secret != null) {
      processor.launchSecret(handle, secret, secretArea(o, secret));
    }
  }

  /** {@return where firmware wants secrets, or null if there is none that says so} */
  public static FirmwareTable.@Nullable Area secretArea(MachineSpec o) {
    MachineSpec.Firmware f = o.boot().firmware();
    return f == null ? null : new FirmwareTable(f.code()).secrets();
  }

  /** {@return where a secret goes: into the guest's memory and nowhere else} */
  private long secretArea(MachineSpec o, LaunchSecret secret) {
    FirmwareTable.Area a = secretArea(o);
    if (a == null) {
      throw new IllegalArgumentException(
          "there is no place for a launch secret: it takes firmware that publishes one, as OVMF"
              + " does");
    }
    if (secret.payload().length > a.length()) {
      throw new IllegalArgumentException(
          "the launch secret has "
              + secret.payload().length
              + " bytes, the firmware has room for "
              + a.length());
    }
    if ((a.address() & 15) != 0
        || !parts.memory.hostView().contains(a.address(), secret.payload().length)) {
      throw new IllegalArgumentException(
          "the firmware wants the launch secret at 0x"
              + Long.toHexString(a.address())
              + ", which are no blocks of 16 bytes of this guest's memory: give it more with -m, or"
              + " take other firmware");
    }
    return a.address();
  }
}
