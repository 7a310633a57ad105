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
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.util.HexFormat;
import java.util.List;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

/** A CD-ROM drive behind AHCI 1.3.1, by MMC-3, SPC-2 and ATA/ATAPI Command Set 3. */
final class CdRomTest {
  private static final int PORT = 0x100;
  private static final int PIS = PORT + 0x10;
  private static final int CMD = PORT + 0x18;
  private static final int TFD = PORT + 0x20;
  private static final int SIG = PORT + 0x24;
  private static final int SCTL = PORT + 0x2C;
  private static final int CI = PORT + 0x38;

  private static final int DHRS = 1;
  private static final int PSS = 2;
  private static final int TFES = 1 << 30;

  private static final long LIST = 0x1_0000;
  private static final long RECEIVED = 0x2_0000;
  private static final long TABLE = 0x3_0000;
  private static final long BUFFER = 0x8_0000;
  private static final int BLOCKS = 1000;
  private static final int RAM = 1 << 20;

  private static final int PACKET = 0xA0;
  private static final int IDENTIFY_PACKET = 0xA1;
  private static final String TEST_UNIT_READY = "00";
  private static final String REQUEST_SENSE = "030000001200";
  private static final String EJECT = "1b0000000200";
  private static final String LOAD = "1b0000000300";
  private static final String LOCK = "1e0000000100";
  private static final String UNLOCK = "1e0000000000";

  /** A medium whose sectors hold their number. */
  private static final class Medium implements Disk {
    long blocks = BLOCKS;
    boolean fails;

    @Override
    public long sectors() {
      // Three sectors that make no block are at the end.
      return 4 * blocks + 3;
    }

    @Override
    public boolean readOnly() {
      return true;
    }

    @Override
    public void read(long sector, byte[] to, int bytes) throws IOException {
      if (fails) {
        throw new IOException("broken");
      }
      for (int i = 0; i < bytes / SECTOR; i++) {
        ByteBuffer.wrap(to).putLong(i * SECTOR, sector + i);
      }
    }

    @Override
    public void write(long sector, byte[] from, int bytes) {
      throw new AssertionError("nobody writes a CD-ROM");
    }

    @Override
    public void flush() {
      // nothing is written
    }
  }

  private final HostView memory = new PhysicalMemory(RAM, 0).hostView();
  private final Medium medium = new Medium();
  private final DeviceWork work = new DeviceWork();
  private final Ahci ahci = new Ahci(memory, List.of(new SataDrive(medium, true)), work);

  @BeforeEach
  void start() {
    new PciBus(new PortBus(), new MmioBus(), (address, data) -> {}).add(3, ahci, on -> {});
    set(PORT, (int) LIST);
    set(PORT + 8, (int) RECEIVED);
    set(CMD, 0x11);
  }

  private int get(int register) {
    return (int) ahci.read(register, 4);
  }

  private void set(int register, int v) {
    ahci.write(register, 4, v & 0xFFFF_FFFFL);
  }

  /** Issues a command with a region of memory; {@return how many bytes were moved} */
  private int issue(int code, boolean dma, String packet, int room, int blockLimit) {
    memory.write(BUFFER, new byte[0x1_0000], 0, 0x1_0000);
    memory.write(LIST, 4, 5 | (code == PACKET ? 1 << 5 : 0) | 1 << 16);
    memory.write(LIST + 8, 8, TABLE);
    byte[] fis = new byte[64];
    fis[0] = 0x27;
    fis[1] = (byte) 0x80;
    fis[2] = (byte) code;
    fis[3] = (byte) (dma ? 1 : 0);
    fis[5] = (byte) blockLimit;
    fis[6] = (byte) (blockLimit >> 8);
    memory.write(TABLE, fis, 0, fis.length);
    byte[] p = java.util.Arrays.copyOf(HexFormat.of().parseHex(packet), 16);
    memory.write(TABLE + 0x40, p, 0, p.length);
    memory.write(TABLE + 0x80, 8, BUFFER);
    memory.write(TABLE + 0x8C, 4, room - 1);
    work.refill();
    set(CI, 1);
    while (work.unfinished()) {
      work.goOn();
    }
    return (int) memory.read(LIST + 4, 4);
  }

  /** {@return what a command returns} */
  private String run(String packet) {
    int n = issue(PACKET, true, packet, 0x1_0000, 0);
    assertThat(get(TFD) & 1).as("error").isZero();
    return hex(n);
  }

  private String hex(int n) {
    byte[] b = new byte[n];
    memory.read(BUFFER, b, 0, n);
    return HexFormat.of().formatHex(b);
  }

