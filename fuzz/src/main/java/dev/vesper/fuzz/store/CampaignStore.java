package dev.vesper.fuzz.store;

import java.util.List;
import java.util.Optional;
import org.jspecify.annotations.Nullable;

/**
 * What the members of a campaign share. Entries are bytes with a schema of our own; no object of
 * another member is ever deserialised. From any thread.
 */
public interface CampaignStore extends AutoCloseable {
  /** Bytes of the map of what was reached: one for each edge, a bit for each bucket of counts. */
  int MAP = 1 << 16;

  /** The most bytes that an entry may have. */
  int LARGEST_ENTRY = 1 << 20;

  /** What an entry is. */
  enum Kind {
    /** An input that has reached something new. */
    QUEUE,
    /** An input that an oracle has found something in. */
    CRASH,
    /** An input whose execution has come to its limit of instructions. */
    HANG
  }

  /**
   * Adds an entry.
   *
   * @param name 64 hex digits: SHA-256 of the entry for {@link Kind#QUEUE}, of the finding's
   *     signature otherwise
   * @param entry is copied
   * @return whether the name was new; what is there already stays
   * @throws IllegalArgumentException if it is no such name, or the entry is larger than {@link
   *     #LARGEST_ENTRY}
   */
  boolean add(Kind kind, String name, byte[] entry);

  /** {@return a copy of an entry, or null if there is none of the name} */
  byte @Nullable [] entry(Kind kind, String name);

  /** {@return the names of all entries of a kind, in order of name} */
  List<String> names(Kind kind);

  /**
   * Joins what was reached: each byte of the campaign's map has the bits of the one and the other.
   *
   * @param seen {@link #MAP} bytes, bits of buckets of counts
   * @return a copy of the campaign's whole map behind that
   */
  byte[] merge(byte[] seen);

  /**
   * {@return the name of an entry of the queue for a member to work on: one that nobody has worked
   * on, or else the one that was claimed longest ago} Empty while there is no entry.
   */
  Optional<String> claim(String member);

  /** Says how far a member is, in place of what it has said before. */
  void report(Progress progress);

  /** {@return what each member has said last, in order of name} */
  List<Progress> members();

  /** Leaves the campaign. What was added stays. */
  @Override
  void close();
}
