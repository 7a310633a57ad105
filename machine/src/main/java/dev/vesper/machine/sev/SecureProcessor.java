package dev.vesper.machine.sev;

import dev.vesper.machine.launch.ApiVersion;
import dev.vesper.machine.launch.CommandFailed;
import dev.vesper.machine.launch.GuestPolicy;
import dev.vesper.machine.launch.LaunchSecret;
import dev.vesper.machine.launch.LaunchSession;
import dev.vesper.machine.launch.Measurement;
import dev.vesper.machine.launch.PlatformKeys;
import dev.vesper.machine.launch.SeededBytes;
import dev.vesper.machine.launch.SessionKeys;
import dev.vesper.machine.launch.SevCertificate;
import dev.vesper.machine.launch.SevReport;
import dev.vesper.machine.launch.SevStatus;
import dev.vesper.machine.memory.HostView;
import dev.vesper.machine.memory.Page;
import dev.vesper.machine.memory.PhysicalMemory;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashMap;
import java.util.HexFormat;
import java.util.List;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/**
 * The secure processor: it owns the guests' keys, encrypts what the host hands it and keeps the
 * digest of it all (spec: launch, sections 1 to 3). Each command checks platform state, guest
 * handle, guest state and parameters in this order and throws {@link CommandFailed} with the status
 * that the command's buffer would carry; a command that fails changes nothing. No key leaves it.
 */
public final class SecureProcessor {
  /** Platform states of the SEV API. */
  public enum PlatformState {
    UNINIT,
    INIT,
    WORKING
  }

  /** Guest states of the SEV API. */
  public enum State {
    UNINIT,
    LUPDATE,
    LSECRET,
    RUNNING
  }

  /**
   * What GUEST_STATUS returns.
   *
   * @param asid 0 while the guest is not active
   */
  public record GuestStatus(State state, GuestPolicy policy, int asid) {}

  /** The least ASID, and the first of those for guests with encrypted state. */
  public static final int FIRST_ES_ASID = 1;

  /** ASIDs below this are for guests with encrypted state, the others for those without. */
  public static final int MIN_SEV_ASID = 16;

  /** The greatest ASID. */
  public static final int MAX_ASID = 509;

  private static final int MOST_GUESTS = 1024;
  private static final int NONCE_BYTES = 16;

  private static final class Guest {
    final GuestPolicy policy;
    final SessionKeys keys;
    final int memoryKey;
    final transient MessageDigest digest;
    State state = State.LUPDATE;
    int asid;
    byte @Nullable [] launchDigest;
    @Nullable Measurement measurement;

    Guest(GuestPolicy policy, SessionKeys keys, int memoryKey, MessageDigest digest) {
      this.policy = policy;
      this.keys = keys;
      this.memoryKey = memoryKey;
      this.digest = digest;
    }
  }

  private enum Asid {
    CLEAN,
    USED,
    NEEDS_WBINVD,
    NEEDS_FLUSH
  }

  private final PhysicalMemory memory;
  private final int key;
  private final long seed;
  private final List<String> commands = new ArrayList<>();
  private final Map<Integer, Guest> guests = new HashMap<>();
  private final Asid[] asids = new Asid[MAX_ASID + 1];
  private @Nullable PlatformKeys identity;
  private PlatformState platform = PlatformState.UNINIT;
  private int lastHandle;

  /**
   * @param key the encryption domain of guests
   * @param seed decides the platform's keys and what it draws at random
   */
  public SecureProcessor(PhysicalMemory memory, int key, long seed) {
    this.memory = memory;
    this.key = key;
    this.seed = seed;
    // Caches hold nobody's data by name: an ASID is flushed before its first use too.
    Arrays.fill(asids, Asid.NEEDS_FLUSH);
  }

  private static CommandFailed failed(String command, SevStatus status, String why) {
    return new CommandFailed(command, status, why);
  }

