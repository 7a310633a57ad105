package dev.vesper.cli.attest;

import com.sun.net.httpserver.HttpExchange;
import com.sun.net.httpserver.HttpServer;
import dev.vesper.machine.launch.EndorsementChain;
import dev.vesper.machine.launch.EndorsementKey;
import dev.vesper.machine.launch.SnpProduct;
import java.io.Closeable;
import java.io.IOException;
import java.io.OutputStream;
import java.net.InetSocketAddress;
import java.nio.charset.StandardCharsets;
import java.util.Arrays;
import java.util.HexFormat;
import java.util.Map;
import java.util.Set;
import java.util.TreeMap;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;

/**
 * Serves the certificates of {@link EndorsementChain} by the paths of AMD's key service, so that
 * what fetches them there can be tried: {@code /vcek/v1/PRODUCT/cert_chain}, {@code
 * /vcek/v1/PRODUCT/crl}, and {@code
 * /vcek/v1/PRODUCT/CHIP_ID?blSPL=..&teeSPL=..&snpSPL=..&ucodeSPL=..}, for Turin with {@code
 * fmcSPL}; for keys that are lent the same below {@code /vlek}, with {@code cert} for the chip. It
 * knows the chips of one seed, a chip a product.
 */
public final class KeyService implements Closeable {
  private static final int OK = 200;
  private static final int BAD_REQUEST = 400;
  private static final int NOT_FOUND = 404;
  private static final int BAD_METHOD = 405;

  private final HttpServer server;
  private final ExecutorService workers = Executors.newVirtualThreadPerTaskExecutor();
  private final long seed;
  private final Set<EndorsementChain.Part> revoked;
  private final Map<SnpProduct, EndorsementChain> chains = new ConcurrentHashMap<>();

  private KeyService(HttpServer server, long seed, Set<EndorsementChain.Part> revoked) {
    this.server = server;
    this.seed = seed;
    this.revoked = Set.copyOf(revoked);
  }

  /**
   * Begins to serve.
   *
   * @param at an address of this computer; port 0 stands for one that is free
   * @param seed decides chips and keys, as that of a run does
   * @param revoked whose certificates the lists have
   * @throws IOException if the port is taken
   */
  public static KeyService start(
      InetSocketAddress at, long seed, Set<EndorsementChain.Part> revoked) throws IOException {
    KeyService s = new KeyService(HttpServer.create(at, 0), seed, revoked);
    s.server.setExecutor(s.workers);
    s.server.createContext("/", s::answer);
    s.server.start();
    return s;
  }

  /** {@return where it listens} */
  public InetSocketAddress address() {
    return server.getAddress();
  }

  @Override
  public void close() {
    server.stop(0);
    workers.shutdownNow();
  }

  private void answer(HttpExchange e) throws IOException {
    try (e) {
      Answer a = answer(e.getRequestMethod(), e.getRequestURI().getPath(), query(e));
      e.getResponseHeaders().set("Content-Type", a.type);
      e.sendResponseHeaders(a.status, a.body.length);
      try (OutputStream out = e.getResponseBody()) {
        out.write(a.body);
      }
    }
  }

  private static Map<String, String> query(HttpExchange e) {
    Map<String, String> all = new TreeMap<>();
    String q = e.getRequestURI().getQuery();
    for (String part : (q == null ? "" : q).split("&")) {
      String[] p = part.split("=", 2);
      all.put(p[0], p.length == 2 ? p[1] : "");
    }
    return all;
  }

  /** What is sent back. */
  private record Answer(int status, String type, byte[] body) {
    static Answer refused(int status, String why) {
      return new Answer(status, "text/plain", (why + "\n").getBytes(StandardCharsets.UTF_8));
    }
  }

  private Answer answer(String method, String path, Map<String, String> query) {
    if (!method.equals("GET")) {
      return Answer.refused(BAD_METHOD, "only GET is known");
    }
    for (SnpProduct p : SnpProduct.values()) {
      for (boolean lent : new boolean[] {false, true}) {
        if (path.startsWith(KeyServiceUrl.path(p, lent))) {
          String name = path.substring(KeyServiceUrl.path(p, lent).length());
          return switch (name) {
            case "cert_chain" ->
                new Answer(
                    OK,
                    "application/x-pem-file",
                    lent ? Pem.lentChain(chain(p)) : Pem.chain(chain(p)));
            case "crl" -> new Answer(OK, "application/pkix-crl", chain(p).revoked(revoked));
            default -> key(p, lent, name, query);
          };
        }
      }
    }
    return Answer.refused(
        NOT_FOUND, "there are Milan, Genoa and Turin below /vcek/v1 and /vlek/v1");
  }

  private EndorsementChain chain(SnpProduct p) {
    return chains.computeIfAbsent(p, k -> EndorsementChain.of(k, seed));
  }

  private Answer key(SnpProduct p, boolean lent, String name, Map<String, String> query) {
    byte[] id = Arrays.copyOf(EndorsementKey.of(p, seed).chipId(), p.chipIdBytes());
    String hex = HexFormat.of().formatHex(id);
    if (lent && !name.equals("cert")) {
      return Answer.refused(NOT_FOUND, "there are cert, cert_chain and crl");
    }
    if (!lent && !name.equalsIgnoreCase(hex)) {
      return Answer.refused(NOT_FOUND, "the only chip here is " + hex);
    }
    for (String part : KeyServiceUrl.query(p, p.tcb()).split("&")) {
      String[] level = part.split("=", 2);
      String asked = query.get(level[0]);
      if (asked == null || !asked.matches("[0-9]{1,3}")) {
        return Answer.refused(BAD_REQUEST, level[0] + " is missing, or no number");
      }
      if (Integer.parseInt(asked) != Integer.parseInt(level[1])) {
        return Answer.refused(NOT_FOUND, "the only TCB version here is " + p.tcb());
      }
    }
    EndorsementChain.Part part = lent ? EndorsementChain.Part.VLEK : EndorsementChain.Part.VCEK;
    return new Answer(OK, "application/octet-stream", chain(p).certificate(part));
  }
}
