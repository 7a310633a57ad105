package dev.vesper.machine.sev;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.vesper.machine.launch.AttestationReport;
import dev.vesper.machine.launch.CommandFailed;
import dev.vesper.machine.launch.CpuidPage;
import dev.vesper.machine.launch.DerivedKey;
import dev.vesper.machine.launch.EndorsementKey;
import dev.vesper.machine.launch.GuestMessage;
import dev.vesper.machine.launch.GuestMessageType;
import dev.vesper.machine.launch.ReportField;
import dev.vesper.machine.launch.SecureTsc;
import dev.vesper.machine.launch.SevStatus;
import dev.vesper.machine.launch.SnpProduct;
import dev.vesper.machine.launch.TcbVersion;
import dev.vesper.machine.memory.Page;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.Arrays;
import java.util.HexFormat;
import java.util.List;
import java.util.Objects;
import java.util.function.Consumer;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** Messages right and wrong, under each key, and what the count does (spec: snp 7.2, 7.3). */
final class GuestMessagesTest {
  private static final EndorsementKey CHIP = EndorsementKey.of(SnpProduct.MILAN, 1);
  private static final CpuidPage.Host HOST = new CpuidPage.Host(0xA00F11, 0);

  private final byte[][] keys = new byte[4][32];
  private final AttestationReport about = new AttestationReport();
  private final GuestMessages firmware;

  GuestMessagesTest() {
    for (int i = 0; i < keys.length; i++) {
      Arrays.fill(keys[i], (byte) (i + 1));
    }
    about.set(ReportField.VERSION, 2);
    about.set(ReportField.GUEST_SVN, 7);
    about.set(ReportField.POLICY, 0x3_0000);
    firmware = firmware(new ReportKeys(CHIP, null));
  }

  private GuestMessages firmware(ReportKeys signers) {
    return new GuestMessages(about, signers, SnpProduct.MILAN, new byte[32], keys, HOST, null);
  }

  private static byte[] page(byte[] message) {
    return Arrays.copyOf(message, 4096);
  }

  private byte[] request(long sequence, GuestMessageType type, int key, byte[] payload) {
    return page(new GuestMessage(sequence, type.number(), 1, key, payload).seal(keys[key]));
  }

  private GuestMessage ask(long sequence, GuestMessageType type, int key, byte[] payload) {
    byte[] answer = firmware.answer(request(sequence, type, key, payload));
    return Objects.requireNonNull(GuestMessage.open(answer, keys[key]));
  }

  private void fails(byte[] page, SevStatus status, String why) {
    assertThatThrownBy(() -> firmware.answer(page))
        .hasMessageContaining(why)
        .isInstanceOfSatisfying(CommandFailed.class, e -> assertThat(e.status()).isEqualTo(status));
  }

  private static byte[] report(int vmpl, int select) {
    ByteBuffer b = ByteBuffer.allocate(0x60).order(ByteOrder.LITTLE_ENDIAN);
    Arrays.fill(b.array(), 0, 64, (byte) 0xAB);
    return b.putInt(0x40, vmpl).putInt(0x44, select).array();
  }

  private static int status(GuestMessage m) {
    return ByteBuffer.wrap(m.payload()).order(ByteOrder.LITTLE_ENDIAN).getInt(0);
  }

  @Test
  void aReportIsSignedAndSaysWhoAsked() {
    GuestMessage r = ask(1, GuestMessageType.REPORT_REQ, 0, report(2, 0));
    assertThat(r.sequence()).isEqualTo(2);
    assertThat(r.type()).isEqualTo(GuestMessageType.REPORT_RSP.number());
    assertThat(status(r)).isZero();
    AttestationReport a =
        new AttestationReport(Arrays.copyOfRange(r.payload(), 0x20, r.payload().length));
    assertThat(a.number(ReportField.VMPL)).isEqualTo(2);
    assertThat(a.get(ReportField.REPORT_DATA)).containsOnly(0xAB);
    assertThat(a.number(ReportField.POLICY)).isEqualTo(0x3_0000);
    assertThat(a.signedBy(CHIP.publicKey())).isTrue();
    assertThat(firmware.lastRefusal()).isEmpty();
  }

