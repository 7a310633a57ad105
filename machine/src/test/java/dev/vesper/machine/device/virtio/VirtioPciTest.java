package dev.vesper.machine.device.virtio;

import static org.assertj.core.api.Assertions.assertThat;

import dev.vesper.machine.device.DeviceWork;
import dev.vesper.machine.device.MmioBus;
import dev.vesper.machine.device.PortBus;
import dev.vesper.machine.device.pci.PciBus;
import dev.vesper.machine.memory.HostView;
import dev.vesper.machine.memory.PhysicalMemory;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

/** The PCI transport, by virtio 1.2, 4.1, found and driven through its capabilities. */
final class VirtioPciTest {
  private static final int COMMON_CONFIG = 1;
  private static final int NOTIFICATIONS = 2;
  private static final int INTERRUPT_STATUS = 3;
  private static final int DEVICE_CONFIG = 4;
  private static final int CONFIG_ACCESS = 5;

  private static final int DEVICE_FEATURE_SELECT = 0x00;
  private static final int DEVICE_FEATURE = 0x04;
  private static final int DRIVER_FEATURE_SELECT = 0x08;
  private static final int DRIVER_FEATURE = 0x0C;
  private static final int CONFIG_VECTOR = 0x10;
  private static final int NUM_QUEUES = 0x12;
  private static final int STATUS = 0x14;
  private static final int GENERATION = 0x15;
  private static final int QUEUE_SELECT = 0x16;
  private static final int QUEUE_SIZE = 0x18;
  private static final int QUEUE_VECTOR = 0x1A;
  private static final int QUEUE_ENABLE = 0x1C;
  private static final int QUEUE_NOTIFY_OFFSET = 0x1E;
  private static final int QUEUE_DESCRIPTORS = 0x20;
  private static final int QUEUE_DRIVER = 0x28;
  private static final int QUEUE_DEVICE = 0x30;

  private static final int ACKNOWLEDGE = 1;
  private static final int DRIVER = 2;
  private static final int DRIVER_OK = 4;
  private static final int FEATURES_OK = 8;
  private static final int NEEDS_RESET = 0x40;

  private static final int NO_VECTOR = 0xFFFF;
  private static final long BAR = 0xC000_0000L;
  private static final long TABLE_BAR = 0xC010_0000L;
  private static final int RING = 0x1_0000;
  private static final int OWN_FEATURE = 1 << 3;

  /** Two queues, of which the second keeps its requests until it may go on. */
  private final class Device implements VirtioDevice {
    final List<Integer> served = new ArrayList<>();
    Poll poll = q -> {};
    boolean keeps;
    int resets;
    int negotiations;

    @Override
    public int type() {
      return 4;
    }

    @Override
    public int classCode() {
      return 0xFF00_0000;
    }

    @Override
    public int queues() {
      return 2;
    }

    @Override
    public long features() {
      return OWN_FEATURE;
    }

    @Override
    public int config(int offset) {
      return 0xA0 + offset;
    }

    @Override
    public int process(int queue, VirtioRequest r) {
      if (keeps) {
        return -1;
      }
      served.add(queue);
      return 0;
    }

    @Override
    public void negotiated(boolean modern) {
      assertThat(modern).isTrue();
      negotiations++;
    }

    @Override
    public void reset() {
      resets++;
    }

    @Override
    public void connect(Poll p) {
      poll = p;
    }
  }

  private final HostView memory = new PhysicalMemory(1 << 20, 0).hostView();
  private MmioBus mmio = new MmioBus();
  private final List<String> messages = new ArrayList<>();
  private final Device device = new Device();
  private VirtioPci pci = plugged(false);
  private boolean pin;

  private VirtioPci plugged(boolean encrypted) {
    VirtioPci p = new VirtioPci(device, memory, encrypted, new DeviceWork());
    mmio = new MmioBus();
    PciBus bus =
        new PciBus(new PortBus(), mmio, (address, data) -> messages.add(Integer.toHexString(data)));
    bus.add(3, p, on -> pin = on);
    p.writeConfig(0x14, 4, (int) TABLE_BAR);
    p.writeConfig(0x20, 4, (int) BAR);
    p.writeConfig(4, 2, 6);
    return p;
  }

