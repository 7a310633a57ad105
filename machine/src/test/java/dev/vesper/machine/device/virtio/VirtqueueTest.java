package dev.vesper.machine.device.virtio;

import static dev.vesper.machine.device.virtio.RingDriver.INDIRECT;
import static dev.vesper.machine.device.virtio.RingDriver.NEXT;
import static dev.vesper.machine.device.virtio.RingDriver.WRITE;
import static org.assertj.core.api.Assertions.assertThat;

import dev.vesper.machine.device.DeviceWork;
import dev.vesper.machine.device.RingTampering;
import dev.vesper.machine.device.virtio.Virtqueue.Result;
import dev.vesper.machine.memory.HostView;
import dev.vesper.machine.memory.PhysicalMemory;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

/**
 * Split virtqueues, by virtio 1.2, 2.7, with drivers that keep the rules and drivers that do not.
 */
final class VirtqueueTest {
  private static final int RAM = 1 << 20;
  private static final int SIZE = 8;
  private static final long RING = 0x1_0000;
  private static final long BUFFER = 0x4_0000;
  private static final long TABLE = 0x5_0000;

  /** Writes down what it is asked to do, and answers with {@code ok}. */
  private static final class Recorder implements VirtioDevice {
    final List<String> requests = new ArrayList<>();
    int keepFrom = Integer.MAX_VALUE;
    long effort;

    /** How often it says that there is more to do. */
    int pieces;

    @Override
    public int type() {
      return 4;
    }

    @Override
    public int classCode() {
      return 0;
    }

    @Override
    public int queues() {
      return 1;
    }

    @Override
    public int process(int queue, VirtioRequest r) {
      if (requests.size() >= keepFrom) {
        return KEPT;
      }
      r.spend(effort);
      if (pieces > 0) {
        pieces--;
        return UNFINISHED;
      }
      byte[] b = new byte[(int) Math.min(64, r.readableBytes())];
      r.read(0, b, b.length);
      requests.add(
          queue + ":" + new String(b, StandardCharsets.ISO_8859_1) + ":" + r.writableBytes());
      int n = (int) Math.min(2, r.writableBytes());
      r.write(0, new byte[] {'o', 'k'}, n);
      return n;
    }
  }

  private final HostView memory = new PhysicalMemory(RAM, 0).hostView();
  private final RingDriver driver = new RingDriver(memory, SIZE, RING);
  private final Recorder device = new Recorder();
  private final DeviceWork work = new DeviceWork();
  private final Virtqueue queue = new Virtqueue(memory, work);

  private void start() {
    assertThat(queue.start(SIZE, driver.table, driver.available, driver.used)).isTrue();
  }

  private Result work() {
    work.refill();
    return queue.work(device, 0);
  }

  private void text(long at, String s) {
    memory.write(at, s.getBytes(StandardCharsets.ISO_8859_1), 0, s.length());
  }

  /** Offers a buffer of two bytes to be written. */
  private void offerBuffer(int n) {
    driver.describe(n, BUFFER + 0x100 * n, 2, WRITE, 0);
    driver.offer(n);
  }

  // ---- more than is done in one go

  @Test
  void moreThanIsDoneInOneGoWaits() {
    start();
    for (int i = 0; i < SIZE; i++) {
      offerBuffer(i);
    }
    device.effort = DeviceWork.ALLOWANCE / 3;
    assertThat(work()).isEqualTo(Result.INTERRUPT);
    assertThat(queue.unfinished()).isTrue();
    assertThat(driver.usedIndex()).isEqualTo(3);
    assertThat(queue.work(device, 0)).as("in the same exit").isEqualTo(Result.QUIET);
    assertThat(driver.usedIndex()).isEqualTo(3);
    assertThat(work()).isEqualTo(Result.INTERRUPT);
    assertThat(driver.usedIndex()).isEqualTo(6);
    assertThat(work()).isEqualTo(Result.INTERRUPT);
    assertThat(queue.unfinished()).isFalse();
    assertThat(driver.usedIndex()).isEqualTo(SIZE);
    assertThat(device.requests).hasSize(SIZE);
  }

