package dev.vesper.cli;

import java.nio.file.Path;

/** Where the command keeps what it can make or fetch again. */
final class Caches {
  private Caches() {}

  /** {@return the user's folder for Vesper, as the XDG base directories have it} */
  static Path folder() {
    String caches = System.getenv().getOrDefault("XDG_CACHE_HOME", "");
    if (caches.startsWith("/")) {
      return Path.of(caches, "vesper");
    }
    // As shells have it; Java takes the one of the system's list of users.
    String home = System.getenv().getOrDefault("HOME", "");
    return Path.of(
        home.startsWith("/") ? home : System.getProperty("user.home"), ".cache", "vesper");
  }
}
