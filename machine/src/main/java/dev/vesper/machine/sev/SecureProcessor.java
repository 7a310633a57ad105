package dev.vesper.machine.sev;

import dev.vesper.machine.memory.HostView;
import dev.vesper.machine.memory.Page;
import dev.vesper.machine.memory.PhysicalMemory;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.util.ArrayList;
import java.util.List;
import org.jspecify.annotations.Nullable;

/**
 * The secure processor's part in a launch: it owns the guest's key, encrypts what the host hands it
 * and keeps the digest of it all (spec: launch, sections 2 and 3).
 */
public final class SecureProcessor {
  /** Guest states of the SEV API. */
  public enum State {
    UNINIT,
    LUPDATE,
    LSECRET,
    RUNNING
  }

  private final PhysicalMemory memory;
  private final int key;
  private State state = State.UNINIT;
  private final MessageDigest digest;
  private final List<String> commands = new ArrayList<>();
  private boolean initialised;
  private boolean flushed;
  private boolean activated;
  private byte @Nullable [] launchDigest;

  public SecureProcessor(PhysicalMemory memory, int key) {
    this.memory = memory;
    this.key = key;
    try {
      digest = MessageDigest.getInstance("SHA-256");
    } catch (NoSuchAlgorithmException e) {
      throw new IllegalStateException(e);
    }
  }

  private void require(State s, String command) {
    commands.add(command);
    if (state != s) {
      throw new IllegalStateException(command + " in guest state " + state + " instead of " + s);
    }
  }

  /** INIT of the platform. */
  public void init() {
    commands.add("INIT");
    initialised = true;
  }

  /**
   * LAUNCH_START.
   *
   * @param policy guest policy: 0 no debugging, 1 no key sharing, 2 SEV-ES, 3 no sending, 4 domain,
   *     5 SEV
   */
  public void launchStart(int policy) {
    require(State.UNINIT, "LAUNCH_START policy 0x" + Integer.toHexString(policy));
    if (!initialised) {
      throw new IllegalStateException("LAUNCH_START before INIT");
    }
    state = State.LUPDATE;
  }

  /** DF_FLUSH: must come before an ASID is used anew. */
  public void dfFlush() {
    commands.add("DF_FLUSH");
    flushed = true;
  }

  /** ACTIVATE: binds the key to an ASID. */
  public void activate(int asid) {
    require(State.LUPDATE, "ACTIVATE asid " + asid);
    if (!flushed) {
      throw new IllegalStateException("ACTIVATE without DF_FLUSH");
    }
    activated = true;
  }

  /** GUEST_STATUS. */
  public State guestStatus() {
    commands.add("GUEST_STATUS");
    return state;
  }

  /** {@return the commands so far, in order} */
  public List<String> commands() {
    return List.copyOf(commands);
  }

  private void requireActive(String command) {
    if (!activated) {
      throw new IllegalStateException(command + " of a guest without an ASID");
    }
  }

  /**
   * LAUNCH_UPDATE_DATA: encrypts a range in place.
   *
   * @param address a multiple of 16
   * @param length a multiple of 16; the rest of a page stays on the bus what it was, so that a
   *     private access reads it as noise
   */
  public void launchUpdateData(long address, long length) {
    require(
        State.LUPDATE,
        "LAUNCH_UPDATE_DATA 0x"
            + Long.toHexString(address)
            + " length 0x"
            + Long.toHexString(length));
    requireActive("LAUNCH_UPDATE_DATA");
    if ((address & 15) != 0 || (length & 15) != 0) {
      throw new IllegalArgumentException("LAUNCH_UPDATE_DATA of an unaligned range");
    }
    HostView view = memory.hostView();
    byte[] b = new byte[Page.SIZE];
    // One command a physical page, as the kernel drivers issue them.
    for (long at = address; at < address + length; ) {
      int in = (int) at & 0xFFF;
      int n = (int) Math.min(Page.SIZE - in, address + length - at);
      view.read(at, b, 0, n);
      digest.update(b, 0, n);
      int frame = (int) (at >>> 12);
      if (n == Page.SIZE && memory.domain(frame) == Page.SHARED) {
        memory.encryptInPlace(frame, key);
      } else {
        Page p = memory.page(frame, key);
        System.arraycopy(b, 0, p.data, in, n);
      }
      at += n;
    }
  }

  /** LAUNCH_UPDATE_VMSA. */
  public void launchUpdateVmsa(EncryptedVcpu vcpu, LaunchState registers) {
    require(State.LUPDATE, "LAUNCH_UPDATE_VMSA");
    requireActive("LAUNCH_UPDATE_VMSA");
    digest.update(registers.page);
    vcpu.launch(registers);
  }

  /** LAUNCH_MEASURE: no updates after it. */
  public byte[] launchMeasure() {
    require(State.LUPDATE, "LAUNCH_MEASURE");
    state = State.LSECRET;
    byte[] d = digest.digest();
    launchDigest = d;
    return d.clone();
  }

  /** LAUNCH_FINISH: the guest may run. */
  public void launchFinish() {
    require(State.LSECRET, "LAUNCH_FINISH");
    state = State.RUNNING;
  }

  /** Starts a guest that has no protected state. */
  public static void launchPlain(PlainVcpu vcpu, LaunchState registers) {
    vcpu.launch(registers);
  }

  /** {@return the SHA-256 of everything launched, once measured} */
  public byte @Nullable [] digest() {
    return launchDigest == null ? null : launchDigest.clone();
  }
}
