package dev.vesper.campaign;

import static org.assertj.core.api.Assertions.assertThat;

import java.nio.charset.StandardCharsets;
import java.util.Arrays;
import java.util.Random;
import org.junit.jupiter.api.Test;

final class EnvelopeTest {
  private static final byte[] KEY =
      Envelope.key(Types.QUEUE, "some name".getBytes(StandardCharsets.US_ASCII));
  private static final byte[] CONTENT = {1, 2, 3, 4, 5};

  @Test
  void whatWasSealedIsOpenedByItsKeyAlone() {
    byte[] sealed = Envelope.seal(KEY, CONTENT);
    assertThat(Envelope.open(KEY, sealed)).isEqualTo(CONTENT);
    assertThat(Envelope.open(KEY, Envelope.seal(KEY, new byte[0]))).isEmpty();
    byte[] other = Envelope.key(Types.CRASH, "some name".getBytes(StandardCharsets.US_ASCII));
    assertThat(Envelope.open(other, sealed)).isNull();
    other = Envelope.key(Types.QUEUE, "some namE".getBytes(StandardCharsets.US_ASCII));
    assertThat(Envelope.open(other, sealed)).isNull();
  }

  @Test
  void damagedBytesAreNothing() {
    Random r = new Random(3);
    byte[] sealed = Envelope.seal(KEY, CONTENT);
    for (int i = 0; i < 10_000; i++) {
      byte[] b = sealed.clone();
      switch (r.nextInt(3)) {
        case 0 -> b = Arrays.copyOf(b, r.nextInt(b.length));
        case 1 -> b[r.nextInt(b.length)] ^= (byte) (1 << r.nextInt(8));
        default -> {
          b = Arrays.copyOf(b, b.length + r.nextInt(1, 20));
          b[r.nextInt(b.length)] += 1;
        }
      }
      assertThat(Envelope.open(KEY, b)).isNull();
    }
  }

  @Test
  void whatIsLongerThanAnEntryMayBeIsNothing() {
    byte[] sealed = Envelope.seal(KEY, new byte[Envelope.LONGEST]);
    assertThat(Envelope.open(KEY, sealed)).hasSize(Envelope.LONGEST);
    assertThat(Envelope.open(KEY, Arrays.copyOf(sealed, sealed.length + 1))).isNull();
  }

  @Test
  void aKeyTellsItsName() {
    assertThat(Envelope.name(Types.QUEUE, KEY))
        .asString(StandardCharsets.US_ASCII)
        .isEqualTo("some name");
    assertThat(Envelope.name(Types.CRASH, KEY)).isNull();
    assertThat(Envelope.name(Types.QUEUE, new byte[0])).isNull();
    assertThat(Envelope.name(Types.QUEUE, Arrays.copyOf(KEY, 1000))).isNull();
  }
}