  /** A request of which a part is done is gone on with before others, whatever its ring says. */
  @Test
  void aRequestInPiecesIsGoneOnWith() {
    start();
    offerBuffer(2);
    offerBuffer(1);
    device.pieces = 2;
    assertThat(work()).isEqualTo(Result.QUIET);
    assertThat(queue.unfinished()).isTrue();
    memory.write(driver.available + 4, 2, 7);
    assertThat(work()).isEqualTo(Result.QUIET);
    assertThat(driver.usedIndex()).isZero();
    assertThat(work()).isEqualTo(Result.INTERRUPT);
    assertThat(queue.unfinished()).isFalse();
    assertThat(driver.usedIndex()).isEqualTo(2);
    assertThat(driver.usedHead(0)).isEqualTo(2);
    assertThat(driver.usedHead(1)).isEqualTo(1);
  }

  /** A host that means harm says that another chain is done, or more of it than there is. */
  @Test
  void usedElementsAreWhatTheHostSays() {
    start();
    work.rings().next(2, 0xFFFF, 0x8000_0000L);
    offerBuffer(2);
    work();
    work.rings().next(2, RingTampering.OWN, 7);
    offerBuffer(1);
    offerBuffer(3);
    offerBuffer(4);
    work();
    assertThat(driver.usedHead(0)).isEqualTo(0xFFFF);
    assertThat(driver.usedLength(0)).isEqualTo(0x8000_0000);
    assertThat(driver.usedHead(1)).isEqualTo(1);
    assertThat(driver.usedLength(1)).isEqualTo(7);
    assertThat(driver.usedLength(2)).isEqualTo(7);
    assertThat(driver.usedLength(3)).isEqualTo(2);
  }

  /** One that changes a descriptor which the driver believes to be its own. */
  @Test
  void descriptorsOfWhatIsDoneAreWhatTheHostWrites() {
    start();
    work.rings().descriptor(1, 8, 4, 0xFFFF_FFFFL);
    work.rings().descriptor(2, 14, 2, 7);
    work.rings().descriptor(1, 0, 8, 1);
    work.rings().descriptor(0, 0, 8, 0);
    offerBuffer(1);
    work();
    offerBuffer(2);
    work();
    offerBuffer(3);
    work();
    long table = driver.table;
    assertThat(memory.read(table + 16, 8)).isNotEqualTo(1);
    assertThat(memory.read(table + 16 + 8, 4)).isEqualTo(0xFFFF_FFFFL);
    assertThat(memory.read(table + 16 + 14, 2)).isEqualTo(7);
    assertThat(memory.read(table + 32 + 8, 4)).isNotEqualTo(0xFFFF_FFFFL);
    assertThat(memory.read(table + 32 + 14, 2)).isEqualTo(7);
    assertThat(memory.read(table + 48 + 14, 2)).isZero();
    assertThat(driver.usedHead(0)).isEqualTo(1);
  }

  @Test
  void aResetForgetsWhatWaits() {
    start();
    offerBuffer(0);
    offerBuffer(1);
    device.effort = DeviceWork.ALLOWANCE;
    work();
    assertThat(queue.unfinished()).isTrue();
    queue.reset();
    assertThat(work()).isEqualTo(Result.QUIET);
    assertThat(queue.unfinished()).isFalse();
    assertThat(device.requests).hasSize(1);
  }

  // ---- taking it into use

  @Test
  void aQueueThatIsNotStartedDoesNothing() {
    offerBuffer(0);
    assertThat(queue.ready()).isFalse();
    assertThat(work()).isEqualTo(Result.QUIET);
    assertThat(device.requests).isEmpty();
    start();
    assertThat(queue.ready()).isTrue();
    work();
    assertThat(device.requests).hasSize(1);
    queue.reset();
    offerBuffer(1);
    assertThat(queue.ready()).isFalse();
    work();
    assertThat(device.requests).hasSize(1);
  }

