package dev.vesper.machine.device.virtio;

import static org.assertj.core.api.Assertions.assertThat;

import dev.vesper.machine.device.DeviceWork;
import dev.vesper.machine.device.net.Network;
import dev.vesper.machine.memory.HostView;
import dev.vesper.machine.memory.PhysicalMemory;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** The network adapter, by virtio 1.2, 5.1, behind a queue of its own each way. */
final class VirtioNetTest {
  private static final int RECEIVE = 0;
  private static final int TRANSMIT = 1;
  private static final int HEADER = 12;
  private static final long RING = 0x1_0000;
  private static final long BUFFER = 0x4_0000;

  /** A wire that answers what is sent, if it is told to. */
  private static final class Wire implements Network {
    final List<byte[]> sent = new ArrayList<>();
    Receiver guest = b -> {};
    boolean echoes;

    @Override
    public void connect(Receiver g) {
      guest = g;
    }

    @Override
    public void send(byte[] frame) {
      sent.add(frame);
      if (echoes) {
        guest.frame(frame);
      }
    }
  }

  private final HostView memory = new PhysicalMemory(1 << 20, 0).hostView();
  private final Wire wire = new Wire();
  private final VirtioNet net = new VirtioNet(new byte[] {0x52, 0x54, 0, 0x12, 0x34, 0x56}, wire);
  private final RingDriver[] rings = {
    new RingDriver(memory, 8, RING), new RingDriver(memory, 8, RING + 0x4000)
  };
  private final DeviceWork work = new DeviceWork();
  private final Virtqueue[] queues = {new Virtqueue(memory, work), new Virtqueue(memory, work)};
  private final List<Integer> polled = new ArrayList<>();

  VirtioNetTest() {
    for (int i = 0; i < 2; i++) {
      queues[i].start(8, rings[i].table, rings[i].available, rings[i].used);
    }
    net.connect(
        q -> {
          polled.add(q);
          queues[q].work(net, q);
        });
    net.negotiated(true);
  }

  private void offerReceive(int n, int bytes) {
    rings[RECEIVE].describe(n, BUFFER + 0x1000L * n, bytes, RingDriver.WRITE, 0);
    rings[RECEIVE].offer(n);
  }

  private void transmit(int header, byte[] frame) {
    memory.write(BUFFER + 0x8000, new byte[header], 0, header);
    memory.write(BUFFER + 0x8000 + header, frame, 0, frame.length);
    rings[TRANSMIT].describe(0, BUFFER + 0x8000, header + frame.length, 0, 0);
    rings[TRANSMIT].offer(0);
    queues[TRANSMIT].work(net, TRANSMIT);
  }

  private byte[] bytes(long at, int n) {
    byte[] b = new byte[n];
    memory.read(at, b, 0, n);
    return b;
  }

  private static byte[] frame(int n) {
    byte[] b = new byte[n];
    for (int i = 0; i < n; i++) {
      b[i] = (byte) (i + n);
    }
    return b;
  }

  @Test
  void itIsANetworkAdapterWithAnAddressAndALink() {
    assertThat(net.type()).isEqualTo(1);
    assertThat(net.classCode()).as("an Ethernet controller").isEqualTo(0x0200_0000);
    assertThat(net.legacyId()).isEqualTo(0x1000_1AF4);
    assertThat(net.queues()).isEqualTo(2);
    assertThat(net.features()).as("MAC and STATUS").isEqualTo(1 << 5 | 1 << 16);
    int[] mac = {0x52, 0x54, 0, 0x12, 0x34, 0x56};
    for (int i = 0; i < 6; i++) {
      assertThat(net.config(i)).isEqualTo(mac[i]);
    }
    assertThat(net.config(6)).as("the link is up").isEqualTo(1);
    assertThat(net.config(7)).isZero();
    assertThat(net.config(8)).isZero();
  }

  @ParameterizedTest
  @CsvSource({"true, 12", "false, 10"})
  void aFrameThatIsSentLosesItsHeader(boolean modern, int header) {
    net.negotiated(modern);
    transmit(header, frame(60));
    assertThat(wire.sent).containsExactly(frame(60));
    assertThat(rings[TRANSMIT].usedIndex()).isEqualTo(1);
    assertThat(rings[TRANSMIT].usedLength(0)).as("nothing is written").isZero();
  }

  @Test
  void headerAndFrameMayBeCutAnywhere() {
    memory.write(BUFFER, new byte[7], 0, 7);
    memory.write(BUFFER + 0x100, new byte[] {0, 0, 0, 0, 0, 'a'}, 0, 6);
    memory.write(BUFFER + 0x200, new byte[] {'b', 'c'}, 0, 2);
    RingDriver r = rings[TRANSMIT];
    r.describe(0, BUFFER, 7, RingDriver.NEXT, 1);
    r.describe(1, BUFFER + 0x100, 6, RingDriver.NEXT, 2);
    r.describe(2, BUFFER + 0x200, 2, 0, 0);
    r.offer(0);
    queues[TRANSMIT].work(net, TRANSMIT);
    assertThat(wire.sent).containsExactly(new byte[] {'a', 'b', 'c'});
  }

