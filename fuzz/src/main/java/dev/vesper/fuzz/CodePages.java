package dev.vesper.fuzz;

import dev.vesper.machine.Machine;
import dev.vesper.machine.VcpuView;
import dev.vesper.machine.host.HostMemory;
import dev.vesper.machine.observe.Mapping;
import java.util.BitSet;

/**
 * Pages that are code at a moment: those that page tables have executable and nobody may write.
 * Kernels that are young, or have no NX, map all of themselves writable and executable: of such
 * pages those count that the image says are text, or all if it says nothing.
 */
final class CodePages {
  private static final int SHIFT = 12;
  private static final long CR0_PG = 1L << 31;

  private final Machine machine;
  private final HostMemory memory;
  private final BitSet frames = new BitSet();

  /** Without paging there are no rights to tell code by. */
  private final boolean paged;

  /** Looks at a machine that stands still. */
  CodePages(Machine m) {
    machine = m;
    memory = m.hostView();
    VcpuView v = m.observer().current();
    paged = (v.cr0() & CR0_PG) != 0;
    var unused = v.mappings(this::add);
  }

  private boolean add(Mapping m) {
    if (m.executable() && !m.user() && m.encrypted()) {
      for (long done = 0; done < m.bytes(); done += 1 << SHIFT) {
        long gpa = m.physical() + done;
        if (!memory.contains(gpa, 1)) {
          break;
        }
        if (!m.writable() || !machine.tellsText() || machine.isImageText(gpa)) {
          frames.set((int) (gpa >>> SHIFT));
        }
      }
    }
    return true;
  }

  /** {@return whether a guest physical address is in such a page} */
  boolean has(long gpa) {
    return !paged || frames.get((int) (gpa >>> SHIFT));
  }
}
