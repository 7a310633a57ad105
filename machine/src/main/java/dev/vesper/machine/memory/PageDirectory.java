package dev.vesper.machine.memory;

import java.util.function.Consumer;
import org.jspecify.annotations.Nullable;

/**
 * The pages of a machine by their numbers, in parts of 2 MiB that come into being with their first
 * page: where nothing was touched there is no more than a reference for 512 pages.
 */
final class PageDirectory {
  private static final int SHIFT = 9;
  private static final int PART_PAGES = 1 << SHIFT;

  /** Neighbouring pages. */
  private static final class Part {
    final @Nullable Page[] pages = new Page[PART_PAGES];
  }

  private final int size;
  private final @Nullable Part[] parts;

  /** Makes a directory of no pages; their numbers will be less than {@code size}. */
  PageDirectory(int size) {
    this.size = size;
    parts = new Part[(int) ((size + (long) PART_PAGES - 1) >>> SHIFT)];
  }

  /** {@return how many numbers there are} */
  int size() {
    return size;
  }

  /** {@return a page, or null if it is not there} */
  @Nullable Page get(int frame) {
    assert frame >= 0 && frame < size : frame;
    Part p = parts[frame >>> SHIFT];
    return p == null ? null : p.pages[frame & PART_PAGES - 1];
  }

  /** Puts a page where its number says. */
  void put(Page page) {
    assert page.frame >= 0 && page.frame < size : page.frame;
    Part p = parts[page.frame >>> SHIFT];
    if (p == null) {
      p = new Part();
      parts[page.frame >>> SHIFT] = p;
    }
    p.pages[page.frame & PART_PAGES - 1] = page;
  }

  /** Has no page with a number any more. */
  void remove(int frame) {
    Part p = parts[frame >>> SHIFT];
    if (p != null) {
      p.pages[frame & PART_PAGES - 1] = null;
    }
  }

  /** Hands on every page, in the order of their numbers. */
  void forEach(Consumer<Page> to) {
    for (Part part : parts) {
      if (part != null) {
        for (Page p : part.pages) {
          if (p != null) {
            to.accept(p);
          }
        }
      }
    }
  }
}
