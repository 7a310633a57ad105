package dev.vesper.cli;

import dev.vesper.cli.cluster.MemberCertificates;
import dev.vesper.cli.cluster.MirroredStore;
import dev.vesper.fuzz.store.CampaignException;
import dev.vesper.fuzz.store.CampaignStore;
import dev.vesper.fuzz.store.CampaignStoreProvider;
import dev.vesper.fuzz.store.CampaignStoreProvider.JoinOptions;
import dev.vesper.fuzz.store.Progress;
import java.io.IOException;
import java.nio.file.Path;
import java.time.Clock;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.ServiceLoader;
import org.jspecify.annotations.Nullable;

/** With whom a campaign is shared, and the certificates of those who share one. */
final class ClusterOptions {
  private static final String STORE = "cluster";
  private static final String FOLDER = "cluster";

  private final Map<String, String> settings = new HashMap<>();
  private List<String> members = List.of();
  private String campaign = "campaign";

  /** Adds the options to a command's. */
  void addTo(Options o) {
    o.texts(
        "NAME",
        "this member's name in a shared campaign; certs: whose certificate to make, may be"
            + " repeated",
        v -> members = v,
        "--member");
    o.text(
        "HOST:PORT",
        "share the campaign: where this member listens (default with --join: 127.0.0.1:7799)",
        v -> settings.put("listen", v),
        "--listen");
    o.text(
        "HOST:PORT,...",
        "share the campaign of these members, or of dns:NAME's",
        v -> settings.put("join", v),
        "--join");
    o.text(
        "DIR",
        "this member's certificate, as 'fuzz certs' makes it; off loopback there is no other way",
        v -> settings.put("tls", v),
        "--tls");
    o.text(
        "NAME",
        "the campaign's name, if a computer has more than one (default: campaign)",
        v -> campaign = v,
        "--campaign");
  }

  /** {@return whether the campaign is shared} */
  boolean isShared() {
    return settings.containsKey("listen") || settings.containsKey("join");
  }

  /** {@return this member's name} */
  String member() {
    if (members.size() > 1) {
      throw new UserError("--member: a member has one name");
    }
    String name = members.isEmpty() ? "main" : members.get(0);
    if (!Progress.isName(name)) {
      throw new UserError("--member takes 1 to 64 characters of A-Z a-z 0-9 . _ -");
    }
    return name;
  }

  /**
   * {@return the store of a member whose campaign is in a directory: the directory alone, or
   * shared}
   *
   * @throws CampaignException if it cannot be joined, in a line
   */
  @Nullable CampaignStore share(CampaignStore own, Path directory) throws CampaignException {
    if (!isShared()) {
      if (!settings.isEmpty()) {
        throw new UserError("--tls is for a campaign that --listen or --join shares");
      }
      return null;
    }
    String member = member();
    for (CampaignStoreProvider p : ServiceLoader.load(CampaignStoreProvider.class)) {
      if (p.name().equals(STORE)) {
        MirroredStore s =
            new MirroredStore(
                own,
                p.join(new JoinOptions(campaign, member, directory.resolve(FOLDER), settings)));
        s.offer();
        return s;
      }
    }
    throw new UserError(
        "--listen and --join need module campaign, which this vesper is without: './vesper install'"
            + " in the sources adds it where its libraries can be fetched; the single jar never has"
            + " it");
  }

  /** Makes certificates, and says where they are. */
  int certificates(Path folder) {
    if (members.isEmpty()) {
      throw new UserError("fuzz certs " + folder + ": name the members with --member NAME");
    }
    try {
      for (Path p : MemberCertificates.write(folder, members, Clock.systemUTC())) {
        Terminal.out(p.toString());
      }
      return 0;
    } catch (IllegalArgumentException e) {
      throw new UserError(String.valueOf(e.getMessage()));
    } catch (IOException e) {
      throw new UserError("fuzz certs: cannot write to " + folder + ": " + UserError.reason(e));
    }
  }
}
