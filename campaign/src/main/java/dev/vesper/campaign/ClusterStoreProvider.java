package dev.vesper.campaign;

import dev.vesper.fuzz.store.CampaignException;
import dev.vesper.fuzz.store.CampaignStore;
import dev.vesper.fuzz.store.CampaignStoreProvider;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.function.Consumer;
import org.jspecify.annotations.Nullable;

/** Joins campaigns that members on several computers share: {@code cluster}. */
public final class ClusterStoreProvider implements CampaignStoreProvider {
  private final @Nullable Consumer<String> told;

  /** Says what comes to pass in a file of the member's folder. */
  public ClusterStoreProvider() {
    this(null);
  }

  /**
   * For who wants to hear it.
   *
   * @param told takes the lines that the file would have; null for the file
   */
  ClusterStoreProvider(@Nullable Consumer<String> told) {
    this.told = told;
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
      Consumer<String> said = told == null ? new MemberLog(d.resolve("member.log")) : told;
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
