package dev.vesper.cli.attest;

import dev.vesper.machine.launch.ApiVersion;
import dev.vesper.machine.launch.AttestationReport;
import dev.vesper.machine.launch.PolicyBit;
import dev.vesper.machine.launch.ReportField;
import dev.vesper.machine.launch.SnpPolicy;
import dev.vesper.machine.launch.SnpProduct;
import dev.vesper.machine.launch.TcbVersion;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HexFormat;
import java.util.List;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/**
 * What an owner wants of a guest; what is null or missing is not asked.
 *
 * @param policy the laxest that may be: permissions are no more than these, demands no fewer
 * @param vmpl the least privileged level that may have asked
 * @param tcb the least version of the platform
 * @param svn the least GUEST_SVN
 * @param fields what fields must be
 */
public record Expectations(
    @Nullable Long policy,
    @Nullable Long vmpl,
    @Nullable TcbVersion tcb,
    @Nullable Long svn,
    Map<ExpectedField, byte[]> fields) {

  /** {@return what comes of them} */
  List<Check> judge(AttestationReport r) {
    List<Check> all = new ArrayList<>();
    all.add(debug(r));
    all.add(policy(r));
    for (ExpectedField f : ExpectedField.values()) {
      all.add(field(f, r));
    }
    all.add(level(r));
    all.add(least(r));
    all.add(number(r));
    return all;
  }

  private static Check unasked(String name, String option, String found) {
    return Check.notChecked(name, "not checked: " + option + " was not given; it is " + found);
  }

  private static Check debug(AttestationReport r) {
    String name = "debugging";
    return PolicyBit.DEBUG.in(r.number(ReportField.POLICY))
        ? Check.warning(
            name, "the policy has DEBUG: the host can read the guest, keep no secrets there")
        : Check.passed(name, "the policy forbids it");
  }

  private Check policy(AttestationReport r) {
    String name = "policy";
    SnpPolicy found = new SnpPolicy(r.number(ReportField.POLICY));
    Long most = policy;
    if (most == null) {
      return unasked(name, "--policy", found.toString());
    }
    List<String> wrong = new ArrayList<>();
    for (PolicyBit b : PolicyBit.values()) {
      if (b.permits() && b.in(found.bits()) && !b.in(most)) {
        wrong.add(b + " may not be set");
      } else if (!b.permits() && !b.in(found.bits()) && b.in(most)) {
        wrong.add(b + " is not set");
      }
    }
    ApiVersion abi = new ApiVersion((int) found.bits() >>> 8 & 0xFF, (int) found.bits() & 0xFF, 0);
    if (!new SnpPolicy(most).accepts(abi)) {
      wrong.add("the least ABI is " + abi.major() + "." + abi.minor());
    }
    if (!found.defined()) {
      wrong.add("it has bits that are not known");
    }
    return Check.of(
        wrong.isEmpty(),
        name,
        found + " is no laxer than what --policy says",
        found
            + " is laxer than "
            + new SnpPolicy(most)
            + ": "
            + String.join(", ", wrong)
            + "; launch the guest with that policy");
  }

  private Check field(ExpectedField f, AttestationReport r) {
    byte[] found = r.get(f.field());
    String hex = HexFormat.of().formatHex(found);
    byte[] wanted = fields.get(f);
    if (wanted == null) {
      return unasked(f.text(), f.option(), hex);
    }
    return Check.of(
        Arrays.equals(found, wanted),
        f.text(),
        hex,
        hex + ", not " + HexFormat.of().formatHex(wanted) + ": " + f.otherwise());
  }

  private Check level(AttestationReport r) {
    String name = "VMPL";
    int found = (int) r.number(ReportField.VMPL);
    String text = found == AttestationReport.HOST ? "the host's" : Integer.toUnsignedString(found);
    Long most = vmpl;
    if (most == null) {
      return unasked(name, "--vmpl", text);
    }
    return Check.of(
        Integer.toUnsignedLong(found) <= most,
        name,
        text + ", at most " + most,
        text + ", more than " + most + ": who has asked is less privileged than you trust");
  }

  private Check least(AttestationReport r) {
    String name = "least TCB";
    SnpProduct layout = ReportProduct.layout(r);
    TcbVersion reported = layout.decode(r.number(ReportField.REPORTED_TCB));
    TcbVersion launch = layout.decode(r.number(ReportField.LAUNCH_TCB));
    TcbVersion wanted = tcb;
    if (wanted == null) {
      return unasked(name, "--min-tcb", reported.toString());
    }
    if (!wanted.notAbove(reported)) {
      return Check.failed(
          name, "REPORTED_TCB is " + reported + ", wanted " + wanted + ": the host needs updates");
    }
    return Check.of(
        wanted.notAbove(launch),
        name,
        reported + ", at launch " + launch,
        "LAUNCH_TCB is "
            + launch
            + ", wanted "
            + wanted
            + ": the guest was launched before an update, launch it again");
  }

  private Check number(AttestationReport r) {
    String name = "guest SVN";
    long found = r.number(ReportField.GUEST_SVN);
    Long wanted = svn;
    if (wanted == null) {
      return unasked(name, "--svn", String.valueOf(found));
    }
    return Check.of(
        found >= wanted,
        name,
        found + ", at least " + wanted,
        found + ", less than " + wanted + ": the image is an older one");
  }
}
