package dev.vesper.machine.vmm;

import dev.vesper.ghcb.ExitCode;
import dev.vesper.machine.sev.GuestBus;
import dev.vesper.machine.sev.PlainVcpu;

/** Exits of a guest whose registers the host can see. */
final class PlainExits {
  private static final long GP = 0x8000_0B0DL;
  private static final long UD = 0x8000_0306L;
  private static final int ENOSYS = 1000;

  private final Hypervisor host;

  PlainExits(Hypervisor host) {
    this.host = host;
  }

  void handle(PlainVcpu v, int code, long info1) {
    switch (code) {
      case ExitCode.CPUID -> cpuid(v);
      case ExitCode.IOIO -> ioio(v, info1);
      case ExitCode.MSR -> msr(v, info1 != 0);
      case ExitCode.HLT -> {
        v.skip();
        host.idle();
      }
      case ExitCode.WBINVD, ExitCode.INVD, ExitCode.MONITOR, ExitCode.MWAIT -> v.skip();
      case ExitCode.RDPMC -> host.inject(GP);
      case ExitCode.VMMCALL -> {
        // KVM_HC_*: none is offered, and none may be called from user mode.
        v.setGpr(0, v.cpl() == 0 ? -ENOSYS : -1);
        v.skip();
      }
      case 0x7A, 0x80, 0x82, 0x83, 0x84, 0x85, 0x86, 0x73 -> host.inject(UD);
      case ExitCode.TASK_SWITCH ->
          host.end(
              Outcome.GAVE_UP,
              "hardware task switches are not emulated (selector 0x"
                  + Long.toHexString(info1)
                  + ")");
      default -> host.end(Outcome.GAVE_UP, "no handler for " + ExitCode.name(code));
    }
  }

  private void cpuid(PlainVcpu v) {
    CpuModel.Leaf l = host.cpuid.answer((int) v.gpr(0), (int) v.gpr(1));
    v.setGpr(0, l.eax() & 0xFFFF_FFFFL);
    v.setGpr(3, l.ebx() & 0xFFFF_FFFFL);
    v.setGpr(1, l.ecx() & 0xFFFF_FFFFL);
    v.setGpr(2, l.edx() & 0xFFFF_FFFFL);
    v.skip();
  }

  private void msr(PlainVcpu v, boolean write) {
    int n = (int) v.gpr(1);
    if (write) {
      if (!host.msrs.write(n, v.gpr(2) << 32 | v.gpr(0) & 0xFFFF_FFFFL)) {
        host.inject(GP);
        return;
      }
    } else {
      var r = host.msrs.read(n);
      if (r.isEmpty()) {
        host.inject(GP);
        return;
      }
      v.setGpr(0, r.getAsLong() & 0xFFFF_FFFFL);
      v.setGpr(2, r.getAsLong() >>> 32);
    }
    v.skip();
  }

  private void ioio(PlainVcpu v, long info) {
    boolean in = (info & 1) != 0;
    int bytes = (int) (info >> 4) & 7;
    int port = (int) (info >> 16) & 0xFFFF;
    if ((info & 4) != 0) {
      emulate(v);
      return;
    }
    if (in) {
      long value = host.platform.ports.read(port, bytes) & 0xFFFF_FFFFL;
      long old = v.gpr(0);
      v.setGpr(0, bytes == 4 ? value : bytes == 2 ? old & ~0xFFFFL | value : old & ~0xFFL | value);
    } else {
      host.platform.ports.write(port, bytes, (int) v.gpr(0));
    }
    v.skip();
  }

  /** MMIO and string I/O: the host emulates the instruction. */
  void emulate(PlainVcpu v) {
    if (!v.emulate(bus())) {
      host.end(
          Outcome.GAVE_UP,
          "cannot emulate the instruction at RIP 0x"
              + Long.toHexString(v.rip())
              + ": it, or a page table, lies where there is no memory");
    }
  }

  private GuestBus bus() {
    return new GuestBus() {
      @Override
      public long readMemory(long address, int bytes) {
        return -1L >>> 64 - 8 * bytes;
      }

      @Override
      public void writeMemory(long address, int bytes, long value) {
        // no device decodes memory addresses
      }

      @Override
      public int readPort(int port, int bytes) {
        return host.platform.ports.read(port, bytes);
      }

      @Override
      public void writePort(int port, int bytes, int value) {
        host.platform.ports.write(port, bytes, value);
      }
    };
  }
}
