package dev.vesper.fuzz.store;

import java.nio.file.Path;
import java.util.Map;

/** Stores that members on several computers share; found by {@link java.util.ServiceLoader}. */
public interface CampaignStoreProvider {
  /** {@return what a user calls it, as in {@code cluster}} */
  String name();

  /**
   * Joins a campaign, or begins it.
   *
   * @throws CampaignException if that is not possible, in a line
   */
  CampaignStore join(JoinOptions options) throws CampaignException;

  /**
   * How to join.
   *
   * @param campaign its name: members with the same one work together
   * @param member the member's own name, which no other has
   * @param directory where the member keeps what it has, so that it is there after the campaign
   * @param settings of the store's own, by name, as the user has given them
   */
  record JoinOptions(String campaign, String member, Path directory, Map<String, String> settings) {
    /** Makes options. */
    public JoinOptions {
      settings = Map.copyOf(settings);
    }
  }
}
