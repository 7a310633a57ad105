package dev.vesper.machine.device.ahci;

import static org.assertj.core.api.Assertions.assertThat;

import dev.vesper.machine.device.DeviceWork;
import dev.vesper.machine.device.MmioBus;
import dev.vesper.machine.device.PortBus;
import dev.vesper.machine.device.disk.Disk;
import dev.vesper.machine.device.pci.PciBus;
import dev.vesper.machine.memory.HostView;
import dev.vesper.machine.memory.PhysicalMemory;
import java.io.IOException;
import java.util.List;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

/** A port and its disk, by Serial ATA AHCI 1.3.1 and ATA/ATAPI Command Set 3. */
final class AhciPortTest {
  private static final int CAP = 0;
  private static final int GHC = 4;
  private static final int IS = 8;
  private static final int PI = 0x0C;
  private static final int VS = 0x10;
  private static final int PORT = 0x100;
  private static final int CLB = PORT;
  private static final int CLBU = PORT + 4;
  private static final int FB = PORT + 8;
  private static final int FBU = PORT + 0x0C;
  private static final int PIS = PORT + 0x10;
  private static final int PIE = PORT + 0x14;
  private static final int CMD = PORT + 0x18;
  private static final int TFD = PORT + 0x20;
  private static final int SIG = PORT + 0x24;
  private static final int SSTS = PORT + 0x28;
  private static final int SCTL = PORT + 0x2C;
  private static final int SERR = PORT + 0x30;
  private static final int SACT = PORT + 0x34;
  private static final int CI = PORT + 0x38;

  private static final int HR = 1;
  private static final int IE = 2;
  private static final int AE = 1 << 31;
  private static final int ST = 1;
  private static final int FRE = 1 << 4;

  private static final int DHRS = 1;
  private static final int PSS = 2;
  private static final int SDBS = 8;
  private static final int DPS = 1 << 5;
  private static final int PCS = 1 << 6;
  private static final int TFES = 1 << 30;

  private static final long LIST = 0x1_0000;
  private static final long RECEIVED = 0x2_0000;
  private static final long TABLES = 0x3_0000;
  private static final long BUFFER = 0x8_0000;
  private static final int SECTORS = 100_000;
  private static final int RAM = 1 << 20;

  private static final int READ = 0x20;
  private static final int READ_EXT = 0x24;
  private static final int READ_DMA_EXT = 0x25;
  private static final int WRITE = 0x30;
  private static final int WRITE_EXT = 0x34;
  private static final int WRITE_DMA_EXT = 0x35;
  private static final int READ_QUEUED = 0x60;
  private static final int WRITE_QUEUED = 0x61;
  private static final int READ_DMA = 0xC8;
  private static final int WRITE_DMA = 0xCA;
  private static final int IDENTIFY = 0xEC;

  /** A disk whose sectors hold their number until they are written. */
  private static final class NumberedDisk implements Disk {
    final java.util.Map<Long, byte[]> written = new java.util.HashMap<>();
    boolean readOnly;
    boolean fails;
    int flushes;

    @Override
    public long sectors() {
      return SECTORS;
    }

    @Override
    public boolean readOnly() {
      return readOnly;
    }

    private void check(long sector, int bytes) throws IOException {
      assertThat(bytes % SECTOR).isZero();
      assertThat(sector * SECTOR + bytes).isBetween(0L, (long) SECTORS * SECTOR);
      if (fails) {
        throw new IOException("broken");
      }
    }

    byte[] sector(long n) {
      byte[] fresh = new byte[SECTOR];
      for (int i = 0; i < 4; i++) {
        fresh[i] = (byte) (n >> 8 * i);
      }
      fresh[SECTOR - 1] = 0x5A;
      return written.getOrDefault(n, fresh);
    }

    @Override
    public void read(long sector, byte[] to, int bytes) throws IOException {
      check(sector, bytes);
      for (int i = 0; i < bytes / SECTOR; i++) {
        System.arraycopy(sector(sector + i), 0, to, i * SECTOR, SECTOR);
      }
    }

    @Override
    public void write(long sector, byte[] from, int bytes) throws IOException {
      check(sector, bytes);
      for (int i = 0; i < bytes / SECTOR; i++) {
        byte[] b = java.util.Arrays.copyOfRange(from, i * SECTOR, (i + 1) * SECTOR);
        written.put(sector + i, b);
      }
    }

    @Override
    public void flush() throws IOException {
      check(0, 0);
      flushes++;
    }
  }

  private final HostView memory = new PhysicalMemory(RAM, 0).hostView();
  private final NumberedDisk disk = new NumberedDisk();
  private final DeviceWork work = new DeviceWork();
  private final Ahci ahci = new Ahci(memory, List.of(SataDrive.hard(disk)), work);
  private boolean pin;

