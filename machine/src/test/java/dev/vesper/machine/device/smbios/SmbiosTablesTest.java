package dev.vesper.machine.device.smbios;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.vesper.machine.SmbiosOptions;
import dev.vesper.machine.host.GuestRam;
import dev.vesper.machine.spec.Hardware;
import dev.vesper.machine.spec.Smbios;
import dev.vesper.machine.vmm.PcBoard;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.UUID;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** SMBIOS tables by DSP0134 2.8, and the words that they are made of. */
final class SmbiosTablesTest {
  private static final long RAM = 512L << 20;

  @TempDir Path folder;

  /** A structure as software reads it. */
  private record Structure(int type, int handle, ByteBuffer fields, List<String> strings) {
    String string(int at) {
      int n = fields.get(at);
      return n == 0 ? "" : strings.get(n - 1);
    }
  }

  private static SmbiosTables tables(int processors, String... options) {
    Smbios s = SmbiosOptions.read("-smbios", List.of(options), null);
    return PcBoard.describe(s, Hardware.Board.PC, processors, GuestRam.below(RAM));
  }

  private static List<Structure> read(byte[] b) {
    List<Structure> all = new ArrayList<>();
    for (int at = 0; at < b.length; ) {
      int length = b[at + 1] & 0xFF;
      ByteBuffer f = ByteBuffer.wrap(b, at, length).slice().order(ByteOrder.LITTLE_ENDIAN);
      List<String> strings = new ArrayList<>();
      int s = at + length;
      while (b[s] != 0) {
        int end = s;
        while (b[end] != 0) {
          end++;
        }
        strings.add(new String(b, s, end - s, StandardCharsets.US_ASCII));
        s = end + 1;
      }
      at = strings.isEmpty() ? s + 2 : s + 1;
      all.add(new Structure(f.get(0) & 0xFF, f.getShort(2) & 0xFFFF, f, strings));
    }
    return all;
  }

  private static Structure of(int type, String... options) {
    return read(tables(1, options).tables()).stream()
        .filter(s -> s.type == type)
        .findFirst()
        .orElseThrow();
  }

  private static int sum(byte[] b, int from, int to) {
    int s = 0;
    for (int i = from; i < to; i++) {
      s += b[i];
    }
    return s & 0xFF;
  }

  @Test
  void theEntryPointLeadsToTheStructures() {
    SmbiosTables t = tables(2, "type=0,vendor=V", "type=2");
    byte[] b = t.placed();
    assertThat(new String(b, 0, 4, StandardCharsets.US_ASCII)).isEqualTo("_SM_");
    assertThat(new String(b, 16, 5, StandardCharsets.US_ASCII)).isEqualTo("_DMI_");
    assertThat(sum(b, 0, 31)).isZero();
    assertThat(sum(b, 16, 31)).isZero();
    ByteBuffer a = ByteBuffer.wrap(b).order(ByteOrder.LITTLE_ENDIAN);
    assertThat(a.getInt(24)).isEqualTo(0xF_0020);
    byte[] structures = java.util.Arrays.copyOfRange(b, 32, b.length);
    assertThat(structures).hasSize(a.getShort(22)).isEqualTo(t.tables());
    List<Structure> all = read(structures);
    assertThat(all).hasSize(a.getShort(28));
    assertThat(all.stream().map(Structure::type))
        .containsExactly(0, 1, 2, 3, 4, 4, 16, 17, 19, 32, 127);
    assertThat(all.stream().map(Structure::handle).distinct()).hasSameSizeAs(all);
    assertThat(ByteBuffer.wrap(t.anchor(0)).getInt(24)).as("firmware fills it in").isZero();
  }

  /** Modules have 16 GiB at most, as QEMU's, and each part of memory its addresses in KiB. */
  @Test
  void muchMemoryIsInSeveralModulesAndOnBothSidesOfTheHole() {
    Smbios s = SmbiosOptions.read("-smbios", List.of("type=17,loc_pfx=M"), null);
    GuestRam ram = GuestRam.split(40L << 30, 3L << 30);
    List<Structure> all =
        read(PcBoard.describe(s, Hardware.Board.PC, 1, ram).tables()).stream()
            .filter(x -> x.type >= 16 && x.type <= 19)
            .toList();
    assertThat(all).extracting(Structure::type).containsExactly(16, 17, 17, 17, 19, 19);
    assertThat(all.stream().map(Structure::handle).distinct()).hasSameSizeAs(all);
    assertThat(all.get(0).fields.getInt(7)).as("most, in KiB").isEqualTo(40 << 20);
    assertThat(all.get(0).fields.getShort(13)).as("modules").isEqualTo((short) 3);
    assertThat(all.get(1).fields.getShort(12)).as("MiB").isEqualTo((short) (16 << 10));
    assertThat(all.get(3).fields.getShort(12)).isEqualTo((short) (8 << 10));
    assertThat(all.get(3).string(16)).isEqualTo("M 2");
    assertThat(all.get(4).fields.getInt(8)).isEqualTo((3 << 20) - 1);
    assertThat(all.get(5).fields.getInt(4)).isEqualTo(4 << 20);
    assertThat(all.get(5).fields.getInt(8)).isEqualTo((41 << 20) - 1);
  }

