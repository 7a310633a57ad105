package dev.vesper.cli;

import dev.vesper.cli.attest.KeyService;
import dev.vesper.cli.attest.Pem;
import dev.vesper.machine.launch.EndorsementChain;
import dev.vesper.machine.launch.SnpProduct;
import java.io.IOException;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.net.UnknownHostException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.EnumSet;
import java.util.List;
import java.util.Locale;
import java.util.Set;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.jspecify.annotations.Nullable;

/** What {@code attest certs} takes and does: it writes the test chain, and serves it. */
final class AttestCerts {
  private static final Pattern PLACE =
      Pattern.compile("(?:(?:127\\.0\\.0\\.1|localhost):)?(\\d{1,5})");
  private static final int LAST_PORT = 0xFFFF;
  private static final double MILLIS = 1000;

  private @Nullable Path folder;
  private @Nullable String serve;
  private @Nullable Long seed;
  private @Nullable String cpu;
  private @Nullable Double timeout;
  private boolean vlek;
  private String revoke = "";

  void addTo(Options o) {
    o.path(
        "DIR",
        "certs: write ark, ask and vcek, or with --vlek asvk and vlek, as .pem and .der, cert_chain,"
            + " crl, the list of revoked certificates, and certs.bin, the table that guests are"
            + " given, to this folder",
        v -> folder = v,
        "-o",
        "--output");
    o.optional(
        "127.0.0.1:PORT",
        "certs: serve the certificates by HTTP with the paths of AMD's key service until Ctrl-C;"
            + " --serve alone takes a free port and says which",
        "127.0.0.1:0",
        v -> PLACE.matcher(v).matches(),
        v -> serve = v,
        "--serve");
    o.duration(
        "D", "certs: end --serve after this time, as 90s or 10m", v -> timeout = v, "--timeout");
    o.number("N", "certs: of the run whose chip it is (default: 1)", v -> seed = v, "--seed");
    o.text(
        "MODEL",
        "certs: of the run whose chip it is: EPYC-Milan, EPYC-Genoa or EPYC-Turin (default:"
            + " EPYC-Milan); --serve has all",
        v -> cpu = v,
        "--cpu",
        "-cpu");
    o.flag("certs: of the key that 'run --vlek test' loads", () -> vlek = true, "--vlek");
    o.text(
        "NAMES",
        "certs: what the list has as revoked: vcek, ask, vlek, asvk, ark (default: nothing)",
        v -> revoke = v,
        "--revoke");
  }

  /** {@return the first option that was given, or null if none was} */
  @Nullable String given() {
    return folder != null
        ? "-o"
        : serve != null
            ? "--serve"
            : seed != null
                ? "--seed"
                : cpu != null
                    ? "--cpu"
                    : timeout != null
                        ? "--timeout"
                        : vlek ? "--vlek" : revoke.isEmpty() ? null : "--revoke";
  }

  /**
   * Writes and serves.
   *
   * @throws UserError if something cannot be written, or the port is not to be had
   */
  void call() {
    if (folder == null && serve == null) {
      throw new UserError("attest certs needs -o DIR or --serve");
    }
    if (timeout != null && (serve == null || timeout < 0 || timeout.isNaN())) {
      throw new UserError("--timeout is the time that --serve takes, 0 or more");
    }
    long n = seed == null ? 1 : seed;
    EndorsementChain chain = EndorsementChain.of(product(), n);
    InetSocketAddress place = serve == null ? null : place(serve);
    Set<EndorsementChain.Part> revoked = revoked();
    if (folder != null) {
      write(folder, chain, revoked);
    }
    if (place != null) {
      serve(place, n, revoked);
    }
  }

  private SnpProduct product() {
    String model = cpu;
    if (model == null) {
      return SnpProduct.MILAN;
    }
    for (SnpProduct p : SnpProduct.values()) {
      // As QEMU's models are named, whose versions are of the same product.
      if (model.matches("EPYC-" + p.text() + "(-v\\d+)?")) {
        return p;
      }
    }
    throw new UserError(
        "--cpu takes EPYC-Milan, EPYC-Genoa or EPYC-Turin here, not '" + model + "'");
  }

  private Set<EndorsementChain.Part> revoked() {
    Set<EndorsementChain.Part> all = EnumSet.noneOf(EndorsementChain.Part.class);
    for (String name : revoke.isEmpty() ? new String[0] : revoke.split(",", -1)) {
      EndorsementChain.Part found = null;
      for (EndorsementChain.Part p : EndorsementChain.Part.values()) {
        found = p.name().equalsIgnoreCase(name) ? p : found;
      }
      if (found == null) {
        throw new UserError("--revoke takes vcek, ask, vlek, asvk and ark, not '" + name + "'");
      }
      all.add(found);
    }
    return all;
  }

  private void write(Path to, EndorsementChain c, Set<EndorsementChain.Part> revoked) {
    try {
      Files.createDirectories(to);
    } catch (IOException e) {
      throw new UserError("cannot write to " + to + ": " + UserError.reason(e));
    }
    List<EndorsementChain.Part> parts =
        vlek
            ? List.of(
                EndorsementChain.Part.ARK, EndorsementChain.Part.ASVK, EndorsementChain.Part.VLEK)
            : List.of(
                EndorsementChain.Part.ARK, EndorsementChain.Part.ASK, EndorsementChain.Part.VCEK);
    for (EndorsementChain.Part p : parts) {
      pair(to, p.name().toLowerCase(Locale.ROOT), c.certificate(p));
    }
    UserFiles.write(to.resolve("cert_chain"), vlek ? Pem.lentChain(c) : Pem.chain(c));
    UserFiles.write(to.resolve("crl"), c.revoked(revoked));
    UserFiles.write(to.resolve("certs.bin"), vlek ? c.lentTable() : c.table());
  }

  private static void pair(Path to, String name, byte[] der) {
    UserFiles.write(to.resolve(name + ".der"), der);
    UserFiles.write(to.resolve(name + ".pem"), Pem.of(der));
  }

  private static InetSocketAddress place(String text) {
    Matcher m = PLACE.matcher(text);
    int port = m.matches() ? Integer.parseInt(m.group(1)) : LAST_PORT + 1;
    if (port > LAST_PORT) {
      throw new UserError(
          "--serve takes 127.0.0.1:PORT (others cannot reach it), not '" + text + "'");
    }
    try {
      return new InetSocketAddress(InetAddress.getByAddress(new byte[] {127, 0, 0, 1}), port);
    } catch (UnknownHostException e) {
      throw new AssertionError("four bytes are an address", e);
    }
  }

  private void serve(InetSocketAddress place, long n, Set<EndorsementChain.Part> revoked) {
    try (KeyService s = KeyService.start(place, n, revoked)) {
      Terminal.out("http://127.0.0.1:" + s.address().getPort() + "/vcek/v1/");
      Terminal.flushOut();
      Thread.sleep(timeout == null ? Long.MAX_VALUE : (long) (timeout * MILLIS));
    } catch (IOException e) {
      throw new UserError("cannot serve at " + place.getPort() + ": " + UserError.reason(e));
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
    }
  }
}
