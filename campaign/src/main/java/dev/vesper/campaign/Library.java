package dev.vesper.campaign;

import java.io.IOException;
import java.io.ObjectInputFilter;
import java.nio.file.Path;
import java.util.List;
import java.util.logging.ErrorManager;
import java.util.logging.FileHandler;
import java.util.logging.Level;
import java.util.logging.Logger;
import java.util.logging.SimpleFormatter;

/** What the library does to the whole process, and what it may not. */
final class Library {
  /** A file that the library's lines go to until it is closed. */
  interface Log extends AutoCloseable {
    @Override
    void close();
  }

  private static final int LOG_BYTES = 1 << 20;

  /** Loggers are forgotten with whatever is set on them unless somebody holds them. */
  private static final List<Logger> LOGGERS =
      List.of(
          Logger.getLogger("org.infinispan"),
          Logger.getLogger("org.jgroups"),
          Logger.getLogger("org.jboss"),
          Logger.getLogger("com.github.benmanes"));

  private Library() {}

  /**
   * Has this process refuse every object of Java's that somebody might send: members exchange bytes
   * alone, and no part of the library needs more for what it is used for. The JVM takes one such
   * filter; one that is there is the user's own, and stays.
   */
  static void refuseObjects() {
    synchronized (Library.class) {
      if (ObjectInputFilter.Config.getSerialFilter() == null) {
        ObjectInputFilter.Config.setSerialFilter(i -> ObjectInputFilter.Status.REJECTED);
      }
    }
  }

  /**
   * Has what the library says go to a file: its users see lines of ours.
   *
   * @return what ends that
   */
  static Log logTo(Path file) throws IOException {
    FileHandler h = new FileHandler(file.toString().replace("%", "%%"), LOG_BYTES, 1, true);
    h.setFormatter(new SimpleFormatter());
    // Threads that come late find it closed, which is nothing to be said on a terminal.
    h.setErrorManager(new QuietErrors());
    for (Logger l : LOGGERS) {
      l.setUseParentHandlers(false);
      l.setLevel(Level.INFO);
      l.addHandler(h);
    }
    return () -> {
      LOGGERS.forEach(l -> l.removeHandler(h));
      h.close();
    };
  }

  private static final class QuietErrors extends ErrorManager {
    @Override
    public void error(String said, Exception e, int code) {
      // A line of the log is lost and nothing else.
    }
  }
}
