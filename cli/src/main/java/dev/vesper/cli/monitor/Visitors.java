package dev.vesper.cli.monitor;

import java.io.Closeable;
import java.io.IOException;
import java.nio.channels.Channel;
import java.nio.channels.ReadableByteChannel;
import java.nio.channels.ServerSocketChannel;
import java.nio.channels.SocketChannel;
import java.nio.channels.WritableByteChannel;
import java.util.List;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;

/**
 * Lets clients in, several at a time, each of whom has a thread. What they want of the machine they
 * ask {@link Control} for.
 */
public final class Visitors implements Closeable {
  private static final int MOST_CLIENTS = 8;

  /** Clients that cannot be let in, one after another, before nobody is any more. */
  private static final int MOST_FAILURES = 100;

  /** How clients are talked to. */
  public enum Language {
    LINES,
    QMP
  }

  /** One client. */
  private record Visitor(Channel in, Mailbox out) {}

  private final Control control;
  private final Language language;
  private final List<Visitor> present = new CopyOnWriteArrayList<>();
  private final CountDownLatch first = new CountDownLatch(1);
  private volatile Closeable door = () -> {};
  private volatile boolean closed;

  private Visitors(Control control, Language language) {
    this.control = control;
    this.language = language;
  }

  /**
   * Lets in whoever comes.
   *
   * @param listening is closed with this
   */
  public static Visitors at(ServerSocketChannel listening, Control control, Language l) {
    Visitors v = new Visitors(control, l);
    v.door = listening;
    start(() -> v.accept(listening));
    return v;
  }

  /** Has one client, who is there already. */
  public static Visitors over(
      ReadableByteChannel in, WritableByteChannel out, Control control, Language l) {
    Visitors v = new Visitors(control, l);
    Visitor one = new Visitor(in, new Mailbox(out));
    v.present.add(one);
    start(() -> v.talk(in, one));
    return v;
  }

  private static void start(Runnable r) {
    Thread.ofPlatform().daemon().name("monitor").start(r);
  }

  private Front front() {
    return language == Language.QMP ? new QmpMonitor(control) : new LineMonitor(control);
  }

  private void accept(ServerSocketChannel s) {
    for (int failures = 0; s.isOpen() && failures < MOST_FAILURES; ) {
      try {
        SocketChannel c = s.accept();
        if (present.size() >= MOST_CLIENTS) {
          c.close();
          continue;
        }
        // Counted here, by the one thread that lets in, and not when its own begins.
        Visitor v = new Visitor(c, new Mailbox(c));
        present.add(v);
        start(() -> talk(c, v));
        failures = 0;
      } catch (IOException e) {
        // Who knocked has gone, the door is closed, or there are no descriptors any more.
        failures++;
      }
    }
  }

  private void talk(ReadableByteChannel in, Visitor v) {
    first.countDown();
    try {
      if (!closed) {
        front().talk(in, v.out);
      }
    } catch (IOException e) {
      // Who breaks off has left.
    } finally {
      present.remove(v);
      v.out.close();
      hangUp(v);
    }
  }

  private static void hangUp(Visitor v) {
    try {
      v.in.close();
    } catch (IOException e) {
      // It is not there any more.
      return;
    }
  }

  /**
   * {@return whether somebody has come, if that happens before so many milliseconds have passed}
   */
  public boolean hasCome(long millis) {
    try {
      return first.await(millis, TimeUnit.MILLISECONDS);
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
      return false;
    }
  }

  /** Nobody is let in any more; who is there may still read what was said. */
  @Override
  public void close() throws IOException {
    closed = true;
    door.close();
    List<Visitor> last = List.copyOf(present);
    last.forEach(v -> v.out.finish());
    // One moment for all of them together: those who do not read keep nobody.
    long deadline = System.nanoTime() + Mailbox.PATIENCE_NS;
    for (Visitor v : last) {
      v.out.close(deadline);
      hangUp(v);
    }
  }
}
