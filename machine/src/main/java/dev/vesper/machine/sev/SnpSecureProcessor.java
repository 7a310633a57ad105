package dev.vesper.machine.sev;

import dev.vesper.machine.launch.ApiVersion;
import dev.vesper.machine.launch.AttestationReport;
import dev.vesper.machine.launch.CommandFailed;
import dev.vesper.machine.launch.CpuidPage;
import dev.vesper.machine.launch.DerivedKey;
import dev.vesper.machine.launch.EndorsementKey;
import dev.vesper.machine.launch.IdAuthentication;
import dev.vesper.machine.launch.IdBlock;
import dev.vesper.machine.launch.PolicyBit;
import dev.vesper.machine.launch.ReportField;
import dev.vesper.machine.launch.SecretsPage;
import dev.vesper.machine.launch.SecureTsc;
import dev.vesper.machine.launch.SeededBytes;
import dev.vesper.machine.launch.SevFeature;
import dev.vesper.machine.launch.SevStatus;
import dev.vesper.machine.launch.SnpDigest;
import dev.vesper.machine.launch.SnpPageType;
import dev.vesper.machine.launch.SnpPolicy;
import dev.vesper.machine.launch.SnpProduct;
import dev.vesper.machine.launch.VmplPermissions;
import dev.vesper.machine.memory.Page;
import dev.vesper.machine.memory.PageOwnership;
import dev.vesper.machine.memory.PhysicalMemory;
import dev.vesper.machine.memory.Rmp;
import dev.vesper.machine.memory.RmpEntry;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashMap;
import java.util.HexFormat;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import org.jspecify.annotations.Nullable;

/**
 * The secure processor's commands for SEV-SNP (spec: snp 6.3). A guest is known by the page that
 * holds its context. Each command checks the platform's state, the context, its own conditions in
 * the firmware's order and throws {@link CommandFailed} with the status that the command's buffer
 * would carry; a command that fails changes nothing, but for the CPUID page, which it corrects.
 */
public final class SnpSecureProcessor {
  /** Guest states. */
  public enum State {
    INIT,
    LAUNCH,
    RUNNING
  }

  /**
   * What LAUNCH_FINISH is given.
   *
   * @param block what the owner expects, or null
   * @param authentication who signed it, or null for a page of zeros
   * @param authorKey whether the author key must have signed the ID key
   * @param vcekDisabled the chip's key neither signs reports nor derives keys
   * @param hostData 32 bytes that a report repeats
   */
  public record Finish(
      @Nullable IdBlock block,
      @Nullable IdAuthentication authentication,
      boolean authorKey,
      boolean vcekDisabled,
      byte[] hostData) {}

  private static final String FINISH = "SNP_LAUNCH_FINISH";
  private static final byte[] NO_CONTENTS = new byte[0];
  private static final String UPDATE = "SNP_LAUNCH_UPDATE";
  private static final int LARGE = 2 << 20;

  private static final int FIRST_VERSION = 2;

  /** Bit 0 of PLATFORM_INFO. */
  private static final int SMT_ENABLED = 1;

  private static final byte[] NO_MIGRATION_AGENT = new byte[DerivedKey.BYTES];

  static {
    Arrays.fill(NO_MIGRATION_AGENT, (byte) -1);
  }

  private static final class Guest {
    State state = State.INIT;
    SnpPolicy policy = new SnpPolicy(0);
    byte[] workarounds = new byte[SecretsPage.WORKAROUND_BYTES];
    byte[][] keys = new byte[0][];
    int asid;
    SnpDigest digest = new SnpDigest();
    @Nullable GuestMessages messages;

    /** What a guest with Secure TSC is to have, and what the launched save areas have got. */
    SecureTsc desired = SecureTsc.ofKilohertz(SecureTsc.HOST_KILOHERTZ);

    @Nullable SecureTsc tsc;
  }

  private final PhysicalMemory memory;
  private final Rmp rmp;
  private final long seed;
  private final CpuidPage.Host host;
  private final EndorsementKey chip;
  private final List<String> commands = new ArrayList<>();
  private final Map<Long, Guest> guests = new HashMap<>();
  private @Nullable EndorsementKey lent;
  private boolean initialised;
  private boolean flushed;

