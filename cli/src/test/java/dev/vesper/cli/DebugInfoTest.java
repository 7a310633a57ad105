package dev.vesper.cli;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.vesper.fixtures.Tools;
import dev.vesper.machine.Machine;
import dev.vesper.machine.observe.Symbols;
import dev.vesper.machine.spec.BootException;
import java.io.ByteArrayOutputStream;
import java.io.PrintStream;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Random;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** Source lines against binutils' addr2line, System.map, and coverage by line and by block. */
final class DebugInfoTest {
  @TempDir Path dir;

  private static final String C =
      """
      static int twice(int x) { return x + x; }
      int loop(int n) {
        int s = 0;
        for (int i = 0; i < n; i++) {
          s += twice(i) ^ n;
        }
        return s;
      }
      int never(int n) {
        return loop(n) - 1;
      }
      void start(void) {
        volatile int r = loop(7);
        if (r == 12345)
          never(r);
      }
      """;

  private Path build(String... options) throws Exception {
    Tools.need("gcc", "gcc");
    Path source = dir.resolve("sub.c");
    Files.writeString(source, C);
    Path out = dir.resolve("out.elf");
    List<String> command =
        new ArrayList<>(List.of("gcc", "-ffreestanding", "-nostdlib", "-static"));
    command.addAll(List.of("-fno-pic", "-no-pie", "-fno-asynchronous-unwind-tables"));
    command.addAll(List.of("-Wl,-Ttext=0x1000000", "-Wl,-e,start", "-Wl,--build-id=none"));
    command.addAll(List.of(options));
    command.addAll(List.of("-o", out.toString(), source.toString()));
    Tools.run(command.toArray(new String[0]));
    return out;
  }

  @ParameterizedTest
  @ValueSource(
      strings = {
        "-gdwarf-2 -O0",
        "-gdwarf-3 -O2",
        "-gdwarf-4 -O1",
        "-gdwarf-5 -O0",
        "-gdwarf-5 -O2",
        "-gdwarf-5 -O1 -gz=zlib",
        "-gdwarf-5 -O1 -m32",
      })
  void linesAreThoseOfAddr2line(String options) throws Exception {
    Path elf = build(options.split(" "));
    Symbols s = Machine.readSymbols("out.elf", Files.readAllBytes(elf));
    long from = 0x100_0000;
    long to = s.address("start") + 16;
    List<String> command = new ArrayList<>(List.of("addr2line", "-e", elf.toString()));
    for (long a = from; a < to; a++) {
      command.add("0x" + Long.toHexString(a));
    }
    List<String> want = Tools.run(command.toArray(new String[0])).lines().toList();
    int known = 0;
    for (long a = from; a < to; a++) {
      String line = want.get((int) (a - from)).replaceAll(" \\(discriminator.*", "");
      if (!line.startsWith("??") && !line.endsWith(":?") && !line.endsWith(":0")) {
        String tail = line.substring(line.lastIndexOf('/') + 1);
        assertThat(s.source(a)).as("0x%x", a).endsWith(tail);
        known++;
      }
    }
    assertThat(known).isGreaterThan(30);
    assertThat(s.at(s.address("loop") + 3)).isEqualTo("loop+0x3");
  }

  /** Damaged files give fewer lines, never an exception. */
  @Test
  void damagedDebugInformationDoesNoHarm() throws Exception {
    byte[] good = Files.readAllBytes(build("-gdwarf-5", "-O1"));
    Random random = new Random(5);
    for (int i = 0; i < 3000; i++) {
      byte[] bad = i % 3 == 0 ? Arrays.copyOf(good, random.nextInt(good.length)) : good.clone();
      for (int n = random.nextInt(30); n >= 0 && bad.length > 64; n--) {
        bad[4 + random.nextInt(bad.length - 4)] = (byte) random.nextInt();
      }
      try {
        Machine.readSymbols("bad", bad).source(0x100_0010);
      } catch (BootException e) {
        assertThat(e.getMessage()).startsWith("bad ");
      }
    }
  }

