/**
 * Campaigns on many computers. Infinispan's jars are no modules and cannot be made to be, so that
 * they are on the class path, which this module alone is told to read ({@code --add-reads}).
 */
module dev.vesper.campaign {
  requires static org.jspecify;
  requires dev.vesper.fuzz;
  requires java.logging;
  requires java.sql;

  provides dev.vesper.fuzz.store.CampaignStoreProvider with
      dev.vesper.campaign.ClusterStoreProvider;
}