  private int capability(int id, int kind) {
    int found = 0;
    for (int at = pci.readConfig(0x34, 1); at != 0; at = pci.readConfig(at + 1, 1)) {
      if (pci.readConfig(at, 1) == id && (kind == 0 || pci.readConfig(at + 3, 1) == kind)) {
        found = at;
      }
    }
    assertThat(found).as("capability %d of kind %d", id, kind).isNotZero();
    return found;
  }

  private long structure(int kind) {
    return BAR + pci.readConfig(capability(9, kind) + 8, 4);
  }

  private int get(int field, int bytes) {
    return (int) mmio.read(structure(COMMON_CONFIG) + field, bytes);
  }

  private void set(int field, int bytes, long v) {
    mmio.write(structure(COMMON_CONFIG) + field, bytes, v);
  }

  private long offered() {
    long v = 0;
    for (int i = 0; i < 2; i++) {
      set(DEVICE_FEATURE_SELECT, 4, i);
      v |= (get(DEVICE_FEATURE, 4) & 0xFFFF_FFFFL) << 32 * i;
    }
    return v;
  }

  private void accept(long features) {
    for (int i = 0; i < 2; i++) {
      set(DRIVER_FEATURE_SELECT, 4, i);
      set(DRIVER_FEATURE, 4, features >>> 32 * i & 0xFFFF_FFFFL);
    }
  }

  private long accepted() {
    long v = 0;
    for (int i = 0; i < 2; i++) {
      set(DRIVER_FEATURE_SELECT, 4, i);
      v |= (get(DRIVER_FEATURE, 4) & 0xFFFF_FFFFL) << 32 * i;
    }
    return v;
  }

  private void negotiate(long features) {
    set(STATUS, 1, 0);
    set(STATUS, 1, ACKNOWLEDGE);
    set(STATUS, 1, ACKNOWLEDGE | DRIVER);
    accept(features);
    set(STATUS, 1, ACKNOWLEDGE | DRIVER | FEATURES_OK);
  }

  private RingDriver enable(int queue, int size) {
    RingDriver r = new RingDriver(memory, size, RING + 0x4000L * queue);
    set(QUEUE_SELECT, 2, queue);
    set(QUEUE_SIZE, 2, size);
    set(QUEUE_DESCRIPTORS, 8, r.table);
    set(QUEUE_DRIVER, 8, r.available);
    set(QUEUE_DEVICE, 8, r.used);
    set(QUEUE_ENABLE, 2, 1);
    return r;
  }

  private void driverOk() {
    set(STATUS, 1, ACKNOWLEDGE | DRIVER | FEATURES_OK | DRIVER_OK);
  }

  /** {@return the ring of a device whose first queue is in use} */
  private RingDriver running() {
    negotiate(VirtioPci.VERSION_1);
    RingDriver r = enable(0, 8);
    driverOk();
    return r;
  }

  private void offer(RingDriver r) {
    r.describe(0, 0x8000, 1, 0, 0);
    r.offer(0);
  }

  private void kick(int queue) {
    set(QUEUE_SELECT, 2, queue);
    int offset = get(QUEUE_NOTIFY_OFFSET, 2);
    int multiplier = pci.readConfig(capability(9, NOTIFICATIONS) + 16, 4);
    mmio.write(structure(NOTIFICATIONS) + (long) offset * multiplier, 2, queue);
  }

  private int interruptStatus() {
    return (int) mmio.read(structure(INTERRUPT_STATUS), 1);
  }

  // ---- discovery

  @Test
  void theFunctionIsAModernDevice() {
    assertThat(pci.readConfig(0, 4)).isEqualTo(0x1044_1AF4);
    assertThat(pci.readConfig(8, 1)).as("revision of one at least").isGreaterThanOrEqualTo(1);
    assertThat(pci.readConfig(0x2E, 2)).as("subsystem").isGreaterThanOrEqualTo(0x40);
  }