  /**
   * @param memory with a reverse map table
   * @param seed decides the keys of guests
   * @param host the processor, which CPUID pages are checked against
   */
  public SnpSecureProcessor(PhysicalMemory memory, long seed, CpuidPage.Host host) {
    this.memory = memory;
    this.rmp = Objects.requireNonNull(memory.rmp());
    this.seed = seed;
    this.host = host;
    chip = EndorsementKey.of(SnpProduct.of(host.signature()), seed);
  }

  private static CommandFailed failed(String command, SevStatus status, String why) {
    return new CommandFailed(command, status, why);
  }

  private static String hex(long v) {
    return "0x" + Long.toHexString(v);
  }

  private void requirePlatform(String command) {
    if (!initialised) {
      throw failed(command, SevStatus.INVALID_PLATFORM_STATE, "SNP is not initialised");
    }
  }

  private Guest guest(long context, String command) {
    requirePlatform(command);
    Guest g = guests.get(context);
    if (g == null) {
      throw failed(command, SevStatus.INVALID_GUEST, hex(context) + " is no guest's context");
    }
    return g;
  }

  private static void require(Guest g, State s, String command) {
    if (g.state != s) {
      throw failed(
          command, SevStatus.INVALID_GUEST_STATE, "the guest is in " + g.state + ", not " + s);
    }
  }

  private static void requireActive(Guest g, String command) {
    if (g.asid == 0) {
      throw failed(command, SevStatus.INACTIVE, "the guest has no ASID");
    }
  }

  // ---- the platform

  /** SNP_INIT. */
  public void init() {
    if (initialised) {
      throw failed("SNP_INIT", SevStatus.INVALID_PLATFORM_STATE, "SNP is initialised already");
    }
    initialised = true;
    commands.add("SNP_INIT");
  }

  /** DF_FLUSH: must come before an ASID is used. */
  public void dfFlush() {
    requirePlatform("SNP_DF_FLUSH");
    flushed = true;
    commands.add("SNP_DF_FLUSH");
  }

  // ---- a guest's life

  /**
   * SNP_GCTX_CREATE.
   *
   * @param context a page that the host has given to the firmware
   */
  public void contextCreate(long context) {
    String command = "SNP_GCTX_CREATE";
    requirePlatform(command);
    RmpEntry e = rmp.read(context);
    if (e.large()) {
      throw failed(command, SevStatus.INVALID_PAGE_SIZE, hex(context) + " is a page of 2 MiB");
    }
    if (e.state() != PageOwnership.FIRMWARE) {
      throw failed(command, SevStatus.INVALID_PAGE_STATE, hex(context) + " is in " + e.state());
    }
    rmp.setContext(context, true);
    guests.put(context, new Guest());
    commands.add(command);
  }

  /**
   * SNP_LAUNCH_START.
   *
   * @param workarounds GOSVW, 16 bytes
   * @param kilohertz desired frequency of the time-stamp counter of a guest with Secure TSC, as
   *     {@link SecureTsc#ofKilohertz} takes it
   */
  public void launchStart(long context, SnpPolicy policy, byte[] workarounds, long kilohertz) {
    String command = "SNP_LAUNCH_START";
    Guest g = guest(context, command);
    require(g, State.INIT, command);
    if (!policy.has(SnpPolicy.RESERVED_ONE)) {
      throw policy(command, policy, "has bit 17 clear");
    }
    if (!policy.accepts(ApiVersion.CURRENT)) {
      throw policy(command, policy, "asks for a newer ABI than " + ApiVersion.CURRENT);
    }
    if (!policy.defined()) {
      throw policy(command, policy, "has bits that nobody knows");
    }
    g.policy = policy;
    g.workarounds = workarounds.clone();
    g.desired = SecureTsc.ofKilohertz(kilohertz);
    g.keys = new byte[SecretsPage.KEYS][];
    for (int i = 0; i < SecretsPage.KEYS; i++) {
      g.keys[i] = SeededBytes.of("VMPCK" + i, seed, SecretsPage.KEY_BYTES);
    }
    g.state = State.LAUNCH;
    commands.add(command + " policy " + hex(policy.bits()));
  }

  private static CommandFailed policy(String command, SnpPolicy policy, String why) {
    return failed(command, SevStatus.POLICY_FAILURE, "policy " + policy + " " + why);
  }

