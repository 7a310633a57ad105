package dev.vesper.cli.monitor;

import dev.vesper.machine.Machine;
import dev.vesper.machine.launch.CommandFailed;
import dev.vesper.machine.launch.LaunchSecret;
import dev.vesper.machine.launch.SevReport;
import dev.vesper.machine.launch.SevStatus;
import dev.vesper.machine.spec.SevMode;
import java.util.Base64;
import java.util.List;
import java.util.Map;

/**
 * What the owner of a guest under SEV or SEV-ES has its host hand over: a secret before it runs,
 * and its attestation report. Errors are in QEMU's words (target/i386/sev.c).
 */
final class SecretCommands {
  static final List<Command> ALL =
      List.of(
          Command.of(
              "sev-inject-launch-secret",
              "packet-header secret [gpa]",
              "inject a secret into a guest that has not run (changes the run)",
              SecretCommands::inject));

  static final List<QmpCommand> QMP =
      List.of(
          QmpCommand.of(
              "sev-inject-launch-secret",
              "packet-header:str secret:str gpa?:int",
              (s, a) -> {
                long gpa = a.all().containsKey("gpa") ? a.number("gpa", 0) : area(s.machine());
                inject(s.control(), a.string("packet-header"), a.string("secret"), gpa);
                return Map.of();
              }),
          QmpCommand.of(
              "query-sev-attestation-report",
              "mnonce:str",
              (s, a) -> report(s.machine(), a.string("mnonce"))));

  /** What QEMU returns for any failure of a command: -EIO. */
  private static final int FAILED = -5;

  private SecretCommands() {}

  private static void inject(Call c) throws Refusal {
    String header = c.words().string("packet-header");
    String secret = c.words().string("secret");
    boolean named = !c.words().atEnd();
    long gpa = named ? c.words().number(c.vcpu()) : 0;
    c.words().end();
    try {
      inject(c.control(), header, secret, named ? gpa : area(c.machine()));
    } catch (QmpError e) {
      throw new Refusal("Error: " + e.getMessage());
    }
  }

  /** {@return where firmware wants secrets} */
  private static long area(Machine m) throws QmpError {
    if (m.spec().mode() == SevMode.OFF) {
      throw new QmpError("SEV not enabled for guest");
    }
    long at = m.secretAddress();
    if (at < 0) {
      throw new QmpError("SEV: no secret area found in OVMF, gpa must be specified.");
    }
    return at;
  }

  private static void inject(Control c, String header, String secret, long gpa)
      throws QmpError, Refusal {
    Machine m = c.machine();
    if (m.spec().mode() == SevMode.OFF) {
      throw new QmpError("SEV not enabled for guest");
    }
    if (!m.isLaunchOpen()) {
      throw new QmpError("SEV: Not in correct state. (LSECRET) 3");
    }
    byte[] head = decoded(header, "SEV: Failed to decode sequence header");
    byte[] data = decoded(secret, "SEV: Failed to decode data");
    if (!m.hostView().contains(gpa, 1)) {
      throw new QmpError(
          "SEV: Failed to calculate guest address: No memory is mapped at address 0x"
              + Long.toHexString(gpa));
    }
    if (!m.hostView().contains(gpa, data.length)) {
      throw new QmpError(
          "SEV: Failed to calculate guest address: Size of memory region at 0x"
              + Long.toHexString(gpa)
              + " exceeded.");
    }
    c.changes("sev-inject-launch-secret");
    try {
      m.injectSecret(new LaunchSecret(head, data), gpa);
    } catch (CommandFailed e) {
      throw new QmpError(
          "SEV: failed to inject secret ret=%d fw_error=%d '%s'"
              .formatted(FAILED, e.status().code(), words(e.status())));
    }
  }

  private static byte[] decoded(String base64, String failure) throws QmpError {
    try {
      byte[] b = Base64.getDecoder().decode(base64);
      if (b.length > 0) {
        return b;
      }
    } catch (IllegalArgumentException e) {
      // It is no base64, which is one thing with nothing.
    }
    throw new QmpError(failure);
  }

  private static Object report(Machine m, String mnonce) throws QmpError {
    SevMode mode = m.spec().mode();
    if (mode == SevMode.OFF) {
      throw new QmpError("SEV is not enabled");
    }
    if (mode == SevMode.SNP) {
      throw new QmpError(
          "SEV: Failed to query the attestation report length: a guest of --sev snp asks for its"
              + " report itself");
    }
    byte[] nonce = decoded(mnonce, "SEV: failed to decode mnonce input");
    if (nonce.length != SevReport.NONCE_BYTES) {
      throw new QmpError(
          "SEV: mnonce must be %d bytes (got %d)".formatted(SevReport.NONCE_BYTES, nonce.length));
    }
    return Map.of("data", Base64.getEncoder().encodeToString(m.attestation(nonce).encode()));
  }

  /** {@return what QEMU calls a status that these commands may have} */
  private static String words(SevStatus s) {
    return switch (s) {
      case INVALID_GUEST_STATE -> "Guest state is invalid";
      case INVALID_LENGTH -> "Buffer too small";
      case INACTIVE -> "Guest is not active";
      case INVALID_ADDRESS -> "Invalid address";
      case BAD_MEASUREMENT -> "Bad measurement";
      case UNSUPPORTED -> "Feature not supported";
      default -> "unknown error";
    };
  }
}
