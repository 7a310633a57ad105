package dev.vesper.machine.guests;

import static org.assertj.core.api.Assertions.assertThat;

import dev.vesper.guest.Locore;
import dev.vesper.machine.Machine;
import dev.vesper.machine.host.HostMemory;
import dev.vesper.machine.spec.BootException;
import dev.vesper.machine.spec.Hardware;
import dev.vesper.machine.spec.MachineSpec;
import dev.vesper.machine.spec.SevMode;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.util.Arrays;
import java.util.List;
import java.util.Random;
import java.util.zip.CRC32;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.EnumSource;
import org.junit.jupiter.params.provider.ValueSource;

/**
 * The launch of an OpenBSD kernel against the tables of spec openbsd, sections 1.1, 4.2 and 4.3.
 */
final class OpenBsdLaunchTest {
  private static final long C_BIT = 1L << 51;
  private static final int MEMORY = 64 << 20;
  private static final byte[] RSDP = "RSD PTR ".getBytes(StandardCharsets.US_ASCII);

  private static Machine machine(String profile, SevMode mode) throws BootException {
    return new Machine(
        MachineSpec.builder(mode, Locore.image(), b -> {})
            .memoryBytes(MEMORY)
            .profile(profile)
            .processors(1)
            .build());
  }

  private static ByteBuffer memory(Machine m, long address, int bytes) {
    return ByteBuffer.wrap(m.observer().readPrivate(address, bytes)).order(ByteOrder.LITTLE_ENDIAN);
  }

  /** The VMSA, with fields at the offsets of spec sev-es-architecture 9.1. */
  private static ByteBuffer vmsa(Machine m) {
    return memory(m, m.vmsaAddress(), 4096);
  }

  private static void segment(
      ByteBuffer v, int at, int selector, int attributes, long limit, long base) {
    assertThat(v.getShort(at) & 0xFFFF).isEqualTo(selector);
    assertThat(v.getShort(at + 2) & 0xFFFF).isEqualTo(attributes);
    assertThat(v.getInt(at + 4) & 0xFFFF_FFFFL).isEqualTo(limit);
    assertThat(v.getLong(at + 8)).isEqualTo(base);
  }

  @ParameterizedTest
  @CsvSource({
    // CR0, CR3, CR4, EFER
    "openbsd:2025-06, 80000011, 11000, 30, 1500",
    "openbsd:2025-09, 80000011, 11000, 30, 1500",
    "openbsd:2026,    00000011, 0,     0,  1000",
    "openbsd,         00000011, 0,     0,  1000",
    "kvm,             00000011, 0,     0,  1000"
  })
  void registers(String profile, String cr0, String cr3, String cr4, String efer)
      throws BootException {
    ByteBuffer v = vmsa(machine(profile, SevMode.ES));
    assertThat(v.getLong(0x158)).isEqualTo(Long.parseLong(cr0, 16));
    assertThat(v.getLong(0x150)).isEqualTo(Long.parseLong(cr3, 16));
    assertThat(v.getLong(0x148)).isEqualTo(Long.parseLong(cr4, 16));
    assertThat(v.getLong(0x0D0)).isEqualTo(Long.parseLong(efer, 16));
    segment(v, 0x010, 0x08, 0xC9F, 0xFFFF_FFFFL, 0);
    for (int s : new int[] {0x000, 0x020, 0x030, 0x040, 0x050}) {
      segment(v, s, 0x10, 0xC93, 0xFFFF_FFFFL, 0);
    }
    assertThat(v.getShort(0x072)).as("LDTR").isEqualTo((short) 0x82);
    assertThat(v.getShort(0x092)).as("TR").isEqualTo((short) 0x8B);
    segment(v, 0x060, 0, 0, 0xFFFF, 0x1_0000);
    segment(v, 0x080, 0, 0, 0xFFFF, 0);
    assertThat(v.getLong(0x170)).as("RFLAGS").isEqualTo(2);
    assertThat(v.getLong(0x168)).as("DR6").isEqualTo(0xFFFF_0FF0L);
    assertThat(v.getLong(0x160)).as("DR7").isEqualTo(0x400);
    assertThat(v.getLong(0x178)).as("RIP: start, physical").isEqualTo(0x100_0000);
    assertThat(v.getLong(0x1D8)).as("RSP").isEqualTo(0xFFDC);
    assertThat(v.getLong(0x268)).as("G_PAT").isEqualTo(0x0007_0406_0007_0406L);
    for (int g = 0x300; g < 0x380; g += 8) {
      assertThat(v.getLong(g)).as("general register at 0x%x", g).isZero();
    }
    assertThat(v.getLong(0x3B0)).as("SEV_FEATURES").isZero();
    assertThat(v.getLong(0x3E8)).as("XCR0").isEqualTo(1);
    assertThat(v.getInt(0x408)).as("MXCSR").isEqualTo(0x1F80);
    assertThat(v.getShort(0x410)).as("FCW").isEqualTo((short) 0x37F);
    assertThat(v.get(0x0CB)).as("CPL").isZero();
  }

