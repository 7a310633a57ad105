package dev.vesper.machine.device.virtio;

import dev.vesper.machine.device.Timed;
import dev.vesper.machine.device.net.Network;
import java.util.ArrayDeque;

/**
 * virtio network adapter (virtio 1.2, 5.1): queue 0 to the guest, queue 1 from it, one frame a
 * request behind a header of 12 bytes (10 in the legacy interface); no offloads.
 */
public final class VirtioNet implements VirtioDevice, Timed {
  private static final long FEATURE_MAC = 1L << 5;
  private static final long FEATURE_STATUS = 1L << 16;
  private static final int LINK_UP = 1;
  private static final int HEADER = 12;
  private static final int LEGACY_HEADER = 10;
  private static final int LARGEST_FRAME = 1 << 16;

  /** Frames that wait for buffers; more are lost, as on a wire. */
  private static final int MOST_WAITING = 256;

  private final byte[] mac;
  private final Network network;
  private final ArrayDeque<byte[]> waiting = new ArrayDeque<>();
  private Poll poll = q -> {};
  private int header = HEADER;
  private boolean sending;

  /**
   * @param mac its address, 6 bytes
   */
  public VirtioNet(byte[] mac, Network network) {
    this.mac = mac.clone();
    this.network = network;
    network.connect(this::arrived);
  }

  @Override
  public long nextEvent() {
    return network.nextEvent();
  }

  @Override
  public long nextOwnEvent() {
    return network.nextOwnEvent();
  }

  @Override
  public void advance(long now) {
    network.advance(now);
  }

  @Override
  public int type() {
    return 1;
  }

  @Override
  public int classCode() {
    return 0x0200_0000;
  }

  @Override
  public long features() {
    return FEATURE_MAC | FEATURE_STATUS;
  }

  @Override
  public int queues() {
    return 2;
  }

  @Override
  public int config(int offset) {
    return offset < 6 ? mac[offset] : offset == 6 ? LINK_UP : 0;
  }

  @Override
  public void negotiated(boolean modern) {
    header = modern ? HEADER : LEGACY_HEADER;
  }

  @Override
  public void reset() {
    waiting.clear();
  }

  @Override
  public void connect(Poll p) {
    poll = p;
  }

  private void arrived(byte[] frame) {
    if (waiting.size() < MOST_WAITING) {
      waiting.add(frame);
    }
    // Answers to what is being sent are handed over when that is done.
    if (!sending) {
      poll.queue(0);
    }
  }

  @Override
  public int process(int queue, VirtioRequest r) {
    if (queue == 0) {
      return receive(r);
    }
    long length = r.readableBytes() - header;
    if (length > 0 && length <= LARGEST_FRAME) {
      byte[] frame = new byte[(int) length];
      r.read(header, frame, frame.length);
      sending = true;
      network.send(frame);
      sending = false;
      if (!waiting.isEmpty()) {
        poll.queue(0);
      }
    }
    return 0;
  }

  private int receive(VirtioRequest r) {
    byte[] frame = waiting.poll();
    if (frame == null) {
      return KEPT;
    }
    byte[] all = new byte[header + frame.length];
    if (header == HEADER) {
      // One buffer holds it.
      all[10] = 1;
    }
    System.arraycopy(frame, 0, all, header, frame.length);
    int n = (int) Math.min(all.length, r.writableBytes());
    if (n < all.length) {
      // A frame that does not fit is lost.
      return 0;
    }
    r.write(0, all, n);
    return n;
  }
}
