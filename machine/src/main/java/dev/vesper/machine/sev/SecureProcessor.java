package dev.vesper.machine.sev;

import dev.vesper.machine.memory.HostView;
import dev.vesper.machine.memory.Page;
import dev.vesper.machine.memory.PhysicalMemory;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
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
    if (state != s) {
      throw new IllegalStateException(command + " in guest state " + state + " instead of " + s);
    }
  }

  /** LAUNCH_START. */
  public void launchStart() {
    require(State.UNINIT, "LAUNCH_START");
    state = State.LUPDATE;
  }

  /**
   * LAUNCH_UPDATE_DATA: encrypts whole pages in place.
   *
   * @param address page-aligned
   * @param length a multiple of 16; the rest of the last page stays zero and is encrypted with it
   */
  public void launchUpdateData(long address, long length) {
    require(State.LUPDATE, "LAUNCH_UPDATE_DATA");
    if ((address & 0xFFF) != 0 || (length & 15) != 0) {
      throw new IllegalArgumentException("LAUNCH_UPDATE_DATA of an unaligned range");
    }
    HostView view = memory.hostView();
    byte[] b = new byte[Page.SIZE];
    for (long done = 0; done < length; done += Page.SIZE) {
      int n = (int) Math.min(Page.SIZE, length - done);
      view.read(address + done, b, 0, n);
      digest.update(b, 0, n);
      memory.encryptInPlace((int) (address + done >>> 12), key);
    }
  }

  /** LAUNCH_UPDATE_VMSA. */
  public void launchUpdateVmsa(EncryptedVcpu vcpu, LaunchState registers) {
    require(State.LUPDATE, "LAUNCH_UPDATE_VMSA");
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