  private void requirePlatform(String command) {
    if (platform == PlatformState.UNINIT) {
      throw failed(command, SevStatus.INVALID_PLATFORM_STATE, "the platform is UNINIT, not INIT");
    }
  }

  private Guest guest(int handle, String command) {
    requirePlatform(command);
    Guest g = guests.get(handle);
    if (g == null) {
      throw failed(command, SevStatus.INVALID_GUEST, "there is no guest " + handle);
    }
    return g;
  }

  private Guest guest(int handle, State s, String command) {
    Guest g = guest(handle, command);
    if (g.state != s) {
      throw failed(
          command, SevStatus.INVALID_GUEST_STATE, "the guest is in " + g.state + ", not " + s);
    }
    return g;
  }

  private static void requireActive(Guest g, String command) {
    if (g.asid == 0) {
      throw failed(command, SevStatus.INACTIVE, "the guest has no ASID");
    }
  }

  // ---- the platform

  /** INIT. */
  public void init() {
    if (platform != PlatformState.UNINIT) {
      throw failed(
          "INIT", SevStatus.INVALID_PLATFORM_STATE, "the platform is " + platform + " already");
    }
    platform = PlatformState.INIT;
    commands.add("INIT");
  }

  /** SHUTDOWN: forgets every guest. */
  public void shutdown() {
    guests.values().forEach(this::release);
    guests.clear();
    platform = PlatformState.UNINIT;
    commands.add("SHUTDOWN");
  }

  /** PLATFORM_STATUS. */
  public PlatformState platformStatus() {
    commands.add("PLATFORM_STATUS");
    return platform;
  }

  private PlatformKeys identity() {
    PlatformKeys k = identity;
    if (k == null) {
      k = new PlatformKeys(seed);
      identity = k;
    }
    return k;
  }

  /** PDH_CERT_EXPORT: {@return the certificates of PDH, PEK, OCA and CEK, one behind the other} */
  public byte[] pdhCertExport() {
    requirePlatform("PDH_CERT_EXPORT");
    commands.add("PDH_CERT_EXPORT");
    return identity().chain();
  }

  /** WBINVD on all processors, which the host does before DF_FLUSH. */
  public void wbinvd() {
    for (int i = 0; i < asids.length; i++) {
      asids[i] = asids[i] == Asid.NEEDS_WBINVD ? Asid.NEEDS_FLUSH : asids[i];
    }
  }

  /** DF_FLUSH: must come before an ASID is used anew. */
  public void dfFlush() {
    requirePlatform("DF_FLUSH");
    if (Arrays.asList(asids).contains(Asid.NEEDS_WBINVD)) {
      throw failed(
          "DF_FLUSH", SevStatus.WBINVD_REQUIRED, "a guest was deactivated since the last WBINVD");
    }
    for (int i = 0; i < asids.length; i++) {
      asids[i] = asids[i] == Asid.NEEDS_FLUSH ? Asid.CLEAN : asids[i];
    }
    commands.add("DF_FLUSH");
  }

  // ---- a guest's life

  /**
   * LAUNCH_START with keys that the processor makes: nobody can verify the measurement.
   *
   * @return the guest's handle
   */
  public int launchStart(GuestPolicy policy) {
    return start(policy, SessionKeys.generate("guest " + (lastHandle + 1), seed));
  }

  /**
   * LAUNCH_START with an owner's session.
   *
   * @param owner certificate of the owner's Diffie-Hellman key
   * @return the guest's handle
   */
  public int launchStart(GuestPolicy policy, SevCertificate owner, LaunchSession session) {
    requirePlatform("LAUNCH_START");
    if (!owner.isDiffieHellman()) {
      throw failed(
          "LAUNCH_START",
          SevStatus.INVALID_CERTIFICATE,
          "the owner's certificate is not for a Diffie-Hellman key");
    }
    return start(policy, session.open(identity().agree(owner), policy));
  }