  @Test
  void whatHasNoFrameIsNotSent() {
    transmit(HEADER, new byte[0]);
    rings[TRANSMIT].describe(0, BUFFER, 3, 0, 0);
    rings[TRANSMIT].offer(0);
    queues[TRANSMIT].work(net, TRANSMIT);
    assertThat(wire.sent).isEmpty();
    assertThat(rings[TRANSMIT].usedIndex()).as("but used").isEqualTo(2);
    transmit(HEADER, new byte[1]);
    assertThat(wire.sent).hasSize(1);
  }

  @Test
  void aFrameOfMoreThan64KibIsNotSent() {
    transmit(HEADER, new byte[1 << 16]);
    assertThat(wire.sent).hasSize(1);
    transmit(HEADER, new byte[(1 << 16) + 1]);
    assertThat(wire.sent).hasSize(1);
  }

  @Test
  void aFrameArrivesBehindAHeaderThatSaysOneBuffer() {
    offerReceive(3, 1526);
    memory.write(BUFFER + 0x3000, 8, -1);
    memory.write(BUFFER + 0x3008, 4, -1);
    wire.guest.frame(frame(64));
    assertThat(polled).containsExactly(RECEIVE);
    assertThat(rings[RECEIVE].usedHead(0)).isEqualTo(3);
    assertThat(rings[RECEIVE].usedLength(0)).isEqualTo(HEADER + 64);
    assertThat(bytes(BUFFER + 0x3000, HEADER)).containsExactly(0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0);
    assertThat(bytes(BUFFER + 0x3000 + HEADER, 64)).isEqualTo(frame(64));
  }

  @Test
  void theLegacyHeaderHasTenBytesOfZero() {
    net.negotiated(false);
    offerReceive(0, 1526);
    memory.write(BUFFER, 8, -1);
    wire.guest.frame(frame(64));
    assertThat(rings[RECEIVE].usedLength(0)).isEqualTo(10 + 64);
    assertThat(bytes(BUFFER, 10)).containsOnly(0);
    assertThat(bytes(BUFFER + 10, 64)).isEqualTo(frame(64));
  }

  @Test
  void aFrameMayFillItsBufferToTheLastByte() {
    offerReceive(0, HEADER + 60);
    wire.guest.frame(frame(60));
    assertThat(rings[RECEIVE].usedLength(0)).isEqualTo(HEADER + 60);
  }

  @Test
  void aFrameThatDoesNotFitIsLostAndTheNextOneIsNot() {
    offerReceive(0, HEADER + 59);
    offerReceive(1, 1526);
    memory.write(BUFFER, 8, -1);
    wire.guest.frame(frame(60));
    assertThat(rings[RECEIVE].usedLength(0)).isZero();
    assertThat(memory.read(BUFFER, 8)).as("nothing was written").isEqualTo(-1);
    wire.guest.frame(frame(61));
    assertThat(rings[RECEIVE].usedLength(1)).isEqualTo(HEADER + 61);
  }

  @Test
  void framesWaitInOrderForBuffers() {
    wire.guest.frame(frame(60));
    wire.guest.frame(frame(61));
    assertThat(rings[RECEIVE].usedIndex()).isZero();
    offerReceive(0, 1526);
    queues[RECEIVE].work(net, RECEIVE);
    assertThat(rings[RECEIVE].usedLength(0)).isEqualTo(HEADER + 60);
    offerReceive(1, 1526);
    queues[RECEIVE].work(net, RECEIVE);
    assertThat(rings[RECEIVE].usedLength(1)).isEqualTo(HEADER + 61);
    assertThat(rings[RECEIVE].usedIndex()).isEqualTo(2);
  }

  @Test
  void atMost256FramesWait() {
    for (int i = 0; i < 300; i++) {
      wire.guest.frame(frame(60 + i));
    }
    for (int i = 0; i < 256; i++) {
      offerReceive(i % 8, 1526);
      queues[RECEIVE].work(net, RECEIVE);
      assertThat(rings[RECEIVE].usedLength(i % 8)).isEqualTo(HEADER + 60 + i);
    }
    offerReceive(0, 1526);
    queues[RECEIVE].work(net, RECEIVE);
    assertThat(rings[RECEIVE].usedIndex()).isEqualTo(256);
  }

  @Test
  void aResetForgetsWhatWaits() {
    wire.guest.frame(frame(60));
    net.reset();
    offerReceive(0, 1526);
    queues[RECEIVE].work(net, RECEIVE);
    assertThat(rings[RECEIVE].usedIndex()).isZero();
  }

  /** What comes back while a frame is sent is handed over when the sending is done. */
  @Test
  void answersComeAfterTheRequest() {
    wire.echoes = true;
    offerReceive(0, 1526);
    offerReceive(1, 1526);
    transmit(HEADER, frame(60));
    assertThat(polled).containsExactly(RECEIVE);
    assertThat(rings[RECEIVE].usedIndex()).isEqualTo(1);
    wire.echoes = false;
    transmit(HEADER, frame(61));
    assertThat(polled).as("nothing came back").containsExactly(RECEIVE);
    wire.guest.frame(frame(62));
    assertThat(polled).containsExactly(RECEIVE, RECEIVE);
    assertThat(rings[RECEIVE].usedLength(1)).isEqualTo(HEADER + 62);
  }
}
