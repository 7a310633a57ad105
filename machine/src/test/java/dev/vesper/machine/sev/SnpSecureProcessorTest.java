package dev.vesper.machine.sev;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.vesper.machine.launch.AttestationReport;
import dev.vesper.machine.launch.CommandFailed;
import dev.vesper.machine.launch.CpuidPage;
import dev.vesper.machine.launch.EndorsementKey;
import dev.vesper.machine.launch.GuestMessage;
import dev.vesper.machine.launch.IdAuthentication;
import dev.vesper.machine.launch.IdBlock;
import dev.vesper.machine.launch.IdKey;
import dev.vesper.machine.launch.ReportField;
import dev.vesper.machine.launch.SeededBytes;
import dev.vesper.machine.launch.SevStatus;
import dev.vesper.machine.launch.SnpDigest;
import dev.vesper.machine.launch.SnpPageType;
import dev.vesper.machine.launch.SnpPolicy;
import dev.vesper.machine.launch.SnpProduct;
import dev.vesper.machine.launch.VmplPermissions;
import dev.vesper.machine.memory.HostView;
import dev.vesper.machine.memory.Page;
import dev.vesper.machine.memory.PageOwnership;
import dev.vesper.machine.memory.PhysicalMemory;
import dev.vesper.machine.memory.Rmp;
import dev.vesper.machine.memory.RmpEntry;
import dev.vesper.machine.memory.RmpResult;
import java.math.BigInteger;
import java.util.Arrays;
import java.util.HexFormat;
import java.util.List;
import java.util.Objects;
import org.assertj.core.api.ThrowableAssert.ThrowingCallable;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.Test;

/** Commands of SEV-SNP in every wrong order, and what each refuses (spec: snp 6.3 to 6.5). */
final class SnpSecureProcessorTest {
  private static final int ASID = 1;
  private static final long PAGE = 0x5000;
  private static final CpuidPage.Host HOST = new CpuidPage.Host(0xA00F11, 0);

  private final PhysicalMemory memory = new PhysicalMemory(1 << 20, 6);
  private final Rmp rmp = memory.protect(memory.createKey(1));
  private final HostView view = memory.hostView();
  private final SnpSecureProcessor p = new SnpSecureProcessor(memory, 1, HOST);
  private final long context = (long) memory.allocateHostPage() << 12;

  private static void fails(SevStatus status, ThrowingCallable command) {
    assertThatThrownBy(command)
        .isInstanceOfSatisfying(CommandFailed.class, e -> assertThat(e.status()).isEqualTo(status));
  }

  private void start(long policy) {
    p.launchStart(context, new SnpPolicy(policy), new byte[16], 1_000_000);
  }

  private void update(SnpPageType type) {
    p.launchUpdate(context, PAGE, type, VmplPermissions.NONE);
  }

  private void finish(@Nullable IdBlock block, @Nullable IdAuthentication by, boolean author) {
    p.launchFinish(context, new SnpSecureProcessor.Finish(block, by, author, false, new byte[32]));
  }

  private void created() {
    p.init();
    rmp.update(context, RmpEntry.guest(0, 0).forFirmware());
    p.contextCreate(context);
  }

  private void launching() {
    created();
    start(0x3_0000);
    p.dfFlush();
    p.activate(context, ASID);
    rmp.update(PAGE, RmpEntry.guest(PAGE, ASID).forFirmware());
  }

  @Test
  void nothingWorksBeforeInit() {
    for (ThrowingCallable c :
        List.<ThrowingCallable>of(
            p::dfFlush,
            () -> p.contextCreate(context),
            () -> start(0x3_0000),
            () -> p.activate(context, ASID),
            () -> update(SnpPageType.NORMAL),
            () -> finish(null, null, false),
            () -> p.decommission(context),
            () -> p.pageReclaim(PAGE))) {
      fails(SevStatus.INVALID_PLATFORM_STATE, c);
    }
    p.init();
    fails(SevStatus.INVALID_PLATFORM_STATE, p::init);
  }