  @BeforeEach
  void start() {
    PciBus bus = new PciBus(new PortBus(), new MmioBus(), (address, data) -> {});
    bus.add(3, ahci, on -> pin = on);
    set(CLB, (int) LIST);
    set(FB, (int) RECEIVED);
    set(CMD, FRE | ST);
    set(GHC, IE);
  }

  private int get(int register) {
    return (int) ahci.read(register, 4);
  }

  private void set(int register, int v) {
    ahci.write(register, 4, v & 0xFFFF_FFFFL);
  }

  private static long tableOf(int slot) {
    return TABLES + 0x1000L * slot;
  }

  /** Writes a command header and a register frame; the regions come after. */
  private void command(int slot, int code, long lba, int count, int regions) {
    memory.write(LIST + 32L * slot, 4, 5 | regions << 16);
    memory.write(LIST + 32L * slot + 4, 4, 0x7777_7777);
    memory.write(LIST + 32L * slot + 8, 8, tableOf(slot));
    byte[] fis = new byte[64];
    fis[0] = 0x27;
    fis[1] = (byte) 0x80;
    fis[2] = (byte) code;
    for (int i = 0; i < 3; i++) {
      fis[4 + i] = (byte) (lba >> 8 * i);
      fis[8 + i] = (byte) (lba >> 24 + 8 * i);
    }
    boolean wide =
        code == READ_EXT || code == WRITE_EXT || code == READ_DMA_EXT || code == WRITE_DMA_EXT;
    boolean queued = code == READ_QUEUED || code == WRITE_QUEUED;
    fis[7] = (byte) (wide || queued ? 0x40 : 0x40 | lba >> 24 & 15);
    fis[queued ? 3 : 12] = (byte) count;
    fis[queued ? 11 : 13] = (byte) (count >> 8);
    if (queued) {
      fis[12] = (byte) (slot << 3);
    }
    memory.write(tableOf(slot), fis, 0, fis.length);
  }

  private void region(int slot, int n, long address, int bytes) {
    long at = tableOf(slot) + 0x80 + 16L * n;
    memory.write(at, 8, address);
    memory.write(at + 8, 4, 0);
    memory.write(at + 12, 4, bytes - 1);
  }

  private void issue(int slots) {
    work.refill();
    set(CI, slots);
    while (work.unfinished()) {
      work.goOn();
    }
  }

  /** Does a command of one region in slot 0. */
  private void run(int code, long lba, int count) {
    command(0, code, lba, count, 1);
    region(0, 0, BUFFER, Math.max(1, count) * 512);
    issue(1);
  }

  private long word(long at) {
    return memory.read(at, 4);
  }

  private int moved(int slot) {
    return (int) word(LIST + 32L * slot + 4);
  }

  private byte[] frame(int offset, int n) {
    byte[] b = new byte[n];
    memory.read(RECEIVED + offset, b, 0, n);
    return b;
  }

  private void clear(int offset, int n) {
    memory.write(RECEIVED + offset, new byte[n], 0, n);
  }

  private void restart() {
    set(CMD, FRE);
    set(PIS, -1);
    set(SERR, -1);
    set(CMD, FRE | ST);
  }

  private void failed() {
    assertThat(get(PIS) & TFES).as("task file error").isNotZero();
    assertThat(get(TFD) & 1).isEqualTo(1);
    assertThat(get(TFD) >> 8).as("aborted").isEqualTo(4);
    restart();
  }

  // ---- the controller

  @Test
  void capabilitiesNamePortsSlotsQueuingAnd64Bits() {
    int cap = get(CAP);
    assertThat(cap & 31).as("ports less one").isEqualTo(5);
    assertThat(cap >> 8 & 31).as("slots less one").isEqualTo(31);
    assertThat(cap >> 18 & 1).as("AHCI mode only").isEqualTo(1);
    assertThat(cap >> 20 & 15).as("first generation").isEqualTo(1);
    assertThat(cap >> 24 & 1).as("no command list override").isZero();
    assertThat(cap >> 30 & 1).as("native command queuing").isEqualTo(1);
    assertThat(cap >>> 31).as("64-bit addresses").isEqualTo(1);
    assertThat(get(PI)).isEqualTo(0x3F);
    assertThat(get(VS)).isEqualTo(0x1_0300);
    set(CAP, 0);
    set(PI, 0);
    set(VS, 0);
    assertThat(get(CAP)).as("read-only").isEqualTo(cap);
    assertThat(get(PI)).isEqualTo(0x3F);
    assertThat(get(0x40)).isZero();
  }