  /** SNP_ACTIVATE: binds the guest to an ASID. */
  public void activate(long context, int asid) {
    String command = "SNP_ACTIVATE";
    Guest g = guest(context, command);
    if (g.state == State.INIT) {
      require(g, State.LAUNCH, command);
    }
    if (!flushed) {
      throw failed(command, SevStatus.DF_FLUSH_REQUIRED, "ASID " + asid + " was not flushed");
    }
    if (guests.values().stream().anyMatch(o -> o != g && o.asid == asid)) {
      throw failed(command, SevStatus.ASID_OWNED, "another guest has ASID " + asid);
    }
    if (g.asid != 0 && g.asid != asid) {
      throw failed(command, SevStatus.ACTIVE, "the guest has ASID " + g.asid + " already");
    }
    g.asid = asid;
    commands.add(command + " asid " + asid);
  }

  /**
   * SNP_LAUNCH_UPDATE of a page of 4 KiB that the host has assigned for it.
   *
   * @param address of the page; guest physical too
   */
  public void launchUpdate(
      long context, long address, SnpPageType type, VmplPermissions permissions) {
    launchUpdate(context, address, false, type, permissions);
  }

  /**
   * The same.
   *
   * @param large it is a page of 2 MiB, which is measured as 512 of 4 KiB in rising order
   */
  public void launchUpdate(
      long context, long address, boolean large, SnpPageType type, VmplPermissions permissions) {
    Guest g = guest(context, UPDATE);
    RmpEntry e = rmp.read(address);
    if (e.state() != PageOwnership.PRE_GUEST) {
      throw failed(UPDATE, SevStatus.INVALID_PAGE_STATE, hex(address) + " is in " + e.state());
    }
    if (e.large() != large) {
      throw failed(
          UPDATE,
          SevStatus.INVALID_PAGE_SIZE,
          hex(address) + " is a page of " + (e.large() ? "2 MiB" : "4 KiB"));
    }
    if (large && (address & LARGE - 1) != 0) {
      throw failed(UPDATE, SevStatus.INVALID_ADDRESS, hex(address) + " is no multiple of 2 MiB");
    }
    if (large && !type.mayBeLarge()) {
      throw failed(UPDATE, SevStatus.INVALID_PAGE_SIZE, "a page of type " + type + " has 4 KiB");
    }
    require(g, State.LAUNCH, UPDATE);
    requireActive(g, UPDATE);
    if (e.asid() != g.asid) {
      throw failed(
          UPDATE,
          SevStatus.INVALID_PAGE_OWNER,
          hex(address) + " belongs to ASID " + e.asid() + ", not " + g.asid);
    }
    for (int at = 0; at < (large ? LARGE : Page.SIZE); at += Page.SIZE) {
      byte[] contents = prepare(g, address + at, type);
      g.digest.add(type, e.gpa() + at, permissions, contents);
    }
    int packed = permissions.vmpl1() << 8 | permissions.vmpl2() << 16 | permissions.vmpl3() << 24;
    rmp.launch(address, packed, type == SnpPageType.VMSA);
  }

  /** {@return the page's plaintext, with what the firmware puts there} */
  private byte[] prepare(Guest g, long address, SnpPageType type) {
    int frame = (int) (address >>> 12);
    if (type == SnpPageType.ZERO) {
      memory.clear(frame);
      return NO_CONTENTS;
    }
    Page page = memory.page(frame, Page.SHARED);
    byte[] b = new byte[Page.SIZE];
    switch (type) {
      case SECRETS ->
          page.copyFrom(
              0, SecretsPage.encode(host.signature(), g.workarounds, g.keys), 0, Page.SIZE);
      case CPUID -> {
        page.copyTo(0, b, 0, Page.SIZE);
        CpuidPage.Result r = CpuidPage.check(b, host);
        if (!r.failures().isEmpty()) {
          page.copyFrom(0, r.page(), 0, Page.SIZE);
          throw failed(
              UPDATE,
              SevStatus.INVALID_PARAM,
              "the CPUID page was refused: " + String.join("; ", r.failures()));
        }
      }
      case ZERO, NORMAL, VMSA, UNMEASURED -> page.copyTo(0, b, 0, Page.SIZE);
    }
    return b;
  }

