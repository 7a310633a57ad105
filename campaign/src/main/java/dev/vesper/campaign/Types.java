package dev.vesper.campaign;

import dev.vesper.fuzz.store.CampaignStore.Kind;
import org.jspecify.annotations.Nullable;

/** What a key or a record of the journal is of; numbers that stay what they are. */
final class Types {
  static final int QUEUE = 1;
  static final int CRASH = 2;
  static final int HANG = 3;

  /** A map as one member knows it; the name is the member's. */
  static final int MAP = 4;

  /** Who works on an entry; the name is the entry's. */
  static final int CLAIM = 5;

  /** How far a member is; the name is the member's. */
  static final int PROGRESS = 6;

  /** The version of the schema, once a campaign; it has no name. */
  static final int SCHEMA = 7;

  private Types() {}

  static int of(Kind k) {
    return switch (k) {
      case QUEUE -> QUEUE;
      case CRASH -> CRASH;
      case HANG -> HANG;
    };
  }

  /** {@return the kind of entry; null if it is none} */
  static @Nullable Kind kind(int type) {
    return switch (type) {
      case QUEUE -> Kind.QUEUE;
      case CRASH -> Kind.CRASH;
      case HANG -> Kind.HANG;
      default -> null;
    };
  }
}
