package dev.vesper.machine.hostile;

import dev.vesper.machine.host.Exit;
import dev.vesper.machine.host.HostMemory;
import dev.vesper.machine.host.VmcbView;

/** No machine at all, for what needs none. */
final class NoExit implements Exit.Appointment {
  @Override
  public int vcpu() {
    return 0;
  }

  @Override
  public long instructions() {
    return 0;
  }

  @Override
  public long allInstructions() {
    return 0;
  }

  @Override
  public long time() {
    return 0;
  }

  @Override
  public VmcbView vmcb() {
    throw new AssertionError("there is no VMCB");
  }

  @Override
  public HostMemory memory() {
    throw new AssertionError("there is no memory");
  }

  @Override
  public void inject(long event) {
    throw new AssertionError("nobody is there");
  }

  @Override
  public void delay(long nanos) {
    throw new AssertionError("nobody is there");
  }

  @Override
  public void end(int status, String reason) {
    throw new AssertionError("nobody is there");
  }
}
