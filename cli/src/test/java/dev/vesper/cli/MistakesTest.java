package dev.vesper.cli;

import static org.assertj.core.api.Assertions.assertThat;

import dev.vesper.guest.FlatGuest;
import java.io.IOException;
import java.io.InputStream;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Objects;
import java.util.Random;
import java.util.regex.Pattern;
import org.junit.jupiter.api.Assumptions;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/** What users do wrong, and the one line and the status that they get: mistakes.txt. */
final class MistakesTest {
  /** First bytes of images of other formats. */
  private static final String VMDK = "KDMV\1\0\0\0";

  @TempDir static Path dir;

  /** A status, a line behind {@code vesper}, and what stderr says. */
  record Case(int status, String line, String said) {
    @Override
    public String toString() {
      return line;
    }
  }

  @BeforeAll
  static void makeFiles() throws IOException {
    byte[] kernel = FlatGuest.image("L: jmp short L");
    put("vmlinuz", kernel);
    put("trunc.vmlinuz", Arrays.copyOf(kernel, 100));
    put("empty", new byte[0]);
    byte[] noise = new byte[5000];
    new Random(1).nextBytes(noise);
    put("rand", noise);
    put("initrd.gz", new byte[] {0x1F, (byte) 0x8B, 8, 0});
    put("trunc.fd", new byte[100_000]);
    put("d.vmdk", Arrays.copyOf(VMDK.getBytes(StandardCharsets.ISO_8859_1), 65_536));
    put("text.txt", "nothing in particular\n".getBytes(StandardCharsets.UTF_8));
    byte[] image = qcow2(0);
    put("base.qcow2", image);
    put("back.qcow2", qcow2(512));
    // The first table of a cluster that was written leads behind what is left of the file.
    ByteBuffer.wrap(image).putLong(1 << 16, 1L << 63 | 3 << 16);
    put("trunc.qcow2", Arrays.copyOf(image, 3 << 16));
    for (String form : List.of("jsonl", "html", "pcapng", "perfetto", "txt")) {
      assertThat(execute("run --trace ref." + form + " -serial none").status()).as(form).isZero();
    }
    byte[] whole = Files.readAllBytes(dir.resolve("ref.jsonl"));
    put("t.jsonl", Arrays.copyOf(whole, whole.length * 2 / 3));
  }

  private static void put(String name, byte[] bytes) throws IOException {
    Files.write(dir.resolve(name), bytes);
  }

  /** {@return an empty qcow2 image of version 2, 1 MiB} */
  private static byte[] qcow2(long backing) {
    ByteBuffer b = ByteBuffer.allocate(4 << 16);
    b.putInt(0, 0x5146_49FB).putInt(4, 2).putLong(8, backing).putInt(20, 16).putLong(24, 1 << 20);
    b.putInt(36, 1).putLong(40, 1 << 16).putLong(48, 2 << 16).putInt(56, 1);
    return b.array();
  }

  static List<Case> mistakes() throws IOException {
    List<Case> all = new ArrayList<>();
    try (InputStream in =
        Objects.requireNonNull(MistakesTest.class.getResourceAsStream("mistakes.txt"))) {
      for (String l : new String(in.readAllBytes(), StandardCharsets.UTF_8).lines().toList()) {
        if (!l.isBlank() && !l.startsWith("#")) {
          String[] f = l.split(" +\\| +", 3);
          all.add(new Case(Integer.parseInt(f[0]), f[1], f.length < 3 ? "" : f[2]));
        }
      }
    }
    return all;
  }

  /** Runs a line in which names of files are those of the folder, and '' is an empty word. */
  private static CommandResult execute(String line) {
    List<String> args = new ArrayList<>();
    for (String w : line.split(" ")) {
      args.add(w.equals("''") ? "" : placed(w));
    }
    CommandResult r = CommandResult.of(args.toArray(String[]::new));
    return new CommandResult(r.status(), r.out(), r.err().replace(dir + "/", ""));
  }

  /** Names of files and of a folder that is not there. */
  private static final Pattern NAMES =
      Pattern.compile(
          "(?<=^|file[=:])(?:(?:[\\w.]+\\.)?(?:vmlinuz|jsonl|html|pcapng|perfetto|txt|fd|vmdk|qcow2|gz"
              + "|json|sarif|info)|empty|rand|nofile|nodir/x)$");

  private static String placed(String word) {
    return NAMES.matcher(word).replaceFirst(m -> dir + "/" + m.group());
  }

  @ParameterizedTest
  @MethodSource("mistakes")
  void eachIsOneLineAndAStatus(Case c) {
    Assumptions.assumeTrue(
        !c.line.contains("/dev/full") || Files.exists(Path.of("/dev/full")), "Linux's /dev/full");
    CommandResult r = execute(c.line);
    assertThat(r.status()).as(r.err()).isEqualTo(c.status());
    assertThat(r.err()).contains(c.said).doesNotContain("\tat ").doesNotContain("Exception");
    assertThat(r.err().lines()).hasSize(c.said.isEmpty() ? 0 : 1);
    assertThat(r.err()).startsWith(c.status() == 0 ? "" : "vesper: ");
  }
}
