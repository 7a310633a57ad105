/** The {@code vesper} command. */
module dev.vesper.cli {
  requires static org.jspecify;
  requires dev.vesper.machine;
  requires dev.vesper.guest;
  requires dev.vesper.fuzz;
  requires info.picocli;
  requires jdk.httpserver;
  requires jdk.unsupported;

  uses dev.vesper.fuzz.store.CampaignStoreProvider;

  opens dev.vesper.cli to
      info.picocli;
}