  @ParameterizedTest
  @CsvSource({"1, 16, 56", "2, 20, 8", "3, 16, 1", "4, 16, 1"})
  void eachStructureLiesInItsBar(int kind, int length, int least) {
    int at = capability(9, kind);
    assertThat(pci.readConfig(at + 2, 1)).as("length").isEqualTo(length);
    assertThat(pci.readConfig(at + 4, 1)).as("BAR").isEqualTo(4);
    int offset = pci.readConfig(at + 8, 4);
    int size = pci.readConfig(at + 12, 4);
    assertThat(size).isGreaterThanOrEqualTo(least);
    assertThat(offset + size).as("within 16 KiB").isLessThanOrEqualTo(0x4000);
    assertThat(offset % 4).isZero();
    assertThat(pci.readConfig(0x20, 4) & 4).as("a BAR of 64 bits").isEqualTo(4);
  }

  @Test
  void thereIsAVectorForEachQueueAndOneForConfiguration() {
    assertThat(pci.readConfig(capability(0x11, 0) + 2, 2)).isEqualTo(2);
    assertThat(get(NUM_QUEUES, 2)).isEqualTo(2);
  }

  // ---- features and status

  @Test
  void featuresAreOfferedInHalves() {
    assertThat(offered())
        .isEqualTo(OWN_FEATURE | VirtioPci.VERSION_1 | VirtioPci.INDIRECT | VirtioPci.EVENT_INDEX);
    for (int select : new int[] {2, 3, -1}) {
      set(DEVICE_FEATURE_SELECT, 4, select & 0xFFFF_FFFFL);
      assertThat(get(DEVICE_FEATURE, 4)).isZero();
      assertThat(get(DEVICE_FEATURE_SELECT, 4)).isEqualTo(select);
    }
    set(DEVICE_FEATURE_SELECT, 4, 0);
    set(DEVICE_FEATURE, 4, -1);
    assertThat(get(DEVICE_FEATURE, 4)).as("read-only").isEqualTo((int) offered());
  }

  @Test
  void anEncryptedGuestIsToldToShareWhatItOffers() {
    pci = plugged(true);
    assertThat(offered() & VirtioPci.ACCESS_PLATFORM).isNotZero();
  }

  @Test
  void whatTheDriverAcceptsIsKeptUntilTheFeaturesAreSettled() {
    set(STATUS, 1, ACKNOWLEDGE | DRIVER);
    accept(VirtioPci.VERSION_1 | OWN_FEATURE);
    assertThat(accepted()).isEqualTo(VirtioPci.VERSION_1 | OWN_FEATURE);
    for (int select : new int[] {2, -1}) {
      set(DRIVER_FEATURE_SELECT, 4, select & 0xFFFF_FFFFL);
      set(DRIVER_FEATURE, 4, 0xFFFF_FFFFL);
      assertThat(get(DRIVER_FEATURE, 4)).isZero();
    }
    assertThat(accepted()).isEqualTo(VirtioPci.VERSION_1 | OWN_FEATURE);
    assertThat(device.negotiations).isZero();
    set(STATUS, 1, ACKNOWLEDGE | DRIVER | FEATURES_OK);
    assertThat(device.negotiations).isEqualTo(1);
    accept(VirtioPci.VERSION_1 | VirtioPci.INDIRECT);
    assertThat(accepted()).as("too late").isEqualTo(VirtioPci.VERSION_1 | OWN_FEATURE);
    driverOk();
    assertThat(device.negotiations).as("once").isEqualTo(1);
  }