  @Test
  void systemMapsAreReadAndOthersRefused() throws BootException {
    String map = "ffffffff81000000 T _text\nffffffff81000123 t foo\n0000000000000000 A zero\n";
    Symbols s = Machine.readSymbols("m", map.getBytes(StandardCharsets.UTF_8));
    assertThat(s.at(0xFFFF_FFFF_8100_0125L)).isEqualTo("foo+0x2");
    assertThat(s.slid(0x1E0_0000).at(0xFFFF_FFFF_82E0_0123L)).isEqualTo("foo");
    byte[] stub =
        "ffffffffffffffff B The real System.map is elsewhere\n".getBytes(StandardCharsets.UTF_8);
    assertThatThrownBy(() -> Machine.readSymbols("m", stub))
        .isInstanceOf(BootException.class)
        .hasMessageContaining("line 1");
  }

  private static String run(String... args) {
    PrintStream old = System.err;
    ByteArrayOutputStream e = new ByteArrayOutputStream();
    System.setErr(new PrintStream(e, true, StandardCharsets.UTF_8));
    try {
      Main.execute(args);
    } finally {
      System.setErr(old);
    }
    return e.toString(StandardCharsets.UTF_8);
  }

  private static final String GUEST =
      """
      .set MAGIC, 0x1BADB002
      .section .boot, "a"
      .long MAGIC, 0, -MAGIC
      .text
      .code32
      .globl _start
      _start:
        mov $3, %ecx
      again:
        dec %ecx
        jnz again
        test %ecx, %ecx
        jz done
        nop
      done:
        mov $0x10, %al
        out %al, $0xf4
        hlt
      """;

  @Test
  void coverageIsWhatWasExecuted() throws Exception {
    Tools.need("as", "binutils");
    Path source = dir.resolve("guest.S");
    Files.writeString(source, GUEST);
    Path object = dir.resolve("guest.o");
    Path elf = dir.resolve("guest.elf");
    Tools.run("as", "--32", "-gdwarf-4", "-o", object.toString(), source.toString());
    Tools.run(
        "ld",
        "-m",
        "elf_i386",
        "-z",
        "noseparate-code",
        "-Ttext=0x100000",
        "-o",
        elf.toString(),
        object.toString());
    Path info = dir.resolve("c.info");
    Path drcov = dir.resolve("c.drcov");
    Path trace = dir.resolve("t.jsonl");
    run(
        "run",
        elf.toString(),
        "--sev",
        "off",
        "-m",
        "16M",
        "-serial",
        "none",
        "--coverage",
        info + "," + drcov,
        "--trace",
        trace.toString());
    List<String> lines = Files.readAllLines(info);
    assertThat(lines).anyMatch(l -> l.startsWith("SF:") && l.endsWith("guest.S"));
    // Line numbers of GUEST: the nop is 13, everything around it was executed.
    assertThat(lines)
        .contains("DA:8,1", "DA:10,1", "DA:12,1", "DA:14,0", "DA:16,1", "DA:18,0", "LH:7");
    byte[] b = Files.readAllBytes(drcov);
    String text = new String(b, StandardCharsets.ISO_8859_1);
    assertThat(text).startsWith("DRCOV VERSION: 2\nDRCOV FLAVOR: vesper\nModule Table: version 2");
    int table = text.indexOf("BB Table: ");
    int count = Integer.parseInt(text.substring(table + 10, text.indexOf(" bbs", table)));
    int data = text.indexOf('\n', table) + 1;
    assertThat(b.length - data).isEqualTo(8 * count);
    ByteBuffer bb = ByteBuffer.wrap(b, data, 8).order(ByteOrder.LITTLE_ENDIAN);
    assertThat(bb.getInt()).isZero();
    assertThat((int) bb.getShort()).isPositive();
    // The trace says where in the source.
    assertThat(Files.readString(trace))
        .contains("\"symbol\":\"done+0x2\",\"source\":\"")
        .contains("guest.S:17");
    assertThat(run("run", "--coverage", info.toString(), "-serial", "none"))
        .contains("no DWARF lines");
  }
}
