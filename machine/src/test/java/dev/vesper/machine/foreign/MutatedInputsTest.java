package dev.vesper.machine.foreign;

import dev.vesper.machine.boot.ImageInputs;
import dev.vesper.machine.device.DiskInputs;
import dev.vesper.machine.observe.TraceInputs;
import dev.vesper.machine.spec.BootException;
import dev.vesper.machine.trace.KallsymsInput;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.util.Arrays;
import java.util.List;
import java.util.Random;
import java.util.function.BiFunction;
import java.util.regex.MatchResult;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;

/**
 * Damaged files of every format: the exception that says so or none, soon and without much memory.
 * {@code -Dvesper.rounds=N} takes as many inputs of each format.
 */
@Tag("slow")
final class MutatedInputsTest {
  private static final int ROUNDS = Integer.getInteger("vesper.rounds", 2000);

  /** Numbers that counts and offsets are made of when somebody means harm. */
  private static final long[] ODD = {
    0,
    1,
    -1,
    0x7F,
    0x80,
    0xFF,
    0x7FFF_FFFFL,
    0x8000_0000L,
    0xFFFF_FFFFL,
    Long.MAX_VALUE,
    Long.MIN_VALUE
  };

  /** Takes an input apart. */
  @FunctionalInterface
  private interface Input {
    void read(byte[] b) throws Exception;
  }

  private static byte[] mutated(byte[] seed, Random r) {
    byte[] b = seed.clone();
    for (int n = 1 + r.nextInt(6); n > 0 && b.length > 0; n--) {
      int at = r.nextInt(b.length);
      switch (r.nextInt(7)) {
        case 0 -> b[at] ^= (byte) (1 << r.nextInt(8));
        case 1 -> b[at] = (byte) r.nextInt();
        case 2, 3 -> {
          long v = ODD[r.nextInt(ODD.length)] + (r.nextInt(4) == 0 ? r.nextInt(64) - 32 : 0);
          int bytes = 1 << r.nextInt(4);
          boolean big = r.nextBoolean();
          for (int i = 0; i < bytes && at + i < b.length; i++) {
            b[at + i] = (byte) (v >> 8 * (big ? bytes - 1 - i : i));
          }
        }
        case 4 -> {
          int to = r.nextInt(b.length);
          int length = Math.min(1 + r.nextInt(64), b.length - Math.max(at, to));
          System.arraycopy(b, at, b, to, length);
        }
        case 5 -> b = r.nextInt(4) == 0 ? Arrays.copyOf(b, at) : b;
        default -> {
          byte[] more = Arrays.copyOf(b, b.length + Math.min(b.length, 256));
          System.arraycopy(b, at, more, at + more.length - b.length, b.length - at);
          b = r.nextInt(4) == 0 ? more : b;
        }
      }
    }
    return b;
  }

  /** Values that a detail may not have, or has for something else. */
  private static final List<String> WORDS =
      List.of(
          "",
          "0",
          "-1",
          "0x0",
          "0xffffffffffffffff",
          "0x8000000000000000",
          "0x7fffffff",
          "9223372036854775807",
          "-9223372036854775808",
          "0-fff",
          "fff-fff",
          "r0:64=0@0",
          "wfff:64=ffffffffffffffff@ffffffffffffffff R0:0=0@0",
          "0xffffffffffffffff 0xffffffffffffffff c=1 u=1",
          "0x0 unmapped",
          "SW_EXITCODE=0xffffffffffffffff SW_EXITINFO1=0xffffffffffffffff SW_SCRATCH=0x0",
          "SW_EXITCODE=0x7b SW_EXITINFO1=0xffffffffffffffff",
          "SW_EXITCODE=0x80000001 SW_EXITINFO2=0xffffffffffffffff",
          "RAX=0xffffffffffffffff RCX=0xd",
          "private",
          "outside",
          "ff".repeat(4096),
          "6e6c6f",
          "f3 6e",
          "0f c7 c8",
          "vc",
          "vc_return",
          "ghcb",
          "msr_protocol",
          "end");

