package dev.vesper.machine.sev;

import dev.vesper.machine.launch.AttestationReport;
import dev.vesper.machine.launch.CommandFailed;
import dev.vesper.machine.launch.CpuidPage;
import dev.vesper.machine.launch.DerivedKey;
import dev.vesper.machine.launch.EndorsementKey;
import dev.vesper.machine.launch.GuestMessage;
import dev.vesper.machine.launch.GuestMessage.Header;
import dev.vesper.machine.launch.GuestMessageType;
import dev.vesper.machine.launch.ReportField;
import dev.vesper.machine.launch.SecretsPage;
import dev.vesper.machine.launch.SecureTsc;
import dev.vesper.machine.launch.SevStatus;
import dev.vesper.machine.launch.SnpProduct;
import dev.vesper.machine.launch.TcbVersion;
import dev.vesper.machine.memory.Page;
import java.util.Arrays;
import java.util.Objects;
import org.jspecify.annotations.Nullable;

/**
 * The secure processor's end of a guest's messages (spec: snp 7.2, 7.3): it keeps a count for each
 * key, opens a request, answers it, and seals the response under the next number.
 *
 * <p>What is wrong with a message itself is a status of the command, which the host sees, and
 * leaves the count alone. What is wrong inside a message that could be opened is a status in the
 * response, which the guest alone sees, and the count goes on.
 */
final class GuestMessages {
  /** A count at which a key's numbers are used up. */
  private static final long LAST = -2;

  private static final String COMMAND = "SNP_GUEST_REQUEST";
  private static final int ONLY_VERSION = 1;

  private static final int REPORT_REQUEST = 0x60;
  private static final int REPORT_DATA = 64;
  private static final int REPORT_VMPL = 0x40;
  private static final int REPORT_KEY = 0x44;
  private static final int REPORT_SIZE = 4;
  private static final int REPORT_AT = 0x20;
  private static final int KEY_REQUEST = 0x20;
  private static final int KEY_RESPONSE = 0x40;
  private static final int KEY_AT = 0x20;
  private static final int TSC_INFO = 0x80;

  private final AttestationReport about;
  private final ReportKeys signers;
  private final SnpProduct product;
  private final byte[] vmrk;
  private final byte[][] keys;
  private final CpuidPage.Host host;
  private final @Nullable SecureTsc tsc;
  private final long[] counts = new long[SecretsPage.KEYS];
  private String lastRefusal = "";

  /**
   * @param about a report about the guest, but for what a request adds, not signed
   * @param signers who signs
   * @param product whose TCB version is current, committed and reported
   * @param vmrk the guest's own root of keys, 32 bytes
   * @param keys VMPCK0 to VMPCK3
   * @param tsc how the launched save areas have time counted, or null without Secure TSC
   */
  GuestMessages(
      AttestationReport about,
      ReportKeys signers,
      SnpProduct product,
      byte[] vmrk,
      byte[][] keys,
      CpuidPage.Host host,
      @Nullable SecureTsc tsc) {
    this.tsc = tsc;
    this.about = about;
    this.signers = signers;
    this.product = product;
    this.vmrk = vmrk;
    this.keys = keys;
    this.host = host;
  }

  /** {@return why the last message was answered by a status that is not success, or ""} */
  String lastRefusal() {
    return lastRefusal;
  }

  private static CommandFailed failed(SevStatus status, String why) {
    return new CommandFailed(COMMAND, status, why);
  }

