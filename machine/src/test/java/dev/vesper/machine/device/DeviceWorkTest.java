package dev.vesper.machine.device;

import static org.assertj.core.api.Assertions.assertThat;

import dev.vesper.machine.device.ahci.Ahci;
import dev.vesper.machine.device.ahci.SataDrive;
import dev.vesper.machine.device.disk.Disk;
import dev.vesper.machine.device.pci.PciBus;
import dev.vesper.machine.memory.HostView;
import dev.vesper.machine.memory.PhysicalMemory;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.Test;

/** What a guest asks for at once is done in pieces, and all of it. */
final class DeviceWorkTest {
  private static final int RAM = 64 << 20;

  private final HostView memory = new PhysicalMemory(RAM, 0).hostView();
  private final DeviceWork work = new DeviceWork();

  /** Goes on until all is done; {@return how often that took} */
  private int finish() {
    int n = 0;
    for (; work.unfinished(); n++) {
      work.goOn();
    }
    return n;
  }

  @Test
  void whatIsPutOffIsDoneOnceInOrder() {
    List<String> done = new ArrayList<>();
    Runnable a = () -> done.add("a");
    work.later(a);
    work.later(() -> done.add("b"));
    work.later(a);
    work.spend(DeviceWork.ALLOWANCE);
    assertThat(work.spent()).isTrue();
    work.goOn();
    assertThat(work.spent()).isFalse();
    assertThat(done).containsExactly("a");
    assertThat(finish()).isEqualTo(1);
    assertThat(done).containsExactly("a", "b");
  }

  /** A disk of zeros. */
  private static final class Zeros implements Disk {
    long read;

    @Override
    public long sectors() {
      return 1 << 20;
    }

    @Override
    public boolean readOnly() {
      return true;
    }

    @Override
    public void read(long sector, byte[] to, int bytes) {
      read += bytes;
    }

    @Override
    public void write(long sector, byte[] from, int bytes) {
      throw new AssertionError("a write");
    }

    @Override
    public void flush() {}
  }

  @Test
  void thirtyTwoCommandsOfAhci() {
    Zeros disk = new Zeros();
    Ahci ahci = new Ahci(memory, List.of(SataDrive.hard(disk)), work);
    boolean[] pin = new boolean[1];
    new PciBus(new PortBus(), new MmioBus(), (address, data) -> {}).add(3, ahci, on -> pin[0] = on);
    long list = 0x1000;
    long table = 0x2000;
    for (int s = 0; s < 32; s++) {
      memory.write(list + 32 * s, 4, 5 | 8 << 16);
      memory.write(list + 32 * s + 8, 8, table);
    }
    memory.write(table, 4, 0x25_8027);
    memory.write(table + 4, 4, 0x4000_0000);
    for (int i = 0; i < 8; i++) {
      memory.write(table + 0x80 + 16 * i, 8, 0x10_0000);
      memory.write(table + 0x8C + 16 * i, 4, 0x3F_FFFF);
    }
    ahci.write(0x100, 4, list);
    ahci.write(0x108, 4, 0x8000);
    ahci.write(0x118, 4, 0x11);
    ahci.write(0x114, 4, 1);
    ahci.write(4, 4, 2);
    ahci.write(0x138, 4, 0xFFFF_FFFFL);
    assertThat(disk.read).as("a part of the first command").isEqualTo(DeviceWork.ALLOWANCE);
    assertThat(ahci.read(0x138, 4)).isEqualTo(0xFFFF_FFFFL);
    for (int i = 0; i < 4; i++) {
      work.goOn();
    }
    assertThat(ahci.read(0x138, 4)).as("it is done").isEqualTo(0xFFFF_FFFEL);
    assertThat(finish()).isEqualTo(4 * 31 - 1);
    assertThat(disk.read).isEqualTo(1L << 30);
    assertThat(ahci.read(0x138, 4)).isZero();
    assertThat(pin[0]).isTrue();
  }

