package dev.vesper.campaign;

import dev.vesper.fuzz.store.CampaignException;
import dev.vesper.fuzz.store.CampaignStore;
import dev.vesper.fuzz.store.CampaignStoreProvider;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.function.Consumer;

/** Joins campaigns that members on several computers share: {@code cluster}. */
public final class ClusterStoreProvider implements CampaignStoreProvider {
  private final Consumer<String> said;

  /** Says what comes to pass on standard error. */
  public ClusterStoreProvider() {
    this(line -> System.err.println("vesper: " + line));
  }

  /** For who wants to hear it. */
  ClusterStoreProvider(Consumer<String> said) {
    this.said = said;
  }

  @Override
  public String name() {
    return "cluster";
  }

  @Override
  public CampaignStore join(JoinOptions options) throws CampaignException {
    MemberSettings settings = MemberSettings.of(options);
    Path d = settings.directory();
    try {
      Files.createDirectories(d);
      Journal journal = Journal.open(d.resolve("journal"));
      try {
        Shelf shelf = Shelf.of(journal, said);
        return Joining.join(settings, shelf, new Neighbours(d.resolve("neighbours")), said);
      } catch (CampaignException | IOException e) {
        journal.close();
        throw e;
      }
    } catch (IOException e) {
      throw new CampaignException(
          d + ": a member's folder has to be one that can be written to (" + e.getMessage() + ")");
    }
  }
}
