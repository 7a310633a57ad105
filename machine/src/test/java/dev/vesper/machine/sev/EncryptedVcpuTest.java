package dev.vesper.machine.sev;

import static org.assertj.core.api.Assertions.assertThat;

import dev.vesper.machine.cpu.Cpu;
import dev.vesper.machine.cpu.CpuFeatures;
import dev.vesper.machine.cpu.Execution;
import dev.vesper.machine.cpu.NestedMap;
import dev.vesper.machine.cpu.emit.VerifiedEmission;
import dev.vesper.machine.cpu.interp.Interpreter;
import dev.vesper.machine.memory.Page;
import dev.vesper.machine.memory.PhysicalMemory;
import dev.vesper.x86.Assembler;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.ExtendWith;
import org.junit.jupiter.params.ParameterizedClass;
import org.junit.jupiter.params.provider.ValueSource;

/** The world switch of an SEV-ES guest: what is in the VMSA, and what the host is left with. */
@ParameterizedClass
@ValueSource(ints = {Execution.STANDARD, Execution.NATIVE})
@ExtendWith(VerifiedEmission.class)
final class EncryptedVcpuTest {
  private static final long C_BIT = 1L << 51;
  private static final int CODE = 0x4000;

  private final PhysicalMemory memory = new PhysicalMemory(64 << 12, 8);
  private final int key = memory.createKey(3);
  private final Cpu cpu;
  private final EncryptedVcpu vcpu;

  EncryptedVcpuTest(int execution) {
    CpuFeatures f = CpuFeatures.ALL;
    NestedMap map = frame -> frame < 64 ? NestedMap.RAM : NestedMap.ABSENT;
    cpu = new Cpu(memory, map, f, new Interpreter(f), 1);
    Execution.choose(cpu, f, execution);
    cpu.configureEncryption(key, C_BIT);
    vcpu = new EncryptedVcpu(cpu, memory, key);
  }

  @BeforeEach
  void controls() {
    Vmcb v = vcpu.vmcb();
    v.set(Vmcb.ASID, 1);
    v.set(Vmcb.NESTED_CTL, 7);
    v.set(Vmcb.VIRT_EXT, 1);
    v.setInt(Vmcb.INTERCEPT_VECTOR3, 1 << 24 | 1 << 31);
    v.setInt(Vmcb.INTERCEPT_VECTOR4, 1);
  }

  private void launch(String source) {
    byte[] code = Assembler.assemble(64, source);
    memory.page(4, key).copyFrom(0, code, 0, code.length);
    Page pml4 = memory.page(1, key);
    pml4.put64(0, 0x2003L | C_BIT);
    memory.page(2, key).put64(0, 0x3003L | C_BIT);
    memory.page(3, key).put64(0, 0x83L | C_BIT);
    LaunchState s = new LaunchState().flat(0x10, 0xA9B, 0x18);
    s.set(VmsaField.CR0, 0x8000_0011L).set(VmsaField.CR4, 0x220).set(VmsaField.CR3, 0x1000);
    s.set(VmsaField.EFER, 0x1500).set(VmsaField.RIP, CODE).set(VmsaField.RSP, 0x8000);
    vcpu.launch(s);
  }

  private byte[] vmsa() {
    byte[] b = new byte[Page.SIZE];
    vcpu.state(b);
    return b;
  }

  /**
   * The thread asks whether a host may skip saving the FPU around VMRUN: it must save its own, for
   * the exit leaves reset values, and it need not save the guest's, which is in the VMSA.
   */
  @Test
  void whatStateTheHostMaySkipSaving() {
    launch(
        "mov rax, 0x1122334455667788\nmovq xmm5, rax\nfld1\nhlt\nmovq rbx, xmm5\nfnstsw ax\nhlt");
    vcpu.run(10_000);
    assertThat(vcpu.vmcb().exitCode()).isEqualTo(0x78);
    assertThat((long) Page.LONG.get(vmsa(), 0x470 + 16 * 5)).isEqualTo(0x1122_3344_5566_7788L);
    assertThat((long) Page.LONG.get(vmsa(), 0x420)).as("ST0").isEqualTo(1L << 63);
    assertThat(cpu.xmm).as("the processor has nothing of it left").containsOnly(0);
    assertThat(cpu.fpMant).containsOnly(0);
    assertThat(cpu.fcw).isEqualTo(0x40);
    assertThat(cpu.mxcsr).isEqualTo(0x1F80);
    // A host that uses the FPU itself does no harm.
    java.util.Arrays.fill(cpu.xmm, -1);
    cpu.mxcsr = 0x1FBF;
    vcpu.run(20_000);
    assertThat((long) Page.LONG.get(vmsa(), 0x318)).as("RBX").isEqualTo(0x1122_3344_5566_7788L);
    assertThat((long) Page.LONG.get(vmsa(), 0x1F8) & 0x3800).as("TOP").isEqualTo(0x3800);
    assertThat((int) Page.INT.get(vmsa(), 0x408)).as("MXCSR").isEqualTo(0x1F80);
  }

  @Test
  void cr8IsTheVirtualTaskPriority() {
    launch("mov eax, 5\nmov cr8, rax\nhlt\nmov rbx, cr8\nhlt");
    vcpu.run(10_000);
    assertThat(vcpu.vmcb().get(Vmcb.V_INTR) & 15).isEqualTo(5);
    vcpu.vmcb().set(Vmcb.V_INTR, 3);
    vcpu.run(20_000);
    assertThat((long) Page.LONG.get(vmsa(), 0x318)).isEqualTo(3);
  }

  /** With CR8's write trap the value is written before the host hears of it. */
  @Test
  void theCr8TrapComesAfterTheWrite() {
    launch("mov eax, 5\nmov cr8, rax\nhlt");
    vcpu.vmcb().setInt(Vmcb.INTERCEPT_VECTOR4, 1 | 1 << 24);
    vcpu.run(10_000);
    assertThat(vcpu.vmcb().exitCode()).isEqualTo(0x98);
    assertThat(vcpu.vmcb().get(Vmcb.EXITINFO1)).isEqualTo(5);
    assertThat(vcpu.vmcb().get(Vmcb.V_INTR) & 15).isEqualTo(5);
  }
}
