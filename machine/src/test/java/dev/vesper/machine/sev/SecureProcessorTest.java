package dev.vesper.machine.sev;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.vesper.machine.cpu.Cpu;
import dev.vesper.machine.cpu.CpuFeatures;
import dev.vesper.machine.cpu.NestedMap;
import dev.vesper.machine.cpu.interp.Interpreter;
import dev.vesper.machine.launch.CommandFailed;
import dev.vesper.machine.launch.GuestPolicy;
import dev.vesper.machine.launch.LaunchSecret;
import dev.vesper.machine.launch.Owner;
import dev.vesper.machine.launch.PlatformKeys;
import dev.vesper.machine.launch.SevCertificate;
import dev.vesper.machine.launch.SevStatus;
import dev.vesper.machine.memory.PhysicalMemory;
import java.util.Arrays;
import java.util.List;
import java.util.Set;
import org.assertj.core.api.ThrowableAssert.ThrowingCallable;
import org.junit.jupiter.api.Test;

/** Every wrong order of commands, and what policies forbid. */
final class SecureProcessorTest {
  private static final GuestPolicy PLAIN = new GuestPolicy(0);

  private final PhysicalMemory memory = new PhysicalMemory(1 << 20, 4);
  private final SecureProcessor p = new SecureProcessor(memory, memory.createKey(1), 1);

  private static void fails(SevStatus status, ThrowingCallable command) {
    assertThatThrownBy(command)
        .isInstanceOfSatisfying(CommandFailed.class, e -> assertThat(e.status()).isEqualTo(status));
  }

  private int started(int policy) {
    p.init();
    return p.launchStart(new GuestPolicy(policy));
  }

  private int active() {
    int h = started(0);
    p.dfFlush();
    p.activate(h, 16);
    return h;
  }

  @Test
  void nothingWorksBeforeInit() {
    for (ThrowingCallable c :
        List.<ThrowingCallable>of(
            () -> p.launchStart(PLAIN),
            p::dfFlush,
            p::pdhCertExport,
            () -> p.activate(1, 16),
            () -> p.deactivate(1),
            () -> p.decommission(1),
            () -> p.guestStatus(1),
            () -> p.launchUpdateData(1, 0, 16),
            () -> p.launchMeasure(1),
            () -> p.launchFinish(1),
            () -> p.dbgDecrypt(1, 0, 16))) {
      fails(SevStatus.INVALID_PLATFORM_STATE, c);
    }
    assertThat(p.commands()).isEmpty();
    p.init();
    fails(SevStatus.INVALID_PLATFORM_STATE, p::init);
  }

  /** Behind the guest's memory lie VMCBs and save areas, which no command may touch. */
  @Test
  void thePagesOfTheHostAreNoMemoryOfAGuest() {
    int h = active();
    long end = 1 << 20;
    p.launchUpdateData(h, end - 16, 16);
    for (long at : new long[] {end, end - 16, end + 0x3FF0, -16}) {
      fails(SevStatus.INVALID_ADDRESS, () -> p.launchUpdateData(h, at, 32));
      fails(SevStatus.INVALID_ADDRESS, () -> p.dbgDecrypt(h, at, 32));
    }
  }

  @Test
  void platformStatesFollowTheGuests() {
    assertThat(p.platformStatus()).isEqualTo(SecureProcessor.PlatformState.UNINIT);
    int h = started(0);
    assertThat(p.platformStatus()).isEqualTo(SecureProcessor.PlatformState.WORKING);
    p.decommission(h);
    assertThat(p.platformStatus()).isEqualTo(SecureProcessor.PlatformState.INIT);
    p.shutdown();
    assertThat(p.platformStatus()).isEqualTo(SecureProcessor.PlatformState.UNINIT);
  }

  @Test
  void anUnknownGuestIsNamed() {
    p.init();
    for (ThrowingCallable c :
        List.<ThrowingCallable>of(
            () -> p.activate(9, 16),
            () -> p.deactivate(9),
            () -> p.decommission(9),
            () -> p.launchUpdateData(9, 0, 16),
            () -> p.launchMeasure(9),
            () -> p.launchFinish(9),
            () -> p.dbgDecrypt(9, 0, 16),
            () -> p.launchStartSharing(PLAIN, 9))) {
      fails(SevStatus.INVALID_GUEST, c);
    }
    assertThat(p.guestStatus(9).state()).isEqualTo(SecureProcessor.State.UNINIT);
  }