  @Test
  void featuresOkStaysClearWithoutVersionOneOrWithWhatWasNotOffered() {
    negotiate(OWN_FEATURE);
    assertThat(get(STATUS, 1)).isEqualTo(ACKNOWLEDGE | DRIVER);
    negotiate(VirtioPci.VERSION_1 | 1 << 4);
    assertThat(get(STATUS, 1)).isEqualTo(ACKNOWLEDGE | DRIVER);
    negotiate(VirtioPci.VERSION_1 | VirtioPci.ACCESS_PLATFORM);
    assertThat(get(STATUS, 1)).isEqualTo(ACKNOWLEDGE | DRIVER);
    assertThat(device.negotiations).isZero();
    negotiate(VirtioPci.VERSION_1);
    assertThat(get(STATUS, 1)).isEqualTo(ACKNOWLEDGE | DRIVER | FEATURES_OK);
  }

  @Test
  void writingZeroToTheStatusResetsEverything() {
    RingDriver r = running();
    set(CONFIG_VECTOR, 2, 1);
    set(QUEUE_VECTOR, 2, 2);
    offer(r);
    kick(0);
    assertThat(pin).isTrue();
    int resets = device.resets;
    set(STATUS, 1, 0);
    assertThat(device.resets).isEqualTo(resets + 1);
    assertThat(pin).isFalse();
    assertThat(interruptStatus()).isZero();
    assertThat(get(STATUS, 1)).isZero();
    assertThat(get(CONFIG_VECTOR, 2)).isEqualTo(NO_VECTOR);
    assertThat(get(QUEUE_SELECT, 2)).isZero();
    assertThat(get(QUEUE_SIZE, 2)).as("the largest").isEqualTo(VirtioPci.QUEUE_SIZE);
    assertThat(get(QUEUE_VECTOR, 2)).isEqualTo(NO_VECTOR);
    assertThat(get(QUEUE_ENABLE, 2)).isZero();
    for (int field : new int[] {QUEUE_DESCRIPTORS, QUEUE_DRIVER, QUEUE_DEVICE}) {
      assertThat(mmio.read(structure(COMMON_CONFIG) + field, 8)).isZero();
    }
    assertThat(accepted()).isZero();
    offer(r);
    kick(0);
    assertThat(device.served).as("nothing after the reset").hasSize(1);
  }

  @Test
  void theGenerationStandsWhileTheConfigurationDoes() {
    assertThat(get(GENERATION, 1)).isZero();
    running();
    assertThat(get(GENERATION, 1)).isZero();
  }

  // ---- queues

  @Test
  void registersOfAQueueAreItsOwn() {
    set(QUEUE_SELECT, 2, 1);
    set(QUEUE_SIZE, 2, 16);
    set(QUEUE_DESCRIPTORS, 8, 0x1_2345_6000L);
    set(QUEUE_DRIVER, 8, 0x2_3456_7000L);
    set(QUEUE_DEVICE, 8, 0x3_4567_8000L);
    set(QUEUE_SELECT, 2, 0);
    assertThat(get(QUEUE_SIZE, 2)).isEqualTo(VirtioPci.QUEUE_SIZE);
    assertThat(get(QUEUE_DESCRIPTORS, 4)).isZero();
    set(QUEUE_SELECT, 2, 1);
    assertThat(get(QUEUE_SELECT, 2)).isEqualTo(1);
    assertThat(get(QUEUE_SIZE, 2)).isEqualTo(16);
    long common = structure(COMMON_CONFIG);
    assertThat(mmio.read(common + QUEUE_DESCRIPTORS, 8)).isEqualTo(0x1_2345_6000L);
    assertThat(mmio.read(common + QUEUE_DRIVER, 8)).isEqualTo(0x2_3456_7000L);
    assertThat(mmio.read(common + QUEUE_DEVICE, 8)).isEqualTo(0x3_4567_8000L);
    set(QUEUE_DESCRIPTORS + 4, 4, 9);
    assertThat(mmio.read(common + QUEUE_DESCRIPTORS, 8)).isEqualTo(0x9_2345_6000L);
    set(QUEUE_DEVICE, 4, 0x1000);
    assertThat(mmio.read(common + QUEUE_DEVICE, 8)).isEqualTo(0x3_0000_1000L);
  }

