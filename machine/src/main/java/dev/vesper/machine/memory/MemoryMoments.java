package dev.vesper.machine.memory;

import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Deque;
import java.util.List;

/**
 * What memory held at moments that it can be taken back to. A moment costs what changes after it:
 * the bytes of a page are copied before the first change behind each moment, and nothing is copied
 * that nobody writes to.
 *
 * <p>A page whose bytes are those of the newest moment has {@link Page#moments} set, and no
 * processor may write to it without looking there: whoever is about to change it calls {@link
 * Page#changes}.
 */
public final class MemoryMoments {
  private final PhysicalMemory memory;

  /** All moments, the oldest first. */
  private final List<Moment> all = new ArrayList<>();

  /** Copies that nobody needs any more, for the next ones. */
  private final Deque<byte[]> spare = new ArrayDeque<>();

  /** Pages that spare copies are kept of at most. */
  private static final int MOST_SPARE = 1 << 12;

  /** Numbers the times that memory is taken back, for {@link Page#restored}. */
  private int stamp;

  /** What has changed behind a moment, as it was then, up to the next moment. */
  public static final class Moment {
    private final List<Kept> kept = new ArrayList<>();

    /** Pages that came into being. */
    private final List<Page> born = new ArrayList<>();

    private Moment() {}

    /** {@return bytes of pages that have changed between this and the next moment} */
    public long bytes() {
      return (long) kept.size() * Page.SIZE;
    }
  }

  private record Kept(Page page, byte[] bytes, int domain) {}

  MemoryMoments(PhysicalMemory memory) {
    this.memory = memory;
  }

  /** {@return whether memory can be taken back to a moment} */
  public boolean has(Moment m) {
    return all.contains(m);
  }

  /** {@return the present as a moment that memory can be taken back to} */
  public Moment mark() {
    Moment m = new Moment();
    if (all.isEmpty()) {
      memory.forEachPage(this::settle);
    } else {
      Moment last = all.getLast();
      last.kept.forEach(k -> settle(k.page));
      last.born.forEach(this::settle);
    }
    all.add(m);
    return m;
  }

  private void settle(Page p) {
    p.keepPromise();
    p.moments = this;
    memory.storesAreToldOf(p);
  }

  /** {@return bytes that copies of pages take} */
  public long bytes() {
    long pages = 0;
    for (Moment m : all) {
      pages += m.kept.size();
    }
    return pages * Page.SIZE;
  }

  /** A page is about to change for the first time behind the newest moment. */
  void keep(Page p) {
    byte[] b = spare.poll();
    if (b == null) {
      b = new byte[Page.SIZE];
    }
    p.copyTo(0, b, 0, Page.SIZE);
    all.getLast().kept.add(new Kept(p, b, p.domain));
    p.moments = null;
  }

  /** A page has come into being. */
  void born(Page p) {
    if (!all.isEmpty()) {
      all.getLast().born.add(p);
    }
  }

  /**
   * Takes memory back to a moment, which is the newest one then: later ones are forgotten.
   *
   * @throws IllegalArgumentException if it is not one of this memory's, or was forgotten
   */
  public void back(Moment to) {
    int first = all.indexOf(to);
    if (first < 0) {
      throw new IllegalArgumentException("a moment that was forgotten");
    }
    stamp++;
    boolean code = false;
    for (int i = first; i < all.size(); i++) {
      Moment m = all.get(i);
      for (Page p : m.born) {
        if (p.restored != stamp) {
          p.restored = stamp;
          code |= p.codeLines != 0;
          memory.unmake(p);
        }
      }
      for (Kept k : m.kept) {
        if (k.page.restored != stamp) {
          k.page.restored = stamp;
          code |= restore(k);
        }
        spare(k.bytes);
      }
      m.born.clear();
      m.kept.clear();
    }
    all.subList(first + 1, all.size()).clear();
    memory.takenBack(code);
  }

  private boolean restore(Kept k) {
    Page p = k.page;
    p.takeBack();
    boolean code = p.codeLines != 0 && (p.domain != k.domain || p.codeDiffers(k.bytes));
    p.moments = null;
    p.copyFrom(0, k.bytes, 0, Page.SIZE);
    p.domain = k.domain;
    if (code) {
      p.dropCode();
    }
    settle(p);
    return code;
  }

  private void spare(byte[] copy) {
    if (spare.size() < MOST_SPARE) {
      spare.add(copy);
    }
  }

  /**
   * Forgets a moment; it costs nothing any more, or if there are older ones, what these need of it.
   */
  public void forget(Moment gone) {
    int i = all.indexOf(gone);
    if (i < 0) {
      return;
    }
    if (i == 0) {
      if (all.size() == 1) {
        memory.forEachPage(p -> p.moments = null);
      }
      gone.kept.forEach(k -> spare(k.bytes));
    } else {
      stamp++;
      Moment before = all.get(i - 1);
      before.kept.forEach(k -> k.page.restored = stamp);
      before.born.forEach(p -> p.restored = stamp);
      for (Kept k : gone.kept) {
        if (k.page.restored == stamp) {
          spare(k.bytes);
        } else {
          before.kept.add(k);
        }
      }
      before.born.addAll(gone.born);
    }
    all.remove(i);
  }
}
