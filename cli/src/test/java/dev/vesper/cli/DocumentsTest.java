package dev.vesper.cli;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.fail;

import dev.vesper.fixtures.IgvmBuilder;
import dev.vesper.guest.FlatGuest;
import dev.vesper.machine.launch.SnpProduct;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.HexFormat;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Set;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.Collectors;
import java.util.stream.Stream;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;
import picocli.CommandLine;

/**
 * What the pages say can be done: links lead somewhere, and command lines are taken as they stand.
 * Those in blocks of code are run, with small files in place of kernels, firmware and disks.
 */
final class DocumentsTest {
  /** Files that the pages' command lines read. */
  private static final List<String> KERNELS =
      List.of("vmlinuz", "bzImage", "kernel.elf", "IMAGE", "T.flat");

  private static final List<String> DISKS =
      List.of(
          "disk.img",
          "root.qcow2",
          "disk.qcow2",
          "grub.img",
          "install.iso",
          "initramfs.cpio",
          "initrd",
          "initrd.gz");

  /** Files that they write, and those that others of them have written before. */
  private static final List<String> WRITTEN =
      List.of(
          "monday.json",
          "tuesday.json",
          "trace.jsonl",
          "findings.sarif",
          "findings.md",
          "pdh_chain.cert",
          "vm",
          "vm_godh.b64",
          "vm_session.b64",
          "vm_tik.bin",
          "vesper.toml",
          "lie.hostile",
          "args",
          "OVMF.fd",
          "boot.vsn",
          "coconut-qemu.igvm",
          "bios-256k.bin",
          "report.bin",
          "guest.bin",
          "certs.bin",
          "vcek.der",
          "cert_chain",
          "chain",
          "run.rec",
          "t.jsonl",
          "t.html");

  /** What stands for something else in a line. */
  private static final Map<String, String> STANDS_FOR =
      Map.of("N", "2", "NONCE", "AAAAAAAAAAAAAAAAAAAAAA==", "LINE", "-m 1G");

  /** The launcher's own commands, which are in no process of Java's; and why none is run here. */
  private static final Map<String, String> LAUNCHER =
      Map.of(
          "test", "is what runs this test",
          "docs-site", "takes a library that Maven fetches: SiteTest",
          "soak", "takes minutes",
          "fuzz-self", "takes minutes, and fetches Jazzer",
          "build", "takes 20 s: BuildTest",
          "install", "builds and takes 20 s: InstallTest",
          "doctor", "needs no Java: LauncherTest",
          "bench", "takes minutes");

  /** Commands of Java's of which only the words are read; and why. */
  private static final Map<String, String> READ_ALONE =
      Map.of(
          "boot", "takes a kernel of Linux and a busybox: BootCommandTest",
          "fuzz", "takes as long as it is let: FuzzCommandTest");

  @TempDir static Path dir;

  /**
   * A command line of a page.
   *
   * @param place page and line
   * @param line as it stands there
   */
  record Command(String place, String line) {
    @Override
    public String toString() {
      return place + " " + line;
    }
  }

