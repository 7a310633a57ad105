package dev.vesper.cli;

import dev.vesper.machine.launch.ApiVersion;
import dev.vesper.machine.launch.GuestPolicy;
import dev.vesper.machine.launch.Owner;
import dev.vesper.machine.launch.PlatformKeys;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.Base64;
import org.jspecify.annotations.Nullable;

/** {@code vesper session}: what {@code sevctl session} makes, for this machine's platform. */
final class SessionCommand implements Options.Command {
  private String name = "vm";
  private long policy = 5;
  private long seed = 1;
  private @Nullable Path pdh;

  @Override
  public Options options() {
    Options o =
        new Options(
            "Prepares a launch as its owner: writes NAME_godh.b64 and NAME_session.b64 for 'run"
                + " --dh-cert-file F --session-file F', and NAME_tik.bin and NAME_tek.bin, which the"
                + " owner keeps.");
    o.text("NAME", "begins the names of the files (default: vm)", v -> name = v, "--name");
    o.number("N", "guest policy (default: 5, no debugging, SEV-ES)", v -> policy = v, "--policy");
    o.number("N", "of the run whose platform it is for (default: 1)", v -> seed = v, "--seed");
    o.path(
        "F",
        "also write the platform's certificates: PDH, PEK, OCA and CEK, as 'sevctl export' does",
        v -> pdh = v,
        "--export");
    return o;
  }

  @Override
  public Integer call() {
    if (policy < 0 || policy > 0xFFFF_FFFFL) {
      throw new UserError("--policy takes 32 bits, not " + policy);
    }
    GuestPolicy asked = new GuestPolicy((int) policy);
    if (!asked.defined() || !asked.accepts(ApiVersion.CURRENT)) {
      throw new UserError(
          "--policy "
              + asked
              + ": the platform would refuse it (bits 6 to 15 are reserved, its API is "
              + ApiVersion.CURRENT
              + ")");
    }
    PlatformKeys platform = new PlatformKeys(seed);
    Owner owner = Owner.fresh(platform.certificate(), asked);
    UserFiles.write(UserFiles.path(name + "_godh.b64"), base64(owner.certificate().encode()));
    UserFiles.write(UserFiles.path(name + "_session.b64"), base64(owner.session().encode()));
    UserFiles.write(UserFiles.path(name + "_tik.bin"), owner.keys().tik());
    UserFiles.write(UserFiles.path(name + "_tek.bin"), owner.keys().tek());
    if (pdh != null) {
      UserFiles.write(pdh, platform.chain());
    }
    return 0;
  }

  private static byte[] base64(byte[] b) {
    return Base64.getEncoder().encodeToString(b).getBytes(StandardCharsets.US_ASCII);
  }
}
