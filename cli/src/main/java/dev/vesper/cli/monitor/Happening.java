package dev.vesper.cli.monitor;

import java.util.Map;
import java.util.TreeMap;

/**
 * Something that clients of QMP are told of.
 *
 * @param name of the event, as QEMU calls it
 * @param data what else it says, or empty
 * @param millis when, in milliseconds since 1970
 */
record Happening(String name, Map<String, Object> data, long millis) {
  /** Keeps what it says in one order. */
  Happening {
    data = new TreeMap<>(data);
  }

  static Happening now(String name, Map<String, Object> data) {
    return new Happening(name, data, System.currentTimeMillis());
  }
}