  @Test
  void guestStatesFollowTheLaunch() {
    int h = active();
    assertThat(p.guestStatus(h).state()).isEqualTo(SecureProcessor.State.LUPDATE);
    fails(SevStatus.INVALID_GUEST_STATE, () -> p.launchFinish(h));
    LaunchSecret any = new LaunchSecret(new byte[52], new byte[16]);
    fails(SevStatus.INVALID_GUEST_STATE, () -> p.launchSecret(h, any, 0));
    p.launchUpdateData(h, 0x1000, 4096);
    p.launchMeasure(h);
    assertThat(p.guestStatus(h).state()).isEqualTo(SecureProcessor.State.LSECRET);
    fails(SevStatus.INVALID_GUEST_STATE, () -> p.launchUpdateData(h, 0x2000, 4096));
    fails(SevStatus.INVALID_GUEST_STATE, () -> p.launchMeasure(h));
    p.launchFinish(h);
    assertThat(p.guestStatus(h).state()).isEqualTo(SecureProcessor.State.RUNNING);
    fails(SevStatus.INVALID_GUEST_STATE, () -> p.launchFinish(h));
    fails(SevStatus.INVALID_GUEST_STATE, () -> p.launchSecret(h, any, 0));
    fails(SevStatus.INVALID_GUEST_STATE, () -> p.launchUpdateData(h, 0x2000, 4096));
  }

  @Test
  void asidsAreFlushedBeforeUse() {
    int h = started(0);
    fails(SevStatus.DF_FLUSH_REQUIRED, () -> p.activate(h, 16));
    p.dfFlush();
    fails(SevStatus.INACTIVE, () -> p.launchUpdateData(h, 0, 16));
    fails(SevStatus.INACTIVE, () -> p.deactivate(h));
    p.activate(h, 16);
    fails(SevStatus.ACTIVE, () -> p.activate(h, 17));
    fails(SevStatus.ACTIVE, () -> p.decommission(h));
    int other = p.launchStart(PLAIN);
    fails(SevStatus.ASID_OWNED, () -> p.activate(other, 16));
    p.deactivate(h);
    fails(SevStatus.DF_FLUSH_REQUIRED, () -> p.activate(other, 16));
    fails(SevStatus.WBINVD_REQUIRED, p::dfFlush);
    p.wbinvd();
    p.dfFlush();
    p.activate(other, 16);
    assertThat(p.guestStatus(other).asid()).isEqualTo(16);
    p.decommission(h);
    fails(SevStatus.INVALID_GUEST, () -> p.deactivate(h));
  }

  @Test
  void asidsAreForOneKindOfGuest() {
    int plain = started(0);
    int es = p.launchStart(new GuestPolicy(GuestPolicy.ES));
    p.dfFlush();
    fails(SevStatus.INVALID_ASID, () -> p.activate(plain, 15));
    fails(SevStatus.INVALID_ASID, () -> p.activate(es, 16));
    fails(SevStatus.INVALID_ASID, () -> p.activate(es, 0));
    fails(SevStatus.INVALID_ASID, () -> p.activate(plain, 510));
    p.activate(plain, 509);
    p.activate(es, 15);
  }

  @Test
  void rangesAreBlocksOfMemory() {
    int h = active();
    fails(SevStatus.INVALID_ADDRESS, () -> p.launchUpdateData(h, 8, 16));
    fails(SevStatus.INVALID_ADDRESS, () -> p.launchUpdateData(h, 1L << 40, 16));
    fails(SevStatus.INVALID_ADDRESS, () -> p.launchUpdateData(h, (1 << 20) + 4 * 4096 - 16, 32));
    fails(SevStatus.INVALID_LENGTH, () -> p.launchUpdateData(h, 0, 0));
    fails(SevStatus.INVALID_LENGTH, () -> p.launchUpdateData(h, 0, 15));
  }