  @Test
  void aQueueThatIsNotThereHasNoSize() {
    set(QUEUE_SELECT, 2, 2);
    set(QUEUE_SIZE, 2, 8);
    set(QUEUE_VECTOR, 2, 0);
    set(QUEUE_DESCRIPTORS, 8, 0x1000);
    set(QUEUE_ENABLE, 2, 1);
    assertThat(get(QUEUE_SIZE, 2)).isZero();
    assertThat(get(QUEUE_VECTOR, 2)).isEqualTo(NO_VECTOR);
    assertThat(get(QUEUE_ENABLE, 2)).isZero();
    assertThat(get(QUEUE_DESCRIPTORS, 4)).isZero();
    assertThat(get(0x38, 4)).as("behind the last register").isZero();
  }

  @ParameterizedTest
  @CsvSource({"1, 1", "128, 128", "256, 256", "512, 256", "0, 256", "3, 256", "255, 256"})
  void aSizeIsAPowerOfTwoUpToTheLargest(int written, int kept) {
    set(QUEUE_SIZE, 2, written);
    assertThat(get(QUEUE_SIZE, 2)).isEqualTo(kept);
  }

  @Test
  void aQueueInUseCannotBeMoved() {
    negotiate(VirtioPci.VERSION_1);
    RingDriver r = enable(0, 8);
    assertThat(get(QUEUE_ENABLE, 2)).isEqualTo(1);
    set(QUEUE_SIZE, 2, 16);
    set(QUEUE_DESCRIPTORS, 4, 0x5000);
    set(QUEUE_ENABLE, 2, 0);
    assertThat(get(QUEUE_SIZE, 2)).isEqualTo(8);
    assertThat(get(QUEUE_DESCRIPTORS, 4)).isEqualTo((int) r.table);
    assertThat(get(QUEUE_ENABLE, 2)).as("a driver must not write zero").isEqualTo(1);
  }

  @ParameterizedTest
  @ValueSource(ints = {0, 1})
  void aNotificationIsForItsQueue(int queue) {
    negotiate(VirtioPci.VERSION_1);
    RingDriver[] rings = {enable(0, 8), enable(1, 4)};
    driverOk();
    offer(rings[0]);
    offer(rings[1]);
    kick(queue);
    assertThat(device.served).containsExactly(queue);
    assertThat(rings[queue].usedIndex()).isEqualTo(1);
    assertThat(rings[1 - queue].usedIndex()).isZero();
  }

  @Test
  void nothingIsDoneBeforeDriverOkAndThenWhatIsThere() {
    negotiate(VirtioPci.VERSION_1);
    RingDriver r = enable(0, 8);
    RingDriver second = enable(1, 8);
    offer(r);
    offer(second);
    kick(0);
    kick(1);
    assertThat(device.served).isEmpty();
    driverOk();
    assertThat(device.served).containsExactly(0, 1);
  }

  @Test
  void aNotificationOfAQueueThatIsNotThereIsIgnored() {
    running();
    mmio.write(structure(NOTIFICATIONS) + 4 * 2, 2, 2);
    mmio.write(structure(NOTIFICATIONS) + 4 * 100, 2, 100);
    assertThat(get(STATUS, 1) & NEEDS_RESET).isZero();
  }

  @Test
  void theDeviceGoesOnWithWhatItKept() {
    RingDriver r = running();
    device.keeps = true;
    offer(r);
    kick(0);
    assertThat(pin).isFalse();
    device.keeps = false;
    device.poll.queue(0);
    assertThat(r.usedIndex()).isEqualTo(1);
    assertThat(pin).isTrue();
  }

  @Test
  void agreedFeaturesReachTheRing() {
    negotiate(VirtioPci.VERSION_1 | VirtioPci.EVENT_INDEX | VirtioPci.INDIRECT);
    RingDriver r = enable(0, 8);
    driverOk();
    r.describeAt(0x9000, 0x8000, 1, 0, 0);
    r.describe(0, 0x9000, 16, RingDriver.INDIRECT, 0);
    r.usedEvent(5);
    r.offer(0);
    kick(0);
    assertThat(device.served).containsExactly(0);
    assertThat(r.availableEvent()).isEqualTo(1);
    assertThat(pin).as("the used event is not passed").isFalse();
  }

