package dev.vesper.machine.cpu;

import static org.assertj.core.api.Assertions.assertThat;

import dev.vesper.machine.cpu.emit.VerifiedEmission;
import dev.vesper.machine.memory.Page;
import dev.vesper.x86.Assembler;
import dev.vesper.x86.Msr;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.ExtendWith;
import org.junit.jupiter.params.ParameterizedClass;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

/** Reserved bits of page table entries and keys of supervisor pages (AMD APM volume 2, 5). */
@ParameterizedClass
@ValueSource(ints = {0, Execution.NATIVE})
@ExtendWith(VerifiedEmission.class)
final class PagingRulesTest {
  private static final int PF = 14;
  private static final int HLT = 0x78;
  private static final int RESERVED = 8;
  private static final int KEY = 0x20;

  private static final int OPERAND_ENTRY = 0x4000 + 8 * (RestartGuest.OPERAND >> 12);

  private final RestartGuest g;
  private final Cpu cpu;
  private final boolean natively;

  PagingRulesTest(int execution) {
    g = new RestartGuest(execution);
    cpu = g.cpu;
    natively = execution == Execution.NATIVE;
  }

  private void prepare(int bits) {
    g.fill(bits);
    g.prepare(bits, 0);
  }

  /** Executes one instruction; {@return the vector of its exception, or -1} */
  private int run(int bits, String source) {
    // Native code wants time for its whole block, to which the HLT belongs.
    byte[] b = Assembler.assemble(bits, natively ? source + "\nhlt" : source);
    for (int i = 0; i < b.length; i++) {
      g.put((int) cpu.rip + i, 1, b[i]);
    }
    g.memory.page((int) cpu.rip >> 12, Page.SHARED).dropCode();
    cpu.flushTlb(true);
    cpu.run(cpu.icount + (natively ? 2 : 1));
    return cpu.exitCode == 0x60 || cpu.exitCode == HLT ? -1 : (int) cpu.exitCode - 0x40;
  }

  /** Executes a load with a bit set in the last entry of its address. */
  private int loadWith(int bit) {
    int at = OPERAND_ENTRY + bit / 8;
    int old = g.page(at >> 12).get8(at & 0xFFF);
    g.put(at, 1, old | 1 << bit % 8);
    int vector = run(64, "mov eax, [rbx]");
    g.put(at, 1, old);
    return vector;
  }

  @ParameterizedTest
  @CsvSource({"36", "40", "47", "48", "51"})
  void addressBitsAboveThePhysicalWidthAreReserved(int width) {
    prepare(64);
    cpu.configurePhysicalBits(width);
    for (int bit = width; bit < 52; bit++) {
      assertThat(loadWith(bit)).as("bit %d of %d", bit, width).isEqualTo(PF);
      assertThat(cpu.exitInfo1).isEqualTo(RESERVED | 1);
    }
    // Below the width the page is somewhere else: where there is no memory.
    loadWith(width - 1);
    assertThat(cpu.exitCode).isEqualTo(0x400);
  }

  @Test
  void theCBitIsNotReservedWhereverItLies() {
    prepare(64);
    cpu.configurePhysicalBits(40);
    cpu.configureEncryption(g.memory.createKey(1), 1L << 51);
    byte[] load = Assembler.assemble(64, "mov eax, [rbx]");
    for (int i = 0; i < load.length; i++) {
      g.put(RestartGuest.CODE + i, 1, load[i]);
    }
    for (int f = 0; f < RestartGuest.FRAMES; f++) {
      g.put(0x4000 + 8 * f + 6, 1, 8);
    }
    for (int e : new int[] {0x1000, 0x2000, 0x3000}) {
      g.put(e + 6, 1, 8);
    }
    for (int f = 0; f < RestartGuest.FRAMES; f++) {
      g.memory.encryptInPlace(f, cpu.key);
    }
    cpu.cr3 |= 1L << 51;
    cpu.flushTlb(true);
    cpu.run(cpu.icount + 1);
    assertThat(cpu.exitCode).as("a load through tables with the C-bit").isEqualTo(0x60);
    cpu.writeCr3(0x1000 | 1L << 51);
    assertThat(cpu.cr3).isEqualTo(0x1000 | 1L << 51);
  }

  @Test
  void cr3HasNoBitsAboveThePhysicalWidthInLongMode() {
    prepare(64);
    cpu.configurePhysicalBits(40);
    cpu.r[0] = 0x1000;
    assertThat(run(64, "mov cr3, rax")).isEqualTo(-1);
    cpu.r[0] = 0x1000 | 1L << 40;
    assertThat(run(64, "mov cr3, rax")).isEqualTo(13);
  }