  /** SNP_LAUNCH_UPDATE of a save area. */
  public void launchUpdateVmsa(long context, EncryptedVcpu vcpu, LaunchState registers) {
    Guest g = guest(context, UPDATE);
    require(g, State.LAUNCH, UPDATE);
    requireActive(g, UPDATE);
    g.digest.add(SnpPageType.VMSA, SnpDigest.VMSA_ADDRESS, VmplPermissions.NONE, registers.page);
    if (SevFeature.SECURE_TSC.in(SaveArea.features(registers.page))) {
      g.tsc = g.desired;
      registers.set(VmsaField.GUEST_TSC_SCALE, g.desired.scale());
      registers.set(VmsaField.GUEST_TSC_OFFSET, g.desired.offset());
    }
    vcpu.launch(registers);
    commands.add(UPDATE + " VMSA");
  }

  /** Says that a run of pages was launched: nobody wants a line for each. */
  public void note(long address, long length, SnpPageType type) {
    commands.add(UPDATE + " " + type + " " + hex(address) + " length " + hex(length));
  }

  /** SNP_LAUNCH_FINISH: the guest may run. */
  public void launchFinish(long context, Finish f) {
    Guest g = guest(context, FINISH);
    require(g, State.LAUNCH, FINISH);
    requireActive(g, FINISH);
    IdBlock block = f.block();
    if (block != null) {
      IdAuthentication by = f.authentication();
      identify(g, block, by == null ? new IdAuthentication(new byte[0]) : by, f.authorKey());
    }
    g.messages =
        new GuestMessages(
            about(g, f),
            new ReportKeys(f.vcekDisabled() ? null : chip, lent),
            chip.product(),
            SeededBytes.of("VMRK", seed, DerivedKey.BYTES),
            g.keys,
            host,
            g.tsc);
    g.state = State.RUNNING;
    commands.add(FINISH + " host data " + HexFormat.of().formatHex(f.hostData()));
  }

  private static void identify(Guest g, IdBlock block, IdAuthentication by, boolean author) {
    if (!Arrays.equals(block.digest(), g.digest.value())) {
      throw failed(
          FINISH,
          SevStatus.BAD_MEASUREMENT,
          "the ID block is for launch digest "
              + HexFormat.of().formatHex(block.digest())
              + ", this one is "
              + g.digest);
    }
    if (block.policy().bits() != g.policy.bits()) {
      throw failed(
          FINISH,
          SevStatus.POLICY_FAILURE,
          "the ID block is for policy " + block.policy() + ", this guest has " + g.policy);
    }
    int algorithm = IdAuthentication.ECDSA_P384_SHA384;
    if (by.idKeyAlgorithm() != algorithm || author && by.authorKeyAlgorithm() != algorithm) {
      throw failed(
          FINISH, SevStatus.INVALID_PARAM, "a key's algorithm is not ECDSA P-384 with SHA-384");
    }
    if (!by.signs(block)) {
      throw failed(FINISH, SevStatus.BAD_SIGNATURE, "the ID key has not signed the ID block");
    }
    if (author && !by.authorSigns()) {
      throw failed(FINISH, SevStatus.BAD_SIGNATURE, "the author key has not signed the ID key");
    }
  }

  /** {@return what a report says of a guest whoever asks} */
  private AttestationReport about(Guest g, Finish f) {
    SnpProduct product = chip.product();
    AttestationReport r = new AttestationReport();
    r.set(ReportField.VERSION, product.reportVersion());
    r.set(ReportField.POLICY, g.policy.bits());
    r.set(ReportField.SIGNATURE_ALGO, IdAuthentication.ECDSA_P384_SHA384);
    r.set(ReportField.PLATFORM_INFO, PolicyBit.SMT.in(g.policy.bits()) ? SMT_ENABLED : 0);
    r.set(ReportField.MEASUREMENT, g.digest.value());
    r.set(ReportField.HOST_DATA, f.hostData());
    r.set(ReportField.REPORT_ID, SeededBytes.of("REPORT_ID", seed, DerivedKey.BYTES));
    r.set(ReportField.REPORT_ID_MA, NO_MIGRATION_AGENT);
    r.set(ReportField.CHIP_ID, chip.chipId());
    for (ReportField tcb :
        List.of(
            ReportField.CURRENT_TCB,
            ReportField.REPORTED_TCB,
            ReportField.COMMITTED_TCB,
            ReportField.LAUNCH_TCB)) {
      r.set(tcb, product.encode(product.tcb()));
    }
    r.set(ReportField.CURRENT_BUILD, ApiVersion.CURRENT.build());
    r.set(ReportField.CURRENT_MINOR, ApiVersion.CURRENT.minor());
    r.set(ReportField.CURRENT_MAJOR, ApiVersion.CURRENT.major());
    r.set(ReportField.COMMITTED_BUILD, ApiVersion.CURRENT.build());
    r.set(ReportField.COMMITTED_MINOR, ApiVersion.CURRENT.minor());
    r.set(ReportField.COMMITTED_MAJOR, ApiVersion.CURRENT.major());
    if (product.reportVersion() > FIRST_VERSION) {
      r.set(ReportField.CPUID_FAMILY, SnpProduct.family(host.signature()));
      r.set(ReportField.CPUID_MODEL, SnpProduct.model(host.signature()));
      r.set(ReportField.CPUID_STEPPING, host.signature() & 15);
    }
    IdBlock block = f.block();
    IdAuthentication by = f.authentication();
    if (block != null && by != null) {
      r.set(ReportField.GUEST_SVN, block.guestSvn());
      r.set(ReportField.FAMILY_ID, block.familyId());
      r.set(ReportField.IMAGE_ID, block.imageId());
      r.set(ReportField.ID_KEY_DIGEST, IdAuthentication.digest(by.idKey()));
      if (f.authorKey()) {
        r.set(ReportField.KEY_INFO, AttestationReport.AUTHOR_KEY);
        r.set(ReportField.AUTHOR_KEY_DIGEST, IdAuthentication.digest(by.authorKey()));
      }
    }
    return r;
  }