  @Test
  void ahciModeCannotBeLeft() {
    assertThat(get(GHC)).isEqualTo(AE | IE);
    set(GHC, 0);
    assertThat(get(GHC)).isEqualTo(AE);
  }

  @Test
  void bytesOfARegisterCanBeRead() {
    assertThat(ahci.read(VS + 1, 1) & 0xFF).isEqualTo(3);
    assertThat(ahci.read(VS + 2, 2) & 0xFFFF).isEqualTo(1);
    assertThat(ahci.width(0)).isEqualTo(4);
  }

  @Test
  void aResetOfTheControllerLeavesTheListsWhereTheyAre() {
    set(CLBU, 1);
    set(FBU, 2);
    set(PIE, DHRS);
    set(SERR, 0);
    set(CLBU, 0);
    set(FBU, 0);
    run(READ_DMA, 0, 1);
    assertThat(pin).isTrue();
    set(GHC, HR);
    assertThat(get(GHC)).as("done, without interrupts").isEqualTo(AE);
    assertThat(pin).isFalse();
    assertThat(get(IS)).isZero();
    assertThat(get(PIS)).isZero();
    assertThat(get(PIE)).isZero();
    assertThat(get(CMD)).isEqualTo(6);
    assertThat(get(SCTL)).isZero();
    assertThat(get(SERR)).isZero();
    assertThat(get(CI)).isZero();
    assertThat(get(SACT)).isZero();
    assertThat(get(CLB)).isEqualTo((int) LIST);
    assertThat(get(FB)).isEqualTo((int) RECEIVED);
  }

  @Test
  void theInterruptStatusNamesThePortUntilItIsCleared() {
    set(PIE, DHRS);
    run(READ_DMA, 0, 1);
    assertThat(get(IS)).isEqualTo(1);
    assertThat(pin).isTrue();
    set(IS, 1);
    assertThat(get(IS)).as("the port still interrupts").isEqualTo(1);
    set(PIS, DHRS);
    assertThat(get(IS)).isEqualTo(1);
    set(IS, 2);
    assertThat(get(IS)).as("another port's bit").isEqualTo(1);
    set(IS, 1);
    assertThat(get(IS)).isZero();
    assertThat(pin).isFalse();
  }

  @Test
  void interruptsNeedThePortsAndTheControllersEnable() {
    run(READ_DMA, 0, 1);
    assertThat(get(IS)).isZero();
    assertThat(pin).isFalse();
    set(GHC, 0);
    set(PIE, DHRS);
    assertThat(get(IS)).isEqualTo(1);
    assertThat(pin).isFalse();
    set(GHC, IE);
    assertThat(pin).isTrue();
  }

  // ---- registers of a port

  @Test
  void listsAreAlignedAndMayBeAnywhereIn64Bits() {
    set(CLB, -1);
    set(CLBU, 0x1234_5678);
    set(FB, -1);
    set(FBU, 0x8765_4321);
    assertThat(get(CLB)).as("1 KiB").isEqualTo(0xFFFF_FC00);
    assertThat(get(CLBU)).isEqualTo(0x1234_5678);
    assertThat(get(FB)).as("256 bytes").isEqualTo(0xFFFF_FF00);
    assertThat(get(FBU)).isEqualTo(0x8765_4321);
    set(CLB, 0);
    set(FB, 0);
    assertThat(get(CLBU)).isEqualTo(0x1234_5678);
    assertThat(get(FBU)).isEqualTo(0x8765_4321);
  }

  @Test
  void aPortWithADiskHasASignatureAndALink() {
    assertThat(get(SIG)).isEqualTo(0x101);
    assertThat(get(SSTS)).as("present, first generation, active").isEqualTo(0x113);
    assertThat(get(TFD) & 0xFF).as("ready").isEqualTo(0x50);
    set(SIG, 0);
    set(SSTS, 0);
    set(TFD, 0);
    assertThat(get(SIG)).as("read-only").isEqualTo(0x101);
    assertThat(get(SSTS)).isEqualTo(0x113);
    assertThat(get(TFD) & 0xFF).isEqualTo(0x50);
  }

  @Test
  void aPortWithoutADiskHasNeither() {
    int other = 0x80;
    assertThat(get(SIG + other)).isEqualTo(-1);
    assertThat(get(SSTS + other)).isZero();
    assertThat(get(TFD + other)).isEqualTo(0x7F);
    set(CMD + other, FRE | ST);
    set(CI + other, 1);
    assertThat(get(CI + other)).isZero();
    assertThat(get(PIS + other)).isZero();
    set(SCTL + other, 1);
    set(SCTL + other, 0);
    assertThat(get(SERR + other)).as("nobody answers a reset").isZero();
    assertThat(get(PORT + 6 * 0x80 + 0x28)).as("there are six ports").isZero();
  }

