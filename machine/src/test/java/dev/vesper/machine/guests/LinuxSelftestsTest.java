package dev.vesper.machine.guests;

import static org.assertj.core.api.Assertions.assertThat;

import dev.vesper.fixtures.DebianKernel;
import dev.vesper.fixtures.DebianPackages;
import dev.vesper.fixtures.GuestLibraries;
import dev.vesper.fixtures.Tools;
import dev.vesper.machine.TestMachine;
import dev.vesper.machine.spec.BootException;
import dev.vesper.machine.spec.MachineSpec;
import dev.vesper.machine.spec.Outcome;
import dev.vesper.machine.spec.SevMode;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.util.Map;
import java.util.TreeMap;
import java.util.concurrent.TimeUnit;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.Stream;
import org.junit.jupiter.api.Assumptions;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

/**
 * Linux's own tests of how x86 programs see the processor, tools/testing/selftests/x86, built from
 * Debian's linux-source-6.1 as 32- and 64-bit programs: what passes on this computer passes in a
 * guest.
 */
@Tag("slow")
@Timeout(value = 10, unit = TimeUnit.MINUTES)
final class LinuxSelftestsTest {
  /** Linux's vc_ioio_check() asks the I/O permission bitmap only, not IOPL (docs/findings.md). */
  private static final String IOPL = "iopl_(32|64)";

  /** Billions of system calls, minutes of them: only with {@code -Dlong=true}. */
  private static final String LONG = "syscall_numbering_64";

  /** Tests tiles, which a Milan does not have: it fails where there are none. */
  private static final String TILES = "amx_64";

  /** What a program ends with that finds nothing to test. */
  private static final int SKIPPED = 4;

  /** sigreturn fails now and then: it compares the error code of whatever page fault was last. */
  private static final int TRIES = 3;

  private static final String INIT =
      """
      #!/bin/busybox sh
      b=/bin/busybox
      $b mount -t proc proc /proc
      $b mount -t sysfs sys /sys
      $b mount -t devtmpfs dev /dev
      cd /t
      for p in *; do
        for i in $($b seq %d); do
          $b timeout 100 ./$p >/tmp/out 2>&1 </dev/null
          r=$?
          [ $r = 1 ] || break
        done
        [ $r = 0 ] || $b tail -n 12 /tmp/out
        echo "RESULT $p $r"
      done
      $b poweroff -f
      """
          .formatted(TRIES);

  private static final Path TESTS = Path.of("tools/testing/selftests/x86");

  @TempDir static Path folder;

  private static final Map<String, Integer> NATIVE = new TreeMap<>();
  private static final Map<String, byte[]> FILES = new TreeMap<>();

  @BeforeAll
  static void buildsAndRunsThemHere() throws IOException, InterruptedException {
    Tools.need("make", "make");
    Tools.need("gcc", "gcc");
    Tools.require("/lib32/libc.so.6", "gcc-multilib");
    Path programs = Files.createDirectory(folder.resolve("programs"));
    Tools.call(
        source().resolve(TESTS), "make", "-s", "-j", "2", "OUTPUT=" + programs, "all_32", "all_64");
    try (Stream<Path> made = Files.list(programs)) {
      for (Path p : made.sorted().toList()) {
        if (p.endsWith(LONG) && !Boolean.getBoolean("long")) {
          continue;
        }
        FILES.put("t/" + p.getFileName(), Files.readAllBytes(p));
        GuestLibraries.add(FILES, p);
        int status = 1;
        for (int i = 0; i < TRIES && status == 1; i++) {
          status = status(p);
        }
        NATIVE.put(p.getFileName().toString(), status);
      }
    }
    Assumptions.assumeTrue(
        runs32(), "this computer's kernel runs no 32-bit programs to compare with");
    assertThat(NATIVE).hasSizeGreaterThan(40).containsEntry("ldt_gdt_32", 0);
  }

  /**
   * A kernel with ia32_emulation=off takes them for no programs at all, and Java has a shell read
   * them, which finds no script there and ends with 2.
   */
  private static boolean runs32() {
    return NATIVE.entrySet().stream()
        .anyMatch(e -> e.getKey().endsWith("_32") && e.getValue() != 2);
  }

  /** {@return the part of the kernel's source that the tests are built from} */
  private static Path source() throws IOException, InterruptedException {
    Path made = DebianKernel.cache().resolve("linux-selftests");
    if (!Files.exists(made)) {
      Path work = Files.createTempDirectory(made.getParent(), "source");
      Path archive =
          DebianPackages.file(
              DebianPackages.unpacked("linux-source-6.1"), "linux-source-.*\\.tar\\.xz");
      Tools.call(
          work,
          "sh",
          "-c",
          "xz -T2 -dc "
              + archive
              + " | tar x --strip-components=1 --wildcards '*/tools/testing/selftests/x86/*'"
              + " '*/tools/testing/selftests/*.h' '*/tools/testing/selftests/*.mk'"
              + " '*/arch/x86/include/*' '*/scripts/subarch.include'");
      Files.move(work, made, StandardCopyOption.ATOMIC_MOVE);
    }
    return made;
  }

  /** {@return what a program ends with on this computer} -1 if it does not end. */
  private static int status(Path program) throws IOException, InterruptedException {
    Process p =
        new ProcessBuilder(program.toString())
            .directory(folder.toFile())
            .redirectErrorStream(true)
            .redirectOutput(folder.resolve("output").toFile())
            .start();
    p.getOutputStream().close();
    if (!p.waitFor(10, TimeUnit.SECONDS)) {
      p.descendants().forEach(ProcessHandle::destroyForcibly);
      p.destroyForcibly();
      return -1;
    }
    return p.exitValue();
  }

  @ParameterizedTest
  @EnumSource(names = {"OFF", "ES"})
  void whatPassesHerePassesInAGuest(SevMode mode) throws BootException {
    TestMachine m =
        TestMachine.of(
            MachineSpec.builder(mode, DebianKernel.image(), b -> {})
                .append("console=ttyS0 quiet cryptomgr.notests=1 panic=-1")
                .initrd(DebianKernel.initramfs(INIT, FILES))
                .memoryBytes(512L << 20)
                .cpuModel("EPYC-Milan"));
    Outcome outcome = m.run(Boolean.getBoolean("long") ? 60_000_000_000L : 6_000_000_000L);
    String text = m.console();
    assertThat(outcome.status()).as(outcome.reason() + "\n" + text).isZero();
    Map<String, Integer> guest = new TreeMap<>();
    Matcher result = Pattern.compile("RESULT (\\w+) (\\d+)").matcher(text);
    while (result.find()) {
      guest.put(result.group(1), Integer.parseInt(result.group(2)));
    }
    assertThat(guest.keySet()).as(text).isEqualTo(NATIVE.keySet());
    Map<String, Integer> worse = new TreeMap<>(guest);
    worse.values().removeIf(status -> status == 0 || status == SKIPPED);
    worse.keySet().removeIf(p -> NATIVE.getOrDefault(p, 0) != 0);
    // It passes on a computer that has them.
    worse.remove(TILES);
    worse.keySet().removeIf(p -> mode == SevMode.ES && p.matches(IOPL));
    assertThat(worse).as(text).isEmpty();
  }
}
