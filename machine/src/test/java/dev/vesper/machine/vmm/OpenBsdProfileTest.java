package dev.vesper.machine.vmm;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.vesper.machine.cpu.Cpu;
import dev.vesper.machine.cpu.CpuFeatures;
import dev.vesper.machine.cpu.NestedMap;
import dev.vesper.machine.cpu.interp.Interpreter;
import dev.vesper.machine.memory.HostView;
import dev.vesper.machine.memory.PhysicalMemory;
import dev.vesper.machine.model.CpuModel;
import dev.vesper.machine.sev.EncryptedVcpu;
import dev.vesper.machine.sev.PlainVcpu;
import dev.vesper.machine.sev.VirtualCpu;
import dev.vesper.machine.sev.Vmcb;
import dev.vesper.machine.spec.SevMode;
import java.util.Set;
import java.util.TreeSet;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

/** The VMCB that vcpu_reset_regs_svm makes, bit by bit (spec openbsd 3.2 and 5.2). */
final class OpenBsdProfileTest {
  private static final long MAPS = 256 << 12;

  private final PhysicalMemory memory = new PhysicalMemory(1 << 20, 16);
  private final HostView view = memory.hostView();

  private Vmcb vmcb(String profile, SevMode mode, String host) {
    for (int i = 0; i < 5; i++) {
      memory.allocateHostPage();
    }
    CpuFeatures f = CpuFeatures.ALL;
    NestedMap map = frame -> NestedMap.RAM;
    Cpu cpu = new Cpu(memory, map, f, new Interpreter(f), 1);
    VirtualCpu v =
        mode == SevMode.ES
            ? new EncryptedVcpu(cpu, memory, memory.createKey(1))
            : new PlainVcpu(cpu, memory, mode == SevMode.SEV);
    Profile.named(profile).configure(v, mode, 0, CpuModel.named(host), view, MAPS);
    return v.vmcb();
  }

  private Vmcb vmcb(String profile, SevMode mode) {
    return vmcb(profile, mode, "vesper-min,+xsave");
  }

  private static Set<Integer> bits(int v) {
    Set<Integer> s = new TreeSet<>();
    for (int i = 0; i < 32; i++) {
      if ((v >>> i & 1) != 0) {
        s.add(i);
      }
    }
    return s;
  }

  @ParameterizedTest
  @ValueSource(strings = {"openbsd:2025-06", "openbsd:2025-09", "openbsd:2026"})
  void intercepts(String profile) {
    Vmcb es = vmcb(profile, SevMode.ES);
    // INTR NMI CPUID HLT INVLPGA IOIO MSR SHUTDOWN
    assertThat(bits(es.getInt(Vmcb.INTERCEPT_VECTOR3)))
        .containsExactlyInAnyOrder(0, 1, 18, 24, 26, 27, 28, 31);
    // VMRUN..SKINIT RDTSCP ICEBP MONITOR MWAIT MWAIT-armed; EFER, CR0 and CR4 write traps
    Set<Integer> second = new TreeSet<>(Set.of(0, 1, 2, 3, 4, 5, 6, 7, 8, 10, 11, 12, 15, 16, 20));
    if (profile.equals("openbsd:2025-06")) {
      second.add(24);
    }
    assertThat(bits(es.getInt(Vmcb.INTERCEPT_VECTOR4))).isEqualTo(second);
    assertThat(es.getInt(Vmcb.INTERCEPT_CR)).as("no CR intercepts").isZero();
    assertThat(es.getInt(Vmcb.INTERCEPT_DR)).as("no DR intercepts").isZero();
    assertThat(es.getInt(Vmcb.INTERCEPT_EXCEPTIONS)).as("no exception intercepts").isZero();
    assertThat(es.getInt(Vmcb.INTERCEPT_VECTOR5)).isZero();
  }

  /** The thread: an SEV-ES guest's XCR0 cannot be reached, so XSETBV is not intercepted. */
  @Test
  void xsetbvIsInterceptedOnlyWhereTheHostUsesXsaveAndTheGuestIsNotEncrypted() {
    int xsetbv = 13;
    assertThat(bits(vmcb("openbsd", SevMode.ES).getInt(Vmcb.INTERCEPT_VECTOR4)))
        .doesNotContain(xsetbv);
    assertThat(bits(vmcb("openbsd", SevMode.SEV).getInt(Vmcb.INTERCEPT_VECTOR4))).contains(xsetbv);
  }