  @Test
  void aContextTakesAPageOfTheFirmwares() {
    p.init();
    fails(SevStatus.INVALID_PAGE_STATE, () -> p.contextCreate(context));
    fails(SevStatus.INVALID_GUEST, () -> start(0x3_0000));
    rmp.update(context, RmpEntry.guest(0, 0).forFirmware());
    p.contextCreate(context);
    assertThat(rmp.read(context).state()).isEqualTo(PageOwnership.CONTEXT);
    fails(SevStatus.INVALID_PAGE_STATE, () -> p.contextCreate(context));
    fails(SevStatus.INVALID_PAGE_STATE, () -> p.pageReclaim(context));
    p.decommission(context);
    assertThat(rmp.read(context).state()).isEqualTo(PageOwnership.FIRMWARE);
    p.pageReclaim(context);
    assertThat(rmp.read(context).state()).isEqualTo(PageOwnership.RECLAIM);
  }

  @Test
  void policiesAreEnforced() {
    created();
    fails(SevStatus.INVALID_GUEST_STATE, () -> p.activate(context, ASID));
    for (long policy : new long[] {0x1_0000, 0x3_0000 | 1L << 26, 0x3_0200, 0x3_01FF}) {
      fails(SevStatus.POLICY_FAILURE, () -> start(policy));
    }
    start(0x3_0000);
    fails(SevStatus.INVALID_GUEST_STATE, () -> start(0x3_0000));
    fails(SevStatus.DF_FLUSH_REQUIRED, () -> p.activate(context, ASID));
    p.dfFlush();
    rmp.update(PAGE, RmpEntry.guest(PAGE, ASID).forFirmware());
    fails(SevStatus.INACTIVE, () -> update(SnpPageType.NORMAL));
    fails(SevStatus.INACTIVE, () -> finish(null, null, false));
    p.activate(context, ASID);
    fails(SevStatus.ACTIVE, () -> p.activate(context, 2));
    assertThat(p.guestStatus(context)).isEqualTo(SnpSecureProcessor.State.LAUNCH);
  }

  @Test
  void pagesMustBeGivenForTheLaunch() {
    launching();
    fails(
        SevStatus.INVALID_PAGE_STATE,
        () -> p.launchUpdate(context, 0x6000, SnpPageType.NORMAL, VmplPermissions.NONE));
    rmp.update(0x7000, RmpEntry.guest(0x7000, 2).forFirmware());
    fails(
        SevStatus.INVALID_PAGE_OWNER,
        () -> p.launchUpdate(context, 0x7000, SnpPageType.NORMAL, VmplPermissions.NONE));
    update(SnpPageType.NORMAL);
    assertThat(rmp.read(PAGE).state()).isEqualTo(PageOwnership.GUEST_VALID);
    fails(SevStatus.INVALID_PAGE_STATE, () -> update(SnpPageType.NORMAL));
    finish(null, null, false);
    assertThat(p.guestStatus(context)).isEqualTo(SnpSecureProcessor.State.RUNNING);
    rmp.update(0x8000, RmpEntry.guest(0x8000, ASID).forFirmware());
    fails(
        SevStatus.INVALID_GUEST_STATE,
        () -> p.launchUpdate(context, 0x8000, SnpPageType.NORMAL, VmplPermissions.NONE));
    fails(SevStatus.INVALID_GUEST_STATE, () -> finish(null, null, false));
  }

