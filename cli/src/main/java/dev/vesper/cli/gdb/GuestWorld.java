package dev.vesper.cli.gdb;

import dev.vesper.machine.VcpuView;
import java.util.List;

/** What a condition looks at: a vCPU and what it has mapped. */
final class GuestWorld implements AgentExpression.World {
  private final VcpuView vcpu;
  private final List<RegisterSet.Register> registers;

  GuestWorld(VcpuView vcpu, List<RegisterSet.Register> registers) {
    this.vcpu = vcpu;
    this.registers = registers;
  }

  @Override
  public long register(int number) {
    return registers.get(number).read().apply(vcpu)[0];
  }

  @Override
  public long memory(long address, int bytes) {
    byte[] b = vcpu.read(address, bytes);
    long v = 0;
    for (int i = bytes - 1; i >= 0; i--) {
      v = v << 8 | b[i] & 0xFF;
    }
    return v;
  }
}