  @ParameterizedTest
  @ValueSource(ints = {0, -1, 3, 6, 12, 255})
  void aSizeThatIsNoPowerOfTwoIsRefused(int size) {
    assertThat(queue.start(size, RING, RING, RING)).isFalse();
    assertThat(queue.ready()).isFalse();
  }

  @ParameterizedTest
  @ValueSource(ints = {1, 2, 32, 256})
  void aPowerOfTwoIsTaken(int size) {
    assertThat(queue.start(size, RING, RING + 0x2000, RING + 0x4000)).isTrue();
  }

  /** 16 bytes a descriptor; 2 and 8 an entry, with flags, index and event index around them. */
  @Test
  void eachPartMustLieInMemory() {
    long table = RAM - 16 * SIZE;
    long available = RAM - (6 + 2 * SIZE);
    long used = RAM - (6 + 8 * SIZE);
    assertThat(queue.start(SIZE, table, available, used)).isTrue();
    assertThat(queue.start(SIZE, table + 1, available, used)).isFalse();
    assertThat(queue.start(SIZE, table, available + 1, used)).isFalse();
    assertThat(queue.start(SIZE, table, available, used + 1)).isFalse();
    assertThat(queue.ready()).isFalse();
    assertThat(queue.start(SIZE, -16, available, used)).isFalse();
    assertThat(queue.start(SIZE, table, Long.MAX_VALUE, used)).isFalse();
  }

  // ---- chains

  @Test
  void aChainIsReadAndWrittenAsTwoStreams() {
    start();
    text(BUFFER, "hel");
    text(BUFFER + 0x100, "lo");
    driver.describe(5, BUFFER, 3, NEXT, 2);
    driver.describe(2, BUFFER + 0x100, 2, NEXT, 7);
    driver.describe(7, BUFFER + 0x200, 1, WRITE | NEXT, 0);
    driver.describe(0, BUFFER + 0x300, 9, WRITE, 0);
    driver.offer(5);
    work();
    assertThat(device.requests).containsExactly("0:hello:10");
    assertThat((char) memory.read(BUFFER + 0x200, 1)).isEqualTo('o');
    assertThat((char) memory.read(BUFFER + 0x300, 1)).isEqualTo('k');
    assertThat(driver.usedIndex()).isEqualTo(1);
    assertThat(driver.usedHead(0)).as("the chain's head").isEqualTo(5);
    assertThat(driver.usedLength(0)).as("bytes written").isEqualTo(2);
  }

  @Test
  void aChainMayHaveEveryDescriptor() {
    start();
    for (int i = 0; i < SIZE; i++) {
      driver.describe(i, BUFFER, 1, i < SIZE - 1 ? NEXT : 0, i + 1);
    }
    driver.offer(0);
    work();
    assertThat(device.requests).hasSize(1);
    assertThat(driver.usedIndex()).isEqualTo(1);
  }

  @Test
  void theLinkOfTheLastDescriptorMeansNothing() {
    start();
    driver.describe(0, BUFFER, 1, 0, 999);
    driver.offer(0);
    work();
    assertThat(driver.usedIndex()).isEqualTo(1);
  }

  @Test
  void requestsAreDoneInTheOrderOfTheAvailableRing() {
    start();
    for (int i : new int[] {3, 1, 6}) {
      text(BUFFER + i, "" + i);
      driver.describe(i, BUFFER + i, 1, 0, 0);
      driver.offer(i);
    }
    work();
    assertThat(device.requests).containsExactly("0:3:0", "0:1:0", "0:6:0");
    assertThat(driver.usedHead(0)).isEqualTo(3);
    assertThat(driver.usedHead(1)).isEqualTo(1);
    assertThat(driver.usedHead(2)).isEqualTo(6);
    assertThat(driver.usedIndex()).isEqualTo(3);
  }

