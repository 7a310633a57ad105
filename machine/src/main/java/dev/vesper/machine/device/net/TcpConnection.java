package dev.vesper.machine.device.net;

import java.io.IOException;
import java.nio.ByteBuffer;

/**
 * One TCP connection (RFC 9293) between the guest and the gateway, whose bytes come from and go to
 * a {@link Outside.Stream}. The wire between them keeps order; frames that the guest has no buffers
 * for are lost and sent again. No options but the segment size.
 */
final class TcpConnection {
  static final int FIN = 1;
  static final int SYN = 2;
  static final int RST = 4;
  static final int PSH = 8;
  static final int ACK = 16;

  /** Segments that are sent. */
  interface Wire {
    /**
     * Sends a segment.
     *
     * @param sequence its first byte's number
     * @param acknowledged the next byte that is expected
     * @param window bytes that there is room for
     */
    void segment(
        TcpConnection c, int flags, int sequence, int acknowledged, int window, byte[] data);
  }

  /** A segment that came, or what of it matters. */
  record Segment(int flags, int sequence, int acknowledged, int window, int mss, ByteBuffer data) {}

  private enum State {
    /** The guest has asked for a connection, the outside has not answered yet. */
    CALLING,
    SYN_SENT,
    SYN_RECEIVED,
    ESTABLISHED,
    CLOSED
  }

  private static final int BUFFER = 1 << 16;
  private static final int LARGEST_SEGMENT = 1460;
  private static final int LARGEST_SEGMENT_V6 = 1440;
  private static final int SMALLEST_SEGMENT = 64;
  private static final long RETRANSMIT_NANOS = 200_000_000L;
  private static final long LINGER_NANOS = 1_000_000_000L;
  private static final int MOST_RETRIES = 8;

  final IpAddress guest;
  final int guestPort;
  final IpAddress gateway;
  final int gatewayPort;
  private final Outside.Stream stream;
  private final Wire wire;

  private State state;

  /** The oldest byte that the guest has not acknowledged, and the next to send. */
  private int unacknowledged;

  private int next;
  private int expected;
  private int peerWindow;
  private int mss = 536;

  /** Bytes for the guest from {@link #unacknowledged} on; filled from position 0. */
  private final ByteBuffer toGuest = ByteBuffer.allocate(BUFFER);

  private final ByteBuffer fromGuest = ByteBuffer.allocate(BUFFER - 1);

  private boolean streamEnded;
  private boolean finSent;
  private boolean finAcknowledged;
  private boolean guestFinished;
  private boolean finished;
  private boolean owesAck;
  private int announced;
  private int retries;
  private long since;

  private TcpConnection(
      IpAddress guest,
      int guestPort,
      IpAddress gateway,
      int gatewayPort,
      Outside.Stream stream,
      Wire wire,
      State state,
      int number) {
    this.guest = guest;
    this.guestPort = guestPort;
    this.gateway = gateway;
    this.gatewayPort = gatewayPort;
    this.stream = stream;
    this.wire = wire;
    this.state = state;
    unacknowledged = number;
    next = number;
  }

  /**
   * {@return a connection to the guest, asked for}
   *
   * @param to the guest's address and port
   * @param from the gateway's
   * @param number the first sequence number
   */
  static TcpConnection toGuest(
      IpAddress to,
      int toPort,
      IpAddress from,
      int fromPort,
      Outside.Stream s,
      Wire w,
      int number,
      long now) {
    TcpConnection c = new TcpConnection(to, toPort, from, fromPort, s, w, State.SYN_SENT, number);
    c.next++;
    c.since = now;
    c.sendSyn();
    return c;
  }

  /** {@return the connection that the guest's segment asks for} */
  static TcpConnection fromGuest(
      IpAddress guest,
      int guestPort,
      IpAddress gateway,
      int gatewayPort,
      Outside.Stream s,
      Wire w,
      int number,
      Segment syn) {
    TcpConnection c =
        new TcpConnection(guest, guestPort, gateway, gatewayPort, s, w, State.CALLING, number);
    c.expected = syn.sequence + 1;
    c.learn(syn);
    return c;
  }

  private void learn(Segment s) {
    peerWindow = s.window;
    if (s.mss > 0) {
      mss = Math.max(SMALLEST_SEGMENT, Math.min(s.mss, largestSegment()));
    }
  }

  /** {@return bytes that a segment can carry in a frame of 1500} */
  int largestSegment() {
    return guest.isV4() ? LARGEST_SEGMENT : LARGEST_SEGMENT_V6;
  }

  boolean closed() {
    return state == State.CLOSED;
  }

  /** {@return whether nothing is under way: what comes next, one of both ends begins} */
  boolean quiet() {
    return state == State.ESTABLISHED
        && toGuest.position() == 0
        && fromGuest.position() == 0
        && next == unacknowledged
        && streamEnded == finAcknowledged
        && guestFinished == finished
        && !(finAcknowledged && finished);
  }

  boolean is(IpAddress address, int port, IpAddress toAddress, int toPort) {
    return guestPort == port
        && gatewayPort == toPort
        && guest.equals(address)
        && gateway.equals(toAddress);
  }

  private void send(int flags, int sequence, byte[] data) {
    announced = fromGuest.remaining();
    owesAck = false;
    wire.segment(this, flags, sequence, (flags & ACK) == 0 ? 0 : expected, announced, data);
  }

