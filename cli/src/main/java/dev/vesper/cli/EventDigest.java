package dev.vesper.cli;

import dev.vesper.machine.LaunchPlan;
import dev.vesper.machine.observe.Event;
import dev.vesper.machine.observe.EventSink;
import dev.vesper.machine.observe.format.JsonLinesWriter;
import java.io.IOException;
import java.io.OutputStream;
import java.io.UncheckedIOException;
import java.security.DigestOutputStream;
import java.security.MessageDigest;
import java.util.HexFormat;

/** SHA-256 of all events of a run as JSON Lines has them, whatever form they are written in. */
final class EventDigest implements EventSink {
  private final MessageDigest digest = LaunchPlan.sha256();
  private final JsonLinesWriter writer =
      new JsonLinesWriter(new DigestOutputStream(OutputStream.nullOutputStream(), digest));

  @Override
  public void accept(Event e) {
    writer.accept(e);
  }

  /** {@return the digest in hex, behind which no event comes} */
  String hex() {
    try {
      writer.close();
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
    return HexFormat.of().formatHex(digest.digest());
  }
}
