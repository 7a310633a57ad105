package dev.vesper.cli;

import dev.vesper.cli.attest.Certificates;
import dev.vesper.cli.attest.Check;
import dev.vesper.cli.attest.Expectations;
import dev.vesper.cli.attest.Pem;
import dev.vesper.cli.attest.ReportDiff;
import dev.vesper.cli.attest.ReportFile;
import dev.vesper.cli.attest.ReportVerifier;
import dev.vesper.cli.attest.ReportWords;
import dev.vesper.cli.attest.Roots;
import dev.vesper.fixtures.fuzz.FuzzTarget;
import dev.vesper.machine.launch.AttestationReport;
import dev.vesper.machine.launch.EndorsementChain;
import dev.vesper.machine.launch.SnpProduct;
import java.nio.charset.StandardCharsets;
import java.time.Instant;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HexFormat;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.stream.Stream;

/**
 * Reports in every form, and certificates and tables of them for a report that is whole. Nothing
 * that was changed may be found good.
 */
public final class AttestTarget implements FuzzTarget {
  private static final Instant DAY = Instant.parse("2026-11-30T00:00:00Z");
  private static final Expectations NONE = new Expectations(null, null, null, null, Map.of());
  private static final Roots ROOTS = new Roots(true, null);

  private final List<byte[]> whole = new ArrayList<>();

  /** Makes the reports that are whole. */
  public AttestTarget() {
    for (SnpProduct p : SnpProduct.values()) {
      whole.add(AttestSamples.signed(p, AttestSamples.unsigned(p)));
    }
  }

  @Override
  public String name() {
    return "attest";
  }

  @Override
  public List<String> covers() {
    return Stream.of(
            "Certificates",
            "ChipCertificate",
            "DerValue",
            "HexDump",
            "ReportDiff",
            "ReportFile",
            "ReportProduct",
            "ReportVerifier",
            "ReportWords",
            "RevocationList",
            "Roots")
        .map("dev.vesper.cli.attest."::concat)
        .toList();
  }

  @Override
  public int inputs() {
    return 1000;
  }

  @Override
  public List<String> words() {
    return List.of("*", "00000000", ":", "|", "0x", "-----BEGIN CERTIFICATE-----", "0000020");
  }

  @Override
  public List<byte[]> seeds() {
    List<byte[]> all = new ArrayList<>(whole);
    byte[] response = new byte[0x4C0];
    response[4] = (byte) 0xA0;
    response[5] = 4;
    System.arraycopy(whole.getFirst(), 0, response, 0x20, AttestationReport.BYTES);
    all.add(response);
    all.add(Arrays.copyOf(response, 4000));
    String hex = HexFormat.of().formatHex(whole.getFirst());
    all.add(hex.getBytes(StandardCharsets.US_ASCII));
    StringBuilder dump = new StringBuilder();
    for (int at = 0; at < AttestationReport.BYTES; at += 16) {
      dump.append("%06x ".formatted(at));
      dump.append(HexFormat.ofDelimiter(" ").formatHex(whole.getFirst(), at, at + 16)).append('\n');
    }
    all.add(dump.toString().getBytes(StandardCharsets.US_ASCII));
    all.add("00000000: 0200 0000  ....\n*\n00000010: 07\n".getBytes(StandardCharsets.US_ASCII));
    for (SnpProduct p : SnpProduct.values()) {
      EndorsementChain c = EndorsementChain.of(p, 1);
      all.add(c.table());
      all.add(c.vcek());
      all.add(c.certificate(EndorsementChain.Part.VLEK));
      all.add(c.revoked(Set.of(EndorsementChain.Part.ASK, EndorsementChain.Part.VCEK)));
    }
    all.add(Pem.chain(EndorsementChain.of(SnpProduct.MILAN, 1)));
    return all;
  }

  @Override
  public void take(byte[] input) {
    byte[] report = whole.getFirst();
    try {
      AttestationReport r = ReportFile.parse(input);
      report = r.encode();
      if (ReportWords.of(r).size() < 30) {
        throw new IllegalStateException("a field is missing");
      }
      if (!ReportDiff.of(r, r).isEmpty()) {
        throw new IllegalStateException("it differs from itself");
      }
      ReportDiff.of(r, new AttestationReport(whole.getLast()));
    } catch (IllegalArgumentException e) {
      requireWords(e);
    }
    Certificates given = new Certificates();
    try {
      given.add("F", input);
    } catch (IllegalArgumentException e) {
      requireWords(e);
      given.add("whole", AttestSamples.table(SnpProduct.MILAN));
    }
    List<Check> checks =
        ReportVerifier.judge(new AttestationReport(report), given, ROOTS, DAY, NONE);
    boolean good = checks.stream().noneMatch(c -> c.state() == Check.State.FAILED);
    byte[] judged = report;
    if (good && whole.stream().noneMatch(w -> Arrays.equals(w, judged))) {
      throw new IllegalStateException("a report is found good that nobody has signed");
    }
  }

  private static void requireWords(IllegalArgumentException e) {
    if (String.valueOf(e.getMessage()).isBlank()) {
      throw e;
    }
  }
}
