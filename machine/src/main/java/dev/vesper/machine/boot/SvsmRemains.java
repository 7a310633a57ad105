package dev.vesper.machine.boot;

import dev.vesper.machine.host.GuestRam;
import dev.vesper.machine.sev.LaunchState;
import dev.vesper.machine.sev.VmsaField;
import dev.vesper.machine.spec.BootException;
import dev.vesper.machine.spec.SnpLaunch;
import java.util.ArrayList;
import java.util.List;

/**
 * A service module (SVSM) under which a kernel is booted directly: it lies in the last 2 MiB, at a
 * multiple of them, of the memory below 4 GiB, and starts in the place of the kernel, which finds
 * there no memory. The last four of its pages are what it is left.
 *
 * <p>CPUID page, secrets page, the state in which the kernel would have been launched as a save
 * area, and parameters, little endian u64: the number of processors, whose APIC IDs begin at 0;
 * where the kernel finds its secrets page, its CPUID page and its calling area; the number of
 * ranges of memory that are the kernel's; from 0x28 on start and end of each.
 */
final class SvsmRemains {
  /** Bytes of memory that are the module's, and what their place is a multiple of. */
  static final long SIZE = 2 << 20;

  /** As many as the module has room for. */
  static final int MOST_PROCESSORS = 64;

  private static final int PAGE = 0x1000;
  private static final long CPUID = SIZE - 4 * PAGE;
  private static final long SECRETS = SIZE - 3 * PAGE;
  private static final long STATE = SIZE - 2 * PAGE;
  private static final long PARAMETERS = SIZE - PAGE;
  private static final int RANGES = 32;

  private final long base;

  private SvsmRemains(long base) {
    this.base = base;
  }

  /** {@return where a kernel's memory below 4 GiB ends} */
  static long lowEnd(GuestRam ram, LaunchChoices launch) {
    return launch.service() == null ? ram.below4G() : base(ram);
  }

  private static long base(GuestRam ram) {
    return Math.max(0, ram.below4G() - SIZE & -SIZE);
  }

  /** {@return the secrets page that the secure processor fills} */
  long secrets() {
    return base + SECRETS;
  }

  /** {@return the CPUID page that it looks at} */
  long cpuid() {
    return base + CPUID;
  }

  /**
   * Puts a module before a kernel.
   *
   * @param g the kernel, loaded
   * @param w what it was loaded by
   * @throws BootException if the image is no module, or there is no room for it
   */
  static LoadedGuest place(
      LoadedGuest g, byte[] image, SnpLaunch snp, int processors, GuestWriter w)
      throws BootException {
    SvsmRemains m = new SvsmRemains(base(w.ram()));
    for (LoadedGuest.Range r : g.ranges()) {
      if (r.address() + r.length() > m.base) {
        throw new BootException(
            r.what()
                + " ends at 0x"
                + Long.toHexString(r.address() + r.length())
                + ", where the service module begins at 0x"
                + Long.toHexString(m.base)
                + ": give the guest more memory with -m");
      }
    }
    if (processors > MOST_PROCESSORS) {
      throw new BootException(
          "the service module has room for "
              + MOST_PROCESSORS
              + " processors, not for "
              + processors);
    }
    GuestWriter own = new GuestWriter(w.view(), w.ram().below4G());
    ElfImage elf = ElfImage.parse("the service module", image);
    for (ElfImage.Segment s : elf.segments()) {
      if (s.physical() < 0 || s.physical() > CPUID - s.memorySize()) {
        throw new BootException("the service module takes more than the 2 MiB that it has");
      }
      own.put("service module", m.base + s.physical(), image, (int) s.offset(), (int) s.fileSize());
    }
    own.put("the kernel's registers", m.base + STATE, g.state().bytes());
    own.put(
        "the service module's parameters", m.base + PARAMETERS, m.parameters(processors, w.ram()));
    LaunchState s =
        BzImage.protectedMode()
            .set(VmsaField.RIP, m.base + elf.physical(elf.entry()))
            .set(VmsaField.RBX, m.base);
    return SnpRemains.allValid(
        g.also(own.ranges()).startingAt(s), w.ram(), snp, m.secrets(), m.cpuid());
  }

  private byte[] parameters(int processors, GuestRam ram) {
    List<Long> ranges = new ArrayList<>();
    range(ranges, 0, Math.min(SnpRemains.VGA, base));
    range(ranges, SnpRemains.VGA_END, base);
    range(ranges, GuestRam.FOUR_GIB, GuestRam.FOUR_GIB + ram.above4G());
    byte[] b = new byte[PAGE];
    Bytes.put(b, 0, 8, processors);
    Bytes.put(b, 8, 8, SnpRemains.SECRETS);
    Bytes.put(b, 16, 8, SnpRemains.CPUID);
    Bytes.put(b, 24, 8, SnpRemains.CALLING_AREA);
    Bytes.put(b, RANGES, 8, ranges.size() / 2);
    for (int i = 0; i < ranges.size(); i++) {
      Bytes.put(b, RANGES + 8 + 8 * i, 8, ranges.get(i));
    }
    return b;
  }

  private static void range(List<Long> to, long start, long end) {
    if (start < end) {
      to.add(start);
      to.add(end);
    }
  }
}