  /**
   * LAUNCH_START with another guest's key.
   *
   * @param other the guest to share with
   * @return the guest's handle
   */
  public int launchStartSharing(GuestPolicy policy, int other) {
    Guest g = guest(other, "LAUNCH_START");
    if (policy.has(GuestPolicy.NOKS) || g.policy.has(GuestPolicy.NOKS)) {
      throw failed("LAUNCH_START", SevStatus.POLICY_FAILURE, "a policy forbids key sharing (NOKS)");
    }
    if (policy.bits() != g.policy.bits()) {
      throw failed(
          "LAUNCH_START", SevStatus.POLICY_FAILURE, "guests that share a key have one policy");
    }
    return start(policy, g.keys);
  }

  private int start(GuestPolicy policy, SessionKeys keys) {
    requirePlatform("LAUNCH_START");
    if (!policy.defined()) {
      throw failed(
          "LAUNCH_START", SevStatus.INVALID_PARAM, "policy " + policy + " has reserved bits");
    }
    if (!policy.accepts(ApiVersion.CURRENT)) {
      throw failed(
          "LAUNCH_START",
          SevStatus.POLICY_FAILURE,
          "policy " + policy + " asks for a newer API than " + ApiVersion.CURRENT);
    }
    if (guests.size() == MOST_GUESTS) {
      throw failed(
          "LAUNCH_START", SevStatus.RESOURCE_LIMIT, "there are " + MOST_GUESTS + " guests");
    }
    try {
      guests.put(++lastHandle, new Guest(policy, keys, key, MessageDigest.getInstance("SHA-256")));
    } catch (NoSuchAlgorithmException e) {
      throw new IllegalStateException("this Java runtime has no SHA-256", e);
    }
    platform = PlatformState.WORKING;
    commands.add("LAUNCH_START policy 0x" + Integer.toHexString(policy.bits()));
    return lastHandle;
  }

  /** ACTIVATE: binds the guest's key to an ASID. */
  public void activate(int handle, int asid) {
    Guest g = guest(handle, "ACTIVATE");
    if (g.asid != 0) {
      throw failed("ACTIVATE", SevStatus.ACTIVE, "the guest has ASID " + g.asid + " already");
    }
    boolean es = g.policy.has(GuestPolicy.ES);
    if (asid < FIRST_ES_ASID || asid > MAX_ASID || es != asid < MIN_SEV_ASID) {
      throw failed(
          "ACTIVATE",
          SevStatus.INVALID_ASID,
          "ASID "
              + asid
              + " is not among those of guests "
              + (es ? "with encrypted state, 1 to 15" : "without encrypted state, 16 to 509"));
    }
    switch (asids[asid]) {
      case USED -> throw failed("ACTIVATE", SevStatus.ASID_OWNED, "another guest has ASID " + asid);
      case NEEDS_WBINVD, NEEDS_FLUSH ->
          throw failed(
              "ACTIVATE", SevStatus.DF_FLUSH_REQUIRED, "ASID " + asid + " was not flushed");
      case CLEAN -> {
        asids[asid] = Asid.USED;
        g.asid = asid;
      }
    }
    commands.add("ACTIVATE asid " + asid);
  }

  /** DEACTIVATE: frees the guest's ASID, which needs WBINVD and DF_FLUSH before it is used anew. */
  public void deactivate(int handle) {
    Guest g = guest(handle, "DEACTIVATE");
    requireActive(g, "DEACTIVATE");
    release(g);
    commands.add("DEACTIVATE");
  }

  private void release(Guest g) {
    if (g.asid != 0) {
      asids[g.asid] = Asid.NEEDS_WBINVD;
      g.asid = 0;
    }
  }

