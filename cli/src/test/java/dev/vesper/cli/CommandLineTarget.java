package dev.vesper.cli;

import dev.vesper.fixtures.fuzz.FuzzTarget;
import dev.vesper.machine.observe.format.Json;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine;

/**
 * Command lines, an argument a line, that are read and not obeyed; and the files that {@code
 * measure --diff} compares. {@code @} stands for a folder with files, beside which none is opened.
 */
public final class CommandLineTarget implements FuzzTarget {
  private static final String MANIFEST = "manifest";
  private static final String SECRET = "secret";

  private @Nullable Path folder;

  @Override
  public String name() {
    return "command-line";
  }

  @Override
  public List<String> covers() {
    return Stream.of("GuestOptions", "LaunchSecrets", "Manifest", "ManifestDiff", "Options")
        .map("dev.vesper.cli."::concat)
        .toList();
  }

  @Override
  public int inputs() {
    return 1000;
  }

  @Override
  public int longest() {
    return 4096;
  }

  @Override
  public List<String> words() {
    return List.of(
        "",
        "-",
        "--",
        "@",
        "=",
        ",",
        "0",
        "-1",
        "0x100000000",
        "es",
        "sev",
        "off",
        "kvm",
        "openbsd:2025-06",
        "pc",
        "q35",
        "minimal",
        "32",
        "64",
        "auto",
        "on",
        "init",
        "--help",
        "--version",
        "@/image",
        "@/none",
        "-kernel",
        "-bios",
        "--policy",
        "--sev",
        "-m",
        "-smp");
  }

  private static byte[] seed(String... lines) {
    return String.join("\n", lines).getBytes(StandardCharsets.UTF_8);
  }

  @Override
  public List<byte[]> seeds() {
    List<byte[]> all = new ArrayList<>();
    for (String command : List.of("run", "measure")) {
      all.add(seed(command));
      all.add(seed(command, "@/image", "--sev", "es", "-m=64M", "-smp", "2", "--seed=7"));
      all.add(seed(command, "-kernel", "@/image", "-bios", "@/image", "--kernel-hashes", "on"));
      all.add(seed(command, "-kernel", "@/image", "-append", "a b", "-initrd", "@/image"));
      all.add(seed(command, "--profile", "openbsd:2025-06", "--cpu", "EPYC,+avx2", "-entry=32"));
      all.add(seed(command, "--policy", "5", "--sev=sev", "--fpu-reset", "init"));
      all.add(seed(command, "--policy", "0x3f", "-M", "q35", "--nvram", "@/image"));
      all.add(seed(command, "-bios", "@/image", "--nvram", "@/image", "--kernel-hashes=off"));
      all.add(seed(command, "--dh-cert-file", "@/image", "--session-file", "@/image"));
      all.add(seed(command, "-M", "pc", "@/image", "--sev", "off"));
      all.add(seed(command, "--help", "--nothing", "-smp", "many"));
      all.add(seed(command, "--secret", "@/image,@/none", "--policy=-1"));
      all.add(seed(command, "-M", "isa", "-bios", "@/none"));
    }
    all.add(seed("check", "@/image", "--allow", "x,y", "--report", "a.md", "--report=b.json"));
    all.add(seed("attest", "verify", "@/image", "--certs", "@/image,@/none", "--at", "2026-11-30"));
    all.add(seed("attest", "certs", "-o", "@/none", "--serve=127.0.0.1:1", "--seed", "2"));
    all.add(seed("session", "--seed", "1", "--policy", "5", "@/image"));
    all.add(seed(SECRET, "@/image"));
    all.add(seed(SECRET, "@/image", "@/image"));
    all.add(seed(SECRET, "@/image", "@/image", "@/image"));
    all.add(seed(SECRET, "00000000-0000-0000-0000-000000000001=@/image"));
    all.add(seed(SECRET, "00000000-0000-0000-0000-00000000000g=@/image"));
    String page = "{\"what\":\"w\",\"address\":\"0x1000\",\"bytes\":4096,\"sha256\":\"00\"}";
    String start = "{\"schema\":\"vesper.measure/1\",\"launch_digest\":\"00\",";
    all.add(
        seed(
            MANIFEST,
            start
                + "\"inputs\":{\"a\":\"b\"},\"pages\":["
                + page
                + ","
                + page.replace("0x1000", "0x2000")
                + "],\"vmsa\":[{\"cr0\":\"0x31\",\"sha256\":\"1\"},{}]}"));
    all.add(
        seed(MANIFEST, start + "\"inputs\":{\"a\":\"c\"},\"pages\":[" + page + "],\"vmsa\":[]}"));
    all.add(seed(MANIFEST, start + "\"inputs\":{}}"));
    all.add(seed(MANIFEST, "{\"schema\":\"other\"}"));
    return all;
  }