  private void sendSyn() {
    send(state == State.SYN_SENT ? SYN : SYN | ACK, unacknowledged, new byte[0]);
  }

  /** Ends the connection at once. */
  void reset() {
    if (state != State.CLOSED) {
      send(RST | ACK, next, new byte[0]);
      close();
    }
  }

  private void close() {
    state = State.CLOSED;
    stream.close();
  }

  /** The guest has sent a segment. */
  void arrived(Segment s, long now) {
    if ((s.flags & RST) != 0) {
      boolean meant =
          state == State.SYN_SENT
              ? (s.flags & ACK) != 0 && s.acknowledged == next
              : Integer.compareUnsigned(s.sequence - expected, BUFFER) < 0;
      if (meant) {
        close();
      }
      return;
    }
    switch (state) {
      case SYN_SENT -> {
        if ((s.flags & (SYN | ACK)) != (SYN | ACK) || s.acknowledged != next) {
          return;
        }
        expected = s.sequence + 1;
        learn(s);
        establish(now);
        owesAck = true;
      }
      case SYN_RECEIVED -> {
        if ((s.flags & SYN) != 0) {
          sendSyn();
        } else if ((s.flags & ACK) != 0 && s.acknowledged == next) {
          establish(now);
          established(s, now);
        }
      }
      case ESTABLISHED -> {
        if ((s.flags & SYN) != 0) {
          owesAck = true;
        } else if ((s.flags & ACK) != 0) {
          established(s, now);
        }
      }
      case CALLING, CLOSED -> {
        // the outside has to answer first, or nothing more is to be said
      }
    }
  }

  private void establish(long now) {
    state = State.ESTABLISHED;
    unacknowledged = next;
    retries = 0;
    since = now;
  }

  private void established(Segment s, long now) {
    int news = s.acknowledged - unacknowledged;
    if (news >= 0 && news <= next - unacknowledged) {
      peerWindow = s.window;
      if (peerWindow == 0) {
        // A guest that answers lives; it just has no room.
        retries = Math.min(retries, MOST_RETRIES / 2);
      }
      if (news > 0) {
        int bytes = Math.min(news, toGuest.position());
        toGuest.flip().position(bytes);
        toGuest.compact();
        finAcknowledged |= finSent && s.acknowledged == next;
        unacknowledged = s.acknowledged;
        retries = 0;
        since = now;
      }
    }
    int length = s.data.remaining();
    boolean fin = (s.flags & FIN) != 0;
    if (length == 0 && !fin) {
      return;
    }
    owesAck = true;
    int known = expected - s.sequence;
    if (known < 0 || known > length || guestFinished) {
      return;
    }
    int taken = Math.min(length - known, fromGuest.remaining());
    fromGuest.put(s.data.slice(s.data.position() + known, taken));
    expected += taken;
    if (fin && known + taken == length) {
      expected++;
      guestFinished = true;
      since = now;
    }
  }

  /** Moves what can be moved, and sends again what is not acknowledged. */
  void pump(long now) {
    try {
      switch (state) {
        case CALLING -> {
          if (stream.ready()) {
            state = State.SYN_RECEIVED;
            next++;
            since = now;
            sendSyn();
          }
        }
        case SYN_SENT, SYN_RECEIVED -> {
          if (late(now)) {
            sendSyn();
          }
        }
        case ESTABLISHED -> move(now);
        case CLOSED -> {
          // nothing moves
        }
      }
    } catch (IOException e) {
      reset();
    }
  }

  /** {@return whether it is time to send again; after many times the connection is given up} */
  private boolean late(long now) {
    if (now - since < RETRANSMIT_NANOS << retries) {
      return false;
    }
    since = now;
    if (++retries > MOST_RETRIES) {
      reset();
      return false;
    }
    return true;
  }

  private void move(long now) throws IOException {
    fromGuest.flip();
    stream.write(fromGuest);
    fromGuest.compact();
    if (guestFinished && fromGuest.position() == 0 && !finished) {
      stream.finish();
      finished = true;
    }
    // Room that the guest does not know of yet: it waits for word.
    owesAck |= announced < mss && fromGuest.remaining() >= BUFFER / 2;
    if (!streamEnded && stream.read(toGuest) < 0) {
      streamEnded = true;
    }
    transmit(now);
    if (owesAck && state == State.ESTABLISHED) {
      send(ACK, next, new byte[0]);
    }
    if (finAcknowledged && finished && now - since >= LINGER_NANOS) {
      close();
    }
  }

  private void transmit(long now) {
    boolean waits = next != unacknowledged || peerWindow == 0 && toGuest.position() > 0;
    boolean probe = false;
    if (waits && late(now)) {
      next = unacknowledged;
      finSent = false;
      probe = peerWindow == 0;
    }
    if (state != State.ESTABLISHED) {
      return;
    }
    if (!waits) {
      since = finAcknowledged ? since : now;
    }
    int window = probe ? 1 : peerWindow;
    while (!finSent) {
      int sent = next - unacknowledged;
      int length = Math.min(Math.min(mss, toGuest.position() - sent), window - sent);
      if (length > 0) {
        byte[] data = new byte[length];
        toGuest.get(sent, data);
        send(ACK | PSH, next, data);
        next += length;
      } else if (streamEnded && sent == toGuest.position()) {
        send(FIN | ACK, next, new byte[0]);
        next++;
        finSent = true;
      } else {
        break;
      }
    }
  }
}