  /** A page of 2 MiB is measured as 512 pages of 4 KiB, and only some types can be so large. */
  @Test
  void pagesOf2Mebibytes() {
    PhysicalMemory m = new PhysicalMemory(6 << 20, 4);
    Rmp table = m.protect(m.createKey(1));
    long c = (long) m.allocateHostPage() << 12;
    SnpSecureProcessor q = new SnpSecureProcessor(m, 1, HOST);
    q.init();
    table.update(c, RmpEntry.guest(0, 0).forFirmware());
    q.contextCreate(c);
    q.launchStart(c, new SnpPolicy(0x3_0000), new byte[16], 1_000_000);
    q.dfFlush();
    q.activate(c, ASID);
    long at = 0x20_0000;
    m.hostView().write(at + 0x5_6789, 8, 0x1234);
    RmpEntry whole = RmpEntry.guest(at, ASID).ofTwoMebibytes().forFirmware();
    assertThat(table.update(at, whole)).isEqualTo(RmpResult.SUCCESS);
    fails(
        SevStatus.INVALID_PAGE_SIZE,
        () -> q.launchUpdate(c, at, SnpPageType.NORMAL, VmplPermissions.NONE));
    fails(
        SevStatus.INVALID_ADDRESS,
        () -> q.launchUpdate(c, at + 0x1000, true, SnpPageType.NORMAL, VmplPermissions.NONE));
    for (SnpPageType t : List.of(SnpPageType.VMSA, SnpPageType.SECRETS, SnpPageType.CPUID)) {
      fails(
          SevStatus.INVALID_PAGE_SIZE, () -> q.launchUpdate(c, at, true, t, VmplPermissions.NONE));
    }
    q.launchUpdate(c, at, true, SnpPageType.NORMAL, VmplPermissions.NONE);
    SnpDigest same = new SnpDigest();
    for (int i = 0; i < 512; i++) {
      byte[] b = new byte[4096];
      if (i == 0x56) {
        b[0x789] = 0x34;
        b[0x78A] = 0x12;
      }
      same.add(SnpPageType.NORMAL, at + 4096 * i, VmplPermissions.NONE, b);
    }
    assertThat(q.digest(c)).isEqualTo(same.toString());
    assertThat(table.read(at + 0x5_6000).state()).isEqualTo(PageOwnership.GUEST_VALID);
    assertThat(table.read(at + 0x5_6000).large()).isTrue();
    table.update(0x5000, RmpEntry.guest(0x5000, ASID).forFirmware());
    fails(
        SevStatus.INVALID_PAGE_SIZE,
        () -> q.launchUpdate(c, 0x5000, true, SnpPageType.ZERO, VmplPermissions.NONE));
  }

  /** Contents, digest and permissions of each type. */
  @Test
  void pagesAreFilledByTheirType() {
    p.init();
    rmp.update(context, RmpEntry.guest(0, 0).forFirmware());
    p.contextCreate(context);
    start(0x3_0000);
    p.dfFlush();
    p.activate(context, ASID);
    SnpDigest expected = new SnpDigest();
    SnpPageType[] types = {
      SnpPageType.NORMAL, SnpPageType.ZERO, SnpPageType.UNMEASURED, SnpPageType.SECRETS
    };
    byte[] written = new byte[4096];
    Arrays.fill(written, (byte) 0x5A);
    for (int i = 0; i < types.length; i++) {
      long at = 0x1_0000 + 4096L * i;
      view.write(at, written, 0, written.length);
      rmp.update(at, RmpEntry.guest(at, ASID).forFirmware());
      p.launchUpdate(context, at, types[i], new VmplPermissions(1, 0, 0));
      expected.add(types[i], at, new VmplPermissions(1, 0, 0), written);
      assertThat(rmp.read(at).permissions(1)).isEqualTo(1);
      byte[] inside = memory.peek(at, 4096, rmp.read(at).assigned() ? 1 : 0);
      switch (types[i]) {
        case ZERO -> assertThat(inside).containsOnly(0);
        case SECRETS -> {
          assertThat(inside[0]).isEqualTo((byte) 3);
          assertThat(inside).isNotEqualTo(written);
        }
        default -> assertThat(inside).isEqualTo(written);
      }
    }
    assertThat(p.digest(context)).isEqualTo(expected.toString());
  }

  @Test
  void aWrongCpuidPageIsCorrectedInTheClear() {
    launching();
    byte[] page = CpuidPage.encode(List.of(new CpuidPage.Entry(0x8000_001D, 3, 0, 0, 0, 0, 0, 6)));
    rmp.update(0x9000, RmpEntry.HYPERVISOR);
    view.write(0x9000, page, 0, page.length);
    rmp.update(0x9000, RmpEntry.guest(0x9000, ASID).forFirmware());
    assertThatThrownBy(
            () -> p.launchUpdate(context, 0x9000, SnpPageType.CPUID, VmplPermissions.NONE))
        .hasMessageContaining("leaf 8000001d.3 EDX is 00000006, allowed is 00000002");
    byte[] corrected = new byte[4096];
    view.read(0x9000, corrected, 0, corrected.length);
    assertThat(CpuidPage.entries(corrected).getFirst().edx()).isEqualTo(2);
    assertThat(rmp.read(0x9000).state()).isEqualTo(PageOwnership.PRE_GUEST);
    String before = p.digest(context);
    p.launchUpdate(context, 0x9000, SnpPageType.CPUID, VmplPermissions.NONE);
    assertThat(p.digest(context)).isNotEqualTo(before);
  }

