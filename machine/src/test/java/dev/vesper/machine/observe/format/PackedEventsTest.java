package dev.vesper.machine.observe.format;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.vesper.machine.foreign.Damaged;
import dev.vesper.machine.observe.Accesses;
import dev.vesper.machine.observe.At;
import dev.vesper.machine.observe.Event;
import java.io.ByteArrayInputStream;
import java.io.ByteArrayOutputStream;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;

final class PackedEventsTest {
  private static Event event(int i) {
    At at = new At(i, 3L * i, 0, 64, 0, 0x1000 + i, "place+" + i, "", "nop", Accesses.NONE);
    return i % 3 == 0 ? new Event.Place(at) : new Event.ConsoleLine(at, "line " + i);
  }

  private static List<Event> events(int n) {
    return IntStream.range(0, n).mapToObj(PackedEventsTest::event).toList();
  }

  private static byte[] written(PackedEvents p) throws Exception {
    ByteArrayOutputStream b = new ByteArrayOutputStream();
    p.writeTo(b);
    return b.toByteArray();
  }

  private static List<Event> read(byte[] b) throws Exception {
    List<Event> all = new ArrayList<>();
    PackedEvents.read(new ByteArrayInputStream(b), all::add);
    return all;
  }

  @Test
  void whatWasToldIsToldAgainHoweverOftenItIsWritten() throws Exception {
    List<Event> all = events(5000);
    PackedEvents p = new PackedEvents();
    all.subList(0, 3000).forEach(p::accept);
    byte[] first = written(p);
    assertThat(written(p)).isEqualTo(first);
    all.subList(3000, 5000).forEach(p::accept);
    assertThat(read(first)).isEqualTo(all.subList(0, 3000));
    byte[] second = written(p);
    assertThat(read(second)).isEqualTo(all);
    assertThat(second.length).isLessThan(200_000);
  }

  @Test
  void aRunInWhichNothingHasHappenedHasNothingToTell() throws Exception {
    assertThat(read(written(new PackedEvents()))).isEmpty();
  }

  @Test
  void ofTooManyNoneIsKept() {
    PackedEvents p = new PackedEvents(300_000);
    int n = 0;
    while (p.isWhole() && n < 100_000) {
      p.accept(event(n++));
    }
    assertThat(n).isBetween(1000, 99_999);
    assertThatThrownBy(() -> written(p)).isInstanceOf(IllegalStateException.class);
  }

  @Test
  void whatIsDamagedIsSaidInALine() throws Exception {
    PackedEvents p = new PackedEvents();
    events(500).forEach(p::accept);
    byte[] whole = written(p);
    for (int n = 1; n < whole.length; n += 97) {
      byte[] cut = Arrays.copyOf(whole, whole.length - n);
      assertThatThrownBy(() -> read(cut)).isInstanceOf(Damaged.class).hasMessageNotContaining("\n");
      byte[] bad = whole.clone();
      bad[n] ^= 4;
      try {
        read(bad);
      } catch (Damaged e) {
        assertThat(e.getMessage()).doesNotContain("\n");
      }
    }
  }
}