  @Test
  void featuresThatWereNotAgreedOnDoNotReachTheRing() {
    negotiate(VirtioPci.VERSION_1 | VirtioPci.EVENT_INDEX);
    RingDriver r = enable(0, 8);
    driverOk();
    r.describeAt(0x9000, 0x8000, 1, 0, 0);
    r.describe(0, 0x9000, 16, RingDriver.INDIRECT, 0);
    r.offer(0);
    kick(0);
    assertThat(get(STATUS, 1) & NEEDS_RESET).isNotZero();
    negotiate(VirtioPci.VERSION_1 | VirtioPci.INDIRECT);
    r.setAvailableIndex(0);
    r.setUsedIndex(0);
    enable(0, 8);
    driverOk();
    r.usedEvent(5);
    r.offer(0);
    kick(0);
    assertThat(pin).as("event indices were not agreed on").isTrue();
  }

  // ---- errors

  @Test
  void aBrokenRingNeedsAResetAndTellsSoOnce() {
    RingDriver r = running();
    r.setAvailableIndex(100);
    kick(0);
    assertThat(get(STATUS, 1))
        .isEqualTo(ACKNOWLEDGE | DRIVER | FEATURES_OK | DRIVER_OK | NEEDS_RESET);
    assertThat(pin).isTrue();
    assertThat(interruptStatus()).as("configuration change").isEqualTo(2);
    driverOk();
    assertThat(get(STATUS, 1) & NEEDS_RESET).as("only a reset clears it").isNotZero();
    r.setAvailableIndex(0);
    offer(r);
    kick(0);
    assertThat(device.served).isEmpty();
    assertThat(pin).isFalse();
    r.setAvailableIndex(0);
    running();
    offer(r);
    kick(0);
    assertThat(device.served).hasSize(1);
  }

  @Test
  void aQueueOutsideMemoryNeedsAReset() {
    negotiate(VirtioPci.VERSION_1);
    set(QUEUE_DESCRIPTORS, 8, 1L << 40);
    set(QUEUE_ENABLE, 2, 1);
    assertThat(get(STATUS, 1) & NEEDS_RESET).isNotZero();
  }

  // ---- interrupts

  @Test
  void readingTheInterruptStatusClearsItAndLowersThePin() {
    RingDriver r = running();
    assertThat(interruptStatus()).isZero();
    offer(r);
    kick(0);
    assertThat(pin).isTrue();
    mmio.write(structure(INTERRUPT_STATUS), 1, 0);
    assertThat(mmio.read(structure(INTERRUPT_STATUS) + 1, 1)).as("it is one byte").isZero();
    assertThat(pin).isTrue();
    assertThat(interruptStatus()).as("a queue").isEqualTo(1);
    assertThat(pin).isFalse();
    assertThat(interruptStatus()).isZero();
  }

  @Test
  void aDriverThatWantsNoInterruptGetsNone() {
    RingDriver r = running();
    r.availableFlags(1);
    offer(r);
    kick(0);
    assertThat(device.served).hasSize(1);
    assertThat(pin).isFalse();
    assertThat(interruptStatus()).isZero();
  }

  private void enableMessages() {
    for (int v = 0; v < 3; v++) {
      mmio.write(TABLE_BAR + 16 * v, 4, 0xFEE0_0000L);
      mmio.write(TABLE_BAR + 16 * v + 8, 4, 0x40 + v);
      mmio.write(TABLE_BAR + 16 * v + 12, 4, 0);
    }
    pci.writeConfig(capability(0x11, 0) + 2, 2, 0x8000);
  }

