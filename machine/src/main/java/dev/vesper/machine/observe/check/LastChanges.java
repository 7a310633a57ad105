package dev.vesper.machine.observe.check;

import dev.vesper.machine.observe.At;
import java.util.Map;
import java.util.NavigableMap;
import java.util.TreeMap;
import org.jspecify.annotations.Nullable;

/**
 * What happened last to each page of a guest under SEV-SNP, by guest physical address: pages that
 * follow each other and share it are one stretch.
 */
final class LastChanges {
  /** A trace may name ever new pages; a guest of 64 GiB has so many of 4 KiB if none are alike. */
  private static final int MOST = 1 << 24;

  /** What can have happened. */
  enum Last {
    LAUNCHED("was launched valid"),
    VALIDATED("was validated"),
    RESCINDED("had its validation taken back by PVALIDATE"),
    TURNED_PRIVATE("became private at the guest's own request and was not validated since"),
    FLIPPED_PRIVATE("became private because the guest touched it so, and was never validated"),
    TURNED_SHARED("became shared at the guest's own request"),
    FLIPPED_SHARED("became shared because the guest touched it so"),
    INVALIDATED("lost its validation because the host changed it of itself"),
    TAKEN("was taken away by the host of itself");

    /** For messages. */
    final String words;

    Last(String words) {
      this.words = words;
    }

    /** {@return whether the guest owns the page and has it validated} */
    boolean valid() {
      return this == LAUNCHED || this == VALIDATED;
    }

    /** {@return whether the guest owns the page} */
    boolean isPrivate() {
      return this != TURNED_SHARED && this != FLIPPED_SHARED && this != TAKEN;
    }
  }

  /**
   * A stretch of pages.
   *
   * @param end first address behind it
   * @param at where it happened
   */
  record Stretch(long end, Last last, At at) {
    /** {@return for messages: what happened, and where} */
    String words() {
      String place = last == Last.LAUNCHED ? "" : " at " + At.place(at.rip(), at.symbol(), "");
      return last.words + place;
    }
  }

  private final NavigableMap<Long, Stretch> stretches = new TreeMap<>();

  /** {@return what happened last to a page, or null for nothing} */
  @Nullable Stretch of(long gpa) {
    Map.Entry<Long, Stretch> e = stretches.floorEntry(gpa);
    return e != null && gpa < e.getValue().end ? e.getValue() : null;
  }

  /**
   * Remembers what happened to pages.
   *
   * @param from address of the first
   * @param end first address behind the last
   */
  void put(long from, long end, Last last, At at) {
    if (from < 0 || from >= end || stretches.size() >= MOST) {
      return;
    }
    cut(from);
    cut(end);
    stretches.subMap(from, true, end, false).clear();
    Map.Entry<Long, Stretch> before = stretches.floorEntry(from);
    boolean goesOn =
        before != null
            && before.getValue().end == from
            && before.getValue().last == last
            && before.getValue().at.rip() == at.rip();
    if (before != null && goesOn) {
      stretches.put(before.getKey(), new Stretch(end, last, before.getValue().at));
    } else {
      stretches.put(from, new Stretch(end, last, at));
    }
  }

  /** Has no stretch lie on both sides of an address. */
  private void cut(long address) {
    Map.Entry<Long, Stretch> e = stretches.lowerEntry(address);
    if (e != null && e.getValue().end > address) {
      Stretch s = e.getValue();
      stretches.put(e.getKey(), new Stretch(address, s.last, s.at));
      stretches.put(address, s);
    }
  }
}
