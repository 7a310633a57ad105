package dev.vesper.machine.device.virtio;

import dev.vesper.machine.device.share.FuseServer;
import java.nio.charset.StandardCharsets;

/**
 * virtio file system (virtio 1.2, 5.11): FUSE requests in queue 0, which is for those that must not
 * wait, and queue 1.
 */
public final class VirtioFs implements VirtioDevice {
  private static final int TAG_BYTES = 36;

  /** A longer request is an error, so that a guest cannot make the host work without end. */
  private static final int MOST = 1 << 20;

  /** What a call of the computer's system costs, in bytes that could have been moved instead. */
  private static final long CALL_COST = 4096;

  private final byte[] tag;
  private final transient FuseServer server;

  /**
   * @param tag by which the guest mounts it, 1 to 36 bytes
   */
  public VirtioFs(String tag, FuseServer server) {
    this.tag = java.util.Arrays.copyOf(tag.getBytes(StandardCharsets.UTF_8), TAG_BYTES);
    this.server = server;
  }

  @Override
  public int type() {
    return 26;
  }

  @Override
  public int classCode() {
    return 0x0180_0000;
  }

  @Override
  public int queues() {
    return 2;
  }

  @Override
  public int config(int offset) {
    return offset < TAG_BYTES ? tag[offset] : offset == TAG_BYTES ? 1 : 0;
  }

  @Override
  public int process(int queue, VirtioRequest r) {
    if (r.readableBytes() > MOST) {
      return 0;
    }
    byte[] request = new byte[(int) r.readableBytes()];
    r.read(0, request, request.length);
    byte[] answer = server.answer(request);
    r.spend(CALL_COST * server.takeCalls());
    int n = (int) Math.min(answer.length, r.writableBytes());
    r.write(0, answer, n);
    return n;
  }
}