  /**
   * Under SEV-SNP the way to its pages is that of UEFI: system table, configuration table, blob.
   */
  @Test
  void theEfiSystemTableLeadsToThePagesOfSnp() throws BootException {
    Machine m = machine("kvm", SevMode.SNP);
    ByteBuffer arguments = memory(m, 0x2000, 4096);
    assertThat(arguments.getLong(12 + 8)).as("free memory ends").isEqualTo(0x9_C000);
    int at = 0;
    while (arguments.getInt(at) != 11) {
      assertThat(arguments.getInt(at)).as("a record before EFIINFO").isIn(0, 5);
      at += arguments.getInt(at + 4);
    }
    assertThat(arguments.getInt(at + 4)).isEqualTo(12 + 100);
    ByteBuffer table = memory(m, arguments.getLong(at + 12 + 84), 120);
    assertThat(table.getLong(0)).as("IBI SYST").isEqualTo(0x5453_5953_2049_4249L);
    assertThat(table.getInt(12)).isEqualTo(120);
    byte[] bytes = table.array().clone();
    Arrays.fill(bytes, 16, 20, (byte) 0);
    CRC32 crc = new CRC32();
    crc.update(bytes);
    assertThat(table.getInt(16)).isEqualTo((int) crc.getValue());
    assertThat(table.getLong(0x68)).isEqualTo(1);
    ByteBuffer entry = memory(m, table.getLong(0x70), 24);
    assertThat(entry.getInt(0)).isEqualTo(0x067B_1F5F);
    assertThat(entry.getShort(4)).isEqualTo((short) 0xCF26);
    assertThat(entry.getShort(6)).isEqualTo((short) 0x44C5);
    assertThat(Long.reverseBytes(entry.getLong(8))).isEqualTo(0x8554_93D7_7791_2D42L);
    ByteBuffer blob = memory(m, entry.getLong(16), 40);
    assertThat(blob.getInt(0)).as("AMDE").isEqualTo(0x4544_4D41);
    assertThat(memory(m, blob.getLong(8), 4).getInt(0)).as("secrets page").isGreaterThan(1);
    assertThat(memory(m, blob.getLong(24), 4).getInt(0)).as("CPUID entries").isBetween(1, 64);
    // Nothing says so to a guest that needs none of it.
    assertThat(memory(machine("kvm", SevMode.ES), 0x2000 + at, 4).getInt(0)).isEqualTo(-1);
  }

  @ParameterizedTest
  @EnumSource
  void aKernelOnABoardWithTablesFindsThem(SevMode mode) throws BootException {
    Machine m =
        new Machine(
            MachineSpec.builder(mode, Locore.image(), b -> {})
                .memoryBytes(MEMORY)
                .hardware(new Hardware(Hardware.Board.PC, List.of()))
                .build());
    assertThat(m.observer().readPrivate(0xE_0000, 8)).as("in what was launched").isEqualTo(RSDP);
  }

