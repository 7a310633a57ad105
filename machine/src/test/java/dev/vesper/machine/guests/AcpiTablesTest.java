package dev.vesper.machine.guests;

import static org.assertj.core.api.Assertions.assertThat;

import dev.vesper.fixtures.Tools;
import dev.vesper.machine.device.acpi.AcpiTables;
import dev.vesper.machine.host.GuestRam;
import dev.vesper.machine.spec.Hardware;
import dev.vesper.machine.vmm.PcBoard;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Map;
import java.util.TreeMap;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

/** ACPI tables against ACPICA's disassembler. */
final class AcpiTablesTest {
  private static final int BASE = 0xE_0000;

  @TempDir Path folder;

  private static byte sum(byte[] b, int from, int length) {
    byte s = 0;
    for (int i = 0; i < length; i++) {
      s += b[from + i];
    }
    return s;
  }

  private static Map<String, byte[]> tables(byte[] all) {
    ByteBuffer b = ByteBuffer.wrap(all).order(ByteOrder.LITTLE_ENDIAN);
    assertThat(new String(all, 0, 8, StandardCharsets.US_ASCII)).isEqualTo("RSD PTR ");
    assertThat(sum(all, 0, 20)).isZero();
    assertThat(sum(all, 0, 36)).isZero();
    int xsdt = (int) b.getLong(24) - BASE;
    Map<String, byte[]> found = new TreeMap<>();
    for (int i = 0; i < (b.getInt(xsdt + 4) - 36) / 8; i++) {
      add(found, b, (int) b.getLong(xsdt + 36 + 8 * i) - BASE);
    }
    byte[] fadt = found.get("FACP");
    assertThat(fadt).isNotNull();
    ByteBuffer f = ByteBuffer.wrap(fadt).order(ByteOrder.LITTLE_ENDIAN);
    assertThat(f.getInt(40)).isEqualTo((int) f.getLong(140));
    add(found, b, f.getInt(40) - BASE);
    int facs = f.getInt(36) - BASE;
    assertThat(new String(all, facs, 4, StandardCharsets.US_ASCII)).isEqualTo("FACS");
    assertThat(facs % 64).isZero();
    return found;
  }

  private static void add(Map<String, byte[]> to, ByteBuffer all, int at) {
    byte[] t = new byte[all.getInt(at + 4)];
    all.get(at, t);
    assertThat(sum(t, 0, t.length)).isZero();
    to.put(new String(t, 0, 4, StandardCharsets.US_ASCII), t);
  }

  @ParameterizedTest
  @EnumSource(
      value = Hardware.Board.class,
      names = {"PC", "Q35"})
  void everyTableIsWhatItShouldBe(Hardware.Board board) throws IOException, InterruptedException {
    AcpiTables a = new AcpiTables(PcBoard.describe(board, 64, GuestRam.below(1L << 30), true));
    Map<String, byte[]> found = tables(a.linked(BASE));
    assertThat(found).containsKeys("APIC", "DSDT", "FACP", "HPET");
    assertThat(found.containsKey("MCFG")).isEqualTo(board == Hardware.Board.Q35);
    assertThat(a.loader().length % 128).isZero();
    Tools.need("iasl", "acpica-tools");
    for (Map.Entry<String, byte[]> t : found.entrySet()) {
      Files.write(folder.resolve(t.getKey() + ".dat"), t.getValue());
      Tools.call(folder, "iasl", "-d", t.getKey() + ".dat");
    }
    String source = Files.readString(folder.resolve("DSDT.dsl"));
    assertThat(source)
        .contains("Device (PCI0)")
        .contains(
            "QWordMemory (ResourceProducer, PosDecode, MinFixed, MaxFixed, Cacheable, ReadWrite")
        .contains("0x0000000100000000, // Range Minimum")
        .contains("Method (_PRT, 0, NotSerialized)")
        .contains("Name (\\_S5, Package (0x04)")
        .doesNotContain("Unknown")
        .doesNotContain("External");
    // What is taken apart can be put together again.
    Tools.call(folder, "iasl", "-ve", "DSDT.dsl");
    assertThat(Files.readString(folder.resolve("APIC.dsl"))).contains("Local Apic ID : 3F");
  }
}
