package dev.vesper.cli;

import dev.vesper.cli.gdb.GdbServer;
import java.io.Closeable;
import java.io.FileDescriptor;
import java.io.FileInputStream;
import java.io.FileOutputStream;
import java.io.IOException;
import java.nio.channels.ServerSocketChannel;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/** Where a debugger comes in, and whether the guest waits for it. */
final class DebugOptions {
  /** What {@code -s} stands for. */
  static final String USUAL = "tcp::1234";

  private static final String STDIO = "stdio";

  private String where = "";
  private boolean standing;
  private boolean reverse = true;

  void addTo(Options o) {
    o.text(
        "WHERE",
        "let gdb in: tcp:[127.0.0.1]:PORT, unix:PATH, or stdio with -serial elsewhere",
        v -> where = v,
        "-gdb");
    o.flag("the same as -gdb " + USUAL, () -> where = USUAL, "-s");
    o.flag(
        "have the guest stand still until gdb or a monitor lets it go on",
        () -> standing = true,
        "-S");
    o.text(
        "on|off",
        "keep what gdb needs to go back, while it is there (on by default)",
        v -> {
          if (!v.equals("on") && !v.equals("off")) {
            throw new UserError("--reverse takes on or off, not '" + v + "'");
          }
          reverse = v.equals("on");
        },
        "--reverse");
  }

  /** As {@code vesper debug} has it, unless the line says something else. */
  void begin() {
    where = USUAL;
    standing = true;
  }

  /** {@return whether a debugger is let in} */
  boolean isWanted() {
    return !where.isEmpty();
  }

  /** {@return whether the guest stands still until somebody lets it go on} */
  boolean isStanding() {
    return standing;
  }

  /** {@return where a debugger is, or empty} */
  String where() {
    return where;
  }

  /** {@return whether it takes a socket, as who comes in does} */
  boolean accepts() {
    return isWanted() && !where.equals(STDIO);
  }

  /**
   * Refuses what cannot be.
   *
   * @param consoles where the guest's consoles go, by the options that say so
   * @param monitored whether a monitor may let the guest go on
   */
  void validate(Map<String, String> consoles, boolean monitored) {
    if (standing && !isWanted() && !monitored) {
      throw new UserError(
          "-S: nobody could let the guest go on; add -s, -gdb unix:PATH or -monitor"
              + " unix:PATH,server");
    }
    consoles.forEach(
        (option, place) -> {
          if (where.equals(STDIO) && place.equals(STDIO)) {
            throw new UserError(
                "-gdb stdio: a console is there; move it, as by " + option + " file:F");
          }
        });
    if (accepts()) {
      place();
    }
  }

  private SocketPlace place() {
    SocketPlace p = SocketPlace.of("-gdb", where);
    if (p == null) {
      throw new UserError("-gdb takes tcp::PORT, unix:PATH or stdio, not '" + where + "'");
    }
    return p;
  }

  /**
   * A debugger's way in, until it is closed.
   *
   * @param server runs machines
   * @param rest what else is to be closed
   */
  record Door(GdbServer server, Closeable rest) implements Closeable {
    @Override
    public void close() throws IOException {
      server.close();
      rest.close();
    }
  }

  /**
   * {@return where a debugger comes in, or null if none does}
   *
   * @throws UserError if nobody can listen there
   */
  @Nullable Door open() {
    Door d = isWanted() ? listening() : null;
    if (d != null) {
      d.server.reverses(reverse);
    }
    return d;
  }

  /** {@return whether what the guest is given is to be kept, so that it can be given again} */
  boolean goesBack() {
    return isWanted() && reverse;
  }

  private Door listening() {
    if (where.equals(STDIO)) {
      return new Door(
          GdbServer.over(
              new FileInputStream(FileDescriptor.in).getChannel(),
              new FileOutputStream(FileDescriptor.out).getChannel(),
              standing),
          () -> {});
    }
    SocketPlace p = place();
    try {
      ServerSocketChannel s = p.listen();
      String target = p.path() != null ? String.valueOf(p.path()) : p.name().substring(4);
      Terminal.say(
          (standing ? "the guest stands still: " : "") + "gdb -ex 'target remote " + target + "'");
      return new Door(GdbServer.over(s, standing), p::remove);
    } catch (IOException e) {
      throw new UserError("-gdb " + where + ": " + UserError.reason(e));
    }
  }
}
