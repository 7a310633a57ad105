package dev.vesper.campaign;

import dev.vesper.fuzz.store.CampaignException;
import dev.vesper.fuzz.store.CampaignStore;
import java.io.IOException;
import java.net.InetSocketAddress;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.function.Consumer;
import org.infinispan.commons.CacheException;

/** How a member comes in, or why it does not: each way to fail has a line of its own. */
final class Joining {
  /** Until others have noticed that the one that had this name before is dead. */
  private static final long GHOST_NANOS = 25_000_000_000L;

  /** Longer than members that know of each other's address need to find each other. */
  private static final long MEETING_NANOS = 15_000_000_000L;

  private static final long LOOK_MILLIS = 250;
  private static final String VERSION = "version";

  private Joining() {}

  /**
   * Joins, or begins alone where nobody is named.
   *
   * @param shelf is closed with the store
   */
  static CampaignStore join(
      MemberSettings s, Shelf shelf, Neighbours neighbours, Consumer<String> said)
      throws CampaignException, IOException {
    Knock.free(s.listen());
    List<InetSocketAddress> asked = new ArrayList<>(s.join());
    asked.remove(s.listen());
    boolean answered = Knock.at(asked, s.keys());
    List<InetSocketAddress> known = neighbours.read();
    // One that comes back may be the first to do so; the others find it then.
    boolean returning = !known.isEmpty() || !shelf.isEmpty();
    if (!asked.isEmpty() && !answered && !returning) {
      throw new CampaignException(
          "nobody answers at "
              + String.join(", ", asked.stream().map(MemberSettings::show).toList())
              + "; the first member starts without join");
    }
    Library.refuseObjects();
    Network network = new Network(s, known, said);
    Path log = s.directory().resolve("library.log");
    Library.Log logging = Library.logTo(log);
    Cluster cluster;
    try {
      cluster = new Cluster(new Caches(s, network), logging, said);
    } catch (CacheException e) {
      throw new CampaignException(
          "member " + s.member() + " did not come in; " + log + " says why (" + cause(e) + ")");
    }
    try {
      // One that comes back offers what it has when it meets the others, however late that is.
      if (answered && !returning) {
        awaitOthers(s, asked, network);
      }
      awaitOwnName(s, network);
      agree(cluster);
      Keeper keeper = new Keeper(s.member(), shelf, cluster, network, neighbours, said);
      keeper.start();
      return new ClusterStore(s.member(), shelf, cluster, keeper);
    } catch (CampaignException | IOException e) {
      cluster.close();
      throw e;
    } catch (Cluster.Alone e) {
      cluster.close();
      throw new CampaignException("the other members do not answer: " + cause(e));
    }
  }

  /** Two who have missed each other, since one of them was very busy, meet a little later. */
  private static void awaitOthers(MemberSettings s, List<InetSocketAddress> asked, Network network)
      throws CampaignException {
    long since = System.nanoTime();
    try {
      while (network.members().size() == 1) {
        if (System.nanoTime() - since > MEETING_NANOS) {
          throw new CampaignException(
              "who answers at "
                  + String.join(", ", asked.stream().map(MemberSettings::show).toList())
                  + " is no member of campaign "
                  + s.campaign());
        }
        Thread.sleep(LOOK_MILLIS);
      }
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
    }
  }

  private static void awaitOwnName(MemberSettings s, Network network) throws CampaignException {
    long since = System.nanoTime();
    try {
      while (network.doubled().contains(s.member())) {
        if (System.nanoTime() - since > GHOST_NANOS) {
          throw new CampaignException(
              "there is a member " + s.member() + " already; each has a name of its own");
        }
        Thread.sleep(LOOK_MILLIS);
      }
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
    }
  }

  private static void agree(Cluster cluster) throws CampaignException, Cluster.Alone {
    byte[] mine = Cluster.bytes("schema " + Envelope.VERSION);
    String theirs = cluster.agreed(VERSION, mine);
    if (!theirs.equals("schema " + Envelope.VERSION)) {
      throw new CampaignException(
          "the campaign's members have another version of the schema than this one's, "
              + Envelope.VERSION
              + "; use the same vesper on all computers");
    }
  }

  private static String cause(Throwable t) {
    Throwable last = t;
    while (last.getCause() != null) {
      last = last.getCause();
    }
    String m = String.valueOf(last.getMessage());
    return m.lines().findFirst().orElse("");
  }
}
