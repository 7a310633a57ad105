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

  private static final byte[] ZEROES = new byte[Page.SIZE];

  private byte[][] keys = {};

  /** The bytes by which a key begins. */
  private final boolean[] begins = new boolean[256];

  /** The guest was launched with a secrets page. */
  void launched(byte[] page) {
    keys = SecretsPage.keys(page);
    for (byte[] k : keys) {
      begins[k[0] & 0xFF] = true;
    }
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
    // Most shared memory is buffers that nobody has used.
    if (Arrays.equals(page, ZEROES)) {
      return;
    }
    for (int at = 0; at <= page.length - SecretsPage.KEY_BYTES; at++) {
      if (begins[page[at] & 0xFF]) {
        compare(page, at, gpa + at, found);
      }
    }
  }

  private void compare(byte[] page, int at, long gpa, List<Exposed> found) {
    int end = at + SecretsPage.KEY_BYTES;
    for (int k = 0; k < keys.length; k++) {
      boolean same = Arrays.equals(page, at, end, keys[k], 0, SecretsPage.KEY_BYTES);
      if (same && found.size() < MOST) {
        found.add(new Exposed(k, gpa));
      }
    }
  }
}
