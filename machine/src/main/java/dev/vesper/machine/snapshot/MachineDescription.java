package dev.vesper.machine.snapshot;

import dev.vesper.machine.device.disk.Disk;
import dev.vesper.machine.foreign.Damaged;
import dev.vesper.machine.hostile.Script;
import dev.vesper.machine.observe.Producer;
import dev.vesper.machine.observe.format.Json;
import dev.vesper.machine.observe.format.JsonTree;
import dev.vesper.machine.spec.Hardware;
import dev.vesper.machine.spec.MachineSpec;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.util.HexFormat;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.stream.Collectors;
import org.jspecify.annotations.Nullable;

/**
 * What a machine is made of, in words: a snapshot is read into a machine of the same words. Images
 * are in it by their SHA-256.
 */
public final class MachineDescription {
  private static final String WRITER = "written by";
  private static final String INSTRUCTIONS = "instructions";
  private static final String TIME = "virtual time";

  /** Who has observed the run, and with what they know is in the state. */
  public static final String OBSERVERS = "observers";

  /** Nobody. */
  public static final String NOBODY = "none";

  /** Those who are told of events. */
  public static final String EVENTS = "events";

  /** The same, and of what the guest does with its GHCB. */
  public static final String DEEP = "events and accesses";

  /** What differs from run to run. */
  private static final List<String> PASSING = List.of(WRITER, INSTRUCTIONS, TIME, OBSERVERS);

  private static final String DRIVE = "drive ";
  private static final String IMAGE_OF = "image of drive ";

  /** What a drive's image is called, which may be another name each time. */
  private static final String FILE_OF = "file of drive ";

  private final Map<String, String> words;

  private MachineDescription(Map<String, String> words) {
    this.words = words;
  }

  /**
   * {@return the description of a machine at a moment}
   *
   * @param launchDigest in hex, empty without SEV
   * @param virtualTime in nanoseconds
   * @param observers {@link #NOBODY}, {@link #EVENTS} or {@link #DEEP}
   * @throws IOException if a disk's image cannot be read
   */
  public static MachineDescription of(
      MachineSpec s, String launchDigest, long instructions, long virtualTime, String observers)
      throws IOException {
    Map<String, String> w = new LinkedHashMap<>();
    w.put(WRITER, "Vesper " + Producer.VERSION);
    w.put(INSTRUCTIONS, Long.toString(instructions));
    w.put(TIME, Long.toString(virtualTime));
    w.put(OBSERVERS, observers);
    w.put("--sev", s.mode().name().toLowerCase(java.util.Locale.ROOT));
    w.put("--profile", s.profile());
    w.put("-cpu", s.cpuModel());
    w.put("-smp", Integer.toString(s.processors()));
    w.put("-m", (s.memoryBytes() >> 20) + "M");
    w.put("--seed", Long.toString(s.seed()));
    MachineSpec.Boot b = s.boot();
    w.put("image", digest(b.image()));
    w.put("-initrd", digest(b.initrd()));
    w.put("-append", b.commandLine());
    w.put("entry", b.entry32() ? "32 bits" : "the image's own");
    MachineSpec.Firmware f = b.firmware();
    w.put("firmware", f == null ? "none" : digest(f.code()));
    w.put("flash", f == null ? "none" : f.variables().length + " bytes");
    hardware(w, s.hardware());
    w.put("--execute-only", s.executeOnly() ? "on" : "off");
    w.put("--intercept", String.join(",", s.intercepts()));
    w.put("--host-fault", String.join(",", s.hostFaults()));
    w.put("--hostile", s.hostile() == null ? "none" : digest(words(s.hostile())));
    w.put("launch digest", launchDigest.isEmpty() ? "none" : launchDigest);
    return new MachineDescription(w);
  }

  private static void hardware(Map<String, String> w, Hardware h) throws IOException {
    w.put("-machine", h.board().name().toLowerCase(java.util.Locale.ROOT));
    w.put("drives", Integer.toString(h.drives().size()));
    for (int i = 0; i < h.drives().size(); i++) {
      Disk d = h.drives().get(i).disk();
      w.put(DRIVE + (i + 1), drive(h.drives().get(i)));
      w.put(FILE_OF + (i + 1), d.name());
      w.put(IMAGE_OF + (i + 1), d.fingerprint());
    }
    w.put("networks", Integer.toString(h.networks().size()));
    w.put("virtio console", h.virtioConsole() ? "on" : "off");
    w.put("shares", h.shares().stream().map(Hardware.Share::tag).collect(Collectors.joining(", ")));
    w.put("screen", h.screen() == null ? "none" : "vga");
    w.put("pc-testdev", h.testDevice() ? "on" : "off");
    w.put("clock", Long.toString(h.startSeconds()));
  }

  private static String drive(Hardware.Drive d) {
    return (d.virtio() ? "virtio" : d.cdRom() ? "CD-ROM" : "AHCI")
        + " of "
        + d.disk().sectors()
        + " sectors"
        + (d.disk().readOnly() ? ", read-only" : "");
  }

  /** {@return a script in words that are others for every other script} */
  private static byte[] words(Script s) {
    return s.toString().getBytes(StandardCharsets.UTF_8);
  }

  private static String digest(byte @Nullable [] image) {
    if (image == null || image.length == 0) {
      return "none";
    }
    try {
      return HexFormat.of().formatHex(MessageDigest.getInstance("SHA-256").digest(image));
    } catch (NoSuchAlgorithmException e) {
      throw new IllegalStateException("this Java runtime has no SHA-256", e);
    }
  }

  /** {@return the bytes of a section} A JSON object of strings, for people to read. */
  public byte[] bytes() {
    Json j = new Json().object();
    words.forEach((k, v) -> j.key(k).value(v));
    return j.end().toString().getBytes(StandardCharsets.UTF_8);
  }

  /**
   * {@return what {@link #bytes} has written}
   *
   * @throws Damaged if that is nothing such
   */
  public static MachineDescription read(byte[] bytes) {
    try {
      Map<String, String> w = new LinkedHashMap<>();
      JsonTree.object(JsonTree.parse(new String(bytes, StandardCharsets.UTF_8)))
          .forEach((k, v) -> w.put(k, String.valueOf(v)));
      return new MachineDescription(w);
    } catch (IllegalArgumentException e) {
      throw new Damaged("its header is no JSON object: " + e.getMessage());
    }
  }

  /** {@return how a machine differs from this one, in words for a user, or null if it does not} */
  public @Nullable String difference(MachineDescription other) {
    for (Map.Entry<String, String> e : words.entrySet()) {
      String key = e.getKey();
      String there = other.words.get(key);
      boolean passing = PASSING.contains(key) || key.startsWith(FILE_OF);
      if (!passing && !e.getValue().equals(there)) {
        if (key.startsWith(IMAGE_OF) && there != null) {
          String file = other.words.getOrDefault(FILE_OF + key.substring(IMAGE_OF.length()), "");
          return "it needs the "
              + key
              + (file.isEmpty() ? "" : ", " + file + ",")
              + " as it was, and that has changed since: then "
              + e.getValue()
              + ", now "
              + there;
        }
        return "it is of a machine with "
            + e.getKey()
            + " "
            + quoted(e.getValue())
            + ", and this one has "
            + quoted(there);
      }
    }
    return null;
  }

  private static String quoted(@Nullable String s) {
    return s == null ? "no such thing" : s.isEmpty() ? "\"\"" : s;
  }

  /** {@return a word of it, or null} */
  public @Nullable String word(String key) {
    return words.get(key);
  }
}
