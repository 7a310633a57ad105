package dev.vesper.machine.guests;

import dev.vesper.machine.Machine;
import dev.vesper.machine.cpu.Execution;
import dev.vesper.machine.spec.Outcome;
import java.io.DataInputStream;
import java.io.DataOutputStream;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.TimeUnit;

/** A process that goes on from snapshots, and says of each whether the rest is as it must be. */
final class ResumedRuns {
  /** What it says of one that is. */
  static final String SAME = "the same";

  private ResumedRuns() {}

  /**
   * A run to its end.
   *
   * @param status of its outcome
   * @param hash of the final state
   * @param sums of its events
   */
  record Whole(int status, long instructions, String hash, int[] sums) {
    static Whole of(Machine m, EventSums sums) {
      Outcome o = m.run();
      return new Whole(o.status(), m.instructions(), m.stateHash(), sums.all());
    }

    void write(Path to) throws IOException {
      try (DataOutputStream out = new DataOutputStream(Files.newOutputStream(to))) {
        out.writeInt(status);
        out.writeLong(instructions);
        out.writeUTF(hash);
        out.writeInt(sums.length);
        byte[] b = new byte[4 * sums.length];
        java.nio.ByteBuffer.wrap(b).asIntBuffer().put(sums);
        out.write(b);
      }
    }

    static Whole read(Path from) throws IOException {
      try (DataInputStream in = new DataInputStream(Files.newInputStream(from))) {
        int status = in.readInt();
        long instructions = in.readLong();
        String hash = in.readUTF();
        int[] sums = new int[in.readInt()];
        java.nio.ByteBuffer.wrap(in.readNBytes(4 * sums.length)).asIntBuffer().get(sums);
        return new Whole(status, instructions, hash, sums);
      }
    }

    /** {@return how the rest of a run differs from this, or {@link #SAME}} */
    String difference(Whole rest, int before) {
      for (int i = 0; i < Math.min(rest.sums.length, sums.length - before); i++) {
        if (rest.sums[i] != sums[before + i]) {
          return "event " + (before + i) + " of " + sums.length + " is another";
        }
      }
      if (rest.sums.length != sums.length - before) {
        return rest.sums.length + " events and not " + (sums.length - before);
      }
      if (rest.status != status || rest.instructions != instructions) {
        return "it ends with status %d at %d, and not with %d at %d"
            .formatted(rest.status, rest.instructions, status, instructions);
      }
      return rest.hash.equals(hash) ? SAME : "the final hash is another";
    }
  }

  /**
   * A snapshot.
   *
   * @param file its name
   * @param events that were before it
   * @param execution by what it goes on
   */
  record Place(String file, int events, int execution) {
    List<String> words() {
      return List.of(file, Integer.toString(events), Integer.toString(execution));
    }
  }

  /** Goes on from snapshots of a row in a folder: a line for each. */
  public static void main(String[] args) throws Exception {
    SnapshotRow row = SnapshotRow.valueOf(args[0]);
    Path folder = Path.of(args[1]);
    Whole whole = Whole.read(folder.resolve("whole"));
    for (int i = 2; i < args.length; i += 3) {
      EventSums sums = new EventSums();
      try (Machine m = row.machine(sums)) {
        Execution.choose(m, Integer.parseInt(args[i + 2]));
        m.load(folder.resolve(args[i]));
        String d = whole.difference(Whole.of(m, sums), Integer.parseInt(args[i + 1]));
        System.out.println(args[i] + " by " + args[i + 2] + ": " + d);
      }
    }
  }

  /**
   * {@return what a process of its own says of some places}
   *
   * @throws AssertionError if it does not end as it must
   */
  static List<String> inAProcess(SnapshotRow row, Path folder, List<Place> places)
      throws IOException, InterruptedException {
    List<String> line = new ArrayList<>();
    line.add(Path.of(System.getProperty("java.home"), "bin", "java").toString());
    line.addAll(List.of("-XX:+UseSerialGC", "-Xmx2g", "--enable-native-access=ALL-UNNAMED", "-cp"));
    line.add(System.getProperty("surefire.test.class.path", System.getProperty("java.class.path")));
    line.addAll(List.of(ResumedRuns.class.getName(), row.name(), folder.toString()));
    places.forEach(p -> line.addAll(p.words()));
    Path out = folder.resolve("out");
    Path err = folder.resolve("err");
    Process p =
        new ProcessBuilder(line).redirectOutput(out.toFile()).redirectError(err.toFile()).start();
    p.getOutputStream().close();
    if (!p.waitFor(2, TimeUnit.HOURS) || p.exitValue() != 0) {
      p.destroyForcibly();
      throw new AssertionError(Files.readString(out) + Files.readString(err));
    }
    return Files.readAllLines(out);
  }
}