  @BeforeAll
  static void makeFiles() throws IOException {
    for (String f : KERNELS) {
      Files.write(dir.resolve(f), FlatGuest.image("L: jmp short L"));
    }
    for (String f : DISKS) {
      Files.write(dir.resolve(f), new byte[1 << 16]);
    }
    // JMP to itself at the reset vector, a table that says where other processors start, and SNP
    // metadata with a section each of memory, secrets and CPUID.
    byte[] firmware = new byte[1 << 16];
    firmware[0xFFF0] = (byte) 0xEB;
    firmware[0xFFF1] = (byte) 0xFE;
    byte[] table =
        HexFormat.of()
            .parseHex(
                "000200001600666588dc4a989847a75e5585a7bf67cc04b080001600de71f7007e1acb4f890e68c77e2f"
                    + "b44e3e00de82b596b21ff745baeaa366c55a082d");
    byte[] sections =
        HexFormat.of()
            .parseHex(
                "41534556340000000100000003000000000080000010000001000000001080000010000002000000"
                    + "002080000010000003000000");
    System.arraycopy(sections, 0, firmware, firmware.length - 0x200, sections.length);
    System.arraycopy(table, 0, firmware, firmware.length - 32 - table.length, table.length);
    Files.write(dir.resolve("OVMF.fd"), firmware);
    Files.write(dir.resolve("bios-256k.bin"), firmware);
    byte[] stays = {(byte) 0xEB, (byte) 0xFE};
    Files.write(dir.resolve("coconut-qemu.igvm"), IgvmBuilder.flat(stays, 1).build());
    Files.writeString(dir.resolve("args"), "-m 64M\n");
    Files.write(dir.resolve("report.bin"), AttestSamples.milan());
    Files.copy(AttestSamples.real("vs_vcek_milan.der"), dir.resolve("vcek.der"));
    Files.copy(AttestSamples.real("vs_cert_chain_milan.pem"), dir.resolve("cert_chain"));
    Files.write(
        dir.resolve("guest.bin"),
        AttestSamples.signed(SnpProduct.MILAN, AttestSamples.unsigned(SnpProduct.MILAN)));
    Files.write(dir.resolve("certs.bin"), AttestSamples.table(SnpProduct.MILAN));
    for (MarkdownPage.Block b : page("docs/start.md").blocks()) {
      if (b.info().equals("toml")) {
        // This process is not the command's alone, so that it cannot be confined.
        String text = b.text().replaceAll("(?m)^sandbox.*\n", "");
        Files.writeString(
            dir.resolve("vesper.toml"),
            text.replaceAll("(?<=[\"=])(t\\.|disk\\.|vmlinuz)", dir + "/$1"));
      }
    }
    for (MarkdownPage.Block b : page("docs/hostile.md").blocks()) {
      if (b.text().startsWith("# lie.hostile")) {
        Files.writeString(dir.resolve("lie.hostile"), b.text());
      }
    }
    ran("run", "--limit-insns", "1000", "--trace", dir.resolve("trace.jsonl").toString());
    ran(
        "run",
        dir.resolve("vmlinuz").toString(),
        "--limit-insns",
        "1000",
        "--record",
        dir.resolve("run.rec").toString());
    Files.writeString(dir.resolve("monday.json"), ran("measure", "--explain", "--json"));
    Files.writeString(
        dir.resolve("tuesday.json"), ran("measure", "--explain", "--json", "--sev", "sev"));
  }

  private static String ran(String... line) {
    CommandResult r = CommandResult.of(line);
    assertThat(r.status()).as(r.err()).isIn(0, 124);
    return r.out();
  }

  private static MarkdownPage page(String name) throws IOException {
    return MarkdownPage.of(MarkdownPage.ROOT.resolve(name));
  }

  // ---- links

  @Test
  void linksLeadSomewhere() throws IOException {
    lead(MarkdownPage.all());
  }

  private static void lead(List<MarkdownPage> pages) throws IOException {
    List<String> lost = new ArrayList<>();
    int found = 0;
    for (MarkdownPage p : pages) {
      for (String link : p.links()) {
        if (link.matches("https?://.*")) {
          continue;
        }
        found++;
        String[] parts = link.split("#", 2);
        Path to = p.file().resolveSibling(parts[0]).normalize();
        if (parts[0].isEmpty()) {
          to = p.file();
        }
        if (!Files.exists(to)
            || parts.length == 2 && !MarkdownPage.of(to).anchors().contains(parts[1])) {
          lost.add(p + ": " + link);
        }
      }
    }
    assertThat(lost).isEmpty();
    assertThat(found).isGreaterThan(40);
  }

  /** What is installed has the pages, and all that they lead to. */
  @Test
  void linksOfInstalledPagesLeadSomewhere() throws IOException, InterruptedException {
    Path to = Files.createTempDirectory(dir, "installed");
    String script = "set -eu; root=$1; home=$1/launcher; . \"$home/install.sh\"; documents \"$2\"";
    String clone = MarkdownPage.ROOT.toAbsolutePath().toString();
    Process p =
        new ProcessBuilder("sh", "-c", script, "sh", clone, to.toString())
            .redirectErrorStream(true)
            .start();
    String said = new String(p.getInputStream().readAllBytes(), StandardCharsets.UTF_8);
    assertThat(p.waitFor()).as(said).isZero();
    lead(MarkdownPage.all(to));
  }