  @Test
  void aCountForEachKey() {
    ask(1, GuestMessageType.TSC_INFO_REQ, 0, new byte[0x80]);
    ask(3, GuestMessageType.TSC_INFO_REQ, 0, new byte[0x80]);
    ask(1, GuestMessageType.TSC_INFO_REQ, 3, new byte[0x80]);
    byte[] again = request(3, GuestMessageType.TSC_INFO_REQ, 0, new byte[0x80]);
    fails(again, SevStatus.AEAD_OFLOW, "sequence number 3 under VMPCK0, due is 5");
    fails(
        request(6, GuestMessageType.TSC_INFO_REQ, 0, new byte[0x80]),
        SevStatus.AEAD_OFLOW,
        "due is 5");
    ask(5, GuestMessageType.TSC_INFO_REQ, 0, new byte[0x80]);
  }

  /** What is wrong with a message leaves the count alone: the right one still comes through. */
  @Test
  void wrongMessagesHaveTheirStatuses() {
    byte[] good = request(1, GuestMessageType.REPORT_REQ, 0, report(0, 0));
    record Wrong(Consumer<byte[]> change, SevStatus status, String why) {}
    for (Wrong w :
        List.of(
            new Wrong(b -> b[0x60] ^= 1, SevStatus.BAD_MEASUREMENT, "the tag is not that"),
            new Wrong(b -> b[0] ^= 1, SevStatus.BAD_MEASUREMENT, "the tag is not that"),
            new Wrong(b -> b[0x3C] = 1, SevStatus.BAD_MEASUREMENT, "VMPCK1"),
            new Wrong(b -> b[0x3C] = 4, SevStatus.INVALID_PARAM, "key 4"),
            new Wrong(b -> b[0x30] = 2, SevStatus.INVALID_PARAM, "algorithm 2"),
            new Wrong(b -> b[0x31] = 0, SevStatus.INVALID_PARAM, "header version 0"),
            new Wrong(b -> b[0x32] = 0x50, SevStatus.INVALID_PARAM, "header size 80"),
            new Wrong(b -> b[0x36] = 0, SevStatus.INVALID_PARAM, "message size 0"),
            new Wrong(b -> b[0x36] = 0x58, SevStatus.INVALID_PARAM, "message size 88"),
            new Wrong(b -> b[0x37] = 0x10, SevStatus.INVALID_PARAM, "message size 4192"))) {
      byte[] b = good.clone();
      w.change.accept(b);
      fails(b, w.status, w.why);
    }
    for (int version : new int[] {0, 2}) {
      GuestMessage m =
          new GuestMessage(1, GuestMessageType.REPORT_REQ.number(), version, 0, report(0, 0));
      fails(page(m.seal(keys[0])), SevStatus.INVALID_PARAM, "message version " + version);
    }
    for (int type : new int[] {0, 2, 7, 0x0D, 0x13, 0xFF}) {
      GuestMessage m = new GuestMessage(1, type, 1, 0, report(0, 0));
      fails(page(m.seal(keys[0])), SevStatus.INVALID_PARAM, "message type " + type);
    }
    for (GuestMessageType type :
        List.of(
            GuestMessageType.EXPORT_REQ,
            GuestMessageType.IMPORT_REQ,
            GuestMessageType.ABSORB_REQ,
            GuestMessageType.VMRK_REQ,
            GuestMessageType.ABSORB_NOMA_REQ)) {
      fails(
          request(1, type, 0, new byte[0x40]),
          SevStatus.INVALID_PARAM,
          "(" + type + ") is for guests that migrate");
    }
    assertThat(firmware.answer(good)).isNotEmpty();
  }

  @ParameterizedTest
  @CsvSource({
    "0, 1, 0, 0x16, VMPL 0 has more rights than the holder of VMPCK1",
    "1, 1, 0, 0, ''",
    "3, 0, 1, 0, ''",
    "-1, 3, 0, 0, ''",
    "0, 0, 2, 0x27, no VLEK is loaded",
    "0, 0, 3, 0x27, key selection 3 is reserved",
    "0, 0, 4, 0x16, reserved bytes are not zero",
    "0, 0, 0x100, 0x16, reserved bytes are not zero"
  })
  void whatIsWrongInsideIsForTheGuestAlone(
      int vmpl, int key, String select, String status, String why) {
    GuestMessage r = ask(1, GuestMessageType.REPORT_REQ, key, report(vmpl, Integer.decode(select)));
    assertThat(status(r)).isEqualTo(Integer.decode(status));
    assertThat(firmware.lastRefusal()).isEqualTo(why);
    assertThat(r.payload()).hasSize(0x4C0);
    assertThat(r.payload()[4] & 0xFF | r.payload()[5] << 8).isEqualTo(0x4A0);
    if (!why.isEmpty()) {
      assertThat(Arrays.copyOfRange(r.payload(), 0x20, 0x4C0)).containsOnly(0);
    }
    // The count has gone on.
    ask(3, GuestMessageType.TSC_INFO_REQ, key, new byte[0x80]);
  }