  @ParameterizedTest
  @ValueSource(strings = {"openbsd:2025-09", "openbsd:2026", "kvm"})
  void stackAndBootArguments(String profile) throws BootException {
    Machine m = machine(profile, SevMode.ES);
    ByteBuffer s = memory(m, 0xFFDC, 36);
    assertThat(s.getInt(4)).as("boothowto").isZero();
    assertThat(s.getInt(8)).as("bootdev").isEqualTo(0xA000_0004);
    assertThat(s.getInt(12)).as("API version").isEqualTo(0x0E);
    long esym = s.getInt(16) & 0xFFFF_FFFFL;
    assertThat(s.getInt(20)).as("extended memory").isZero();
    assertThat(s.getInt(24)).as("conventional memory").isZero();
    int size = s.getInt(28);
    assertThat(s.getInt(32)).as("boot arguments").isEqualTo(0x2000);

    ByteBuffer a = memory(m, 0x2000, size);
    assertThat(a.getInt(0)).as("MEMMAP").isZero();
    int entries = (a.getInt(4) - 12) / 20;
    assertThat(a.getInt(4)).isEqualTo(12 + 20 * entries);
    long low = profile.equals("kvm") ? 0x9_E000 : 0xA_0000;
    assertThat(entry(a, 0)).containsExactly(0, low, 1);
    assertThat(entry(a, 1)).containsExactly(low, 0x10_0000 - low, 2);
    assertThat(entry(a, 2)).containsExactly(0x10_0000, MEMORY - 0x10_0000, 1);
    assertThat(entry(a, 3)).containsExactly(0xFFC0_0000L, 0x40_0000, 2);
    assertThat(entry(a, 4)).containsExactly(0, 0, 0);
    assertThat(entries).isEqualTo(5);
    int c = a.getInt(4);
    assertThat(a.getInt(c)).as("CONSDEV").isEqualTo(5);
    assertThat(a.getInt(c + 4)).isEqualTo(12 + 32);
    assertThat(a.getInt(c + 12)).as("device").isEqualTo(0x800);
    assertThat(a.getInt(c + 16)).as("speed").isEqualTo(115_200);
    assertThat(a.getLong(c + 20)).as("address").isEqualTo(0x3F8);
    assertThat(a.getInt(c + 44)).as("end").isEqualTo(-1);
    assertThat(size).isEqualTo(c + 48);

    // Symbols lie behind the kernel: an ELF header, and esym behind all of it.
    long end = 0;
    for (long at = 0x100_0000; at < esym; at += 8) {
      ByteBuffer w = memory(m, at, 8);
      if (w.getInt(0) == 0x464C_457F) {
        end = at;
        break;
      }
    }
    assertThat(end).isBetween(0x100_0000L, esym);
    ByteBuffer h = memory(m, end, 64);
    int sections = h.getShort(60);
    long table = end + h.getLong(40);
    boolean found = false;
    for (int i = 0; i < sections; i++) {
      ByteBuffer section = memory(m, table + 64L * i, 64);
      if (section.getInt(4) == 2) {
        found = true;
        ByteBuffer symbol = memory(m, end + section.getLong(24) + 24, 24);
        assertThat(symbol.getLong(8) >>> 31).isEqualTo(0x1_FFFF_FFFFL);
      }
    }
    assertThat(found).as("a symbol table").isTrue();
  }

  private static long[] entry(ByteBuffer a, int i) {
    int at = 12 + 20 * i;
    return new long[] {a.getLong(at), a.getLong(at + 8), a.getInt(at + 16)};
  }

  @Test
  void descriptorsAndTablesOfTheCompatibilityLaunch() throws BootException {
    Machine m = machine("openbsd:2025-09", SevMode.ES);
    ByteBuffer g = memory(m, 0x1_0000, 40);
    assertThat(g.getLong(0)).isZero();
    assertThat(g.getLong(8) >>> 40).as("code32: ERA, D").isEqualTo(0xCF9FL);
    assertThat(g.getLong(16) >>> 40).as("data").isEqualTo(0xCF93L);
    assertThat(g.getLong(24) >>> 40).as("code64: L").isEqualTo(0xAF9FL);
    assertThat(g.getLong(32)).isZero();
    assertThat(memory(m, 0x1_1000, 8).getLong()).isEqualTo(0x1_2007L | C_BIT);
    assertThat(memory(m, 0x1_2000, 8).getLong()).isEqualTo(0x1_3007L | C_BIT);
    ByteBuffer pml2 = memory(m, 0x1_3000, 4096);
    for (int i = 0; i < 512; i++) {
      assertThat(pml2.getLong(8 * i)).isEqualTo((long) i << 21 | 0x87 | C_BIT);
    }
    assertThat(memory(machine("openbsd:2025-09", SevMode.OFF), 0x1_1000, 8).getLong())
        .as("no C-bit without SEV")
        .isEqualTo(0x1_2007L);
  }

  @Test
  void theLegacyLaunchHasThreeDescriptorsAndNoTables() throws BootException {
    Machine m = machine("openbsd:2026", SevMode.OFF);
    ByteBuffer g = memory(m, 0x1_0000, 32);
    assertThat(g.getLong(8) >>> 40).isEqualTo(0xCF9FL);
    assertThat(g.getLong(24)).isZero();
    assertThat(m.observer().readPrivate(0x1_1000, 0x3000)).containsOnly(0);
  }