  @Test
  void nothingNewIsNoWork() {
    start();
    offerBuffer(0);
    work();
    assertThat(work()).isEqualTo(Result.QUIET);
    assertThat(device.requests).hasSize(1);
    assertThat(driver.usedIndex()).isEqualTo(1);
  }

  @Test
  void aRequestThatTheDeviceKeepsStaysAvailable() {
    start();
    offerBuffer(0);
    offerBuffer(1);
    device.keepFrom = 1;
    work();
    assertThat(driver.usedIndex()).isEqualTo(1);
    assertThat(work()).isEqualTo(Result.QUIET);
    device.keepFrom = 9;
    assertThat(work()).isEqualTo(Result.INTERRUPT);
    assertThat(driver.usedIndex()).isEqualTo(2);
    assertThat(driver.usedHead(1)).isEqualTo(1);
  }

  /** Indices are free-running numbers of 16 bits; places in the rings are their low bits. */
  @Test
  void indicesWrapAt65536() {
    start();
    for (int i = 0; i < 0x1_0003; i++) {
      driver.describe(i % SIZE, BUFFER, 2, WRITE, 0);
      driver.offer(i % SIZE);
      if (i % 5 == 0) {
        assertThat(work()).isEqualTo(Result.INTERRUPT);
      }
      device.requests.clear();
    }
    work();
    assertThat(driver.usedIndex()).isEqualTo(3);
    assertThat(driver.usedHead(2)).isEqualTo(2);
    assertThat(driver.usedHead(3)).isEqualTo(3);
  }

  // ---- interrupts and notifications

  @Test
  void usedBuffersInterruptUnlessTheDriverSaysOtherwise() {
    start();
    offerBuffer(0);
    assertThat(work()).isEqualTo(Result.INTERRUPT);
    driver.availableFlags(1);
    offerBuffer(1);
    assertThat(work()).isEqualTo(Result.QUIET);
    driver.availableFlags(0xFFFE);
    offerBuffer(2);
    assertThat(work()).as("other bits are reserved").isEqualTo(Result.INTERRUPT);
  }

  @Test
  void withoutEventIndicesTheDeviceLeavesThePlaceOfItsOwnAlone() {
    start();
    memory.write(driver.used + 4 + 8 * SIZE, 2, 0x7777);
    offerBuffer(0);
    work();
    assertThat(driver.availableEvent()).isEqualTo(0x7777);
  }

  /** The interrupt comes when the used index passes what the driver wrote behind its ring. */
  @ParameterizedTest
  @CsvSource({
    "0, 1, 0, INTERRUPT",
    "0, 1, 1, QUIET",
    "0, 3, 0, INTERRUPT",
    "0, 3, 2, INTERRUPT",
    "0, 3, 3, QUIET",
    "0, 3, 65535, QUIET",
    "65534, 3, 65533, QUIET",
    "65534, 3, 65534, INTERRUPT",
    "65534, 3, 65535, INTERRUPT",
    "65534, 3, 0, INTERRUPT",
    "65534, 3, 1, QUIET"
  })
  void withEventIndicesTheUsedEventDecides(int before, int requests, int event, Result result) {
    start();
    queue.features(true, false);
    driver.availableFlags(1);
    for (int i = 0; i < before; i++) {
      driver.offer(0);
      driver.describe(0, BUFFER, 1, 0, 0);
      work();
    }
    for (int i = 0; i < requests; i++) {
      offerBuffer(i);
    }
    driver.usedEvent(event);
    assertThat(work()).isEqualTo(result);
    assertThat(driver.usedFlags()).isZero();
  }

  @Test
  void theDeviceAsksToBeNotifiedOfTheNextEntry() {
    start();
    queue.features(true, false);
    memory.write(driver.used + 4 + 8 * SIZE, 2, 0x7777);
    work();
    assertThat(driver.availableEvent()).as("of the first").isZero();
    offerBuffer(0);
    offerBuffer(1);
    work();
    assertThat(driver.availableEvent()).isEqualTo(2);
    device.keepFrom = 2;
    offerBuffer(2);
    work();
    assertThat(driver.availableEvent()).as("a request that is kept is not done").isEqualTo(2);
  }