  @Test
  void aPortThatIsStoppedForgetsWhatWasPutOff() {
    Zeros disk = new Zeros();
    Ahci ahci = new Ahci(memory, List.of(SataDrive.hard(disk)), work);
    ahci.write(0x100, 4, 0x1000);
    ahci.write(0x118, 4, 0x11);
    work.spend(DeviceWork.ALLOWANCE);
    ahci.write(0x138, 4, 1);
    ahci.write(0x118, 4, 0x10);
    finish();
    assertThat(disk.read).isZero();
    assertThat(ahci.read(0x138, 4)).isZero();
  }

  @Test
  void aPortThatIsStoppedInACommandForgetsTheRest() {
    Zeros disk = new Zeros();
    Ahci ahci = new Ahci(memory, List.of(SataDrive.hard(disk)), work);
    memory.write(0x1000, 4, 5 | 8 << 16);
    memory.write(0x1008, 8, 0x2000);
    memory.write(0x2000, 4, 0x25_8027);
    memory.write(0x2004, 4, 0x4000_0000);
    for (int i = 0; i < 8; i++) {
      memory.write(0x2080 + 16 * i, 8, 0x10_0000);
      memory.write(0x208C + 16 * i, 4, 0x3F_FFFF);
    }
    ahci.write(0x100, 4, 0x1000);
    ahci.write(0x118, 4, 0x11);
    ahci.write(0x138, 4, 1);
    long part = disk.read;
    assertThat(part).isBetween(1L, (32L << 20) - 1);
    ahci.write(0x118, 4, 0x10);
    finish();
    assertThat(disk.read).isEqualTo(part);
    ahci.write(0x118, 4, 0x11);
    ahci.write(0x138, 4, 1);
    finish();
    assertThat(disk.read).isEqualTo(part + (32 << 20));
    assertThat(ahci.read(0x138, 4)).isZero();
  }

  private void dma(FwCfg f, long descriptor, int control, int length, long address) {
    memory.write(descriptor, 4, Integer.reverseBytes(control) & 0xFFFF_FFFFL);
    memory.write(descriptor + 4, 4, Integer.reverseBytes(length) & 0xFFFF_FFFFL);
    memory.write(descriptor + 8, 8, Long.reverseBytes(address));
    f.write(0x514, 4, 0);
    f.write(0x518, 4, Integer.reverseBytes((int) descriptor));
  }

  @Test
  void aLongReadOfTheFirmwareConfiguration() {
    FwCfg f = new FwCfg(memory, work);
    byte[] item = new byte[9 << 20];
    item[0] = 1;
    item[item.length - 1] = 2;
    f.put(0x44, item);
    int length = RAM - 0x10_0000;
    memory.write(0x10_0000 + length - 8, 8, -1);
    memory.write(0x20_0000 + item.length, 8, -1);
    dma(f, 0x100, 0x44 << 16 | 8 | 2, length, 0x10_0000);
    // Another one waits for it.
    dma(f, 0x200, 0x44 << 16 | 8 | 2, 1, 0x1000);
    assertThat(memory.read(0x100, 4)).as("it is under way").isNotZero();
    assertThat(memory.read(0x1000, 1)).isZero();
    assertThat(finish()).isEqualTo((int) (length / DeviceWork.ALLOWANCE));
    assertThat(memory.read(0x100, 4)).isZero();
    assertThat(memory.read(0x10_0000, 1)).isEqualTo(1);
    assertThat(memory.read(0x10_0000 + item.length - 1, 1)).isEqualTo(2);
    assertThat(memory.read(0x20_0000 + item.length, 8)).isZero();
    assertThat(memory.read(0x10_0000 + length - 8, 8)).isZero();
    assertThat(memory.read(0x200, 4)).isZero();
    assertThat(memory.read(0x1000, 1)).isEqualTo(1);
  }
}