  private IdBlock block(long policy) {
    return new IdBlock(
        HexFormat.of().parseHex(p.digest(context)),
        new byte[16],
        new byte[16],
        IdBlock.VERSION,
        0,
        new SnpPolicy(policy));
  }

  @Test
  void idBlocksAreCheckedInOrder() {
    launching();
    update(SnpPageType.NORMAL);
    IdKey id = IdKey.of(BigInteger.TWO);
    IdKey author = IdKey.of(BigInteger.TEN);
    IdBlock good = block(0x3_0000);
    IdBlock other = block(0x3_0001);
    byte[] digest = good.digest().clone();
    digest[0] ^= 1;
    IdBlock wrong = new IdBlock(digest, good.familyId(), good.imageId(), 1, 0, other.policy());
    IdAuthentication by = IdAuthentication.of(good, id, author);
    fails(SevStatus.BAD_MEASUREMENT, () -> finish(wrong, by, true));
    fails(SevStatus.POLICY_FAILURE, () -> finish(other, by, true));
    fails(SevStatus.INVALID_PARAM, () -> finish(good, null, false));
    fails(SevStatus.INVALID_PARAM, () -> finish(good, IdAuthentication.of(good, id, null), true));
    fails(
        SevStatus.BAD_SIGNATURE, () -> finish(good, IdAuthentication.of(other, id, author), false));
    byte[] unsigned = by.encode();
    unsigned[0x680] ^= 1;
    fails(SevStatus.BAD_SIGNATURE, () -> finish(good, new IdAuthentication(unsigned), true));
    assertThat(p.guestStatus(context)).isEqualTo(SnpSecureProcessor.State.LAUNCH);
    finish(good, by, true);
    assertThat(p.guestStatus(context)).isEqualTo(SnpSecureProcessor.State.RUNNING);
  }

  @Test
  void aGuestIsAnsweredWhileItRuns() {
    long request = (long) memory.allocateHostPage() << 12;
    long response = (long) memory.allocateHostPage() << 12;
    launching();
    update(SnpPageType.NORMAL);
    fails(SevStatus.INVALID_PAGE_STATE, () -> p.guestRequest(context, request, response));
    rmp.update(response, RmpEntry.guest(0, 0).forFirmware());
    fails(SevStatus.INVALID_GUEST, () -> p.guestRequest(request, request, response));
    fails(SevStatus.INVALID_GUEST_STATE, () -> p.guestRequest(context, request, response));
    assertThat(p.lastRefusal(context)).isEmpty();
    IdBlock block = block(0x3_0000);
    IdKey author = IdKey.of(BigInteger.TEN);
    IdAuthentication by = IdAuthentication.of(block, IdKey.of(BigInteger.TWO), author);
    finish(block, by, true);
    fails(SevStatus.INVALID_PARAM, () -> p.guestRequest(context, request, response));

    byte[] key = SeededBytes.of("VMPCK1", 1, 32);
    byte[] ask = new byte[0x60];
    ask[0x40] = 1;
    byte[] sealed = new GuestMessage(1, 5, 1, 1, ask).seal(key);
    memory.page((int) (request >>> 12), Page.SHARED).copyFrom(0, sealed, 0, sealed.length);
    p.guestRequest(context, request, response);
    byte[] answer = new byte[4096];
    memory.page((int) (response >>> 12), Page.SHARED).copyTo(0, answer, 0, answer.length);
    byte[] payload = Objects.requireNonNull(GuestMessage.open(answer, key)).payload();
    AttestationReport r = new AttestationReport(Arrays.copyOfRange(payload, 0x20, payload.length));
    assertThat(HexFormat.of().formatHex(r.get(ReportField.MEASUREMENT)))
        .isEqualTo(p.digest(context));
    assertThat(r.get(ReportField.AUTHOR_KEY_DIGEST))
        .isEqualTo(IdAuthentication.digest(by.authorKey()));
    assertThat(r.number(ReportField.KEY_INFO)).isEqualTo(AttestationReport.AUTHOR_KEY);
    assertThat(r.signedBy(EndorsementKey.of(SnpProduct.MILAN, 1).publicKey())).isTrue();
  }
}