  @Test
  void reservedInterruptEnablesStayClear() {
    set(PIE, -1);
    assertThat(get(PIE)).isEqualTo(0xFDC0_00FF);
  }

  @Test
  void theCommandRegisterShowsWhatRuns() {
    assertThat(get(CMD)).isEqualTo(0xC000 | FRE | ST | 6);
    set(CMD, FRE);
    assertThat(get(CMD)).as("FR without CR").isEqualTo(0x4000 | FRE | 6);
    set(CMD, ST);
    assertThat(get(CMD)).isEqualTo(0x8000 | ST | 6);
    set(CMD, 0);
    assertThat(get(CMD)).as("spun up and powered on, always").isEqualTo(6);
    set(CMD, -1);
    assertThat(get(CMD) & 8).as("no override").isZero();
    assertThat(get(CMD) & 0x0300_0000).isEqualTo(0x0300_0000);
  }

  // ---- the link

  @Test
  void aCommunicationResetExchangesTheDeviceAndGivesItsSignature() {
    set(PIE, PCS);
    set(SCTL, 0x301);
    assertThat(get(SCTL)).isEqualTo(0x301);
    assertThat(get(SSTS)).as("no communication").isZero();
    set(SCTL, 0x300);
    assertThat(get(SSTS)).isEqualTo(0x113);
    assertThat(get(SERR)).as("exchanged").isEqualTo(1 << 26);
    assertThat(get(PIS) & PCS).isEqualTo(PCS);
    assertThat(pin).isTrue();
    assertThat(get(TFD)).as("diagnostics passed").isEqualTo(0x150);
    assertThat(frame(0x40, 20))
        .containsExactly(0x34, 0x40, 0x50, 1, 1, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0);
  }

  /** The change of the connection is PxSERR's and is cleared there. */
  @Test
  void theChangeOfTheConnectionIsClearedWithItsDiagnosis() {
    set(SCTL, 1);
    set(SCTL, 0);
    set(PIS, -1);
    assertThat(get(PIS)).isEqualTo(PCS);
    set(SERR, 1 << 16);
    assertThat(get(PIS)).isEqualTo(PCS);
    set(SERR, 1 << 26);
    assertThat(get(SERR)).isZero();
    assertThat(get(PIS)).isZero();
  }

  @Test
  void anInterfaceThatIsTurnedOffIsOffline() {
    set(SCTL, 4);
    assertThat(get(SSTS)).isEqualTo(4);
    set(SCTL, 0);
    assertThat(get(SSTS)).isEqualTo(0x113);
    assertThat(get(SERR)).isEqualTo(1 << 26);
    set(SERR, -1);
    set(SCTL, 0);
    assertThat(get(SERR)).as("nothing has changed").isZero();
    set(SCTL, -1);
    assertThat(get(SCTL)).isEqualTo(0xFFF);
  }

  @Test
  void aSoftwareResetGivesTheSignature() {
    command(0, 0, 0, 0, 0);
    memory.write(tableOf(0) + 1, 1, 0);
    memory.write(tableOf(0) + 15, 1, 4);
    issue(1);
    assertThat(get(CI)).isZero();
    assertThat(get(TFD)).as("not before its end").isEqualTo(0x50);
    memory.write(tableOf(0) + 15, 1, 0);
    issue(1);
    assertThat(get(TFD)).isEqualTo(0x150);
    assertThat(frame(0x40, 20)[3]).isEqualTo((byte) 1);
    assertThat(frame(0x40, 20)[12]).isEqualTo((byte) 1);
  }

  @Test
  void aFrameThatIsNoRegisterFrameIsNoCommand() {
    command(0, WRITE_DMA, 3, 1, 1);
    region(0, 0, BUFFER, 512);
    memory.write(tableOf(0), 1, 0x34);
    issue(1);
    assertThat(get(CI)).isZero();
    assertThat(disk.written).isEmpty();
  }

  // ---- commands

  @Test
  void nothingIsIssuedWhileThePortIsStopped() {
    set(CMD, FRE);
    set(SACT, 1);
    run(WRITE_DMA, 0, 1);
    assertThat(get(CI)).isZero();
    assertThat(get(SACT)).isZero();
    assertThat(disk.written).isEmpty();
    set(CMD, FRE | ST);
    assertThat(disk.written).isEmpty();
  }