  @Test
  void policiesAreEnforced() {
    p.init();
    fails(SevStatus.INVALID_PARAM, () -> p.launchStart(new GuestPolicy(0x40)));
    fails(SevStatus.POLICY_FAILURE, () -> p.launchStart(new GuestPolicy(2 << 16)));
    int noks = p.launchStart(new GuestPolicy(GuestPolicy.NOKS));
    fails(
        SevStatus.POLICY_FAILURE,
        () -> p.launchStartSharing(new GuestPolicy(GuestPolicy.NOKS), noks));
    int open = p.launchStart(PLAIN);
    fails(SevStatus.POLICY_FAILURE, () -> p.launchStartSharing(new GuestPolicy(1), open));
    assertThat(p.launchStartSharing(PLAIN, open)).isNotEqualTo(open);
  }

  @Test
  void debuggingNeedsThePolicy() {
    memory.hostView().write(0x1000, new byte[] {1, 2, 3}, 0, 3);
    int h = active();
    p.launchUpdateData(h, 0x1000, 4096);
    byte[] bus = new byte[3];
    memory.hostView().read(0x1000, bus, 0, 3);
    assertThat(bus).isNotEqualTo(new byte[] {1, 2, 3});
    assertThat(Arrays.copyOf(p.dbgDecrypt(h, 0x1000, 16), 3)).containsExactly(1, 2, 3);
    fails(SevStatus.INVALID_LENGTH, () -> p.dbgDecrypt(h, 0x1000, 7));

    int closed = p.launchStart(new GuestPolicy(GuestPolicy.NODBG));
    p.activate(closed, 17);
    fails(SevStatus.POLICY_FAILURE, () -> p.dbgDecrypt(closed, 0x1000, 16));
  }

  @Test
  void onlyGuestsWithEncryptedStateHaveSaveAreas() {
    CpuFeatures features = new CpuFeatures(Set.of());
    Cpu cpu = new Cpu(memory, frame -> NestedMap.RAM, features, new Interpreter(features), 1);
    EncryptedVcpu vcpu = new EncryptedVcpu(cpu, memory, 1);
    int h = active();
    fails(SevStatus.POLICY_FAILURE, () -> p.launchUpdateVmsa(h, vcpu, new LaunchState()));
    int es = p.launchStart(new GuestPolicy(GuestPolicy.ES));
    fails(SevStatus.INACTIVE, () -> p.launchUpdateVmsa(es, vcpu, new LaunchState()));
    p.activate(es, 1);
    p.launchUpdateVmsa(es, vcpu, new LaunchState());
    assertThat(p.commands()).last().isEqualTo("LAUNCH_UPDATE_VMSA");
  }

  @Test
  void secretsOfTheOwnerArrive() {
    p.init();
    SevCertificate pdh =
        SevCertificate.parse(Arrays.copyOf(p.pdhCertExport(), SevCertificate.BYTES));
    Owner owner = Owner.seeded(pdh, PLAIN, 3);
    int h = p.launchStart(PLAIN, owner.certificate(), owner.session());
    p.dfFlush();
    p.activate(h, 16);
    p.launchUpdateData(h, 0, 4096);
    var m = p.launchMeasure(h);
    byte[] text =
        "a secret of the owner, 2 blocks.".getBytes(java.nio.charset.StandardCharsets.US_ASCII);
    LaunchSecret s = LaunchSecret.seal(owner.keys(), new byte[16], text, m);
    fails(SevStatus.INVALID_ADDRESS, () -> p.launchSecret(h, s, 0x1008));
    LaunchSecret forged = LaunchSecret.seal(owner.keys(), new byte[16], text, m);
    forged.payload()[0] ^= 1;
    fails(SevStatus.BAD_MEASUREMENT, () -> p.launchSecret(h, forged, 0x1000));
    p.launchSecret(h, s, 0x1FF0);
    assertThat(p.dbgDecrypt(h, 0x1FF0, 32)).isEqualTo(text);

    GuestPolicy other = new GuestPolicy(1);
    fails(
        SevStatus.BAD_MEASUREMENT,
        () -> p.launchStart(other, owner.certificate(), owner.session()));
    PlatformKeys elsewhere = new PlatformKeys(99);
    Owner stranger = Owner.seeded(elsewhere.certificate(), PLAIN, 3);
    fails(
        SevStatus.BAD_MEASUREMENT,
        () -> p.launchStart(PLAIN, stranger.certificate(), stranger.session()));
  }
}