  @Test
  void fieldsArePutWhereTheyBelong() {
    Structure bios = of(0, "type=0,vendor=Acme,version=7,date=01/02/2027,release=3.14,uefi=on");
    assertThat(bios.string(4)).isEqualTo("Acme");
    assertThat(bios.string(5)).isEqualTo("7");
    assertThat(bios.string(8)).isEqualTo("01/02/2027");
    assertThat(bios.fields.get(19)).as("virtual, UEFI").isEqualTo((byte) 0x1C);
    assertThat(bios.fields.getShort(20)).isEqualTo((short) 0x0E03);
    Structure system =
        of(
            1,
            "type=1,product=P,,Q,sku=S,uuid=00112233-4455-6677-8899-aabbccddeeff",
            "type=1,serial=N");
    assertThat(system.string(4)).isEqualTo("Vesper");
    assertThat(system.string(5)).as("two commas are one").isEqualTo("P,Q");
    assertThat(system.string(7)).as("of both options").isEqualTo("N");
    assertThat(system.string(25)).isEqualTo("S");
    assertThat(system.fields.getLong(8)).isEqualTo(0x6677_4455_0011_2233L);
    assertThat(system.fields.getLong(16)).isEqualTo(0xFFEE_DDCC_BBAA_9988L);
    Structure processor = of(4, "type=4,sock_pfx=S,max-speed=4000,processor-id=0x1234");
    assertThat(processor.string(4)).isEqualTo("S 0");
    assertThat(processor.fields.getShort(20)).isEqualTo((short) 4000);
    assertThat(processor.fields.getLong(8)).isEqualTo(0x1234);
    Structure module = of(17, "type=17,loc_pfx=L,serial=9,speed=3200");
    assertThat(module.string(16)).isEqualTo("L 0");
    assertThat(module.string(24)).isEqualTo("9");
    assertThat(module.fields.getShort(12)).as("MiB").isEqualTo((short) 512);
    assertThat(of(11, "type=11,value=a,value=b", "type=11,value=c").strings)
        .containsExactly("a", "b", "c");
    assertThat(of(3, "type=3,asset=A").string(8)).isEqualTo("A");
  }

  @Test
  void aStructureOfAFileIsInsteadOfTheBoards() throws IOException {
    byte[] own = {3, 6, 0x34, 0x12, 1, 0, 'm', 'e', 0, 0};
    Path f = Files.write(folder.resolve("chassis"), own);
    List<Structure> all = read(tables(1, "file=" + f).tables());
    assertThat(all.stream().map(Structure::type)).containsExactly(3, 1, 4, 16, 17, 19, 32, 127);
    assertThat(all.get(0).handle).isEqualTo(0x1234);
    assertThat(all.get(0).strings).containsExactly("me");
    assertThatThrownBy(() -> tables(1, "file=" + f, "type=3,serial=1"))
        .hasMessageContaining("type 3 is given by a file and by fields");
    Files.write(f, new byte[] {3, 40, 0, 0, 0, 0});
    assertThatThrownBy(() -> tables(1, "file=" + f)).hasMessageContaining("no SMBIOS structure");
  }

  @Test
  void theMachinesUuidIsThatOfTheSystem() {
    UUID u = UUID.fromString("00112233-4455-6677-8899-aabbccddeeff");
    Smbios s = SmbiosOptions.read("-smbios", List.of(), u);
    SmbiosTables t = PcBoard.describe(s, Hardware.Board.Q35, 1, GuestRam.below(RAM));
    Structure system = read(t.tables()).get(0);
    assertThat(system.string(5)).contains("Q35");
    assertThat(system.fields.getInt(8)).isEqualTo(0x0011_2233);
  }

  @Test
  void moreThanThereIsRoomForIsRefused() {
    String[] many = new String[64];
    for (int i = 0; i < many.length; i++) {
      many[i] = "type=11,value=" + "x".repeat(1000);
    }
    assertThatThrownBy(() -> tables(1, many)).hasMessageContaining("more than 61440 bytes");
  }

  @ParameterizedTest
  @CsvSource(
      delimiter = '|',
      value = {
        "type=9 | there are types 0, 1, 2, 3, 4, 11, 17, and file=F",
        "serial=1 | takes type=N",
        "type=1,serial | takes type=N",
        "type=1,flavour=x | type 1 has manufacturer",
        "type=1,uuid=123 | uuid cannot be '123'",
        "type=0,release=1 | release cannot be '1'",
        "type=0,release=256.1 | release cannot be",
        "type=4,max-speed=99999 | max-speed cannot be",
        "type=1,serial=\u00e4 | printable ASCII",
        "type=11,value= | an empty string",
        "file=/nonexistent | no such file"
      })
  void mistakesAreSaid(String option, String said) {
    assertThatThrownBy(() -> tables(1, option))
        .isInstanceOf(IllegalArgumentException.class)
        .hasMessageStartingWith("-smbios")
        .hasMessageContaining(said);
  }
}