  @ParameterizedTest
  @ValueSource(ints = {READ, READ_EXT, READ_DMA_EXT, READ_DMA, READ_QUEUED})
  void sectorsAreRead(int code) {
    run(code, 0x1_2345, 3);
    for (int i = 0; i < 3; i++) {
      assertThat(word(BUFFER + 512 * i)).isEqualTo(0x1_2345 + i);
      assertThat(memory.read(BUFFER + 512 * i + 511, 1)).isEqualTo(0x5A);
    }
    assertThat(moved(0)).isEqualTo(3 * 512);
    assertThat(get(CI)).isZero();
    assertThat(get(TFD)).isEqualTo(0x50);
    assertThat(get(PIS) & TFES).isZero();
  }

  @ParameterizedTest
  @ValueSource(ints = {WRITE, WRITE_EXT, WRITE_DMA_EXT, WRITE_DMA, WRITE_QUEUED})
  void sectorsAreWritten(int code) {
    memory.write(BUFFER, 8, 0x1122_3344_5566_7788L);
    memory.write(BUFFER + 512 + 511, 1, 0x99);
    run(code, 0x1_2345, 2);
    assertThat(disk.written.keySet()).containsExactlyInAnyOrder(0x1_2345L, 0x1_2346L);
    assertThat(disk.sector(0x1_2345)[0]).isEqualTo((byte) 0x88);
    assertThat(disk.sector(0x1_2345)[7]).isEqualTo((byte) 0x11);
    assertThat(disk.sector(0x1_2346)[511]).isEqualTo((byte) 0x99);
    assertThat(moved(0)).isEqualTo(1024);
    assertThat(get(TFD)).isEqualTo(0x50);
  }

  /** A count of zero is the greatest: 256 sectors, or 65536. */
  @ParameterizedTest
  @CsvSource({
    "0x20, 256",
    "0xC8, 256",
    "0x30, 256",
    "0xCA, 256",
    "0x24, 65536",
    "0x25, 65536",
    "0x34, 65536",
    "0x35, 65536",
    "0x60, 65536",
    "0x61, 65536"
  })
  void aCountOfZeroIsTheGreatest(String code, int sectors) {
    int regions = (sectors * 512 >> 22) + 1;
    command(0, Integer.decode(code), 7, 0, regions);
    // Memory is smaller than that: it is used again and again.
    int each = 1 << 18;
    int n = sectors * 512 / each;
    memory.write(LIST, 4, 5 | Math.max(1, n) << 16);
    for (int i = 0; i < Math.max(1, n); i++) {
      region(0, i, BUFFER, Math.min(each, sectors * 512));
    }
    issue(1);
    assertThat(get(PIS) & TFES).isZero();
    assertThat(moved(0)).isEqualTo(sectors * 512);
  }

  @Test
  void theLastSectorIsTheLast() {
    run(READ_DMA_EXT, SECTORS - 1, 1);
    assertThat(word(BUFFER)).isEqualTo(SECTORS - 1);
    run(READ_DMA_EXT, SECTORS, 1);
    failed();
    run(READ_DMA_EXT, SECTORS - 1, 2);
    failed();
    run(WRITE_DMA, SECTORS - 1, 2);
    failed();
    assertThat(disk.written).isEmpty();
  }

  /** 48 bits of address, of which each byte counts; the short commands have 28. */
  @ParameterizedTest
  @ValueSource(longs = {1L << 24, 1L << 27, 1L << 31, 1L << 32, 1L << 40, 1L << 47})
  void highBitsOfAnAddressCount(long lba) {
    run(READ_DMA_EXT, lba, 1);
    failed();
    if (lba < 1 << 28) {
      run(READ_DMA, lba, 1);
      failed();
    }
  }

  @Test
  void theDeviceRegistersUpperHalfIsNoAddress() {
    command(0, READ_DMA, 9, 1, 1);
    region(0, 0, BUFFER, 512);
    memory.write(tableOf(0) + 7, 1, 0xE0);
    issue(1);
    assertThat(word(BUFFER)).isEqualTo(9);
  }

  @Test
  void dataIsScatteredOverRegions() {
    command(0, READ_DMA, 50, 2, 3);
    region(0, 0, BUFFER, 100);
    region(0, 1, BUFFER + 0x1000, 500);
    region(0, 2, BUFFER + 0x2000, 424);
    issue(1);
    assertThat(word(BUFFER)).isEqualTo(50);
    assertThat(memory.read(BUFFER + 0x1000 + 411, 1)).as("the end of sector 50").isEqualTo(0x5A);
    assertThat(word(BUFFER + 0x1000 + 412)).isEqualTo(51);
    assertThat(memory.read(BUFFER + 0x2000 + 423, 1)).isEqualTo(0x5A);
    assertThat(word(BUFFER + 100)).as("beyond the first region").isZero();
    assertThat(moved(0)).isEqualTo(1024);
  }