  private static final Pattern VALUE = Pattern.compile("(?<=\":)(\"[^\"]*\"|\\d+)");

  /** {@return a trace with other values: those of WORDS, or of another detail} */
  private static byte[] reworded(byte[] seed, Random r) {
    String s = new String(seed, StandardCharsets.UTF_8);
    List<String> values = VALUE.matcher(s).results().map(MatchResult::group).toList();
    int most = 1 + r.nextInt(8);
    int step = 1 + r.nextInt(2 * values.size() / most);
    int[] next = {r.nextInt(step)};
    String out =
        VALUE
            .matcher(s)
            .replaceAll(
                m -> {
                  String v = m.group();
                  if (next[0]-- == 0) {
                    next[0] = r.nextInt(2 * step);
                    v =
                        r.nextBoolean()
                            ? "\"" + WORDS.get(r.nextInt(WORDS.size())) + "\""
                            : values.get(r.nextInt(values.size()));
                  }
                  return Matcher.quoteReplacement(v);
                });
    return out.getBytes(StandardCharsets.UTF_8);
  }

  private static void fuzz(List<byte[]> seeds, int mebibytes, int rounds, Input input)
      throws Exception {
    fuzz(seeds, MutatedInputsTest::mutated, mebibytes, rounds, input);
  }

  private static void fuzz(
      List<byte[]> seeds,
      BiFunction<byte[], Random, byte[]> change,
      int mebibytes,
      int rounds,
      Input input)
      throws Exception {
    for (int i = 0; i < rounds; i++) {
      byte[] b = change.apply(seeds.get(i % seeds.size()), new Random(i));
      try {
        Bounded.within(2, mebibytes, () -> input.read(b));
      } catch (BootException | IOException | IllegalArgumentException e) {
        String m = String.valueOf(e.getMessage());
        if (e.getMessage() == null || m.isEmpty() || m.contains("\n")) {
          throw new AssertionError("round " + i + " says '" + m + "'", e);
        }
      } catch (Throwable t) {
        throw new AssertionError("round " + i, t);
      }
    }
  }

  @Test
  void kernels() throws Exception {
    fuzz(ImageInputs.kernels(), 256, ROUNDS, ImageInputs::kernel);
    fuzz(ImageInputs.kernels(), 256, ROUNDS, ImageInputs::encryptedKernel);
    fuzz(ImageInputs.kernels().subList(3, 4), 256, ROUNDS / 4, ImageInputs::bootRom);
  }

  @Test
  void firmware() throws Exception {
    fuzz(ImageInputs.firmwares(), 256, ROUNDS, ImageInputs::firmware);
  }

  @Test
  void symbolFiles() throws Exception {
    fuzz(ImageInputs.symbolFiles(), 256, ROUNDS, ImageInputs::symbols);
  }

  @Test
  void namesInMemory() throws Exception {
    fuzz(List.of(KallsymsInput.seed()), 1024, ROUNDS / 20, KallsymsInput::read);
  }

  @Test
  void traces() throws Exception {
    fuzz(List.of(TraceInputs.seed()), 256, ROUNDS, TraceInputs::trace);
  }

  @Test
  void tracesWithOtherValues() throws Exception {
    List<byte[]> seeds = List.of(TraceInputs.seed());
    fuzz(seeds, MutatedInputsTest::reworded, 256, ROUNDS, TraceInputs::trace);
  }

  @Test
  void json() throws Exception {
    byte[] seed =
        "{\"a\":[1,-2,{\"b\":\"c\\u0041\\n\"},true,false],\"d\":{}}"
            .getBytes(StandardCharsets.UTF_8);
    fuzz(List.of(seed), 64, ROUNDS, TraceInputs::json);
  }

  @Test
  void qcow2() throws Exception {
    fuzz(List.of(DiskInputs.seed()), 1024, ROUNDS, DiskInputs::qcow2);
  }
}
