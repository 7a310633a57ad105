package dev.vesper.machine.trace;

import dev.vesper.machine.launch.SecretsPage;
import dev.vesper.machine.memory.Page;
import dev.vesper.machine.memory.PhysicalMemory;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;

/** Looks for the keys of a guest's secrets page in what the host can read. */
final class KeySearch {
  /**
   * A key that the host can read.
   *
   * @param key number of the VMPCK
   * @param gpa where
   */
  record Exposed(int key, long gpa) {}

  /** As many places of one key as anybody wants to see. */
  private static final int MOST = 16;

  private byte[][] keys = {};

  /** The guest was launched with a secrets page. */
  void launched(byte[] page) {
    keys = SecretsPage.keys(page);
  }

  /** {@return the places in shared memory that hold a key} */
  List<Exposed> search(PhysicalMemory memory) {
    List<Exposed> found = new ArrayList<>();
    if (keys.length > 0) {
      byte[] b = new byte[Page.SIZE];
      memory.forEachPage(
          p -> {
            if (memory.domain(p.frame) == Page.SHARED && memory.ram().hasPage(p.frame)) {
              memory.peek(p.frame, Page.SHARED, b);
              search(b, (long) p.frame << 12, found);
            }
          });
    }
    return found;
  }

  private void search(byte[] page, long gpa, List<Exposed> found) {
    for (int at = 0; at <= page.length - SecretsPage.KEY_BYTES; at++) {
      for (int k = 0; k < keys.length; k++) {
        if (page[at] == keys[k][0]
            && Arrays.equals(
                page, at, at + SecretsPage.KEY_BYTES, keys[k], 0, SecretsPage.KEY_BYTES)
            && found.size() < MOST) {
          found.add(new Exposed(k, gpa + at));
        }
      }
    }
  }
}
