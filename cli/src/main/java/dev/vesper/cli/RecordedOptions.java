package dev.vesper.cli;

import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/**
 * Which options of a run make the machine what it is, so that a recording has them. All others are
 * of those who look on, or name what is written, and are a replay's own.
 */
final class RecordedOptions {
  /** Those whose value is a file that a replay may have elsewhere. */
  private static final Set<String> FILES =
      Set.of(
          "-kernel",
          "-bios",
          "-igvm",
          "--hostile",
          "--nvram",
          "-loadvm",
          "-initrd",
          "--dh-cert-file",
          "--session-file",
          "--certs",
          "--secret");

  /** Those that name files in their values. */
  private static final Set<String> WITH_FILES = Set.of("-drive", "-vga", "-fw_cfg", "-smbios");

  private static final Set<String> OTHERS =
      Set.of(
          "-append",
          "--sev",
          "--profile",
          "-cpu",
          "-entry",
          "-m",
          "-M",
          "-uuid",
          "-smp",
          "-nic",
          "-device",
          "-snapshot",
          "-no-reboot",
          "-action",
          "--virtio-console",
          "-boot",
          "-rtc",
          "--execute-only",
          "--intercept",
          "--host-fault",
          "--seed",
          "--policy",
          "--kernel-hashes",
          "--fpu-reset",
          "--guest-features",
          "--tsc-frequency",
          "--rmp",
          "--rmp-2m",
          "--hv-features",
          "--id-block",
          "--id-auth",
          "--author-key-enabled",
          "--vcek-disabled",
          "--vlek",
          "--host-data",
          "--svsm",
          "--guest-visible-workarounds",
          "--limit-insns",
          "--success-status",
          "--exit-status");

  /** Those of who looks on, and what is written: a replay's own. */
  private static final Set<String> OBSERVERS =
      Set.of(
          "-serial",
          "--screenshot",
          "--share",
          "-no-shutdown",
          "-debugcon",
          "--trace",
          "--symbols",
          "--check",
          "--oracle",
          "--fail-on",
          "--changed",
          "--allow",
          "--baseline",
          "--write-baseline",
          "--report",
          "--page",
          "--memory-map",
          "--coverage",
          "-d",
          "-D",
          "--break-on",
          "--reverse",
          "-monitor",
          "-qmp",
          "--monitor-files",
          "--snapshot-out",
          "--snapshot-at",
          "-gdb",
          "-s",
          "-S",
          "--record",
          "--measure-only",
          "--translator",
          "--code-cache",
          "--translate-after",
          "--timeout",
          "--silence",
          "--memory-limit",
          "--max-output",
          "--sandbox",
          "--json",
          "-v");

  private static final Pattern FILE = Pattern.compile("(^|,)((?:rom)?file=)([^,]*)");

  private RecordedOptions() {}

  /** {@return whether a recording has an option, by its first name} */
  static boolean has(String name) {
    return FILES.contains(name) || WITH_FILES.contains(name) || OTHERS.contains(name);
  }

  /** {@return whether an option is of those who look on, by its first name} */
  static boolean isOfThoseWhoLook(String name) {
    return OBSERVERS.contains(name);
  }

  /** {@return the words of a recording for what was said} */
  static List<String> words(Map<String, List<?>> given) {
    List<String> words = new ArrayList<>();
    given.forEach(
        (said, values) -> {
          String name = said.isEmpty() ? "-kernel" : said;
          assert has(name) != isOfThoseWhoLook(name) : "is " + name + " the machine's?";
          if (has(name)) {
            values.forEach(v -> words.add(v.equals(true) ? name : name + "=" + v));
          }
        });
    return words;
  }

  /** {@return the name of the option that a word is of} */
  static String name(String word) {
    int equals = word.indexOf('=');
    return equals < 0 ? word : word.substring(0, equals);
  }

  /**
   * {@return a word of a recording with each file where it is: as it was named, or else beside the
   * recording}
   */
  static String located(String word, Path folder) {
    String name = name(word);
    String value = word.substring(Math.min(word.length(), name.length() + 1));
    if (name.equals("--secret") || FILES.contains(name)) {
      // An entry of a table of secrets has a GUID before its file.
      int from = value.indexOf('=') + 1;
      return name + "=" + value.substring(0, from) + located(folder, value.substring(from));
    }
    if (!WITH_FILES.contains(name)) {
      return word;
    }
    Matcher m = FILE.matcher(value);
    return name
        + "="
        + m.replaceAll(
            r -> Matcher.quoteReplacement(r.group(1) + r.group(2) + located(folder, r.group(3))));
  }

  private static String located(Path folder, String file) {
    Path p = UserFiles.path(file);
    Path last = p.getFileName();
    if (Files.exists(p) || last == null) {
      return file;
    }
    Path beside = folder.resolve(last);
    return Files.exists(beside) ? beside.toString() : file;
  }

  /** {@return a word that is the same for two of which only the files are elsewhere} */
  static String withoutFiles(String word) {
    String name = name(word);
    return FILES.contains(name)
        ? name
        : WITH_FILES.contains(name) ? FILE.matcher(word).replaceAll("$1$2") : word;
  }
}
