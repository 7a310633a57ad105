package dev.vesper.cli;

import dev.vesper.machine.LaunchPlan;
import dev.vesper.machine.observe.Producer;
import dev.vesper.machine.observe.format.Json;
import dev.vesper.machine.observe.format.JsonTree;
import dev.vesper.machine.spec.MachineSpec;
import java.io.IOException;
import java.io.InputStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.MessageDigest;
import java.util.ArrayList;
import java.util.HexFormat;
import java.util.List;
import java.util.Map;

/**
 * What a recording says of its run: JSON, for people too.
 *
 * @param vesper the version that wrote it
 * @param words options of the machine, as {@link RecordedOptions} has them
 * @param files that the machine is made of, in the order of {@link RunOptions#machineFiles}
 * @param cpu the CPU model
 * @param memory bytes of guest RAM
 * @param processors how many vCPUs
 * @param seed of keys and RDRAND
 * @param time date and time at the start, in seconds since 1970
 */
record RecordingHeader(
    String vesper,
    List<String> words,
    List<Named> files,
    String cpu,
    long memory,
    long processors,
    long seed,
    long time) {
  private static final String SCHEMA = "vesper.recording/1";
  private static final String WORDS = "options";
  private static final String FILES = "files";

  /** A file, as it was named, with its size in bytes and SHA-256 in hex. */
  record Named(String name, long bytes, String sha256) {
    /**
     * {@return what a file is}
     *
     * @throws UserError if it cannot be read, or has no end
     */
    static Named of(Path p) {
      try {
        if (!Files.isRegularFile(p)) {
          throw new UserError(
              "a recording names files that a replay reads again, and " + p + " is none");
        }
        MessageDigest d = LaunchPlan.sha256();
        long n = 0;
        byte[] piece = new byte[1 << 16];
        try (InputStream in = Files.newInputStream(p)) {
          for (int read = in.read(piece); read > 0; read = in.read(piece)) {
            d.update(piece, 0, read);
            n += read;
          }
        }
        return new Named(p.toString(), n, HexFormat.of().formatHex(d.digest()));
      } catch (IOException e) {
        throw new UserError("cannot read " + p + ": " + UserError.reason(e));
      }
    }
  }

  /** {@return the header of a run} */
  static RecordingHeader of(MachineSpec spec, List<String> words, List<Named> files) {
    return new RecordingHeader(
        Producer.VERSION,
        words,
        files,
        spec.cpuModel(),
        spec.memoryBytes(),
        spec.processors(),
        spec.seed(),
        spec.hardware().startSeconds());
  }

  String text() {
    Json j = new Json().object().key("schema").value(SCHEMA).key("vesper").value(vesper);
    j.key(WORDS).array();
    words.forEach(j::value);
    j.end().key(FILES).array();
    for (Named f : files) {
      j.object().key("name").value(f.name).key("bytes").value(f.bytes);
      j.key("sha256").value(f.sha256).end();
    }
    j.end().key("cpu").value(cpu).key("memory").value(memory);
    j.key("processors").value(processors).key("seed").value(seed).key("time").value(time);
    return j.end().toString();
  }

  /**
   * {@return what a text says}
   *
   * @throws IllegalArgumentException if it is no header
   */
  static RecordingHeader parse(String text) {
    Map<String, Object> o = JsonTree.object(JsonTree.parse(text));
    if (!SCHEMA.equals(o.get("schema"))) {
      throw new IllegalArgumentException("its header is not of the schema " + SCHEMA);
    }
    List<String> words = new ArrayList<>();
    for (Object w : JsonTree.array(o.get(WORDS))) {
      words.add(String.valueOf(w));
    }
    List<Named> files = new ArrayList<>();
    for (Object f : JsonTree.array(o.get(FILES))) {
      Map<String, Object> m = JsonTree.object(f);
      files.add(
          new Named(
              String.valueOf(m.get("name")), number(m, "bytes"), String.valueOf(m.get("sha256"))));
    }
    return new RecordingHeader(
        String.valueOf(o.get("vesper")),
        words,
        files,
        String.valueOf(o.get("cpu")),
        number(o, "memory"),
        number(o, "processors"),
        number(o, "seed"),
        number(o, "time"));
  }

  private static long number(Map<String, Object> o, String key) {
    if (o.get(key) instanceof Long n) {
      return n;
    }
    throw new IllegalArgumentException("its header has no number " + key);
  }
}