  @Test
  void theIndexLeadsToEachPage() throws IOException {
    List<String> led = page("docs/README.md").links();
    for (MarkdownPage p : MarkdownPage.all()) {
      Path file = MarkdownPage.ROOT.resolve("docs").relativize(p.file());
      if (file.getNameCount() == 1 && !file.toString().equals("README.md")) {
        assertThat(led).contains(file.toString());
      }
    }
    Matcher named = Pattern.compile("`([\\w-]+\\.md)`").matcher("");
    List<String> facts = new ArrayList<>();
    for (String line : page("docs/spec/README.md").prose().lines().toList()) {
      named.reset(line);
      while (named.find()) {
        facts.add(named.group(1));
      }
    }
    try (Stream<Path> files = Files.list(MarkdownPage.ROOT.resolve("docs/spec"))) {
      assertThat(files.map(f -> f.getFileName().toString()).filter(f -> !f.equals("README.md")))
          .isSubsetOf(facts);
    }
  }

  // ---- command lines

  private static final Pattern IN_BLOCK = Pattern.compile("(?m)^(?:\\$ )?((?:\\./)?vesper .*)$");

  static List<Command> inBlocks() throws IOException {
    List<Command> all = new ArrayList<>();
    for (MarkdownPage p : MarkdownPage.all()) {
      for (MarkdownPage.Block b : p.blocks()) {
        if (b.info().equals("console")) {
          continue; // TutorialTest runs what is there, with its files.
        }
        Matcher m = IN_BLOCK.matcher(b.text().replaceAll("\\\\\n\\s*", ""));
        while (m.find()) {
          all.add(new Command(p + ":" + b.line(), m.group(1)));
        }
      }
    }
    return all;
  }

  static List<Command> inProse() throws IOException {
    List<Command> all = new ArrayList<>();
    for (MarkdownPage p : MarkdownPage.all()) {
      for (String s : p.spans()) {
        if (s.matches("(\\./)?vesper .*")) {
          all.add(new Command(p.toString(), s));
        }
      }
    }
    return all;
  }

  /**
   * A line, taken apart as a shell does.
   *
   * @param words those behind vesper
   * @param to the file that stdout goes to, or nothing
   */
  private record Parts(List<String> words, String to) {}

  private static final Pattern WORD = Pattern.compile("(?:'[^']*'|\"[^\"]*\"|[^\\s'\"])+");

  private static Parts parts(String line) {
    // What may be there is there; what is anybody's is left out.
    String l = line.replaceAll("\\[[^\\[]*\\.\\.\\.]|\\[OPTIONS]| ?\\.\\.\\.|\\[SEED]", "");
    l = l.replaceAll("(?<=\\s)\\[(-[^\\]]*|DIR)]", "$1");
    List<String> words = new ArrayList<>();
    String to = "";
    Matcher m = WORD.matcher(l.replaceFirst("^(\\./)?vesper ", ""));
    while (m.find()) {
      String w = m.group();
      if (w.startsWith("#") || w.equals("|")) {
        break;
      } else if (w.equals(">")) {
        to = m.find() ? m.group() : fail(line);
      } else if (!w.equals("2>&1")) {
        String bare = w.replaceAll("['\"]", "");
        words.add(STANDS_FOR.getOrDefault(bare, bare));
      }
    }
    return new Parts(words, to);
  }

  private static String placed(String word) {
    String w = word;
    for (String f : Stream.of(KERNELS, DISKS, WRITTEN).flatMap(List::stream).toList()) {
      w =
          w.replaceAll(
              "(?<=^|[=:,@])" + Pattern.quote(f) + "(?=,|$)",
              Matcher.quoteReplacement(dir.resolve(f).toString()));
    }
    return w;
  }