  /**
   * {@return the response to a request, header and payload}
   *
   * @param page that holds the request, 4096 bytes
   * @throws CommandFailed if it is no message
   */
  byte[] answer(byte[] page) {
    lastRefusal = "";
    Header h = Header.of(page);
    require(h.headerVersion() == GuestMessage.HEADER_VERSION, "header version", h.headerVersion());
    require(h.headerSize() == GuestMessage.HEADER, "header size", h.headerSize());
    require(h.algorithm() == GuestMessage.AES_256_GCM, "algorithm", h.algorithm());
    require(
        h.size() != 0
            && h.size() % GuestMessage.BLOCK == 0
            && GuestMessage.HEADER + h.size() <= Page.SIZE,
        "message size",
        h.size());
    require(h.key() < SecretsPage.KEYS, "key", h.key());
    GuestMessage m = GuestMessage.open(page, keys[h.key()]);
    if (m == null) {
      throw failed(
          SevStatus.BAD_MEASUREMENT,
          "the tag is not that of the message under VMPCK"
              + h.key()
              + ": another key, or a byte was changed");
    }
    long count = counts[h.key()];
    if (count == LAST || h.sequence() != count + 1) {
      throw failed(
          SevStatus.AEAD_OFLOW,
          "sequence number "
              + Long.toUnsignedString(h.sequence())
              + " under VMPCK"
              + h.key()
              + ", due is "
              + Long.toUnsignedString(count + 1));
    }
    require(h.version() == ONLY_VERSION, "message version", h.version());
    GuestMessageType type = GuestMessageType.of(h.type());
    byte[] response =
        switch (type) {
          case CPUID_REQ -> cpuid(m.payload());
          case KEY_REQ -> key(m);
          case REPORT_REQ -> report(m);
          case TSC_INFO_REQ -> tscInfo(m.payload());
          case EXPORT_REQ, IMPORT_REQ, ABSORB_REQ, VMRK_REQ, ABSORB_NOMA_REQ ->
              throw failed(
                  SevStatus.INVALID_PARAM,
                  "message type "
                      + h.type()
                      + " ("
                      + type
                      + ") is for guests that migrate: this firmware has no migration agents");
          case null, default ->
              throw failed(
                  SevStatus.INVALID_PARAM,
                  "message type "
                      + h.type()
                      + (type == null ? "" : " (" + type + ")")
                      + " is none that this firmware answers");
        };
    counts[h.key()] = count + 2;
    GuestMessage r = new GuestMessage(count + 2, h.type() + 1, ONLY_VERSION, h.key(), response);
    return r.seal(keys[h.key()]);
  }

  private static void require(boolean good, String what, int is) {
    if (!good) {
      throw failed(SevStatus.INVALID_PARAM, what + " " + is + " is not allowed");
    }
  }

  /** {@return a response that has a status alone} */
  private byte[] refused(int bytes, SevStatus status, String why) {
    lastRefusal = why;
    byte[] b = new byte[bytes];
    Page.INT.set(b, 0, status.code());
    return b;
  }

  private static boolean zero(byte[] b, int from) {
    return zero(b, from, b.length);
  }

  private static boolean zero(byte[] b, int from, int to) {
    for (int i = from; i < to; i++) {
      if (b[i] != 0) {
        return false;
      }
    }
    return true;
  }

  // ---- reports

  private byte[] report(GuestMessage m) {
    byte[] q = Arrays.copyOf(m.payload(), Math.max(m.payload().length, REPORT_REQUEST));
    int bytes = REPORT_AT + AttestationReport.BYTES;
    int select = q[REPORT_KEY] & 3;
    int vmpl = (int) Page.INT.get(q, REPORT_VMPL);
    EndorsementKey by = signers.selected(select);
    byte[] refusal = null;
    if (m.payload().length != REPORT_REQUEST) {
      refusal = refused(bytes, SevStatus.INVALID_PARAM, "the request has another size than 0x60");
    } else if ((q[REPORT_KEY] & ~3) != 0 || !zero(q, REPORT_KEY + 1)) {
      refusal = refused(bytes, SevStatus.INVALID_PARAM, "reserved bytes are not zero");
    } else if (by == null) {
      refusal = refused(bytes, SevStatus.INVALID_KEY, ReportKeys.none(select));
    } else if (Integer.compareUnsigned(vmpl, m.key()) < 0) {
      refusal = refused(bytes, SevStatus.INVALID_PARAM, above(vmpl, m.key()));
    }
    if (refusal != null || by == null) {
      byte[] without = Objects.requireNonNull(refusal);
      Page.INT.set(without, REPORT_SIZE, AttestationReport.BYTES);
      return without;
    }
    AttestationReport r = new AttestationReport(about.encode());
    r.set(ReportField.VMPL, vmpl);
    r.set(ReportField.REPORT_DATA, Arrays.copyOf(q, REPORT_DATA));
    r.set(
        ReportField.KEY_INFO,
        r.number(ReportField.KEY_INFO) | by.signer() << AttestationReport.SIGNER_SHIFT);
    r.sign(by);
    byte[] out = new byte[bytes];
    Page.INT.set(out, REPORT_SIZE, AttestationReport.BYTES);
    System.arraycopy(r.encode(), 0, out, REPORT_AT, AttestationReport.BYTES);
    return out;
  }

