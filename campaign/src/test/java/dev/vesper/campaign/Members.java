package dev.vesper.campaign;

import dev.vesper.cli.cluster.MemberCertificates;
import dev.vesper.fuzz.store.CampaignException;
import dev.vesper.fuzz.store.CampaignStore;
import dev.vesper.fuzz.store.CampaignStoreProvider.JoinOptions;
import java.io.IOException;
import java.net.InetAddress;
import java.net.ServerSocket;
import java.nio.file.Path;
import java.time.Clock;
import java.util.ArrayList;
import java.util.Collections;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/** Members of one campaign on loopback, in this process, and what they say. */
final class Members implements AutoCloseable {
  private final Path folder;
  private final @Nullable Path certificates;
  private final List<CampaignStore> stores = new ArrayList<>();

  /** Where each listens. */
  final Map<String, String> places = new HashMap<>();

  final List<String> said = Collections.synchronizedList(new ArrayList<>());

  Members(Path folder, @Nullable Path certificates) {
    this.folder = folder;
    this.certificates = certificates;
  }

  /** {@return an address of loopback that nobody listens at} */
  static String free() throws IOException {
    try (ServerSocket s = new ServerSocket(0, 1, InetAddress.getLoopbackAddress())) {
      return "127.0.0.1:" + s.getLocalPort();
    }
  }

  /** {@return a folder with an authority and certificates for members} */
  static Path certificates(Path folder, String... members) throws IOException {
    MemberCertificates.write(folder, List.of(members), Clock.systemUTC());
    return folder;
  }

  CampaignStore join(String name, String... asked) throws IOException, CampaignException {
    String place = places.get(name);
    if (place == null) {
      place = free();
      places.put(name, place);
    }
    Map<String, String> settings = new HashMap<>();
    settings.put("listen", place);
    List<String> join = new ArrayList<>();
    for (String a : asked) {
      join.add(places.getOrDefault(a, a));
    }
    settings.put("join", String.join(",", join));
    if (certificates != null) {
      settings.put("tls", certificates.toString());
    }
    CampaignStore s =
        new ClusterStoreProvider(said::add)
            .join(new JoinOptions("test", name, folder.resolve(name), settings));
    stores.add(s);
    return s;
  }

  @Override
  public void close() {
    for (CampaignStore s : stores) {
      s.close();
    }
  }
}