  /** More than is moved at a time, with regions that end inside of that. */
  @Test
  void longTransfersKeepTheirPlace() {
    int sectors = 300;
    command(0, READ_DMA_EXT, 1000, sectors, 2);
    region(0, 0, BUFFER, 200 * 512);
    region(0, 1, BUFFER + 0x4_0000, 100 * 512);
    issue(1);
    for (int i = 0; i < sectors; i++) {
      long at = i < 200 ? BUFFER + 512L * i : BUFFER + 0x4_0000 + 512L * (i - 200);
      assertThat(word(at)).isEqualTo(1000 + i);
      assertThat(memory.read(at + 511, 1)).isEqualTo(0x5A);
    }
    assertThat(word(BUFFER + 200 * 512)).as("behind the first region").isZero();
    memory.write(tableOf(0) + 2, 1, WRITE_DMA_EXT);
    memory.write(tableOf(0) + 4, 2, 5000);
    issue(1);
    for (int i = 0; i < sectors; i++) {
      assertThat(disk.sector(5000 + i)[0]).isEqualTo((byte) (1000 + i));
    }
    assertThat(disk.written).hasSize(sectors);
    assertThat(moved(0)).isEqualTo(sectors * 512);
  }

  @Test
  void regionsThatAreTooSmallFailTheCommand() {
    command(0, READ_DMA, 50, 2, 1);
    region(0, 0, BUFFER, 1000);
    region(0, 1, BUFFER + 0x1000, 1000);
    issue(1);
    assertThat(moved(0)).as("the second one is not the command's").isEqualTo(1000);
    failed();
    command(0, WRITE_DMA, 50, 2, 1);
    region(0, 0, BUFFER, 1000);
    issue(1);
    failed();
    command(0, READ_DMA, 50, 1, 0);
    issue(1);
    failed();
  }

  @Test
  void memoryThatIsNotThereFailsTheCommand() {
    command(0, READ_DMA, 50, 1, 1);
    region(0, 0, RAM - 256, 512);
    issue(1);
    failed();
    region(0, 0, RAM - 512, 512);
    command(0, READ_DMA, 50, 1, 1);
    issue(1);
    assertThat(word(RAM - 512)).isEqualTo(50);
    region(0, 0, 1L << 40, 512);
    command(0, WRITE_DMA, 50, 1, 1);
    issue(1);
    failed();
  }

  @Test
  void aRegionMayAskForAnInterrupt() {
    command(0, READ_DMA, 50, 2, 2);
    region(0, 0, BUFFER, 512);
    region(0, 1, BUFFER + 512, 512);
    issue(1);
    assertThat(get(PIS) & DPS).isZero();
    command(0, READ_DMA, 50, 2, 2);
    memory.write(tableOf(0) + 0x80 + 12, 4, 511 | 1 << 31);
    issue(1);
    assertThat(get(PIS) & DPS).isEqualTo(DPS);
    assertThat(word(BUFFER + 512)).as("it is no part of the length").isEqualTo(51);
  }

  @Test
  void aReadOnlyDiskIsNotWritten() {
    disk.readOnly = true;
    for (int code : new int[] {WRITE, WRITE_EXT, WRITE_DMA_EXT, WRITE_DMA, WRITE_QUEUED}) {
      run(code, 0, 1);
      failed();
    }
    assertThat(disk.written).isEmpty();
    run(READ_DMA, 5, 1);
    assertThat(word(BUFFER)).isEqualTo(5);
  }

  @Test
  void whatTheHostCannotReadIsAnError() {
    disk.fails = true;
    run(READ_DMA, 0, 1);
    failed();
    run(0xEA, 0, 0);
    failed();
    disk.fails = false;
    run(0xE7, 0, 0);
    run(0xEA, 0, 0);
    assertThat(disk.flushes).isEqualTo(2);
    assertThat(get(TFD)).isEqualTo(0x50);
  }

  @ParameterizedTest
  @ValueSource(ints = {0xEF, 0x40, 0x42, 0xE0, 0xE1, 0xE2, 0xE3, 0xE6, 0x91, 0xC6})
  void commandsThatMakeNoDifferenceSucceed(int code) {
    run(code, 0, 0);
    assertThat(get(TFD)).isEqualTo(0x50);
    assertThat(get(PIS)).isEqualTo(DHRS);
    assertThat(moved(0)).isZero();
  }

  @ParameterizedTest
  @ValueSource(ints = {0x00, 0xA0, 0xA1, 0xFF, 0x2F})
  void unknownCommandsAreAborted(int code) {
    run(code, 0, 0);
    assertThat(frame(0x40, 20)[2] & 0xFF).isEqualTo(0x51);
    assertThat(frame(0x40, 20)[3]).isEqualTo((byte) 4);
    failed();
  }