  /** DECOMMISSION: forgets the guest and its keys. */
  public void decommission(int handle) {
    Guest g = guest(handle, "DECOMMISSION");
    if (g.asid != 0) {
      throw failed("DECOMMISSION", SevStatus.ACTIVE, "the guest still has ASID " + g.asid);
    }
    guests.remove(handle);
    if (guests.isEmpty()) {
      platform = PlatformState.INIT;
    }
    commands.add("DECOMMISSION");
  }

  /** GUEST_STATUS. */
  public GuestStatus guestStatus(int handle) {
    requirePlatform("GUEST_STATUS");
    commands.add("GUEST_STATUS");
    Guest g = guests.get(handle);
    return g == null
        ? new GuestStatus(State.UNINIT, new GuestPolicy(0), 0)
        : new GuestStatus(g.state, g.policy, g.asid);
  }

  // ---- launching

  private void requireRange(String command, long address, long length) {
    // What lies behind is the host's: VMCBs, save areas and maps.
    long end = (long) memory.firstHostPage() << 12;
    if ((address & 15) != 0 || address < 0 || address >= end || length > end - address) {
      throw failed(
          command,
          SevStatus.INVALID_ADDRESS,
          "0x" + Long.toHexString(address) + " is not a block of 16 bytes of memory");
    }
    if (length <= 0 || (length & 15) != 0) {
      throw failed(
          command,
          SevStatus.INVALID_LENGTH,
          "0x" + Long.toHexString(length) + " bytes are not a number of blocks of 16");
    }
  }

  /**
   * LAUNCH_UPDATE_DATA: encrypts a range in place.
   *
   * @param address a multiple of 16
   * @param length a multiple of 16; the rest of a page stays on the bus what it was, so that a
   *     private access reads it as noise
   */
  public void launchUpdateData(int handle, long address, long length) {
    Guest g = guest(handle, State.LUPDATE, "LAUNCH_UPDATE_DATA");
    requireActive(g, "LAUNCH_UPDATE_DATA");
    requireRange("LAUNCH_UPDATE_DATA", address, length);
    HostView view = memory.hostView();
    byte[] b = new byte[Page.SIZE];
    // One command a physical page, as the kernel drivers issue them.
    for (long at = address; at < address + length; ) {
      int in = (int) at & 0xFFF;
      int n = (int) Math.min(Page.SIZE - in, address + length - at);
      view.read(at, b, 0, n);
      g.digest.update(b, 0, n);
      int frame = (int) (at >>> 12);
      if (n == Page.SIZE && memory.domain(frame) == Page.SHARED) {
        memory.encryptInPlace(frame, g.memoryKey);
      } else {
        Page p = memory.page(frame, g.memoryKey);
        p.copyFrom(in, b, 0, n);
      }
      at += n;
    }
    commands.add(
        "LAUNCH_UPDATE_DATA 0x"
            + Long.toHexString(address)
            + " length 0x"
            + Long.toHexString(length));
  }

  /** LAUNCH_UPDATE_VMSA. */
  public void launchUpdateVmsa(int handle, EncryptedVcpu vcpu, LaunchState registers) {
    Guest g = guest(handle, State.LUPDATE, "LAUNCH_UPDATE_VMSA");
    if (!g.policy.has(GuestPolicy.ES)) {
      throw failed(
          "LAUNCH_UPDATE_VMSA",
          SevStatus.POLICY_FAILURE,
          "policy " + g.policy + " is not for a guest with encrypted state (ES)");
    }
    requireActive(g, "LAUNCH_UPDATE_VMSA");
    g.digest.update(registers.page);
    vcpu.launch(registers);
    commands.add("LAUNCH_UPDATE_VMSA");
  }

  /** LAUNCH_MEASURE: no updates after it. */
  public Measurement launchMeasure(int handle) {
    Guest g = guest(handle, State.LUPDATE, "LAUNCH_MEASURE");
    byte[] d = g.digest.digest();
    byte[] nonce = SeededBytes.of("MNONCE of guest " + handle, seed, NONCE_BYTES);
    Measurement m = Measurement.of(ApiVersion.CURRENT, g.policy, d, nonce, g.keys.tik());
    g.launchDigest = d;
    g.measurement = m;
    g.state = State.LSECRET;
    commands.add("LAUNCH_MEASURE");
    return m;
  }