  /**
   * SNP_GUEST_REQUEST: answers a guest's message.
   *
   * @param request address of the host's page that holds it
   * @param response address of a page that the host has given to the firmware
   */
  public void guestRequest(long context, long request, long response) {
    String command = "SNP_GUEST_REQUEST";
    Guest g = guest(context, command);
    RmpEntry e = rmp.read(response);
    if (e.large()) {
      throw failed(command, SevStatus.INVALID_PAGE_SIZE, hex(response) + " is a page of 2 MiB");
    }
    if (e.state() != PageOwnership.FIRMWARE) {
      throw failed(command, SevStatus.INVALID_PAGE_STATE, hex(response) + " is in " + e.state());
    }
    require(g, State.RUNNING, command);
    byte[] page = new byte[Page.SIZE];
    memory.page((int) (request >>> 12), Page.SHARED).copyTo(0, page, 0, Page.SIZE);
    byte[] answer = Objects.requireNonNull(g.messages).answer(page);
    Page to = memory.page((int) (response >>> 12), Page.SHARED);
    to.copyFrom(0, answer, 0, answer.length);
  }

  /**
   * {@return what was wrong inside the last message of a guest, which its host cannot see, or ""}
   */
  public String lastRefusal(long context) {
    Guest g = guests.get(context);
    GuestMessages m = g == null ? null : g.messages;
    return m == null ? "" : m.lastRefusal();
  }

  /** SNP_VLEK_LOAD: the platform has a key that AMD has lent, for its TCB version. */
  public void vlekLoad() {
    requirePlatform("SNP_VLEK_LOAD");
    lent = EndorsementKey.lent(chip.product());
    commands.add("SNP_VLEK_LOAD");
  }

  /** SNP_DECOMMISSION: forgets the guest; its context page is the firmware's again. */
  public void decommission(long context) {
    guest(context, "SNP_DECOMMISSION");
    guests.remove(context);
    rmp.setContext(context, false);
    commands.add("SNP_DECOMMISSION");
  }

  /** SNP_PAGE_RECLAIM: gives a page of the firmware's, or one that was to be launched, back. */
  public void pageReclaim(long address) {
    requirePlatform("SNP_PAGE_RECLAIM");
    if (guests.containsKey(address)) {
      throw failed(
          "SNP_PAGE_RECLAIM", SevStatus.INVALID_PAGE_STATE, hex(address) + " is in CONTEXT");
    }
    rmp.reclaim(address);
    commands.add("SNP_PAGE_RECLAIM " + hex(address));
  }

  /** SNP_GUEST_STATUS: {@return the guest's state} */
  public State guestStatus(long context) {
    return guest(context, "SNP_GUEST_STATUS").state;
  }

  // ---- for observers

  /** {@return the commands that succeeded, in order} */
  public List<String> commands() {
    return List.copyOf(commands);
  }

  /** {@return the launch digest so far in hex} */
  public String digest(long context) {
    Guest g = guests.get(context);
    return g == null ? "" : g.digest.toString();
  }
}
