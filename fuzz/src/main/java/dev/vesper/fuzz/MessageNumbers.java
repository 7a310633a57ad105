package dev.vesper.fuzz;

import dev.vesper.ghcb.ExitCode;
import dev.vesper.ghcb.GhcbField;
import dev.vesper.machine.host.Exit;
import dev.vesper.machine.launch.GuestMessage;
import java.util.Arrays;
import java.util.HashMap;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/**
 * Looks at a guest's messages to the secure processor as its host sees them. The sequence number is
 * the nonce of AES-GCM: two different messages with one number under one key give away the
 * difference of their plaintexts, and the key of the tag with it (SEV-SNP firmware ABI, guest
 * messages). The same message may be sent as often as need be.
 */
final class MessageNumbers {
  private static final int PAGE = 4096;

  /** Numbers of different keys are kept apart by these bits. */
  private static final int KEY_SHIFT = 60;

  private final Map<Long, byte[]> sent = new HashMap<>();
  private Map<Long, byte[]> before = Map.of();
  private @Nullable String breach;

  /** The machine is where executions begin. */
  void mark() {
    before = Map.copyOf(sent);
  }

  /** The machine is there again. */
  void begin() {
    sent.clear();
    sent.putAll(before);
    breach = null;
  }

  /** {@return what the guest has done wrong since {@link #begin}, or null} */
  @Nullable String breach() {
    return breach;
  }

  /** Looks at a request, before it is answered. */
  void asked(Exit.Event e) {
    if (e.code() != ExitCode.SNP_GUEST_REQUEST && e.code() != ExitCode.SNP_EXTENDED_GUEST_REQUEST) {
      return;
    }
    long at = e.request(GhcbField.SW_EXITINFO1);
    if (!e.memory().contains(at, PAGE)) {
      return;
    }
    byte[] page = e.memory().bytes(at, PAGE);
    GuestMessage.Header h = GuestMessage.Header.of(page);
    byte[] message = Arrays.copyOf(page, Math.min(PAGE, GuestMessage.HEADER + h.size()));
    byte[] other = sent.putIfAbsent(h.sequence() ^ (long) h.key() << KEY_SHIFT, message);
    if (other != null && !Arrays.equals(other, message) && breach == null) {
      breach =
          "two messages to the secure processor have number %d under key %d: their IV is one"
              .formatted(h.sequence(), h.key());
    }
  }
}
