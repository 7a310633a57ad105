package dev.vesper.machine.observe.format;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.math.BigInteger;
import java.nio.charset.StandardCharsets;
import java.util.Random;
import org.junit.jupiter.api.Test;

/** Text as bytes: the same as strings would give, whatever the numbers and letters. */
final class TextBufferTest {
  private static final long SEED = Long.getLong("vesper.seed", 22);

  private final TextBuffer buffer = new TextBuffer();

  @Test
  void numbersAreSpelledAsTheLibraryDoes() {
    Random random = new Random(SEED);
    for (int i = 0; i < 10_000; i++) {
      long v = i < 2 ? Long.MIN_VALUE + i : random.nextLong() >> random.nextInt(64);
      buffer.clear();
      assertThat(buffer.decimal(v).add(' ').hex(v)).hasToString(v + " " + Long.toHexString(v));
    }
  }

  @Test
  void numbersWithOneDigitMoreOrLessAreSpelledAsTheLibraryDoes() {
    for (long base : new long[] {2, 10, 16}) {
      for (BigInteger p = BigInteger.ONE;
          p.bitLength() <= 64;
          p = p.multiply(BigInteger.valueOf(base))) {
        for (long v = p.longValue() - 1; v != p.longValue() + 2; v++) {
          buffer.clear();
          assertThat(buffer.decimal(v).hex('@', v)).hasToString(v + "@" + Long.toHexString(v));
        }
      }
    }
  }

  @Test
  void everyByteHasTwoDigits() {
    for (int i = 0; i < 256; i++) {
      buffer.clear();
      assertThat(buffer.hexByte((byte) i)).hasToString(String.format("%02x", i));
    }
  }

  @Test
  void textIsEncodedAndAHalfOfAPairIsReplaced() throws IOException {
    String text = "a→\uD83D\uDE00 \u00e9 \uD83D.";
    ByteArrayOutputStream out = new ByteArrayOutputStream();
    buffer.add(text).writeTo(out);
    assertThat(out.toByteArray()).isEqualTo(text.getBytes(StandardCharsets.UTF_8));
  }

  @Test
  void muchTextFits() {
    for (int i = 0; i < 1000; i++) {
      buffer.add("0123456789").hex(-1);
    }
    assertThat(buffer).hasToString(("0123456789" + "f".repeat(16)).repeat(1000));
  }

  @Test
  void whatJsonReservesIsEscaped() {
    assertThat(Json.quote("a\"b\\c\n\u001f\u00e9\uD83D\uDE00"))
        .isEqualTo("\"a\\\"b\\\\c\\u000a\\u001f\u00e9\uD83D\uDE00\"");
  }

  @Test
  void aTextIsQuotedTheSameTheFirstTimeAndLater() {
    QuotedTexts texts = new QuotedTexts();
    for (int round = 0; round < 2; round++) {
      for (int i = 0; i < 10_000; i++) {
        String s = "\"" + i + "x".repeat(i % 200);
        buffer.clear();
        texts.append(buffer, s);
        texts.append(buffer, s);
        assertThat(buffer).hasToString(Json.quote(s).repeat(2));
      }
    }
  }
}