  @Test
  void withMsiXEachQueueHasTheVectorThatTheDriverGaveIt() {
    enableMessages();
    negotiate(VirtioPci.VERSION_1);
    RingDriver[] rings = {enable(0, 8), enable(1, 8)};
    set(CONFIG_VECTOR, 2, 0);
    set(QUEUE_SELECT, 2, 0);
    set(QUEUE_VECTOR, 2, 2);
    set(QUEUE_SELECT, 2, 1);
    set(QUEUE_VECTOR, 2, 1);
    assertThat(get(QUEUE_VECTOR, 2)).isEqualTo(1);
    driverOk();
    offer(rings[0]);
    kick(0);
    offer(rings[1]);
    kick(1);
    assertThat(messages).containsExactly("42", "41");
    rings[0].setAvailableIndex(100);
    kick(0);
    assertThat(messages).as("the configuration's").containsExactly("42", "41", "40");
    assertThat(pin).isFalse();
  }

  @Test
  void aQueueWithoutVectorSendsNothing() {
    enableMessages();
    RingDriver r = running();
    offer(r);
    kick(0);
    assertThat(device.served).hasSize(1);
    assertThat(messages).isEmpty();
    assertThat(pin).isFalse();
  }

  @ParameterizedTest
  @CsvSource({"0, 0", "2, 2", "3, 65535", "4, 65535", "65535, 65535"})
  void aVectorThatIsNotThereReadsAsNone(int written, int read) {
    set(CONFIG_VECTOR, 2, written);
    assertThat(get(CONFIG_VECTOR, 2)).isEqualTo(read);
    set(QUEUE_VECTOR, 2, written);
    assertThat(get(QUEUE_VECTOR, 2)).isEqualTo(read);
  }

  // ---- configuration of the device, and the way to it through configuration space

  @Test
  void theDevicesConfigurationIsReadInAnyWidth() {
    long at = structure(DEVICE_CONFIG);
    assertThat(mmio.read(at, 1)).isEqualTo(0xA0);
    assertThat(mmio.read(at + 2, 2)).isEqualTo(0xA3A2);
    assertThat(mmio.read(at + 4, 4)).isEqualTo(0xA7A6_A5A4L);
    mmio.write(at, 4, 0);
    assertThat(mmio.read(at, 1)).as("read-only").isEqualTo(0xA0);
  }

  private void window(int bar, long offset, int length) {
    int at = capability(9, CONFIG_ACCESS);
    pci.writeConfig(at + 4, 1, bar);
    pci.writeConfig(at + 8, 4, (int) offset);
    pci.writeConfig(at + 12, 4, length);
  }

  @Test
  void structuresAreReachedThroughConfigurationSpace() {
    int data = capability(9, CONFIG_ACCESS) + 16;
    long common = structure(COMMON_CONFIG) - BAR;
    window(4, common + NUM_QUEUES, 2);
    assertThat(pci.readConfig(data, 2)).isEqualTo(2);
    window(4, common + STATUS, 1);
    pci.writeConfig(data, 4, 0xFFFF_FF03);
    assertThat(get(STATUS, 1)).isEqualTo(3);
    assertThat(pci.readConfig(data, 1)).isEqualTo(3);
    window(4, common + QUEUE_DESCRIPTORS, 4);
    pci.writeConfig(data, 4, 0x8765_4321);
    assertThat(get(QUEUE_DESCRIPTORS, 4)).isEqualTo(0x8765_4321);
    window(4, structure(DEVICE_CONFIG) - BAR + 4, 4);
    assertThat(pci.readConfig(data, 4)).isEqualTo(0xA7A6_A5A4);
  }

  @Test
  void aWindowThatMakesNoSenseReachesNothing() {
    int data = capability(9, CONFIG_ACCESS) + 16;
    long status = structure(COMMON_CONFIG) - BAR + STATUS;
    pci.writeConfig(data, 4, 0);
    for (int[] w : new int[][] {{0, 1}, {1, 1}, {4, 0}, {4, 3}, {4, 8}}) {
      window(w[0], status, w[1]);
      pci.writeConfig(data, 4, 3);
      assertThat(get(STATUS, 1)).isZero();
    }
    window(4, 0x4000 + status, 1);
    pci.writeConfig(data, 4, 3);
    window(4, -0x4000 + status, 1);
    pci.writeConfig(data, 4, 3);
    assertThat(get(STATUS, 1)).isZero();
  }
}
