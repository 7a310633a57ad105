package dev.vesper.cli;

import dev.vesper.cli.confine.Confinement;
import java.io.IOException;
import java.io.OutputStream;
import java.io.PrintStream;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.net.StandardProtocolFamily;
import java.nio.channels.DatagramChannel;
import java.nio.channels.ServerSocketChannel;
import java.nio.channels.SocketChannel;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.nio.file.attribute.PosixFilePermissions;
import java.util.concurrent.Callable;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.regex.Pattern;

/**
 * The command in which somebody has got past every check of Vesper's own: at the guest's first #VC,
 * the verdict on a trace, the digest or the first check of a report the thread that runs the guest,
 * or reads what a stranger wrote, does what nobody must be able to from there, and says what came
 * of it. Arguments: a folder that the run is not given, one that it may be, a port of 127.0.0.1
 * where somebody listens, and the command line.
 */
final class Intruder {
  private static final PrintStream ERR = System.err;

  private final Path outside;
  private final Path shared;
  private final int port;
  private final Process other;
  private final ServerSocketChannel door;
  private final ExecutorService older = Executors.newSingleThreadExecutor();
  private boolean done;

  private Intruder(Path outside, Path shared, int port) throws IOException {
    this.outside = outside;
    this.shared = shared;
    this.port = port;
    other = new ProcessBuilder("sleep", "20").start();
    door = ServerSocketChannel.open().bind(null);
    door.configureBlocking(false);
    // A thread that is there before the run is confined.
    older.execute(() -> {});
  }

  public static void main(String[] args) throws IOException {
    Intruder i = new Intruder(Path.of(args[0]), Path.of(args[1]), Integer.parseInt(args[2]));
    System.setErr(new PrintStream(i.new Watch(ERR), true, StandardCharsets.UTF_8));
    System.setOut(new PrintStream(i.new Watch(System.out), true, StandardCharsets.UTF_8));
    String[] rest = new String[args.length - 3];
    System.arraycopy(args, 3, rest, 0, rest.length);
    Runtime.getRuntime().addShutdownHook(new Thread(i::leave));
    Main.start(Confinement::apply, rest);
  }

  private void leave() {
    older.shutdownNow();
    say("native-code", String.valueOf(executedKilobytes()));
    say("other-process-lives", String.valueOf(other.isAlive()));
  }

  /** An output whose lines come from the thread that has been got at. */
  private final class Watch extends OutputStream {
    private static final Pattern MOMENT =
        Pattern.compile("\\] cpu\\d+ vc |^check: |^[0-9a-f]{64}$| report format ");

    private final PrintStream to;
    private final StringBuilder line = new StringBuilder();

    private Watch(PrintStream to) {
      this.to = to;
    }

    @Override
    public void write(int b) {
      to.write(b);
      line.append((char) b);
      if (b == '\n') {
        boolean now = MOMENT.matcher(line.toString().strip()).find();
        line.setLength(0);
        if (now && !done) {
          done = true;
          intrude();
        }
      }
    }
  }

  private void intrude() {
    everything("");
    Thread t = new Thread(() -> everything("new-thread-"));
    t.start();
    try {
      t.join();
      older
          .submit(
              () -> {
                attempt("old-thread-exec", this::exec);
                attempt("old-thread-connect", this::connect);
              })
          .get();
    } catch (Exception e) {
      throw new IllegalStateException(e);
    }
    attempt("shared-write", () -> Files.writeString(shared.resolve("new"), "x"));
    attempt(
        "shared-move",
        () ->
            Files.move(
                shared.resolve("new"), Files.createDirectory(shared.resolve("d")).resolve("n")));
    attempt("shared-link-out", () -> Files.readString(shared.resolve("link")));
    attempt("shared-hard-link", () -> Files.createLink(shared.resolve("h"), secret()));
  }

  /** {@return how much of the memory for native code has been executed, of the largest part} */
  private static long executedKilobytes() {
    long most = 0;
    boolean code = false;
    try {
      for (String l : Files.readAllLines(Path.of("/proc/self/smaps"))) {
        if (l.contains("r-xs")) {
          code = l.contains("vesper-code");
        } else if (code && l.startsWith("Rss:")) {
          most = Math.max(most, Long.parseLong(l.replaceAll("\\D", "")));
          code = false;
        }
      }
    } catch (IOException e) {
      return -1;
    }
    return most;
  }

  private void everything(String who) {
    attempt(who + "read", () -> Files.readString(secret()));
    attempt(who + "write", () -> Files.writeString(secret(), "x", StandardOpenOption.APPEND));
    attempt(
        who + "passwd",
        () -> Files.newOutputStream(Path.of("/etc/passwd"), StandardOpenOption.APPEND));
    attempt(who + "create", () -> Files.createFile(outside.resolve("new" + who)));
    attempt(who + "mkdir", () -> Files.createDirectory(outside.resolve("dir" + who)));
    attempt(who + "list", () -> Files.list(outside).count());
    attempt(who + "delete", () -> delete(secret()));
    attempt(who + "rename", () -> Files.move(secret(), outside.resolve("moved")));
    attempt(who + "truncate", () -> Files.newOutputStream(secret()));
    attempt(
        who + "chmod",
        () ->
            Files.setPosixFilePermissions(secret(), PosixFilePermissions.fromString("rwxrwxrwx")));
    attempt(who + "exec", this::exec);
    attempt(who + "connect", this::connect);
    attempt(who + "listen", () -> ServerSocketChannel.open().bind(null));
    attempt(who + "accept", this::accept);
    attempt(who + "udp", DatagramChannel::open);
    attempt(who + "unix", () -> SocketChannel.open(StandardProtocolFamily.UNIX));
    attempt(who + "kill", this::kill);
  }

  private Path secret() {
    return outside.resolve("secret");
  }

  private static Object delete(Path p) throws IOException {
    Files.delete(p);
    return p;
  }

  private Object exec() throws Exception {
    return new ProcessBuilder("/bin/true").start().waitFor();
  }

  private Object connect() throws IOException {
    try (SocketChannel c = SocketChannel.open()) {
      c.connect(new InetSocketAddress(InetAddress.getByAddress(new byte[] {127, 0, 0, 1}), port));
      return c;
    }
  }

  private Object accept() throws IOException {
    // There is nobody, unless it is not even allowed to look.
    return door.accept() == null;
  }

  private Object kill() throws IOException {
    if (!other.toHandle().destroyForcibly()) {
      throw new IOException("no signal sent");
    }
    return other;
  }

  private static void attempt(String name, Callable<Object> c) {
    try {
      c.call();
      say(name, "done");
    } catch (Exception | LinkageError e) {
      say(name, "refused");
    }
  }

  private static void say(String name, String result) {
    ERR.println("intruder " + name + " " + result);
  }
}
