package dev.vesper.cli.attest;

import dev.vesper.machine.launch.EndorsementChain;
import java.io.ByteArrayOutputStream;
import java.nio.charset.StandardCharsets;
import java.util.Base64;

/** Certificates as text (RFC 7468). */
public final class Pem {
  private static final int LINE = 64;

  private Pem() {}

  /** {@return a certificate as text} */
  public static byte[] of(byte[] der) {
    String base64 = Base64.getMimeEncoder(LINE, new byte[] {'\n'}).encodeToString(der);
    return ("-----BEGIN CERTIFICATE-----\n" + base64 + "\n-----END CERTIFICATE-----\n")
        .getBytes(StandardCharsets.US_ASCII);
  }

  /** {@return ASK and ARK in one text, as AMD's key service gives them} */
  public static byte[] chain(EndorsementChain c) {
    return both(c.ask(), c.ark());
  }

  /** {@return ASVK and ARK in one text, as AMD's key service gives them} */
  public static byte[] lentChain(EndorsementChain c) {
    return both(c.certificate(EndorsementChain.Part.ASVK), c.ark());
  }

  private static byte[] both(byte[] one, byte[] other) {
    ByteArrayOutputStream out = new ByteArrayOutputStream();
    out.writeBytes(of(one));
    out.writeBytes(of(other));
    return out.toByteArray();
  }
}