  /** {@return sense key, code and qualifier of a command that fails} */
  private String fails(String packet) {
    issue(PACKET, true, packet, 0x1_0000, 0);
    assertThat(get(TFD) & 0xFF).as("DRDY and CHK").isEqualTo(0x51);
    assertThat(get(PIS) & TFES).isNotZero();
    int key = get(TFD) >> 12 & 15;
    set(CMD, 0x10);
    set(PIS, -1);
    set(CMD, 0x11);
    String sense = run(REQUEST_SENSE);
    assertThat(sense).startsWith("70000" + Integer.toHexString(key)).hasSize(36);
    return sense.substring(5, 6) + "/" + sense.substring(24, 28);
  }

  private void ready() {
    fails(TEST_UNIT_READY);
  }

  // ---- the device

  @Test
  void theSignatureIsThatOfADeviceThatTakesPackets() {
    assertThat(get(SIG)).isEqualTo(0xEB14_0101);
    set(SCTL, 1);
    set(SCTL, 0);
    assertThat(memory.read(RECEIVED + 0x44, 4)).as("LBA in the frame").isEqualTo(0x00EB_1401);
    assertThat(memory.read(RECEIVED + 0x4C, 1)).as("count").isEqualTo(1);
  }

  @Test
  void identificationIsThatOfACdRomDriveWithPacketsOf12Bytes() {
    assertThat(issue(IDENTIFY_PACKET, false, "", 512, 0)).isEqualTo(512);
    assertThat((int) memory.read(BUFFER, 2)).isEqualTo(0x85C0);
    byte[] name = new byte[40];
    memory.read(BUFFER + 54, name, 0, 40);
    for (int i = 0; i < 40; i += 2) {
      byte b = name[i];
      name[i] = name[i + 1];
      name[i + 1] = b;
    }
    assertThat(new String(name, StandardCharsets.US_ASCII).trim()).isEqualTo("VESPER CD-ROM");
  }

  @ParameterizedTest
  @ValueSource(ints = {0xEC, 0x20, 0x25, 0x35, 0x60, 0x90})
  void commandsOfDisksAreAnsweredByTheSignature(int code) {
    issue(code, false, "", 512, 0);
    assertThat(get(TFD)).isEqualTo(0x451);
    assertThat(memory.read(RECEIVED + 0x44, 4) & 0xFF_FFFF).isEqualTo(0xEB_1401);
  }

  @Test
  void theFirstCommandHearsOfTheReset() {
    assertThat(run("120000002400")).as("INQUIRY comes first").startsWith("05800021");
    assertThat(fails(TEST_UNIT_READY)).isEqualTo("6/2900");
    assertThat(run(TEST_UNIT_READY)).isEmpty();
    set(SCTL, 1);
    set(SCTL, 0);
    assertThat(run(REQUEST_SENSE).substring(24, 28)).isEqualTo("2900");
    assertThat(run(TEST_UNIT_READY)).isEmpty();
  }

  // ---- transfers

  @Test
  void dataByDmaEndsWithARegisterFrame() {
    ready();
    set(PIS, -1);
    assertThat(run("25")).as("last block and its bytes").isEqualTo("000003e700000800");
    assertThat(get(PIS)).isEqualTo(DHRS);
    assertThat(memory.read(RECEIVED + 0x4C, 1)).as("command done, to host").isEqualTo(3);
  }

  @Test
  void dataByProgrammedIoComesInPartsOfWhatSoftwareTakes() {
    ready();
    set(PIS, -1);
    assertThat(issue(PACKET, false, "280000000005000003", 3 * 2048, 0x1000)).isEqualTo(3 * 2048);
    assertThat(get(PIS)).isEqualTo(DHRS | PSS);
    assertThat(memory.read(RECEIVED + 0x20 + 12, 1)).as("data to host").isEqualTo(2);
    assertThat(memory.read(RECEIVED + 0x20 + 16, 2)).as("the last part").isEqualTo(2048);
    assertThat(memory.read(RECEIVED + 0x4C, 1)).isEqualTo(3);
    assertThat(hex(3 * 2048).substring(0, 16)).isEqualTo("0000000000000014");
  }

  @Test
  void commandsWithoutDataHaveNoFrameOfProgrammedIo() {
    ready();
    set(PIS, -1);
    issue(PACKET, false, TEST_UNIT_READY, 512, 0x1000);
    assertThat(get(PIS)).isEqualTo(DHRS);
  }

  @ParameterizedTest
  @CsvSource({"280000000064000002, 2", "a8000000006400000002, 2", "28000000006400000000, 0"})
  void readsMoveBlocks(String packet, int blocks) {
    ready();
    String all = run(packet);
    assertThat(all).hasSize(blocks * 2048 * 2);
    for (int sector = 0; sector < 4 * blocks; sector++) {
      assertThat(all.substring(sector * 1024, sector * 1024 + 16))
          .isEqualTo("%016x".formatted(400 + sector));
    }
  }