  @Test
  void theDiskIsAlwaysActive() {
    run(0xE5, 0, 0);
    assertThat(frame(0x40, 20)[12]).as("active or idle").isEqualTo((byte) 0xFF);
  }

  // ---- what the device tells

  @Test
  void aDmaCommandEndsWithARegisterFrame() {
    run(READ_DMA_EXT, 0x1_0203, 1);
    assertThat(frame(0x40, 20))
        .containsExactly(0x34, 0x40, 0x50, 0, 3, 2, 1, 0x40, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0);
    assertThat(frame(0x20, 20)).as("no PIO setup").containsOnly(0);
    assertThat(get(PIS)).isEqualTo(DHRS);
  }

  @Test
  void programmedInputIsSetUpWithAnInterrupt() {
    run(READ, 0x1_0203, 2);
    assertThat(frame(0x20, 20))
        .containsExactly(0x5F, 0x60, 0x58, 0, 3, 2, 1, 0x40, 0, 0, 0, 0, 2, 0, 0, 0x50, 0, 4, 0, 0);
    assertThat(get(PIS) & PSS).isEqualTo(PSS);
  }

  @Test
  void programmedOutputIsSetUpWithoutOne() {
    run(WRITE, 5, 1);
    assertThat(frame(0x20, 2)).as("from the host").containsExactly(0x5F, 0);
    assertThat(get(PIS)).isEqualTo(DHRS);
    clear(0x20, 2);
    run(WRITE_EXT, 5, 1);
    assertThat(frame(0x20, 2)).containsExactly(0x5F, 0);
  }

  @Test
  void nothingIsReceivedWhileItIsNotEnabled() {
    set(CMD, ST);
    run(READ_DMA, 5, 1);
    run(READ, 5, 1);
    run(READ_QUEUED, 5, 1);
    assertThat(frame(0, 256)).containsOnly(0);
    assertThat(get(PIS)).isZero();
    assertThat(word(BUFFER)).as("data is moved all the same").isEqualTo(5);
  }

  @Test
  void framesOutsideMemoryAreLost() {
    set(FBU, 1);
    run(READ_DMA, 5, 1);
    assertThat(get(TFD)).isEqualTo(0x50);
    assertThat(word(BUFFER)).isEqualTo(5);
    set(CLBU, 1);
    issue(1);
    assertThat(get(CI)).isZero();
  }

  // ---- queued commands

  @Test
  void queuedCommandsEndWithASetDeviceBitsFrame() {
    command(3, READ_QUEUED, 30, 1, 1);
    region(3, 0, BUFFER, 512);
    command(17, WRITE_QUEUED, 40, 1, 1);
    region(17, 0, BUFFER, 512);
    set(SACT, 1 << 3 | 1 << 17);
    issue(1 << 3 | 1 << 17);
    assertThat(word(BUFFER)).isEqualTo(30);
    assertThat(disk.sector(40)[0]).as("in the order of the slots").isEqualTo((byte) 30);
    assertThat(get(SACT)).isZero();
    assertThat(get(CI)).isZero();
    assertThat(frame(0x58, 8)).containsExactly(0xA1, 0x40, 0x50, 0, 0, 0, 2, 0);
    assertThat(get(PIS)).isEqualTo(SDBS);
  }

  @Test
  void theActiveBitsAreSetAndNeverCleared() {
    set(SACT, 6);
    set(SACT, 1);
    assertThat(get(SACT)).isEqualTo(7);
    set(SACT, 0);
    assertThat(get(SACT)).isEqualTo(7);
    set(CMD, FRE);
    assertThat(get(SACT)).as("but by stopping").isZero();
  }

  @Test
  void aQueuedCommandThatFailsStaysActive() {
    command(5, READ_QUEUED, SECTORS, 1, 1);
    region(5, 0, BUFFER, 512);
    set(SACT, 1 << 5);
    issue(1 << 5);
    assertThat(get(SACT)).isEqualTo(1 << 5);
    assertThat(get(CI)).as("it was accepted").isZero();
    assertThat(frame(0x58, 8)).containsExactly(0xA1, 0x40, 0x51, 4, 0, 0, 0, 0);
    assertThat(get(PIS)).isEqualTo(SDBS | TFES);
  }

  // ---- errors

