package dev.vesper.cli.attest;

import dev.vesper.machine.launch.AttestationReport;
import dev.vesper.machine.launch.ReportField;
import dev.vesper.machine.launch.SevStatus;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.util.Arrays;

/**
 * A report from a file that somebody has saved: its own 1184 bytes, the payload of MSG_REPORT_RSP
 * with a status in front of it, or the 4000 bytes that the ioctl of {@code /dev/sev-guest} fills;
 * each as it is, or as text ({@link HexDump}).
 */
public final class ReportFile {
  /** Bytes in front of the report in a response: status u32, size u32, zeros (spec: snp 7.3). */
  private static final int HEAD = 0x20;

  private static final int RESPONSE = HEAD + AttestationReport.BYTES;
  private static final int IOCTL = 4000;

  /** What a dump may have, each of whose lines may have sixteen bytes and many letters. */
  private static final int MOST_TEXT = 1 << 20;

  private ReportFile() {}

  /**
   * {@return the report of a file}
   *
   * @throws IllegalArgumentException if there is none
   */
  public static AttestationReport parse(byte[] file) {
    if (file.length == 0) {
      throw new IllegalArgumentException("it is empty");
    }
    byte[] b =
        file.length <= MOST_TEXT && isText(file)
            ? HexDump.parse(new String(file, StandardCharsets.US_ASCII))
            : file;
    byte[] report = b;
    if (b.length == RESPONSE || b.length == IOCTL) {
      report = response(b);
    } else if (b.length != AttestationReport.BYTES) {
      throw new IllegalArgumentException(
          "it has %d bytes: a report has 1184, a response with one %d, the buffer of sev-guest's ioctl %d"
              .formatted(b.length, RESPONSE, IOCTL));
    }
    AttestationReport r = new AttestationReport(report);
    if (r.number(ReportField.VERSION) == 0 && isZero(report, 0)) {
      throw new IllegalArgumentException(
          "all bytes are zero: the request has failed, or nobody has made one");
    }
    return r;
  }

  private static byte[] response(byte[] b) {
    ByteBuffer in = ByteBuffer.wrap(b).order(ByteOrder.LITTLE_ENDIAN);
    int status = in.getInt(0);
    if (status != 0) {
      throw new IllegalArgumentException(
          "the secure processor has refused the request: status 0x%x%s"
              .formatted(status, named(status)));
    }
    int size = in.getInt(4);
    if (size != AttestationReport.BYTES) {
      throw new IllegalArgumentException(
          "the response says that its report has "
              + Integer.toUnsignedString(size)
              + " bytes, not 1184");
    }
    if (!isZero(b, RESPONSE)) {
      throw new IllegalArgumentException("there is something behind the report that is not zero");
    }
    return Arrays.copyOfRange(b, HEAD, RESPONSE);
  }

  private static String named(int status) {
    for (SevStatus s : SevStatus.values()) {
      if (s.code() == status) {
        return " (" + s + ")";
      }
    }
    return "";
  }

  private static boolean isZero(byte[] b, int from) {
    for (int i = from; i < b.length; i++) {
      if (b[i] != 0) {
        return false;
      }
    }
    return true;
  }

  /** {@return whether bytes are letters alone; a report always has zeros} */
  private static boolean isText(byte[] b) {
    for (byte c : b) {
      if (c < ' ' && c != '\n' && c != '\r' && c != '\t') {
        return false;
      }
    }
    return true;
  }
}
