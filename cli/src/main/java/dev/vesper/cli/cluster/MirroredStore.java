package dev.vesper.cli.cluster;

import dev.vesper.fuzz.store.CampaignStore;
import dev.vesper.fuzz.store.Progress;
import java.util.List;
import java.util.Optional;
import java.util.TreeSet;
import org.jspecify.annotations.Nullable;

/**
 * A campaign that others share and that is in a directory of one's own as well, so that who looks
 * into a member's directory finds there what the member works with, whoever has found it.
 */
public final class MirroredStore implements CampaignStore {
  private final CampaignStore own;
  private final CampaignStore shared;

  /**
   * Of two stores.
   *
   * @param own the directory; is not closed with this one
   * @param shared what decides; is closed with this one
   */
  public MirroredStore(CampaignStore own, CampaignStore shared) {
    this.own = own;
    this.shared = shared;
  }

  /** Gives the others what the directory has from before. */
  public void offer() {
    for (Kind k : Kind.values()) {
      for (String name : own.names(k)) {
        byte[] entry = own.entry(k, name);
        if (entry != null) {
          shared.add(k, name, entry);
        }
      }
    }
    own.merge(shared.merge(own.merge(new byte[MAP])));
  }

  @Override
  public boolean add(Kind kind, String name, byte[] entry) {
    own.add(kind, name, entry);
    return shared.add(kind, name, entry);
  }

  @Override
  public byte @Nullable [] entry(Kind kind, String name) {
    byte[] entry = own.entry(kind, name);
    if (entry == null) {
      entry = shared.entry(kind, name);
      if (entry != null) {
        own.add(kind, name, entry);
      }
    }
    return entry;
  }

  @Override
  public List<String> names(Kind kind) {
    TreeSet<String> all = new TreeSet<>(own.names(kind));
    all.addAll(shared.names(kind));
    return List.copyOf(all);
  }

  @Override
  public byte[] merge(byte[] seen) {
    byte[] all = shared.merge(seen);
    own.merge(all);
    return all;
  }

  @Override
  public Optional<String> claim(String member) {
    return shared.claim(member);
  }

  @Override
  public void report(Progress progress) {
    own.report(progress);
    shared.report(progress);
  }

  @Override
  public List<Progress> members() {
    return shared.members();
  }

  @Override
  public void close() {
    shared.close();
  }
}
