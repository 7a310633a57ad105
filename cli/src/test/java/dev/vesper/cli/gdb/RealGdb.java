package dev.vesper.cli.gdb;

import dev.vesper.fixtures.Tools;
import dev.vesper.machine.Machine;
import dev.vesper.machine.spec.MachineSpec;
import dev.vesper.machine.spec.Outcome;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.net.StandardProtocolFamily;
import java.net.UnixDomainSocketAddress;
import java.nio.channels.ServerSocketChannel;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.TimeUnit;
import java.util.function.BiFunction;

/** Debuggers that are programs of their own, at a guest that waits for them. */
final class RealGdb {
  /** Seconds that a session takes at most; heavy ones are of a long run. */
  private static final long PATIENCE = Boolean.getBoolean("long") ? 1800 : 120;

  private RealGdb() {}

  /** A debugger's session. */
  interface Session {
    /** {@return what the debugger says} */
    String run() throws Exception;
  }

  /** {@return a socket of this computer's, at a port that is free} */
  static ServerSocketChannel port() throws Exception {
    ServerSocketChannel s = ServerSocketChannel.open(StandardProtocolFamily.INET);
    s.bind(new InetSocketAddress(InetAddress.getLoopbackAddress(), 0));
    return s;
  }

  /**
   * {@return what gdb says}
   *
   * @param commands behind {@code target remote}
   * @param ended how the run has ended, in its first element
   */
  static String session(Path dir, MachineSpec spec, String commands, Outcome[] ended)
      throws Exception {
    return session(
        dir,
        spec,
        commands,
        (script, place) ->
            List.of(
                "-batch",
                "-iex",
                "set debuginfod enabled off",
                "-ex",
                "set pagination off",
                "-ex",
                "set confirm off",
                "-ex",
                "set remotetimeout 60",
                "-ex",
                "target remote " + place,
                "-x",
                script.toString()),
        ended);
  }

  /** The same of gdb's machine interface, whose commands come one by one from standard input. */
  static String machineInterface(Path dir, MachineSpec spec, String commands, Outcome[] ended)
      throws Exception {
    return session(
        dir,
        spec,
        commands,
        (script, place) ->
            List.of("-q", "-l", "60", "--interpreter=mi3", "-ex", "target remote " + place),
        ended);
  }

  private static String session(
      Path dir,
      MachineSpec spec,
      String commands,
      BiFunction<Path, Path, List<String>> arguments,
      Outcome[] ended)
      throws Exception {
    Tools.need("gdb", "gdb");
    Path script = Files.writeString(dir.resolve("script"), commands);
    Path place = dir.resolve("socket");
    List<String> line =
        new ArrayList<>(
            List.of("sh", "-c", "exec gdb -nx \"$@\" < \"$0\" 2>&1", script.toString()));
    line.addAll(arguments.apply(script, place));
    try (ServerSocketChannel s = ServerSocketChannel.open(StandardProtocolFamily.UNIX)) {
      s.bind(UnixDomainSocketAddress.of(place));
      return serve(spec, s, () -> Tools.runWithin(PATIENCE, line.toArray(new String[0])), ended);
    }
  }

  /**
   * {@return what a debugger says, which ends the run}
   *
   * @param ended how the run has ended, in its first element
   */
  static String serve(MachineSpec spec, ServerSocketChannel s, Session client, Outcome[] ended)
      throws Exception {
    CompletableFuture<Outcome> run = new CompletableFuture<>();
    try (Machine m = new Machine(spec)) {
      GdbServer server = GdbServer.over(s, true);
      Thread t =
          new Thread(
              () -> {
                try {
                  Outcome o = server.run(m, () -> null, () -> {});
                  server.conclude(o);
                  run.complete(o);
                } catch (RuntimeException | Error e) {
                  run.completeExceptionally(e);
                }
              });
      t.setDaemon(true);
      t.start();
      String said = client.run();
      ended[0] = run.get(60, TimeUnit.SECONDS);
      return said;
    }
  }
}
