package dev.vesper.machine.device.virtio;

import static org.assertj.core.api.Assertions.assertThat;

import dev.vesper.machine.device.DeviceWork;
import dev.vesper.machine.device.disk.Disk;
import dev.vesper.machine.memory.HostView;
import dev.vesper.machine.memory.PhysicalMemory;
import java.io.IOException;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** Long requests of a block device: done in pieces between which a run can be stopped. */
final class VirtioBlockTest {
  private static final int RAM = 32 << 20;
  private static final int LENGTH = 16 << 20;
  private static final long HEAD = 0x1_0000;
  private static final long STATUS = 0x1_0100;
  private static final long DATA = 0x80_0000;
  private static final long FIRST = 3;

  /** A disk each of whose sectors is its number, again and again. */
  private static final class NumberedDisk implements Disk {
    final List<Long> written = new ArrayList<>();
    long cost;
    long work;
    long failsAt = Long.MAX_VALUE;

    @Override
    public long sectors() {
      return 1 << 20;
    }

    @Override
    public boolean readOnly() {
      return false;
    }

    @Override
    public long work() {
      return work;
    }

    private void access(long sector) throws IOException {
      work += cost;
      if (sector >= failsAt) {
        throw new IOException("broken");
      }
    }

    @Override
    public void read(long sector, byte[] to, int bytes) throws IOException {
      access(sector);
      for (int i = 0; i < bytes; i++) {
        to[i] = (byte) (sector + i / SECTOR);
      }
    }

    @Override
    public void write(long sector, byte[] from, int bytes) throws IOException {
      access(sector);
      for (int i = 0; i < bytes / SECTOR; i++) {
        assertThat(from[i * SECTOR]).isEqualTo((byte) (sector + i));
        written.add(sector + i);
      }
    }

    @Override
    public void flush() {}
  }

  private final HostView memory = new PhysicalMemory(RAM, 0).hostView();
  private final RingDriver driver = new RingDriver(memory, 8, 0x1E0_0000);
  private final NumberedDisk disk = new NumberedDisk();
  private final VirtioBlock device = new VirtioBlock(disk);
  private final DeviceWork work = new DeviceWork();
  private final Virtqueue queue = new Virtqueue(memory, work);

  private void offer(int type, int length) {
    assertThat(queue.start(8, driver.table, driver.available, driver.used)).isTrue();
    memory.write(HEAD, 8, type);
    memory.write(HEAD + 8, 8, FIRST);
    memory.write(STATUS, 1, 0xFF);
    driver.describe(0, HEAD, 16, RingDriver.NEXT, 1);
    driver.describe(1, DATA, length, RingDriver.NEXT | (type == 0 ? RingDriver.WRITE : 0), 2);
    driver.describe(2, STATUS, 1, RingDriver.WRITE, 0);
    driver.offer(0);
  }

  /** Works until all is done; {@return how often the work was put off} */
  private int finish() {
    int n = 0;
    while (true) {
      work.refill();
      Virtqueue.Result r = queue.work(device, 0);
      if (!queue.unfinished()) {
        assertThat(r).isEqualTo(Virtqueue.Result.INTERRUPT);
        return n;
      }
      n++;
      assertThat(r).as("nothing is done yet").isEqualTo(Virtqueue.Result.QUIET);
      assertThat(driver.usedIndex()).isZero();
      assertThat(memory.read(STATUS, 1)).isEqualTo(0xFF);
    }
  }

  private void fillMemory() {
    for (int i = 0; i < LENGTH / Disk.SECTOR; i++) {
      memory.write(DATA + (long) i * Disk.SECTOR, 1, FIRST + i);
    }
  }

  @Test
  void aLongReadIsDoneInPiecesOfTheAllowance() {
    offer(0, LENGTH);
    assertThat(finish()).isEqualTo((int) (LENGTH / DeviceWork.ALLOWANCE) - 1);
    assertThat(memory.read(STATUS, 1)).isZero();
    assertThat(driver.usedLength(0)).isEqualTo(LENGTH + 1);
    for (int i = 0; i < LENGTH / Disk.SECTOR; i++) {
      assertThat(memory.read(DATA + (long) i * Disk.SECTOR, 1)).isEqualTo(FIRST + i & 0xFF);
    }
  }

  @Test
  void aLongWriteIsToo() {
    fillMemory();
    offer(1, LENGTH);
    assertThat(finish()).isEqualTo((int) (LENGTH / DeviceWork.ALLOWANCE) - 1);
    assertThat(memory.read(STATUS, 1)).isZero();
    assertThat(driver.usedLength(0)).isEqualTo(1);
    assertThat(disk.written).hasSize(LENGTH / Disk.SECTOR).doesNotHaveDuplicates();
  }

  /** What a disk does to get at its sectors counts as they do. */
  @Test
  void aDiskThatDoesMoreIsLeftMoreOften() {
    disk.cost = DeviceWork.ALLOWANCE;
    offer(0, 1 << 20);
    assertThat(finish()).isEqualTo(15);
  }

  @Test
  void aFailureInTheMiddleEndsTheRequest() {
    disk.failsAt = FIRST + LENGTH / Disk.SECTOR / 2 + 1024;
    offer(0, LENGTH);
    assertThat(finish()).isEqualTo(1);
    assertThat(memory.read(STATUS, 1)).isEqualTo(1);
  }

  /** The header is read once, even if the sectors that are read go over it. */
  @Test
  void whatARequestIsDoesNotChangeInTheMiddle() {
    offer(0, LENGTH);
    driver.describe(1, 0, LENGTH, RingDriver.NEXT | RingDriver.WRITE, 2);
    driver.describe(2, DATA + LENGTH, 1, RingDriver.WRITE, 0);
    work.refill();
    queue.work(device, 0);
    assertThat(queue.unfinished()).isTrue();
    work.refill();
    queue.work(device, 0);
    assertThat(queue.unfinished()).isFalse();
    assertThat(memory.read(LENGTH - 1, 1)).isEqualTo(FIRST + LENGTH / Disk.SECTOR - 1 & 0xFF);
    assertThat(memory.read(DATA + LENGTH, 1)).isZero();
  }

  @ParameterizedTest
  @ValueSource(booleans = {false, true})
  void aResetInTheMiddleForgetsTheRest(boolean deviceToo) {
    fillMemory();
    offer(1, LENGTH);
    work.refill();
    queue.work(device, 0);
    int before = disk.written.size();
    assertThat(before).isBetween(1, LENGTH / Disk.SECTOR - 1);
    queue.reset();
    if (deviceToo) {
      device.reset();
    }
    driver.setAvailableIndex(0);
    driver.setUsedIndex(0);
    disk.written.clear();
    offer(1, 1 << 20);
    finish();
    assertThat(disk.written).hasSize((1 << 20) / Disk.SECTOR).startsWith(FIRST);
  }
}