  /** The command that failed stays issued, its slot is named, and the others wait. */
  @Test
  void anErrorStopsThePortUntilSoftwareDoes() {
    command(2, READ_DMA, 20, 1, 1);
    region(2, 0, BUFFER, 512);
    command(4, READ_DMA, SECTORS, 1, 1);
    region(4, 0, BUFFER + 0x1000, 512);
    command(9, READ_DMA, 90, 1, 1);
    region(9, 0, BUFFER + 0x2000, 512);
    issue(1 << 2 | 1 << 4 | 1 << 9);
    assertThat(word(BUFFER)).isEqualTo(20);
    assertThat(get(CI)).isEqualTo(1 << 4 | 1 << 9);
    assertThat(get(CMD) >> 8 & 31).as("current slot").isEqualTo(4);
    assertThat(word(BUFFER + 0x2000)).isZero();
    issue(1 << 2);
    assertThat(get(CI)).isEqualTo(1 << 2 | 1 << 4 | 1 << 9);
    set(CMD, FRE);
    assertThat(get(CI)).isZero();
    assertThat(get(CMD) >> 8 & 31).isZero();
    set(CMD, FRE | ST);
    assertThat(word(BUFFER + 0x2000)).isZero();
    issue(1 << 9);
    assertThat(word(BUFFER + 0x2000)).isEqualTo(90);
    assertThat(get(CI)).isZero();
  }

  @Test
  void interruptBitsAreClearedOneByOne() {
    run(READ, SECTORS, 1);
    assertThat(get(PIS)).isEqualTo(DHRS | TFES);
    set(PIS, DHRS);
    assertThat(get(PIS)).isEqualTo(TFES);
    set(PIS, 0);
    assertThat(get(PIS)).isEqualTo(TFES);
    set(PIS, TFES);
    assertThat(get(PIS)).isZero();
  }

  // ---- IDENTIFY DEVICE (ACS-3, 7.12)

  private int identity(int n) {
    return (int) memory.read(BUFFER + 2L * n, 2);
  }

  private String text(int from, int words) {
    StringBuilder b = new StringBuilder();
    for (int i = from; i < from + words; i++) {
      b.append((char) (identity(i) >> 8)).append((char) (identity(i) & 0xFF));
    }
    return b.toString();
  }

  @Test
  void theIdentityIsThatOfASataDiskWithQueuing() {
    run(IDENTIFY, 0, 1);
    assertThat(moved(0)).isEqualTo(512);
    assertThat(identity(0) & 0x8000).as("an ATA device").isZero();
    assertThat(identity(0) & 0x40).isEqualTo(0x40);
    assertThat(text(10, 10)).isEqualTo("VESPER01            ");
    assertThat(text(23, 4)).isEqualTo("1.0     ");
    assertThat(text(27, 20).stripTrailing()).isEqualTo("VESPER HARDDISK");
    assertThat(identity(47) >> 8).isEqualTo(0x80);
    assertThat(identity(49) & 0x300).as("LBA and DMA").isEqualTo(0x300);
    assertThat(identity(53) & 6).as("words 64 to 70 and 88 are valid").isEqualTo(6);
    assertThat(identity(60) | identity(61) << 16).isEqualTo(SECTORS);
    assertThat(identity(75)).as("queue depth less one").isEqualTo(31);
    assertThat(identity(76) & 0x100).as("native command queuing").isEqualTo(0x100);
    assertThat(identity(76) & 2).as("first generation").isEqualTo(2);
    assertThat(identity(80) & 0x80).as("ATA-7 at least").isEqualTo(0x80);
    assertThat(identity(83) & 0xC000).as("valid").isEqualTo(0x4000);
    assertThat(identity(83) & 0x3400).as("48 bits and both flushes").isEqualTo(0x3400);
    assertThat(identity(84) & 0xC000).isEqualTo(0x4000);
    assertThat(identity(85) & 0x20).as("write cache on").isEqualTo(identity(82) & 0x20);
    assertThat(identity(86) & 0x3400).isEqualTo(0x3400);
    assertThat(identity(87) & 0xC000).isEqualTo(0x4000);
    assertThat(identity(88) & 0x3F).as("Ultra DMA up to 5").isEqualTo(0x3F);
    assertThat(identity(93)).as("zero on Serial ATA").isZero();
    long all = 0;
    for (int i = 3; i >= 0; i--) {
      all = all << 16 | identity(100 + i);
    }
    assertThat(all).isEqualTo(SECTORS);
  }

  @Test
  void cylindersHeadsAndSectorsAreThoseOfOldSoftware() {
    run(IDENTIFY, 0, 1);
    assertThat(identity(3)).isEqualTo(16);
    assertThat(identity(6)).isEqualTo(63);
    assertThat(identity(1)).isEqualTo(SECTORS / (16 * 63) + 1);
    assertThat(identity(63) & 7).as("multiword DMA").isEqualTo(7);
    assertThat(identity(64)).as("PIO 3 and 4").isEqualTo(3);
    for (int i = 65; i <= 68; i++) {
      assertThat(identity(i)).as("120 ns").isEqualTo(120);
    }
  }
}
