package dev.vesper.campaign;

import java.util.concurrent.TimeUnit;
import org.infinispan.Cache;
import org.infinispan.commons.dataconversion.MediaType;
import org.infinispan.configuration.cache.CacheMode;
import org.infinispan.configuration.cache.ConfigurationBuilder;
import org.infinispan.configuration.global.GlobalConfigurationBuilder;
import org.infinispan.configuration.global.ShutdownHookBehavior;
import org.infinispan.conflict.MergePolicy;
import org.infinispan.manager.DefaultCacheManager;
import org.infinispan.partitionhandling.PartitionHandling;
import org.infinispan.remoting.transport.jgroups.JGroupsTransport;

/**
 * The distributed caches of a campaign, with keys and values that are bytes ({@link Envelope}),
 * each with two owners. Both halves of a network that was cut go on: all that is kept can be
 * joined, entries because their names say what they are and maps because they only grow, so that
 * there is nothing to be refused meanwhile. What a half did not have, the members' journals have.
 */
final class Caches implements AutoCloseable {
  private static final int OWNERS = 2;
  private static final int SEGMENTS = 32;
  private static final int REMOTE_MILLIS = 8000;
  private static final int TRANSFER_SECONDS = 60;

  private final DefaultCacheManager manager;

  /** Inputs that reached something. */
  final Cache<byte[], byte[]> corpus;

  /** Crashes and hangs. */
  final Cache<byte[], byte[]> findings;

  /** The map of what was reached, as each member knows it. */
  final Cache<byte[], byte[]> coverage;

  /** Who works on what, and how far members are. */
  final Cache<byte[], byte[]> work;

  /** Joins those that the network finds, or begins alone. */
  Caches(MemberSettings s, Network network) {
    GlobalConfigurationBuilder g = new GlobalConfigurationBuilder();
    g.transport()
        .defaultTransport()
        .clusterName("vesper-" + s.campaign())
        .nodeName(s.member())
        .addProperty(JGroupsTransport.CHANNEL_CONFIGURATOR, network);
    g.metrics().gauges(false).histograms(false);
    g.jmx().disable();
    g.shutdown().hookBehavior(ShutdownHookBehavior.DONT_REGISTER);
    manager = new DefaultCacheManager(g.build(), false);
    for (String name : new String[] {"corpus", "findings", "coverage", "work"}) {
      manager.defineConfiguration(name, distributed().build());
    }
    manager.start();
    corpus = manager.getCache("corpus");
    findings = manager.getCache("findings");
    coverage = manager.getCache("coverage");
    work = manager.getCache("work");
  }

  private static ConfigurationBuilder distributed() {
    ConfigurationBuilder c = new ConfigurationBuilder();
    c.clustering()
        .cacheMode(CacheMode.DIST_SYNC)
        .remoteTimeout(REMOTE_MILLIS, TimeUnit.MILLISECONDS)
        .hash()
        .numOwners(OWNERS)
        .numSegments(SEGMENTS);
    c.clustering().stateTransfer().timeout(TRANSFER_SECONDS, TimeUnit.SECONDS);
    c.clustering()
        .partitionHandling()
        .whenSplit(PartitionHandling.ALLOW_READ_WRITES)
        .mergePolicy(MergePolicy.PREFERRED_NON_NULL);
    c.encoding().key().mediaType(MediaType.APPLICATION_OCTET_STREAM_TYPE);
    c.encoding().value().mediaType(MediaType.APPLICATION_OCTET_STREAM_TYPE);
    return c;
  }

  /** Tells of each change of who is there. */
  void watch(Object listener) {
    manager.addListener(listener);
  }

  @Override
  public void close() {
    manager.stop();
  }
}