  @Override
  public void take(byte[] input) throws Exception {
    List<String> lines = new String(input, StandardCharsets.UTF_8).lines().toList();
    if (lines.isEmpty()) {
      return;
    }
    List<String> rest = lines.subList(1, lines.size());
    try {
      switch (lines.get(0)) {
        case "run" -> command(new RunCommand(null), new RunCommand(null), rest);
        case "measure" -> command(new MeasureCommand(null), new MeasureCommand(null), rest);
        case "check" -> command(new CheckCommand(null), new CheckCommand(null), rest);
        case "attest" -> command(new AttestCommand(null), new AttestCommand(null), rest);
        case "session" -> command(new SessionCommand(), new SessionCommand(), rest);
        case SECRET -> secret(rest);
        default -> manifests(String.join("\n", rest));
      }
    } catch (UserError e) {
      if (String.valueOf(e.getMessage()).isBlank()) {
        throw new IllegalStateException(e);
      }
    }
  }

  /** What is read without picocli must be what picocli takes too; then the launch's part. */
  private void command(Options.Command plain, Options.Command full, List<String> args)
      throws IOException {
    boolean read = plain.options().readPlain(args);
    try {
      new CommandLine(full.options().model("command", full)).parseArgs(args.toArray(new String[0]));
    } catch (CommandLine.ParameterException | CommandLine.InitializationException e) {
      if (read || String.valueOf(e.getMessage()).isBlank()) {
        throw new IllegalStateException("read: " + read, e);
      }
    }
    List<String> named = named(args);
    if (named.isEmpty()) {
      return;
    }
    for (GuestOptions.Style style : GuestOptions.Style.values()) {
      GuestOptions guest = new GuestOptions();
      Options o = new Options("Launches.");
      o.positional("IMAGE", "image", guest::image);
      guest.addTo(o, style);
      guest.addLaunchTo(o);
      if (o.readPlain(named)) {
        guest.files();
        guest.nvram();
        guest.started();
        guest.read();
      }
    }
  }

  private void secret(List<String> values) throws IOException {
    List<String> named = named(values);
    if (!named.isEmpty()) {
      GuestOptions guest = new GuestOptions();
      LaunchSecrets s = LaunchSecrets.of(named, guest);
      LaunchSecrets.files(named);
      s.addTo(guest.read());
    }
  }

  private static void manifests(String text) {
    Manifest a = Manifest.parse("A", text);
    Json j = new Json().object().key("schema").value(Manifest.SCHEMA);
    a.write(j, true);
    Manifest again = Manifest.parse("A", j.end().toString());
    if (!ManifestDiff.of(a, again).isEmpty()) {
      throw new IllegalStateException("it differs from itself: " + ManifestDiff.of(a, again));
    }
    ManifestDiff.of(a, Manifest.parse("B", text.replace('0', '1')));
  }

  /** {@return arguments with the folder's name; none if they could name something beside it} */
  private List<String> named(List<String> args) throws IOException {
    String all = String.join("\n", args);
    if (all.replace("@/", "").contains("/") || all.contains("..")) {
      return List.of();
    }
    String f = folder().toString();
    return args.stream().map(a -> a.replace("@", f)).toList();
  }

  private Path folder() throws IOException {
    Path p = folder;
    if (p == null) {
      p = Files.createTempDirectory("vesper-fuzz");
      folder = p;
      byte[] image = new byte[4096];
      Arrays.fill(image, (byte) 0x90);
      Path file = Files.write(p.resolve("image"), image);
      p.toFile().deleteOnExit();
      file.toFile().deleteOnExit();
    }
    return p;
  }
}
