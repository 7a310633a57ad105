package dev.vesper.cli.gdb;

import java.io.Closeable;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.channels.ReadableByteChannel;
import java.util.function.Consumer;

/** Who has connected. A thread of its own reads what it says, and another writes to it. */
final class Client implements Closeable {
  /** What comes from a client. */
  sealed interface Said {}

  /** It is there: the guest shall stand still. */
  record Arrived() implements Said {}

  /** It has gone. */
  record Left() implements Said {}

  /** It has said something. */
  record Told(PacketReader.Message message) implements Said {}

  /** Where what is said to a client goes. */
  interface Outgoing extends Closeable {
    /** Sends bytes, without waiting for who does not take them. */
    void send(byte[] b) throws IOException;
  }

  private static final int PART = 1 << 16;

  private final ReadableByteChannel in;
  private final Outgoing out;
  private volatile byte[] last = {};

  /** Packets are acknowledged until the client does not want it any more. */
  private volatile boolean acknowledges = true;

  Client(ReadableByteChannel in, Outgoing out) {
    this.in = in;
    this.out = out;
  }

  /** Reads until the client has gone; what it says is handed on. */
  void listen(Consumer<Said> to) {
    to.accept(new Arrived());
    PacketReader reader = new PacketReader();
    ByteBuffer b = ByteBuffer.allocate(PART);
    try {
      while (in.read(b) >= 0) {
        b.flip();
        while (b.hasRemaining()) {
          PacketReader.Message m = reader.take(b.get() & 0xFF);
          if (m != null) {
            heard(m, to);
          }
        }
        b.clear();
      }
    } catch (IOException e) {
      // Who breaks off has left.
    }
    to.accept(new Left());
  }

  private void heard(PacketReader.Message m, Consumer<Said> to) throws IOException {
    switch (m) {
      case PacketReader.Packet p -> {
        if (acknowledges) {
          out.send(new byte[] {'+'});
        }
        to.accept(new Told(p));
      }
      case PacketReader.Broken b -> {
        if (acknowledges) {
          out.send(new byte[] {'-'});
        }
      }
      case PacketReader.Interrupt i -> to.accept(new Told(i));
      // Nothing that a run need be stopped for.
      case PacketReader.Again a -> {
        if (acknowledges) {
          again();
        }
      }
    }
  }

  /** Packets need no acknowledgement from now on. */
  void trust() {
    acknowledges = false;
  }

  /** Sends a packet. Who has gone does not hear it; the thread that reads notices. */
  void send(byte[] data) {
    last = Packets.framed(data);
    again();
  }

  /** Sends the last packet again. */
  private void again() {
    try {
      out.send(last);
    } catch (IOException e) {
      return;
    }
  }

  @Override
  public void close() throws IOException {
    // What it has been told last it may still read.
    out.close();
    in.close();
  }
}
