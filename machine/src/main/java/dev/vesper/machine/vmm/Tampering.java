package dev.vesper.machine.vmm;

import dev.vesper.machine.host.DescriptorField;
import dev.vesper.machine.host.HostPlatform;
import dev.vesper.machine.memory.HostRmp;
import dev.vesper.machine.memory.RmpEntry;
import dev.vesper.machine.memory.RmpResult;
import dev.vesper.machine.sev.Vmcb;
import java.util.HashMap;
import java.util.Map;

/** What a hypervisor program has devices and processors do otherwise. */
final class Tampering implements HostPlatform {
  private static final int CMOS_DATA = 0x71;

  private final Hypervisor host;
  private final Map<Integer, Long> ports = new HashMap<>();
  private final Map<Integer, Integer> cmos = new HashMap<>();
  private final Map<Long, Long> memory = new HashMap<>();
  private final Map<Integer, Integer> skipped = new HashMap<>();

  Tampering(Hypervisor host) {
    this.host = host;
  }

  private static long low(long value, int bytes) {
    return value & -1L >>> 64 - 8 * bytes;
  }

  /** {@return what a read of a port gives, given what its device has} */
  int port(int port, int bytes, int value) {
    Long other = ports.isEmpty() ? null : ports.get(port);
    if (port == CMOS_DATA && !cmos.isEmpty()) {
      return cmos.getOrDefault(host.platform.rtc.selected(), value);
    }
    return other == null ? value : (int) low(other, bytes);
  }

  /** {@return what a read of device memory gives, given what is there} */
  long memory(long gpa, int bytes, long value) {
    Long other = memory.isEmpty() ? null : memory.get(gpa);
    return other == null ? value : low(other, bytes);
  }

  /** {@return whether a SIPI to a vCPU is to be passed over} */
  boolean skipsStartup(int vcpu) {
    int left = skipped.isEmpty() ? 0 : skipped.getOrDefault(vcpu, 0);
    if (left > 0) {
      skipped.put(vcpu, left - 1);
    }
    return left > 0;
  }

  @Override
  public void answerPort(int port, long value) {
    ports.put(port, value);
  }

  @Override
  public void answerMmio(long gpa, long value) {
    memory.put(gpa, value);
  }

  @Override
  public void answerCmos(int index, int value) {
    cmos.put(index, value & 0xFF);
  }

  @Override
  public void used(long times, long id, long length) {
    host.platform.work.rings().next(times, id, length);
  }

  @Override
  public void descriptor(long times, DescriptorField field, long value) {
    host.platform.work.rings().descriptor(times, field.offset(), field.bytes(), value);
  }

  @Override
  public void writePort(int port, int bytes, int value) {
    host.platform.ports.write(port, bytes, value);
  }

  @Override
  public boolean file(String name, int offset, byte[] bytes) {
    return host.platform.replaceFile(name, offset, bytes);
  }

  @Override
  public boolean startup(int vcpu, int vector) {
    if (vcpu < 0 || vcpu >= host.vcpus.size()) {
      return false;
    }
    host.interrupts.startup(host.vcpus.get(vcpu), vector & 0xFF);
    return true;
  }

  @Override
  public void skipStartups(int vcpu, int times) {
    skipped.put(vcpu, times);
  }

  @Override
  public String assign(long page, long gpa) {
    HostRmp rmp = host.memory.rmp();
    if (rmp == null) {
      return "there is no reverse map table without SEV-SNP";
    }
    if (rmp.read(page).large()) {
      RmpResult r = rmp.psmash(page & -(2L << 20));
      if (r != RmpResult.SUCCESS) {
        return "PSMASH " + r;
      }
    }
    int asid = (int) host.vcpus.get(0).cpu.vmcb().get(Vmcb.ASID);
    RmpEntry e = gpa == -1 ? RmpEntry.HYPERVISOR : RmpEntry.guest(gpa, asid);
    return "RMPUPDATE " + rmp.update(page, e);
  }

  @Override
  public long timeStampCounter(int vcpu) {
    return Hypervisor.guestTsc(host.vcpus.get(vcpu));
  }
}