  /** With both keys, with either and with none: who signs, or why nobody does. */
  @ParameterizedTest
  @CsvSource({
    "true, true, 0, VLEK, ''",
    "true, true, 1, VCEK, ''",
    "true, true, 2, VLEK, ''",
    "true, true, 3, '', key selection 3 is reserved",
    "true, false, 0, VCEK, ''",
    "true, false, 1, VCEK, ''",
    "true, false, 2, '', no VLEK is loaded",
    "false, true, 0, VLEK, ''",
    "false, true, 1, '', VCEK is disabled",
    "false, true, 2, VLEK, ''",
    "false, false, 0, '', 'VCEK is disabled, and no VLEK is loaded'"
  })
  void theKeyThatIsSelectedSignsAndDerives(
      boolean own, boolean loaded, int select, String signer, String why) {
    EndorsementKey lent = EndorsementKey.lent(SnpProduct.MILAN);
    GuestMessages f = firmware(new ReportKeys(own ? CHIP : null, loaded ? lent : null));
    byte[] answer = f.answer(request(1, GuestMessageType.REPORT_REQ, 0, report(0, select)));
    GuestMessage m = Objects.requireNonNull(GuestMessage.open(answer, keys[0]));
    assertThat(f.lastRefusal()).isEqualTo(why);
    byte[] key = f.answer(request(3, GuestMessageType.KEY_REQ, 0, derive(2 * select, 0, 0, 0, 0)));
    assertThat(f.lastRefusal()).isEqualTo(why);
    if (!why.isEmpty()) {
      assertThat(status(m)).isEqualTo(SevStatus.INVALID_KEY.code());
      return;
    }
    EndorsementKey by = signer.equals("VLEK") ? lent : CHIP;
    AttestationReport a =
        new AttestationReport(Arrays.copyOfRange(m.payload(), 0x20, m.payload().length));
    assertThat(a.signedBy(by.publicKey())).isTrue();
    assertThat(a.number(ReportField.KEY_INFO)).isEqualTo(signer.equals("VLEK") ? 4 : 0);
    byte[] root = by.root(SnpProduct.MILAN.tcb());
    assertThat(Objects.requireNonNull(GuestMessage.open(key, keys[0])).payload())
        .endsWith(DerivedKey.of(root, new DerivedKey.Request(false, 0, 0, 0, 0), about));
  }

  private static byte[] derive(int select, long fields, int vmpl, int svn, long tcb) {
    return ByteBuffer.allocate(0x20)
        .order(ByteOrder.LITTLE_ENDIAN)
        .putInt(select)
        .putInt(0)
        .putLong(fields)
        .putInt(vmpl)
        .putInt(svn)
        .putLong(tcb)
        .array();
  }

  @ParameterizedTest
  @CsvSource({
    "1, 0, 0, 0, 0, ''",
    "0, 0x3f, 3, 7, 0x7308000000000003, ''",
    "4, 0, 0, 0, 0, no VLEK is loaded",
    "6, 0, 0, 0, 0, key selection 3 is reserved",
    "8, 0, 0, 0, 0, reserved bytes are not zero",
    "1, 0x40, 0, 0, 0, fields 0x40 has bits that this firmware does not know",
    "1, 0x10, 0, 8, 0, guest SVN 8 is above that of the ID block",
    "1, 0x20, 0, 0, 0x7408000000000003, TCB version 0x7408000000000003 is above the committed one",
    "1, 0x20, 0, 0, 0x0000000100000000, TCB version 0x100000000 is above the committed one"
  })
  void requestsForKeys(int select, String fields, int vmpl, int svn, String tcb, String why) {
    byte[] q = derive(select, Long.decode(fields), vmpl, svn, Long.decode(tcb));
    GuestMessage r = ask(1, GuestMessageType.KEY_REQ, 0, q);
    assertThat(r.payload()).hasSize(0x40);
    assertThat(firmware.lastRefusal()).isEqualTo(why);
    assertThat(status(r) == 0).isEqualTo(why.isEmpty());
    byte[] key = Arrays.copyOfRange(r.payload(), 0x20, 0x40);
    if (why.isEmpty()) {
      byte[] root = (select & 1) == 1 ? new byte[32] : CHIP.root(new TcbVersion(0, 3, 0, 8, 0x73));
      DerivedKey.Request d =
          new DerivedKey.Request(
              (select & 1) == 1, Integer.decode(fields), vmpl, svn, Long.decode(tcb));
      assertThat(key).isEqualTo(DerivedKey.of(root, d, about));
    } else {
      assertThat(key).containsOnly(0);
    }
  }

