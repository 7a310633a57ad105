package dev.vesper.cli;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatCode;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.vesper.machine.observe.Accesses;
import dev.vesper.machine.observe.At;
import dev.vesper.machine.observe.Event;
import dev.vesper.machine.observe.format.TraceWriter;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.atomic.AtomicInteger;
import org.junit.jupiter.api.Test;

final class BackgroundWriterTest {
  private static Event event(long time, int accesses) {
    Accesses a = new Accesses();
    for (int i = 0; i < accesses; i++) {
      a.add(Accesses.Kind.WRITE, 0, 8, i, 0x1000);
    }
    return new Event.Place(new At(time, time, 0, 64, 0, 0x1000, "", "", "nop", a));
  }

  /** Notes what comes, on which thread, and fails where it is told to. */
  private static final class Notes implements TraceWriter {
    final List<Event> events = new ArrayList<>();
    final List<Thread> threads = new ArrayList<>();
    final AtomicInteger closed = new AtomicInteger();
    long failsAt = -1;
    RuntimeException fault = new UncheckedIOException(new IOException("no room"));

    @Override
    public void accept(Event e) {
      if (e.at().time() == failsAt) {
        throw fault;
      }
      threads.add(Thread.currentThread());
      events.add(e);
    }

    @Override
    public void close() {
      closed.incrementAndGet();
    }
  }

  @Test
  void eventsComeInTheirOrderOnAnotherThreadBeforeTheEnd() throws IOException {
    Notes notes = new Notes();
    List<Event> all = new ArrayList<>();
    try (BackgroundWriter w = new BackgroundWriter("t", notes)) {
      for (int i = 0; i < 10_007; i++) {
        all.add(event(i, i % 100));
        w.accept(all.get(i));
      }
    }
    assertThat(notes.events).isEqualTo(all);
    assertThat(notes.threads).doesNotContain(Thread.currentThread());
    assertThat(notes.closed).hasValue(1);
  }

  @Test
  void aTraceWithoutEventsIsClosedToo() throws IOException {
    Notes notes = new Notes();
    BackgroundWriter w = new BackgroundWriter("t", notes);
    w.close();
    w.close();
    assertThat(notes.closed).hasValue(1);
  }

  @Test
  void whatFailsIsThrownOnceAndTheFileIsClosed() {
    Notes notes = new Notes();
    notes.failsAt = 3;
    BackgroundWriter w = new BackgroundWriter("t", notes);
    assertThatThrownBy(
            () -> {
              for (int i = 0; ; i++) {
                w.accept(event(i, 0));
              }
            })
        .isInstanceOf(UncheckedIOException.class)
        .hasMessageContaining("no room");
    assertThat(notes.events).hasSize(3);
    assertThat(notes.closed).hasValue(0);
    assertThatCode(w::close).doesNotThrowAnyException();
    assertThat(notes.closed).hasValue(1);
  }

  @Test
  void whatFailsInTheLastEventsIsThrownAtTheEnd() {
    Notes notes = new Notes();
    notes.failsAt = 1;
    BackgroundWriter w = new BackgroundWriter("t", notes);
    w.accept(event(1, 0));
    assertThatThrownBy(w::close).isInstanceOf(IOException.class).hasMessage("no room");
    assertThat(notes.closed).hasValue(1);
  }

  @Test
  void aFaultOfTheWriterIsThrownAsItIs() {
    Notes notes = new Notes();
    notes.failsAt = 1;
    notes.fault = new IllegalStateException("a fault");
    BackgroundWriter w = new BackgroundWriter("t", notes);
    w.accept(event(1, 0));
    assertThatThrownBy(w::close).isSameAs(notes.fault);
  }

  /** A guest that writes much is held up by a slow file, and what waits for it is bounded. */
  @Test
  void littleWaitsForASlowFile() throws Exception {
    CountDownLatch go = new CountDownLatch(1);
    AtomicInteger written = new AtomicInteger();
    TraceWriter slow =
        new TraceWriter() {
          @Override
          public void accept(Event e) {
            try {
              go.await();
            } catch (InterruptedException x) {
              throw new AssertionError(x);
            }
            written.incrementAndGet();
          }

          @Override
          public void close() {
            // nothing is open
          }
        };
    BackgroundWriter w = new BackgroundWriter("t", slow);
    AtomicInteger accepted = new AtomicInteger();
    Thread guest =
        new Thread(
            () -> {
              for (int i = 0; i < 1000; i++) {
                w.accept(event(i, 5000));
                accepted.incrementAndGet();
              }
            });
    guest.start();
    while (guest.getState() != Thread.State.WAITING) {
      Thread.sleep(5);
    }
    assertThat(accepted.get()).isLessThan(60);
    go.countDown();
    guest.join();
    w.close();
    assertThat(written).hasValue(1000);
  }
}
