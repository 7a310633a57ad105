package dev.vesper.machine.device.net;

import dev.vesper.machine.input.InputLog;
import dev.vesper.machine.input.Source;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.util.Arrays;
import org.jspecify.annotations.Nullable;

/**
 * Those outside as a log has them: asked, and what they say written, or else as they were. The
 * gateway's TCP is a part of the machine, which comes to the same frames by itself; so a log has
 * what was said and no frames, and a replay needs no socket.
 *
 * <p>An answer that is not the usual one is an operation and what it gave. Usual is that nobody has
 * come, nothing is there to read, and all is taken that is written.
 */
final class LoggedOutside implements Outside {
  private static final int VISITOR = 1;
  private static final int CONNECTED = 2;
  private static final int READY = 3;
  private static final int READ = 4;
  private static final int ENDED = 5;
  private static final int WRITTEN = 6;

  private static final int FINISHED = 7;

  /** An IOException, whatever was asked. */
  private static final int FAILED = 8;

  private static final byte[] FAILURE = {FAILED};

  private final transient Outside live;

  /** What is read lies there for a moment. */
  private transient ByteBuffer scratch = ByteBuffer.allocate(0);

  private InputLog log = InputLog.live();

  LoggedOutside(Outside live) {
    this.live = live;
  }

  void log(InputLog l) {
    log = l;
  }

  @Override
  public boolean any() {
    return live.any();
  }

  @Override
  public Network.Sockets sockets() {
    return live.sockets();
  }

  @Override
  public boolean await(long nanos) {
    return live.await(nanos);
  }

  @Override
  public void close() {
    live.close();
  }

  /** {@return an answer, or null for the usual one and for what is none to what was asked} */
  private @Nullable ByteBuffer ask(int operation, InputLog.Live who) {
    byte[] b = log.ask(Source.NETWORK, who);
    if (b == null) {
      return null;
    }
    if (!isAnswer(b, operation)) {
      log.differs("the recording has an answer of a network to something else that was asked");
      return null;
    }
    return ByteBuffer.wrap(b, 1, b.length - 1).slice();
  }

  private static boolean isAnswer(byte[] b, int operation) {
    int o = b.length == 0 ? 0 : b[0];
    int bytes = o == VISITOR ? 7 : o == WRITTEN ? 5 : b.length;
    boolean fits =
        o == operation
            || o == FAILED && operation != VISITOR && operation != CONNECTED
            || o == ENDED && operation == READ;
    return o != 0 && fits && b.length == bytes;
  }

  /** A socket that was given, while it is there. */
  private static final class Given {
    @Nullable Stream stream;
  }

  @Override
  public @Nullable Visitor visitor() {
    Given g = new Given();
    ByteBuffer b =
        ask(
            VISITOR,
            () -> {
              Visitor v = live.visitor();
              if (v == null) {
                return null;
              }
              g.stream = v.stream();
              ByteBuffer r = ByteBuffer.allocate(7).put((byte) VISITOR).putInt(v.address());
              return r.putShort((short) v.port()).array();
            });
    return b == null ? null : new Visitor(new Logged(g.stream), b.getInt(), b.getShort() & 0xFFFF);
  }

  @Override
  public @Nullable Stream connect(int port) {
    Given g = new Given();
    ByteBuffer b =
        ask(
            CONNECTED,
            () -> {
              g.stream = live.connect(port);
              return g.stream == null ? null : new byte[] {CONNECTED};
            });
    return b == null ? null : new Logged(g.stream);
  }

  /**
   * A conversation. Of one that was had long ago there is no socket: nothing more is said there.
   */
  private final class Logged implements Stream {
    private final @Nullable Stream live;

    Logged(@Nullable Stream live) {
      this.live = live;
    }

    @Override
    public boolean ready() throws IOException {
      return failing(
              ask(
                  READY,
                  () -> {
                    try {
                      return live != null && live.ready() ? new byte[] {READY} : null;
                    } catch (IOException e) {
                      return FAILURE;
                    }
                  }))
          != null;
    }

    /** An answer without bytes of its own stands for a failure where others have some, or none. */
    private @Nullable ByteBuffer failing(@Nullable ByteBuffer b) throws IOException {
      if (b != null && b.array()[0] == FAILED) {
        throw new IOException("the other end does not want to");
      }
      return b;
    }

    @Override
    public int read(ByteBuffer to) throws IOException {
      ByteBuffer b = failing(ask(READ, () -> readLive(to.remaining())));
      if (b == null) {
        return 0;
      }
      if (b.array()[0] == ENDED) {
        return -1;
      }
      if (b.remaining() > to.remaining()) {
        log.differs("the recording has more of a network than the replay has room for");
        return 0;
      }
      int n = b.remaining();
      to.put(b);
      return n;
    }

    private byte @Nullable [] readLive(int room) {
      if (live == null) {
        return new byte[] {ENDED};
      }
      if (scratch.capacity() <= room) {
        scratch = ByteBuffer.allocate(room + 1);
      }
      ByteBuffer b = scratch.clear().limit(room + 1).put((byte) READ);
      try {
        int n = live.read(b);
        return n < 0 ? new byte[] {ENDED} : n == 0 ? null : Arrays.copyOf(b.array(), b.position());
      } catch (IOException e) {
        return FAILURE;
      }
    }

    @Override
    public void write(ByteBuffer from) throws IOException {
      int all = from.remaining();
      ByteBuffer b = failing(ask(WRITTEN, () -> writeLive(from.duplicate())));
      int n = b == null ? all : b.getInt();
      if (n < 0 || n > all) {
        log.differs("the recording has more sent to a network than the replay has sent");
        n = all;
      }
      from.position(from.position() + n);
    }

    private byte @Nullable [] writeLive(ByteBuffer from) {
      if (live == null) {
        return null;
      }
      int start = from.position();
      try {
        live.write(from);
      } catch (IOException e) {
        return FAILURE;
      }
      return from.hasRemaining()
          ? ByteBuffer.allocate(5).put((byte) WRITTEN).putInt(from.position() - start).array()
          : null;
    }

    @Override
    public void finish() throws IOException {
      failing(
          ask(
              FINISHED,
              () -> {
                try {
                  if (live != null) {
                    live.finish();
                  }
                  return null;
                } catch (IOException e) {
                  return FAILURE;
                }
              }));
    }

    @Override
    public void close() {
      if (live != null) {
        live.close();
      }
    }
  }
}