  @ParameterizedTest
  @CsvSource({"3, 7, 14", "3, 8, 14", "2, 8, 14", "1, 8, -1", "0, 8, -1"})
  void bitsWithoutAMeaningAreReservedInTheUpperLevels(int level, int bit, int vector) {
    prepare(64);
    // The operand once more under entries that code does not need.
    g.put(0x1008, 8, 0x2007);
    int[] entries = {OPERAND_ENTRY, 0x3000, 0x2000 + 8 * 4, 0x1008};
    int at = entries[level] + bit / 8;
    g.put(at, 1, g.page(at >> 12).get8(at & 0xFFF) | 1 << bit % 8);
    cpu.r[3] = RestartGuest.OPERAND + (level == 3 ? 1L << 39 : 1L << 32);
    assertThat(run(64, "mov eax, [rbx]")).isEqualTo(vector);
  }

  @ParameterizedTest
  @CsvSource({"36, 17, 14", "36, 16, -1", "38, 19, 14", "48, 20, -1", "48, 21, 14", "36, 21, 14"})
  void aLargeEntryOf32BitsHasTheAddressBitsThatThereAre(int width, int bit, int vector) {
    prepare(32);
    cpu.configurePhysicalBits(width);
    cpu.cr4 = cpu.cr4 & ~CpuState.CR4_PAE | CpuState.CR4_PSE;
    cpu.cr3 = 0x5000;
    g.put(0x5000, 4, 0x87);
    g.put(0x5004, 4, 0x87 | 1L << bit);
    cpu.r[3] = RestartGuest.OPERAND + (4 << 20);
    int got = run(32, "mov eax, [ebx]");
    assertThat(got == PF ? PF : -1).isEqualTo(vector);
  }

  @Test
  void observersReadTablesAsTheProcessorDoes() {
    prepare(32);
    assertThat(cpu.translateQuietly(RestartGuest.OPERAND)).isEqualTo(RestartGuest.OPERAND);
    assertThat(cpu.quietUser()).as("four pointers have no U/S").isTrue();

    cpu.cr4 = cpu.cr4 & ~CpuState.CR4_PAE | CpuState.CR4_PSE;
    cpu.cr3 = 0x5000;
    g.put(0x5004, 4, 0x87 | 1 << 13);
    assertThat(cpu.translateQuietly(4 << 20 | 0x123)).isEqualTo(1L << 32 | 0x123);
    g.put(0x5004, 4, 0x6087);
    g.put(0x6000, 4, 0x7007);
    cpu.cr4 &= ~CpuState.CR4_PSE;
    assertThat(cpu.translateQuietly(4 << 20 | 0x123)).isEqualTo(0x7123);
    cpu.cr4 |= CpuState.CR4_PSE;
    g.put(0x5004, 4, 0x87 | 1 << 21);
    assertThat(cpu.translateQuietly(4 << 20)).as("a reserved bit").isEqualTo(-1);
  }

  @ParameterizedTest
  @CsvSource({
    // PKRS for key 5, write, CR0.WP, of a user's page; whether it is forbidden
    "1, false, true, false, true",
    "1, true, true, false, true",
    "2, false, true, false, false",
    "2, true, true, false, true",
    "2, true, false, false, false",
    "3, true, true, true, false",
    "0, true, true, false, false"
  })
  void keysOfSupervisorPagesFollowPkrs(
      int rights, boolean write, boolean wp, boolean userPage, boolean forbidden) {
    prepare(64);
    cpu.cr4 |= CpuState.CR4_PKS;
    cpu.cr0 = wp ? cpu.cr0 : cpu.cr0 & ~CpuState.CR0_WP;
    g.put(OPERAND_ENTRY + 7, 1, 5 << 3);
    g.put(OPERAND_ENTRY, 1, userPage ? 7 : 3);
    cpu.r[1] = Msr.PKRS;
    cpu.r[0] = (long) rights << 10;
    cpu.r[2] = 0;
    assertThat(run(64, "wrmsr")).isEqualTo(-1);
    int vector = run(64, write ? "mov [rbx], eax" : "mov eax, [rbx]");
    assertThat(vector).isEqualTo(forbidden ? PF : -1);
    if (forbidden) {
      assertThat(cpu.exitInfo1).isEqualTo(KEY | 1 | (write ? 2 : 0));
      cpu.cr4 &= ~CpuState.CR4_PKS;
      assertThat(run(64, write ? "mov [rbx], eax" : "mov eax, [rbx]")).isEqualTo(-1);
    }
  }

  @Test
  void pkrsHas32Bits() {
    prepare(64);
    cpu.r[1] = Msr.PKRS;
    cpu.r[0] = 0xFFFF_FFFFL;
    cpu.r[2] = 0;
    assertThat(run(64, "wrmsr")).isEqualTo(-1);
    cpu.r[0] = 0;
    assertThat(run(64, "rdmsr")).isEqualTo(-1);
    assertThat(cpu.r[0]).isEqualTo(0xFFFF_FFFFL);
    cpu.r[2] = 1;
    assertThat(run(64, "wrmsr")).isEqualTo(13);
  }
}