  // ---- indirect tables

  private void indirect(long at, int bytes, int flags) {
    driver.describe(0, at, bytes, INDIRECT | flags, 0);
    driver.offer(0);
  }

  @Test
  void anIndirectTableIsAChainOfItsOwn() {
    start();
    queue.features(false, true);
    text(BUFFER, "abc");
    driver.describeAt(TABLE, BUFFER, 1, NEXT, 2);
    driver.describeAt(TABLE + 16, BUFFER + 0x100, 7, WRITE, 0);
    driver.describeAt(TABLE + 32, BUFFER + 1, 2, NEXT, 1);
    indirect(TABLE, 48, 0);
    work();
    assertThat(device.requests).containsExactly("0:abc:7");
    assertThat(driver.usedHead(0)).isZero();
    assertThat(driver.usedLength(0)).isEqualTo(2);
  }

  @Test
  void theWriteFlagOfTheDescriptorOfATableIsIgnored() {
    start();
    queue.features(false, true);
    text(BUFFER, "r");
    driver.describeAt(TABLE, BUFFER, 1, 0, 0);
    indirect(TABLE, 16, WRITE);
    work();
    assertThat(device.requests).containsExactly("0:r:0");
  }

  @Test
  void aTableMayFollowNormalDescriptors() {
    start();
    queue.features(false, true);
    text(BUFFER, "xy");
    driver.describe(3, BUFFER, 1, NEXT, 4);
    driver.describe(4, TABLE, 16, INDIRECT, 0);
    driver.describeAt(TABLE, BUFFER + 1, 1, 0, 0);
    driver.offer(3);
    work();
    assertThat(device.requests).containsExactly("0:xy:0");
  }

  @Test
  void aTableMayBeAsLongAsTheQueue() {
    start();
    queue.features(false, true);
    for (int i = 0; i < SIZE; i++) {
      driver.describeAt(TABLE + 16L * i, BUFFER, 1, i < SIZE - 1 ? NEXT : 0, i + 1);
    }
    indirect(TABLE, 16 * SIZE, 0);
    assertThat(work()).isEqualTo(Result.INTERRUPT);
    for (int i = 0; i < SIZE; i++) {
      driver.describeAt(TABLE + 16L * i, BUFFER, 1, NEXT, i + 1);
    }
    driver.describeAt(TABLE + 16L * SIZE, BUFFER, 1, 0, 0);
    indirect(TABLE, 16 * SIZE + 16, 0);
    assertThat(work()).as("a chain is no longer than the queue").isEqualTo(Result.BROKEN);
  }

  // ---- drivers that break the rules

  private void broken() {
    int used = driver.usedIndex();
    assertThat(work()).isEqualTo(Result.BROKEN);
    assertThat(driver.usedIndex()).isEqualTo(used);
    assertThat(device.requests).isEmpty();
  }

  @Test
  void aTableThatWasNotAgreedOnBreaksTheQueue() {
    start();
    driver.describeAt(TABLE, BUFFER, 1, 0, 0);
    indirect(TABLE, 16, 0);
    broken();
  }

  @ParameterizedTest
  @ValueSource(ints = {0, 8, 15, 17, 24})
  void aTableIsAWholeNumberOfDescriptors(int bytes) {
    start();
    queue.features(false, true);
    driver.describeAt(TABLE, BUFFER, 1, 0, 0);
    indirect(TABLE, bytes, 0);
    broken();
  }

  @Test
  void aTableHasNoSuccessor() {
    start();
    queue.features(false, true);
    driver.describeAt(TABLE, BUFFER, 1, 0, 0);
    driver.describe(1, BUFFER, 1, 0, 0);
    driver.describe(0, TABLE, 16, INDIRECT | NEXT, 1);
    driver.offer(0);
    broken();
  }

