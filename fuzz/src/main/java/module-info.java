/** Campaigns: many runs of a guest from one point, each with other answers of its host. */
module dev.vesper.fuzz {
  requires static transitive org.jspecify;
  requires transitive dev.vesper.machine;

  exports dev.vesper.fuzz;
  exports dev.vesper.fuzz.store;

  uses dev.vesper.fuzz.store.CampaignStoreProvider;
}
