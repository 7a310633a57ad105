package dev.vesper.cli;

import dev.vesper.guest.ServiceModule;
import dev.vesper.machine.launch.IdAuthentication;
import dev.vesper.machine.launch.IdBlock;
import dev.vesper.machine.launch.IdKey;
import dev.vesper.machine.launch.SnpDigest;
import dev.vesper.machine.launch.SnpPolicy;
import dev.vesper.machine.spec.SnpLaunch;
import java.nio.file.Path;
import java.util.Base64;
import java.util.HexFormat;
import org.jspecify.annotations.Nullable;

/** What {@code measure} takes for launches under SEV-SNP alone, by sev-snp-measure's names. */
final class SnpOptions {
  /** SEV_FEATURES, for {@code run} too. */
  static final String FEATURES = "--guest-features";

  /** A service module, for {@code run} too. */
  static final String SERVICE = "--svsm";

  static final String SERVICE_HELP =
      "a service module at VMPL0, which runs the kernel at VMPL2 (default: off)";

  /** What the module has no answer to: vTOM, ReflectVC, restricted and alternate injection. */
  private static final long NOT_SERVED = 0x1E;

  private String features = "";
  private boolean service;
  private String ovmfHash = "";
  private @Nullable Path idKey;
  private @Nullable Path authorKey;
  private String family = "";
  private String image = "";
  private @Nullable Long svn;

  void addTo(Options o) {
    o.text(
        "HEX",
        "SEV_FEATURES of the save areas under snp (default: 0x1)",
        v -> features = v,
        FEATURES);
    o.text(
        "HEX",
        "digest of the firmware's own pages, as --mode snp:ovmf-hash prints it: the firmware's"
            + " metadata are looked at alone",
        v -> ovmfHash = v,
        "--snp-ovmf-hash");
    o.text("on|off", SERVICE_HELP, v -> service = isOn(v), SERVICE);
    o.path(
        "F",
        "the ID key, P-384 in PEM form: print ID block and authentication for QEMU's id-block and"
            + " id-auth",
        v -> idKey = v,
        "--idkey");
    o.path("F", "the key that signs the ID key", v -> authorKey = v, "--authorkey");
    o.text(
        "HEX",
        "FAMILY_ID of the ID block, 16 bytes (default: zeros)",
        v -> family = v,
        "--familyid");
    o.text(
        "HEX", "IMAGE_ID of the ID block, 16 bytes (default: zeros)", v -> image = v, "--imageid");
    o.number("N", "GUEST_SVN of the ID block (default: 0)", v -> svn = v, "--svn");
  }

  /** {@return the first option that was given, or null} */
  private @Nullable String given() {
    return service
        ? SERVICE
        : !features.isEmpty()
            ? FEATURES
            : !ovmfHash.isEmpty() ? "--snp-ovmf-hash" : idKey != null ? "--idkey" : null;
  }

  /** Refuses what does not belong together. */
  void validate(boolean snp) {
    String option = given();
    if (!snp && option != null) {
      throw new UserError(option + " is for --mode snp");
    }
    if (idKey == null
        && (authorKey != null || !family.isEmpty() || !image.isEmpty() || svn != null)) {
      throw new UserError(
          "--authorkey, --familyid, --imageid and --svn are for an ID block: give its key with"
              + " --idkey");
    }
    Long n = svn;
    if (n != null && (n < 0 || n > 0xFFFF_FFFFL)) {
      throw new UserError("--svn takes 32 bits, not " + n);
    }
  }

  /** {@return SEV_FEATURES} */
  long features() {
    return features.isEmpty() ? 1 : features(features);
  }

  /** {@return SEV_FEATURES that a user has said} */
  static long features(String text) {
    String digits = text.startsWith("0x") ? text.substring(2) : text;
    if (!digits.matches("[0-9a-fA-F]{1,16}")) {
      throw new UserError(FEATURES + " takes a number in hex, not '" + text + "'");
    }
    long v = Long.parseUnsignedLong(digits, 16);
    if ((v & 1) == 0) {
      throw new UserError(FEATURES + " " + text + ": bit 0 (SNPActive) is always set");
    }
    return v;
  }

  /** {@return a launch with the service module, if one is asked for} */
  SnpLaunch launch(SnpLaunch l) {
    SnpLaunch with = l.withFeatures(features());
    return service ? withService(with) : with;
  }

  /** {@return a launch with the service module} */
  static SnpLaunch withService(SnpLaunch l) {
    if ((l.features() & NOT_SERVED) != 0) {
      throw new UserError(
          SERVICE
              + ": the module serves no guest with vTOM, ReflectVC, restricted or alternate"
              + " injection: leave bits 1 to 4 of "
              + FEATURES
              + " clear");
    }
    return l.withService(ServiceModule.image());
  }

  private static boolean isOn(String v) {
    return switch (v) {
      case "on" -> true;
      case "off" -> false;
      default -> throw new UserError(SERVICE + " takes on or off, not '" + v + "'");
    };
  }

  /** {@return the digest of the firmware, or null} */
  byte @Nullable [] ovmfHash() {
    return ovmfHash.isEmpty() ? null : hex("--snp-ovmf-hash", ovmfHash, SnpDigest.BYTES);
  }

  private static byte[] hex(String option, String text, int bytes) {
    try {
      byte[] b = HexFormat.of().parseHex(text);
      if (b.length == bytes) {
        return b;
      }
    } catch (IllegalArgumentException e) {
      // no hex
    }
    throw new UserError(option + " takes " + bytes + " bytes in hex, not '" + text + "'");
  }

  /** Prints an ID block for a launch, if one was asked for. */
  interface Signer {
    void print(byte[] digest, SnpPolicy policy);
  }

  /** {@return who signs, with all files read} */
  Signer signer() {
    Path file = idKey;
    if (file == null) {
      return (digest, policy) -> {};
    }
    IdKey id = key(file, "ID key");
    IdKey author = authorKey == null ? null : key(authorKey, "author key");
    byte[] f = family.isEmpty() ? new byte[IdBlock.ID_BYTES] : hex("--familyid", family, 16);
    byte[] i = image.isEmpty() ? new byte[IdBlock.ID_BYTES] : hex("--imageid", image, 16);
    Long n = svn;
    int number = n == null ? 0 : n.intValue();
    return (digest, policy) -> {
      IdBlock block = new IdBlock(digest, f, i, IdBlock.VERSION, number, policy);
      Base64.Encoder e = Base64.getEncoder();
      Terminal.out("id-block=" + e.encodeToString(block.encode()));
      Terminal.out("id-auth=" + e.encodeToString(IdAuthentication.of(block, id, author).encode()));
    };
  }

  private static IdKey key(Path p, String what) {
    try {
      return IdKey.parse(UserFiles.text(p, what));
    } catch (IllegalArgumentException e) {
      throw new UserError("the " + what + " " + p + ": " + e.getMessage());
    }
  }
}