  /**
   * LAUNCH_SECRET: opens an owner's packet into the guest's private memory.
   *
   * @param address a multiple of 16
   */
  public void launchSecret(int handle, LaunchSecret packet, long address) {
    Guest g = guest(handle, State.LSECRET, "LAUNCH_SECRET");
    requireActive(g, "LAUNCH_SECRET");
    Measurement m = g.measurement;
    if (m == null) {
      throw failed("LAUNCH_SECRET", SevStatus.INVALID_GUEST_STATE, "the guest was not measured");
    }
    byte[] secret = packet.open(g.keys, m);
    requireRange("LAUNCH_SECRET", address, secret.length);
    for (int done = 0; done < secret.length; ) {
      int in = (int) (address + done) & 0xFFF;
      int n = Math.min(Page.SIZE - in, secret.length - done);
      Page p = memory.page((int) (address + done >>> 12), g.memoryKey);
      p.copyFrom(in, secret, done, n);
      done += n;
    }
    commands.add(
        "LAUNCH_SECRET 0x"
            + Long.toHexString(address)
            + " length 0x"
            + Integer.toHexString(secret.length));
  }

  /** LAUNCH_FINISH: the guest may run. */
  public void launchFinish(int handle) {
    Guest g = guest(handle, State.LSECRET, "LAUNCH_FINISH");
    g.state = State.RUNNING;
    commands.add("LAUNCH_FINISH");
  }

  /**
   * ATTESTATION: {@return what was launched, signed by the PEK}
   *
   * @param nonce 16 bytes of whoever asks
   */
  public SevReport attestation(int handle, byte[] nonce) {
    Guest g = guest(handle, "ATTESTATION");
    byte[] d = g.launchDigest;
    if (d == null) {
      throw failed(
          "ATTESTATION", SevStatus.INVALID_GUEST_STATE, "the guest is in " + g.state + " still");
    }
    commands.add("ATTESTATION");
    PlatformKeys known = identity;
    // Whoever only asks leaves no trace in the processor's state.
    return SevReport.of(known != null ? known : new PlatformKeys(seed), g.policy, d, nonce);
  }

  /**
   * DBG_DECRYPT: what the guest's private memory holds, if its policy lets anybody know.
   *
   * @param address a multiple of 16
   * @param length a multiple of 16
   */
  public byte[] dbgDecrypt(int handle, long address, int length) {
    Guest g = guest(handle, "DBG_DECRYPT");
    if (g.policy.has(GuestPolicy.NODBG)) {
      throw failed("DBG_DECRYPT", SevStatus.POLICY_FAILURE, "the policy forbids it (NODBG)");
    }
    requireActive(g, "DBG_DECRYPT");
    requireRange("DBG_DECRYPT", address, length);
    commands.add("DBG_DECRYPT 0x" + Long.toHexString(address));
    return memory.peek(address, length, g.memoryKey);
  }

  /** Starts a guest that has no protected state. */
  public static void launchPlain(PlainVcpu vcpu, LaunchState registers) {
    vcpu.launch(registers);
  }

  // ---- for observers

  /** {@return a guest's state; UNINIT if there is none} */
  public State state(int handle) {
    Guest g = guests.get(handle);
    return g == null ? State.UNINIT : g.state;
  }

  /** {@return the commands that succeeded, in order} */
  public List<String> commands() {
    return List.copyOf(commands);
  }

  /** {@return the SHA-256 of everything launched in hex, once measured; else empty} */
  public String digest(int handle) {
    Guest g = guests.get(handle);
    byte[] d = g == null ? null : g.launchDigest;
    return d == null ? "" : HexFormat.of().formatHex(d);
  }
}
