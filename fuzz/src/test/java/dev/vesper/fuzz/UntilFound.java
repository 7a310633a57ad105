package dev.vesper.fuzz;

import dev.vesper.fuzz.store.CampaignStore;
import dev.vesper.fuzz.store.MemoryStore;
import dev.vesper.fuzz.store.Progress;
import java.util.List;
import java.util.Optional;
import org.jspecify.annotations.Nullable;

/** A campaign in memory that somebody is told of when it finds something. */
final class UntilFound implements CampaignStore {
  private final MemoryStore kept = new MemoryStore();
  private Runnable then = () -> {};

  /** Says who is told. */
  void then(Runnable who) {
    then = who;
  }

  @Override
  public boolean add(Kind kind, String name, byte[] entry) {
    if (kind != Kind.QUEUE) {
      then.run();
    }
    return kept.add(kind, name, entry);
  }

  @Override
  public byte @Nullable [] entry(Kind kind, String name) {
    return kept.entry(kind, name);
  }

  @Override
  public List<String> names(Kind kind) {
    return kept.names(kind);
  }

  @Override
  public byte[] merge(byte[] seen) {
    return kept.merge(seen);
  }

  @Override
  public Optional<String> claim(String member) {
    return kept.claim(member);
  }

  @Override
  public void report(Progress progress) {
    kept.report(progress);
  }

  @Override
  public List<Progress> members() {
    return kept.members();
  }

  @Override
  public void close() {
    kept.close();
  }
}