  private static String above(int vmpl, int key) {
    return "VMPL "
        + Integer.toUnsignedString(vmpl)
        + " has more rights than the holder of VMPCK"
        + key;
  }

  // ---- derived keys

  private byte[] key(GuestMessage m) {
    byte[] q = Arrays.copyOf(m.payload(), Math.max(m.payload().length, KEY_REQUEST));
    boolean own = (q[0] & 1) != 0;
    int select = q[0] >>> 1 & 3;
    long fields = (long) Page.LONG.get(q, 8);
    int vmpl = (int) Page.INT.get(q, 0x10);
    int svn = (int) Page.INT.get(q, 0x14);
    long tcb = (long) Page.LONG.get(q, 0x18);
    EndorsementKey by = signers.selected(select);
    TcbVersion asked = product.decode(tcb);
    if (m.payload().length != KEY_REQUEST) {
      return refused(
          KEY_RESPONSE, SevStatus.INVALID_PARAM, "the request has another size than 0x20");
    }
    if ((q[0] & ~7) != 0 || !zero(q, 1, 8)) {
      return refused(KEY_RESPONSE, SevStatus.INVALID_PARAM, "reserved bytes are not zero");
    }
    if (by == null && (!own || select > 1)) {
      return refused(KEY_RESPONSE, SevStatus.INVALID_KEY, ReportKeys.none(select));
    }
    if (Integer.compareUnsigned(vmpl, m.key()) < 0) {
      return refused(KEY_RESPONSE, SevStatus.INVALID_PARAM, above(vmpl, m.key()));
    }
    if ((fields & ~DerivedKey.FIELDS) != 0) {
      return refused(
          KEY_RESPONSE,
          SevStatus.INVALID_PARAM,
          "fields 0x" + Long.toHexString(fields) + " has bits that this firmware does not know");
    }
    if (product.encode(asked) != tcb || !asked.notAbove(product.tcb())) {
      return refused(
          KEY_RESPONSE,
          SevStatus.INVALID_PARAM,
          "TCB version 0x" + Long.toHexString(tcb) + " is above the committed one");
    }
    if (Integer.compareUnsigned(svn, (int) about.number(ReportField.GUEST_SVN)) > 0) {
      return refused(
          KEY_RESPONSE,
          SevStatus.INVALID_PARAM,
          "guest SVN " + Integer.toUnsignedString(svn) + " is above that of the ID block");
    }
    DerivedKey.Request r = new DerivedKey.Request(own, (int) fields, vmpl, svn, tcb);
    byte[] root = own || by == null ? vmrk : by.root(product.tcb());
    byte[] out = new byte[KEY_RESPONSE];
    System.arraycopy(DerivedKey.of(root, r, about), 0, out, KEY_AT, DerivedKey.BYTES);
    return out;
  }

  // ---- the time-stamp counter, CPUID

  private byte[] tscInfo(byte[] q) {
    if (q.length != TSC_INFO || !zero(q, 0)) {
      return refused(TSC_INFO, SevStatus.INVALID_PARAM, "the request is not 0x80 zero bytes");
    }
    // A guest without Secure TSC has none.
    byte[] out = new byte[TSC_INFO];
    SecureTsc t = tsc;
    if (t != null) {
      Page.LONG.set(out, 8, t.scale());
      Page.LONG.set(out, 0x10, t.offset());
    }
    Page.INT.set(out, 0x18, SecretsPage.FACTOR);
    return out;
  }

  private byte[] cpuid(byte[] q) {
    byte[] page = Arrays.copyOf(q, Page.SIZE);
    int count = (int) Page.INT.get(page, 0);
    if (count < 0 || count > CpuidPage.MOST || CpuidPage.bytes(count) > q.length) {
      return refused(q.length, SevStatus.INVALID_PARAM, "the request has " + count + " functions");
    }
    CpuidPage.Result r = CpuidPage.check(page, host);
    byte[] out = Arrays.copyOf(r.page(), q.length);
    // The status comes first, where a request has the count.
    Page.INT.set(out, 4, count);
    if (!r.failures().isEmpty()) {
      lastRefusal = String.join("; ", r.failures());
    }
    SevStatus status = r.failures().isEmpty() ? SevStatus.SUCCESS : SevStatus.INVALID_PARAM;
    Page.INT.set(out, 0, status.code());
    return out;
  }
}