  @ParameterizedTest
  @CsvSource({
    "2800000003e8000000, 5/2100",
    "2800000003e7000002, 5/2100",
    "a800ffffffffffffffff, 5/2100",
    "2b00000003e8, 5/2100",
    "2a00000000000000010000, 5/2000",
    "ff, 5/2000",
    "120100002400, 5/2400",
    "430003000000000014, 5/2400"
  })
  void whatCannotBeIsAnIllegalRequest(String packet, String sense) {
    ready();
    assertThat(fails(packet)).isEqualTo(sense);
    assertThat(run(TEST_UNIT_READY)).isEmpty();
  }

  @Test
  void moreThan32MiBAtOnceAreRefused() {
    ready();
    medium.blocks = 100_000;
    assertThat(fails("a8000000000000004001")).isEqualTo("5/2400");
  }

  @Test
  void readErrorsAreThoseOfTheMedium() {
    ready();
    medium.fails = true;
    assertThat(fails("280000000000000001")).isEqualTo("3/1100");
  }

  @Test
  void aPacketThatTheHostDoesNotSendIsAborted() {
    memory.write(LIST, 4, 5);
    memory.write(LIST + 8, 8, TABLE);
    byte[] fis = {0x27, (byte) 0x80, (byte) PACKET, 0};
    memory.write(TABLE, fis, 0, fis.length);
    set(CI, 1);
    assertThat(get(TFD) & 0x4FF).isEqualTo(0x451);
  }

  // ---- what the drive says of itself

  @Test
  void answersAreAsLongAsThereIsRoom() {
    ready();
    assertThat(run("120000000500")).isEqualTo("058000211f");
    assertThat(run("4300000000000000040000")).isEqualTo("00120101");
    assertThat(run("4600000000000000080000")).isEqualTo("0000002000000008");
  }

  @ParameterizedTest
  @CsvSource({
    "4300000000000000140000, 00120101001401000000000000" + "14aa00000003e8",
    "4302000000000000140000, 00120101001401000000020000" + "14aa0000000f19",
    "4300000000000100140000, 00120101001401000000000000" + "14aa00000003e8",
    "430000000000aa00140000, 000a01010014aa00000003e8",
    "4300010000000000140000, 000a01010014010000000000",
    "4300000000000000144000, 000a01010014010000000000"
  })
  void theTableOfContentsHasOneTrackAndTheLeadOut(String packet, String contents) {
    ready();
    assertThat(run(packet)).isEqualTo(contents);
  }

  @Test
  void theProfileIsThatOfTheMedium() {
    ready();
    assertThat(run("4600000000000000400000").substring(12, 16)).isEqualTo("0008");
    medium.blocks = 500_000;
    assertThat(run("4600000000000000400000").substring(12, 16)).isEqualTo("0010");
    assertThat(run("4602000300000000400000"))
        .isEqualTo("0000000c" + "00000010" + "0003030439000000");
  }

  @Test
  void capabilitiesAreReadAndCannotBeChanged() {
    ready();
    String page = run("5a002a0000000000800000");
    assertThat(page).startsWith("001c010000000000" + "2a140b006000290002c2");
    assertThat(run("5a006a0000000000800000").substring(16)).isEqualTo("2a14" + "0".repeat(40));
    assertThat(run("5a003f0000000000800000")).hasSize(2 * (8 + 8 + 22));
    assertThat(fails("5a00080000000000800000")).isEqualTo("5/2400");
  }

  // ---- the tray

  @Test
  void aMediumIsEjectedAndLoaded() {
    ready();
    assertThat(run("4a0100001000000008")).isEqualTo("0006041000020000");
    assertThat(run(EJECT)).isEmpty();
    assertThat(run("4a0100001000000008")).as("removed").isEqualTo("0006041003010000");
    assertThat(run("4a0100001000000008")).as("heard of").isEqualTo("0006041000010000");
    assertThat(fails(TEST_UNIT_READY)).isEqualTo("2/3a00");
    assertThat(fails("280000000000000001")).isEqualTo("2/3a00");
    assertThat(run(LOAD)).isEmpty();
    assertThat(run("4a0100001000000008")).as("new").isEqualTo("0006041002020000");
    assertThat(fails(TEST_UNIT_READY)).isEqualTo("6/2800");
    assertThat(run(TEST_UNIT_READY)).isEmpty();
  }

  @Test
  void aLockedMediumStays() {
    ready();
    assertThat(run(LOCK)).isEmpty();
    assertThat(fails(EJECT)).isEqualTo("5/5302");
    assertThat(run(TEST_UNIT_READY)).isEmpty();
    assertThat(run(UNLOCK)).isEmpty();
    assertThat(run(EJECT)).isEmpty();
  }

  @Test
  void onlyPolledEventsAreTold() {
    assertThat(run("4a0100000200000008")).as("no such class").isEqualTo("00028010");
    assertThat(fails("4a0000001000000008")).isEqualTo("5/2400");
  }
}
