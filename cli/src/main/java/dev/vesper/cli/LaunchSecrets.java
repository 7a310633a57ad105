package dev.vesper.cli;

import dev.vesper.machine.LaunchPlan;
import dev.vesper.machine.launch.GuestPolicy;
import dev.vesper.machine.launch.LaunchSecret;
import dev.vesper.machine.launch.Owner;
import dev.vesper.machine.launch.PlatformKeys;
import dev.vesper.machine.launch.SecretTable;
import dev.vesper.machine.launch.SeededBytes;
import dev.vesper.machine.spec.MachineSpec;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.UUID;
import org.jspecify.annotations.Nullable;

/**
 * The secret of {@code run --secret}. One that is not sealed yet needs an owner who knows the
 * session's keys: without a session of somebody else, the run makes one itself.
 */
final class LaunchSecrets {
  private static final int GUID_LENGTH = 36;

  private final GuestOptions guest;
  private final @Nullable LaunchSecret sealed;
  private final byte @Nullable [] plain;

  private LaunchSecrets(
      GuestOptions guest, @Nullable LaunchSecret sealed, byte @Nullable [] plain) {
    this.guest = guest;
    this.sealed = sealed;
    this.plain = plain;
  }

  /** Reads the files of the option's values. */
  static LaunchSecrets of(List<String> values, GuestOptions guest) {
    if (values.isEmpty()) {
      return new LaunchSecrets(guest, null, null);
    }
    if (values.stream().allMatch(v -> v.indexOf('=') == GUID_LENGTH)) {
      Map<UUID, byte[]> entries = new LinkedHashMap<>();
      for (String v : values) {
        entries.put(
            guid(v.substring(0, GUID_LENGTH)),
            UserFiles.read(UserFiles.path(v.substring(GUID_LENGTH + 1)), "secret"));
      }
      return new LaunchSecrets(guest, null, SecretTable.of(entries));
    }
    if (values.size() == 1) {
      return new LaunchSecrets(
          guest, null, UserFiles.read(UserFiles.path(values.get(0)), "secret"));
    }
    if (values.size() == 2) {
      byte[] header = UserFiles.read(UserFiles.path(values.get(0)), "secret's header");
      byte[] payload = UserFiles.read(UserFiles.path(values.get(1)), "secret's payload");
      return new LaunchSecrets(guest, new LaunchSecret(header, payload), null);
    }
    throw new UserError("--secret takes a file, entries GUID=FILE, or HEADER,PAYLOAD");
  }

  /** {@return the files that {@link #of} reads} */
  static List<Path> files(List<String> values) {
    boolean entries = values.stream().allMatch(v -> v.indexOf('=') == GUID_LENGTH);
    return values.stream()
        .map(v -> UserFiles.path(entries ? v.substring(GUID_LENGTH + 1) : v))
        .toList();
  }

  private static UUID guid(String s) {
    try {
      return UUID.fromString(s);
    } catch (IllegalArgumentException e) {
      throw new UserError("--secret: '" + s + "' is not a GUID");
    }
  }

  /** {@return options of a launch with the secret} */
  MachineSpec addTo(MachineSpec o) {
    if (sealed != null) {
      return o.toBuilder().owner(null, m -> sealed).build();
    }
    byte[] text = plain;
    if (text == null) {
      return o;
    }
    if (o.launch().owner() != null) {
      throw new UserError(
          "--secret: the keys of --session-file are its owner's, so the secret must be sealed by"
              + " them: give HEADER,PAYLOAD");
    }
    GuestPolicy policy = LaunchPlan.policyOf(o);
    Owner owner = Owner.seeded(new PlatformKeys(guest.seed()).certificate(), policy, guest.seed());
    return o.toBuilder()
        .owner(
            new MachineSpec.Session(owner.certificate(), owner.session()),
            m ->
                LaunchSecret.seal(
                    owner.keys(), SeededBytes.of("secret's IV", guest.seed(), 16), text, m))
        .build();
  }
}