  @Test
  void theClockAndCpuid() {
    GuestMessage t = ask(1, GuestMessageType.TSC_INFO_REQ, 0, new byte[0x80]);
    assertThat(HexFormat.of().formatHex(t.payload(), 0x18, 0x1C)).isEqualTo("c8000000");
    byte[] q =
        Arrays.copyOf(
            CpuidPage.encode(List.of(new CpuidPage.Entry(0x8000_001D, 3, 0, 0, 0, 0, 0, 6))), 0x40);
    GuestMessage c = ask(3, GuestMessageType.CPUID_REQ, 0, q);
    assertThat(status(c)).isEqualTo(SevStatus.INVALID_PARAM.code());
    assertThat(c.payload()[4]).isEqualTo((byte) 1);
    assertThat(c.payload()[0x10 + 0x24]).as("EDX as it may be").isEqualTo((byte) 2);
    assertThat(firmware.lastRefusal()).contains("leaf 8000001d.3 EDX");
    q[0] = 2;
    GuestMessage more = ask(5, GuestMessageType.CPUID_REQ, 0, q);
    assertThat(status(more)).isEqualTo(SevStatus.INVALID_PARAM.code());
    assertThat(firmware.lastRefusal()).isEqualTo("the request has 2 functions");
    GuestMessage odd = ask(7, GuestMessageType.TSC_INFO_REQ, 0, new byte[0x20]);
    assertThat(status(odd)).isEqualTo(SevStatus.INVALID_PARAM.code());
  }

  /** As the launched save areas have them, for those that the guest makes. */
  @Test
  void scaleAndOffsetOfSecureTscAreTold() {
    SecureTsc tsc = new SecureTsc(SecureTsc.ofKilohertz(2_445_445).scale(), 0x1234);
    GuestMessages f =
        new GuestMessages(
            about, new ReportKeys(CHIP, null), SnpProduct.MILAN, new byte[32], keys, HOST, tsc);
    byte[] page = f.answer(request(1, GuestMessageType.TSC_INFO_REQ, 0, new byte[0x80]));
    GuestMessage r =
        Objects.requireNonNull(GuestMessage.open(Arrays.copyOf(page, Page.SIZE), keys[0]));
    ByteBuffer b = ByteBuffer.wrap(r.payload()).order(ByteOrder.LITTLE_ENDIAN);
    assertThat(b.getInt(0)).as("status").isZero();
    assertThat(b.getLong(8)).as("scale").isEqualTo(0x18_7456_D5D0L);
    assertThat(b.getLong(16)).as("offset").isEqualTo(0x1234);
    assertThat(b.getInt(24)).as("factor").isEqualTo(200);
  }

  @Test
  void aDisabledKeySignsAndDerivesNothing() {
    GuestMessages f = firmware(new ReportKeys(null, null));
    long sequence = 1;
    for (int select : new int[] {0, 1}) {
      f.answer(request(sequence, GuestMessageType.REPORT_REQ, 0, report(0, select)));
      assertThat(f.lastRefusal()).startsWith("VCEK is disabled");
      f.answer(request(sequence + 2, GuestMessageType.KEY_REQ, 0, derive(2 * select, 0, 0, 0, 0)));
      assertThat(f.lastRefusal()).startsWith("VCEK is disabled");
      sequence += 4;
    }
    f.answer(request(sequence, GuestMessageType.KEY_REQ, 0, derive(1, 0, 0, 0, 0)));
    assertThat(f.lastRefusal()).as("the guest's own root").isEmpty();
  }
}