  private static void assertLauncherKnows(List<String> words) throws IOException {
    StringBuilder text = new StringBuilder(Files.readString(MarkdownPage.ROOT.resolve("vesper")));
    for (String f : List.of("doctor.sh", "install.sh")) {
      text.append(Files.readString(MarkdownPage.ROOT.resolve("launcher").resolve(f)));
    }
    String command = words.getFirst();
    assertThat(text.toString()).containsPattern("(\\n  | = )" + command + "(\\)| ])");
    // What begins with one dash is Maven's.
    for (String w : words.subList(1, words.size())) {
      if (w.startsWith("--")) {
        assertThat(text.toString()).containsPattern("(?m)" + w + "(?![\\w-])");
      }
    }
    if (command.equals("bench") && words.size() > 1) {
      Path bench = MarkdownPage.ROOT.resolve("bench/src/main/java/dev/vesper/bench/Bench.java");
      assertThat(Files.readString(bench)).contains('"' + words.get(1) + '"');
    }
  }

  @ParameterizedTest
  @MethodSource("inBlocks")
  void aLineInABlockIsTaken(Command c) throws IOException {
    Parts p = parts(c.line);
    if (LAUNCHER.containsKey(p.words.getFirst())) {
      assertLauncherKnows(p.words);
      return;
    }
    List<String> words = p.words.stream().map(DocumentsTest::placed).toList();
    if (READ_ALONE.containsKey(words.getFirst())) {
      int end = words.indexOf("--");
      Main.commandLine()
          .parseArgs(words.subList(0, end < 0 ? words.size() : end).toArray(String[]::new));
      return;
    }
    List<String> line = new ArrayList<>(words);
    boolean run = words.getFirst().equals("run") || words.getFirst().startsWith("-");
    boolean limited = run && !words.contains("--measure-only");
    // Its limit is in the recording.
    boolean replay = words.getFirst().equals("replay");
    boolean waits = words.getFirst().equals("debug") || words.contains("-S");
    if (limited || waits) {
      line.addAll(waits ? List.of("--timeout", "0.5") : List.of("--limit-insns", "1000"));
    }
    CommandResult r = CommandResult.of(line.toArray(String[]::new));
    boolean diff = words.contains("--diff") || words.contains("diff");
    // So few instructions are not what a script waits for.
    int cut = words.contains("--hostile") ? HostileOptions.UNFULFILLED : 124;
    assertThat(r.status())
        .as(c + "\n" + r.err())
        .isEqualTo(limited || waits || replay ? cut : diff ? 1 : 0);
    if (!p.to.isEmpty() && !p.to.contains("/")) {
      Files.writeString(dir.resolve(p.to), r.out());
    }
  }

  /** Lines in prose leave out what everybody knows: their options are looked up, no more. */
  @ParameterizedTest
  @MethodSource("inProse")
  void aLineInProseHasOptionsThatThereAre(Command c) throws IOException {
    List<String> words = parts(c.line).words;
    String command = words.getFirst().startsWith("-") ? "run" : words.getFirst();
    if (LAUNCHER.containsKey(command)) {
      assertLauncherKnows(words);
      return;
    }
    if (command.equals("convert-qemu")) {
      return;
    }
    CommandLine known =
        Objects.requireNonNull(
            Main.commandLine().getSubcommands().get(command), () -> c + ": no such command");
    Set<String> options = new HashSet<>();
    known.getCommandSpec().optionsMap().keySet().stream()
        .map(o -> o.replaceFirst("^-+", ""))
        .forEach(options::add);
    int end = words.indexOf("--");
    Set<String> used =
        words.subList(0, end < 0 ? words.size() : end).stream()
            .filter(w -> w.startsWith("-"))
            .map(w -> w.replaceFirst("^-+", "").replaceFirst("=.*", ""))
            .collect(Collectors.toSet());
    assertThat(options).as(c.toString()).containsAll(used);
  }

  @Test
  void linesAreFound() throws IOException {
    assertThat(inBlocks()).hasSizeGreaterThan(50);
    assertThat(inProse()).hasSizeGreaterThan(30);
  }
}
