package dev.vesper.cli;

import dev.vesper.cli.confine.Policy;
import dev.vesper.cli.monitor.Control;
import dev.vesper.cli.monitor.Visitors;
import dev.vesper.cli.monitor.WrittenFiles;
import java.io.Closeable;
import java.io.FileDescriptor;
import java.io.FileInputStream;
import java.io.FileOutputStream;
import java.io.IOException;
import java.nio.channels.SocketChannel;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.function.BooleanSupplier;
import org.jspecify.annotations.Nullable;

/** Where a monitor and QMP are spoken, and where their clients may have files written. */
final class MonitorOptions {
  private static final String NONE = "none";
  private static final String STDIO = "stdio";
  private static final String MONITOR = "-monitor";
  private static final String QMP = "-qmp";
  private static final long LOOK_MS = 50;

  private String monitor = NONE;
  private List<String> qmp = List.of();
  private @Nullable Path files;

  void addTo(Options o) {
    o.text(
        "WHERE",
        "where QEMU's monitor and ours is: stdio with -serial elsewhere, tcp:[127.0.0.1]:PORT or"
            + " unix:PATH, which listens with ,server and has the guest wait for somebody unless"
            + " ,wait=off (default: none; at a terminal Ctrl-A c is one)",
        v -> monitor = v,
        MONITOR,
        "--monitor");
    o.phrases(
        "WHERE",
        "where programs speak QMP: as -monitor; may be repeated",
        v -> qmp = v,
        QMP,
        "--qmp");
    o.path(
        "DIR",
        "the folder where who speaks to monitor, QMP or gdb's monitor may have files written, as by"
            + " screendump (default: none may be)",
        v -> files = v,
        "--monitor-files");
  }

  /** A place where one of them is spoken. */
  private record Place(String option, String where, Visitors.Language language) {
    boolean onStdio() {
      return where.equals(STDIO);
    }

    SocketPlace socket() {
      SocketPlace p = SocketPlace.of(option, where);
      if (p == null) {
        throw new UserError(
            option
                + " takes stdio, tcp::PORT,server, unix:PATH,server or none, not '"
                + where
                + "'");
      }
      return p;
    }
  }

  private List<Place> places() {
    List<Place> all = new ArrayList<>();
    if (!monitor.equals(NONE)) {
      all.add(new Place(MONITOR, monitor, Visitors.Language.LINES));
    }
    qmp.stream()
        .filter(w -> !w.equals(NONE))
        .forEach(w -> all.add(new Place(QMP, w, Visitors.Language.QMP)));
    return all;
  }

  /** {@return whether somebody may let a guest go on that stands still} */
  boolean isWanted() {
    return !places().isEmpty();
  }

  /** {@return whether sockets are taken that who comes in brings} */
  boolean accepts() {
    return places().stream().anyMatch(p -> !p.onStdio() && p.socket().server());
  }

  /**
   * Refuses what cannot be.
   *
   * @param taken what is on standard input and output already, by the options that say so
   */
  void validate(Map<String, String> taken) {
    String holder = null;
    for (Place p : places()) {
      if (!p.onStdio()) {
        p.socket();
        continue;
      }
      for (Map.Entry<String, String> t : taken.entrySet()) {
        holder = t.getValue().equals(STDIO) ? t.getKey() : holder;
      }
      if (holder != null) {
        throw new UserError(
            p.option
                + " stdio: "
                + holder
                + " is there; move that, as by "
                + (holder.equals("-serial")
                    ? "-serial file:F, or press Ctrl-A c at the terminal"
                    : holder + " unix:PATH,server"));
      }
      holder = p.option;
    }
    if (files != null && !Files.isDirectory(files)) {
      throw new UserError("--monitor-files " + files + " is no folder: make it, or name another");
    }
  }

  /** Lets the folder be used by a confined process. */
  void grant(Policy.Builder b) {
    if (files != null) {
      b.folder(files.toAbsolutePath(), false);
    }
  }

  /** {@return where clients may have files written} */
  WrittenFiles files() {
    return new WrittenFiles(files == null ? null : files.toAbsolutePath());
  }

  /**
   * Lets clients in.
   *
   * @param stopped whether nobody is to be waited for any more
   * @return has nobody come in any more
   * @throws UserError if nobody can listen, or nobody does
   */
  Closeable open(Control control, BooleanSupplier stopped) {
    List<Closeable> all = new ArrayList<>();
    for (Place p : places()) {
      try {
        open(p, control, stopped, all);
      } catch (IOException e) {
        close(all);
        throw new UserError(p.option + " " + p.where + ": " + UserError.reason(e));
      }
    }
    return () -> close(all);
  }

  private static void open(Place p, Control control, BooleanSupplier stopped, List<Closeable> all)
      throws IOException {
    if (p.onStdio()) {
      all.add(
          Visitors.over(
              new FileInputStream(FileDescriptor.in).getChannel(),
              new FileOutputStream(FileDescriptor.out).getChannel(),
              control,
              p.language));
      return;
    }
    SocketPlace s = p.socket();
    if (!s.server()) {
      SocketChannel c = SocketChannel.open(s.family());
      all.add(c);
      c.connect(s.address());
      all.add(Visitors.over(c, c, control, p.language));
      return;
    }
    Visitors v = Visitors.at(s.listen(), control, p.language);
    all.add(v);
    all.add(s::remove);
    if (s.waits()) {
      Terminal.say(p.option + " waits for somebody at " + s.name() + " (wait=off does not)");
      while (!stopped.getAsBoolean() && !v.hasCome(LOOK_MS)) {
        continue;
      }
    }
  }

  private static void close(List<Closeable> all) {
    for (Closeable c : all) {
      try {
        c.close();
      } catch (IOException e) {
        // Who is not there any more needs no farewell.
        continue;
      }
    }
  }
}