  @Test
  void withoutXsaveOnTheHostNothingInterceptsXsetbv() {
    assertThat(bits(vmcb("openbsd", SevMode.OFF, "vesper-min").getInt(Vmcb.INTERCEPT_VECTOR4)))
        .doesNotContain(13)
        .doesNotContain(15, 16, 20, 24);
  }

  @ParameterizedTest
  @CsvSource({
    "'openbsd:2025-06', true",
    "'openbsd:2025-06,cr8=native', false",
    "'openbsd:2026', false",
    "'openbsd:2026,cr8=trap', true"
  })
  void cr8IsAsTheThreadHadItOrChosen(String profile, boolean trap) {
    boolean set = bits(vmcb(profile, SevMode.ES).getInt(Vmcb.INTERCEPT_VECTOR4)).contains(24);
    assertThat(set).isEqualTo(trap);
  }

  @ParameterizedTest
  @CsvSource({"openbsd:2025-06, 3", "openbsd:2025-09, 1", "openbsd:2026, 1"})
  void lbrVirtualization(String profile, long bits) {
    assertThat(vmcb(profile, SevMode.ES).get(Vmcb.VIRT_EXT)).isEqualTo(bits);
  }

  @Test
  void controlFields() {
    Vmcb v = vmcb("openbsd", SevMode.ES);
    assertThat(v.get(Vmcb.NESTED_CTL)).as("NP, SEV, SEV-ES").isEqualTo(7);
    assertThat(v.get(Vmcb.ASID)).as("ASID 1, flush all").isEqualTo(1 | 1L << 32);
    assertThat(v.get(Vmcb.V_INTR)).as("V_INTR_MASKING").isEqualTo(1L << 24);
    assertThat(v.get(Vmcb.VMSA_PTR)).isNotZero();
  }

  private boolean reads(int msr) {
    return open(msr, 0);
  }

  private boolean writes(int msr) {
    return open(msr, 1);
  }

  private boolean open(int msr, int offset) {
    int base = msr >>> 30 == 0 ? 0 : msr >>> 16 == 0xC000 ? 0x800 : 0x1000;
    int bit = (msr & 0x1FFF) * 2 + offset;
    return (view.read(MAPS + base + (bit >> 3), 1) >> (bit & 7) & 1) == 0;
  }

  @Test
  void msrPermissionsOfAnEncryptedGuest() {
    vmcb("openbsd", SevMode.ES);
    for (int m :
        new int[] {
          0x3A,
          0x174,
          0x175,
          0x176,
          0xC000_0080,
          0xC000_0081,
          0xC000_0082,
          0xC000_0083,
          0xC000_0084,
          0xC000_0100,
          0xC000_0101,
          0xC000_0102,
          0xC001_0130,
          0xC001_0131
        }) {
      assertThat(reads(m) && writes(m)).as("MSR %x", m).isTrue();
    }
    for (int m : new int[] {0x10, 0xDA0, 0xC001_0015, 0xC001_0064}) {
      assertThat(reads(m)).as("MSR %x", m).isTrue();
      assertThat(writes(m)).as("MSR %x", m).isFalse();
    }
    for (int m : new int[] {0x1B, 0x277, 0x1D9, 0x8B, 0xC001_0010, 0xC001_1029}) {
      assertThat(reads(m) || writes(m)).as("MSR %x", m).isFalse();
    }
    for (int i = 0; i < 3 * 4096; i += 512) {
      assertThat(view.read(MAPS + 2 * 4096 + i, 8)).as("every port is intercepted").isEqualTo(-1);
    }
  }

  @Test
  void msrPermissionsThatDiffer() {
    vmcb("openbsd", SevMode.OFF);
    assertThat(reads(0xC000_0080)).isTrue();
    assertThat(writes(0xC000_0080)).as("SVME must be forced").isFalse();
    assertThat(reads(0xC001_0130)).as("no GHCB").isFalse();
  }

  @Test
  void theJuneDiffOpensTheLastBranchRecords() {
    vmcb("openbsd:2025-06", SevMode.ES);
    for (int m : new int[] {0x1D9, 0x1DB, 0x1DC, 0x1DD, 0x1DE}) {
      assertThat(reads(m) && writes(m)).isTrue();
    }
  }

  @ParameterizedTest
  @ValueSource(strings = {"openbsd:", "openbsd:2024", "openbsd,cr8", "openbsdx", "", "vmm"})
  void otherNamesAreRefused(String name) {
    assertThatThrownBy(() -> Profile.named(name))
        .isInstanceOf(IllegalArgumentException.class)
        .hasMessageContaining("2025-06".substring(0, name.contains("cr8") ? 0 : 7));
  }
}