  @Test
  void aTableInATableBreaksTheQueue() {
    start();
    queue.features(false, true);
    driver.describeAt(TABLE, TABLE + 0x100, 16, INDIRECT, 0);
    driver.describeAt(TABLE + 0x100, BUFFER, 1, 0, 0);
    indirect(TABLE, 16, 0);
    broken();
  }

  @Test
  void aTableThatPointsBehindItsEndBreaksTheQueue() {
    start();
    queue.features(false, true);
    driver.describeAt(TABLE, BUFFER, 1, NEXT, 2);
    driver.describeAt(TABLE + 16, BUFFER, 1, 0, 0);
    driver.describeAt(TABLE + 32, BUFFER, 1, 0, 0);
    indirect(TABLE, 32, 0);
    broken();
  }

  @Test
  void aLoopBreaksTheQueue() {
    start();
    driver.describe(0, BUFFER, 1, NEXT, 1);
    driver.describe(1, BUFFER, 1, NEXT, 0);
    driver.offer(0);
    broken();
  }

  @ParameterizedTest
  @ValueSource(ints = {SIZE, SIZE + 1, 0xFFFF})
  void aDescriptorThatIsNotInTheTableBreaksTheQueue(int n) {
    start();
    driver.describe(0, BUFFER, 1, NEXT, n);
    driver.offer(0);
    broken();
    driver.setAvailableIndex(0);
    driver.offer(n);
    broken();
  }

  @Test
  void aBufferOutsideMemoryBreaksTheQueue() {
    start();
    driver.describe(0, RAM - 4, 4, WRITE, 0);
    driver.offer(0);
    assertThat(work()).as("the last bytes").isEqualTo(Result.INTERRUPT);
    device.requests.clear();
    driver.describe(1, RAM - 4, 5, WRITE, 0);
    driver.offer(1);
    broken();
    driver.describe(1, -4, 4, WRITE, 0);
    broken();
    driver.describe(1, BUFFER, 0xFFFF_FFFFL, 0, 0);
    broken();
  }

  @Test
  void moreAvailableThanTheQueueHoldsBreaksIt() {
    start();
    driver.describe(0, BUFFER, 1, 0, 0);
    driver.setAvailableIndex(SIZE + 1);
    broken();
    driver.setAvailableIndex(0xFFFF);
    broken();
    driver.setAvailableIndex(SIZE);
    assertThat(work()).isEqualTo(Result.INTERRUPT);
    assertThat(driver.usedIndex()).isEqualTo(SIZE);
  }

  @Test
  void whatWasDoneBeforeABreachIsTold() {
    start();
    offerBuffer(0);
    driver.describe(1, BUFFER, 1, NEXT, 1);
    driver.offer(1);
    assertThat(work()).isEqualTo(Result.BROKEN);
    assertThat(driver.usedIndex()).isEqualTo(1);
  }

  /** The device writes into the very ring that it works on. */
  @Test
  void aBufferOverTheAvailableIndexDoesNotMakeItGoOnForEver() {
    start();
    for (int i = 0; i < SIZE; i++) {
      driver.describe(i, driver.available + 2, 2, WRITE, 0);
      driver.offer(i);
    }
    work();
    assertThat(device.requests).hasSize(SIZE);
    assertThat(work()).as("'ok' is no index near").isEqualTo(Result.BROKEN);
  }

  @Test
  void startingAnewBeginsAtTheFirstEntry() {
    start();
    offerBuffer(0);
    offerBuffer(1);
    work();
    queue.reset();
    driver.setAvailableIndex(0);
    driver.setUsedIndex(0);
    start();
    assertThat(work()).isEqualTo(Result.QUIET);
    offerBuffer(4);
    work();
    assertThat(driver.usedIndex()).isEqualTo(1);
    assertThat(driver.usedHead(0)).isEqualTo(4);
  }
}
