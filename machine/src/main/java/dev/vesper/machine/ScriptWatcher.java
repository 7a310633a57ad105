package dev.vesper.machine;

import dev.vesper.machine.assembly.Assembly;
import dev.vesper.machine.hostile.Place;
import dev.vesper.machine.hostile.Watcher;
import java.util.Set;
import java.util.function.Supplier;
import org.jspecify.annotations.Nullable;

/** What a machine's observer sees for a script: see {@link Watcher}. */
final class ScriptWatcher implements Watcher {
  private static final long PAGING = 1L << 31;

  private final Assembly parts;
  private final Supplier<Observer> observer;
  private final Stops stops;

  ScriptWatcher(Assembly parts, Supplier<Observer> observer, Stops stops) {
    this.parts = parts;
    this.observer = observer;
    this.stops = stops;
  }

  private VcpuView vcpu(int id) {
    return observer.get().vcpu(id);
  }

  @Override
  public long register(int vcpu, String name) {
    VcpuView v = vcpu(vcpu);
    return switch (name) {
      case "rip" -> v.rip();
      case "rflags" -> v.rflags();
      case "cr0" -> v.cr0();
      case "cr2" -> v.cr2();
      case "cr3" -> v.cr3();
      case "cr4" -> v.cr4();
      case "cpl" -> v.cpl();
      default -> v.gpr(REGISTERS.indexOf(name));
    };
  }

  @Override
  public long address(String symbol) {
    return stops.address(symbol);
  }

  @Override
  public long physical(int vcpu, long linear) {
    VcpuView v = vcpu(vcpu);
    // Before paging is on, names of a kernel's upper half are not where they will be.
    return (v.cr0() & PAGING) == 0 && linear >>> 32 != 0 ? -1 : v.physical(linear);
  }

  @Override
  public byte @Nullable [] memory(int vcpu, long linear, int length) {
    try {
      return vcpu(vcpu).read(linear, length);
    } catch (IndexOutOfBoundsException e) {
      return null;
    }
  }

  @Override
  public byte @Nullable [] physicalMemory(long gpa, int length) {
    long at = parts.host.program().nested().backing(gpa);
    return parts.memory.ram().contains(at, length) ? observer.get().readPrivate(at, length) : null;
  }

  @Override
  public void stopAt(Set<Place> places) {
    stops.script(places);
  }
}