  /** Only what the loader registered is encrypted; the rest reads as noise through the C-bit. */
  @Test
  void whatIsEncrypted() throws BootException {
    Machine m = machine("openbsd:2026", SevMode.ES);
    HostMemory host = m.hostView();
    for (long page : new long[] {0x2000, 0xF000, 0x1_0000, 0x100_0000}) {
      byte[] bus = new byte[4096];
      host.read(page, bus, 0, 4096);
      assertThat(bus).as("page 0x%x", page).isNotEqualTo(m.observer().readPrivate(page, 4096));
      assertThat(bus).isNotEqualTo(new byte[4096]);
    }
    byte[] bus = new byte[4096];
    host.read(0x5000, bus, 0, 4096);
    assertThat(bus).as("memory that nobody wrote").containsOnly(0);
    assertThat(m.observer().readPrivate(0x5000, 4096)).isNotEqualTo(bus);
  }

  @Test
  void secureProcessorCommands() throws BootException {
    List<String> c = machine("openbsd:2026", SevMode.ES).launchCommands();
    assertThat(c.subList(0, 6))
        .containsExactly(
            "INIT",
            "LAUNCH_START policy 0x3f",
            "GUEST_STATUS",
            "DF_FLUSH",
            "ACTIVATE asid 1",
            "GUEST_STATUS");
    assertThat(c.subList(c.size() - 4, c.size()))
        .containsExactly("LAUNCH_UPDATE_VMSA", "LAUNCH_MEASURE", "LAUNCH_FINISH", "GUEST_STATUS");
    assertThat(c.subList(6, c.size() - 4)).allMatch(s -> s.startsWith("LAUNCH_UPDATE_DATA 0x"));
    // Text first, then data; boot arguments, stack and descriptors last.
    assertThat(c.get(6)).startsWith("LAUNCH_UPDATE_DATA 0x1000000 ");
    assertThat(c.subList(c.size() - 7, c.size() - 4))
        .containsExactly(
            "LAUNCH_UPDATE_DATA 0x2000 length 0x1000",
            "LAUNCH_UPDATE_DATA 0xf000 length 0x1000",
            "LAUNCH_UPDATE_DATA 0x10000 length 0x1000");
    List<String> sev = machine("openbsd:2026", SevMode.SEV).launchCommands();
    assertThat(sev).contains("LAUNCH_START policy 0x3b").doesNotContain("LAUNCH_UPDATE_VMSA");
    assertThat(machine("openbsd:2026", SevMode.OFF).launchCommands()).isEmpty();
  }

  /** Segment boundaries need not be multiples of 16: no block may be encrypted twice. */
  @Test
  void aKernelWithUnalignedSegmentsArrivesWhole() throws BootException {
    byte[] image = elf();
    for (String profile : new String[] {"openbsd:2025-09", "openbsd:2026"}) {
      Machine m =
          new Machine(
              MachineSpec.builder(SevMode.ES, image, b -> {})
                  .memoryBytes(MEMORY)
                  .profile(profile)
                  .build());
      assertThat(m.format()).startsWith("OpenBSD ELF64");
      assertThat(m.observer().readPrivate(0x100_0100, 0x123))
          .isEqualTo(Arrays.copyOfRange(image, 0x1000, 0x1123));
      assertThat(m.observer().readPrivate(0x100_0223, 0x100)).as("bss").containsOnly(0);
      assertThat(vmsa(m).getLong(0x178)).isEqualTo(0x100_0108);
    }
  }

  /** One segment of 123h bytes at an odd place, with bss behind it. */
  private static byte[] elf() {
    ByteBuffer f = ByteBuffer.allocate(0x1200).order(ByteOrder.LITTLE_ENDIAN);
    f.put(new byte[] {0x7F, 'E', 'L', 'F', 2, 1, 1}).position(16);
    f.putShort((short) 2).putShort((short) 62).putInt(1).putLong(0xFFFF_FFFF_8100_0108L);
    f.putLong(64).putLong(0).putInt(0).putShort((short) 64).putShort((short) 56);
    f.putShort((short) 1);
    f.position(64);
    f.putInt(1).putInt(7).putLong(0x1000).putLong(0xFFFF_FFFF_8100_0100L);
    f.putLong(0xFFFF_FFFF_8100_0100L).putLong(0x123).putLong(0x223).putLong(0x1000);
    byte[] data = new byte[0x123];
    new Random(5).nextBytes(data);
    f.put(0x1000, data);
    return f.array();
  }
}
