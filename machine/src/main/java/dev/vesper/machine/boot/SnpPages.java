package dev.vesper.machine.boot;

import dev.vesper.machine.launch.SnpPageType;
import dev.vesper.machine.memory.HostView;
import dev.vesper.machine.spec.BootException;
import dev.vesper.machine.spec.ResetState;
import java.util.ArrayList;
import java.util.List;

/**
 * The pages that firmware has an SNP launch take besides its own (spec: snp 6.6). Google's
 * hypervisor does not zero its memory, Amazon's launches the CPUID page last.
 */
final class SnpPages {
  private static final int PAGE = 4096;

  private SnpPages() {}

  static void place(
      BootOptions o, FirmwareTable table, HostView view, List<LoadedGuest.Range> ranges)
      throws BootException {
    List<SnpSection> sections = table.sections();
    if (sections == null) {
      throw new BootException(
          "the firmware has no SNP metadata: use one that has (OVMF.fd of Debian's package ovmf, not"
              + " OVMF_CODE_4M.fd), or --sev es");
    }
    FirmwareTable.Area hashes = table.hashes();
    boolean place =
        hashes != null
            && sections.stream().anyMatch(s -> s.kind() == SnpSection.Kind.KERNEL_HASHES);
    boolean hashed = FirmwareImage.wanted(o, place);
    ResetState vmm = o.launch().reset();
    List<LoadedGuest.Range> last = new ArrayList<>();
    for (SnpSection s : sections) {
      if (!view.contains(s.address(), s.length())) {
        throw new BootException(
            "the firmware's SNP metadata ask for memory at 0x"
                + Long.toHexString(s.address())
                + ", which this guest does not have: give it more with -m");
      }
      SnpPageType type = type(s.kind(), vmm);
      if (s.kind() == SnpSection.Kind.KERNEL_HASHES && hashed && hashes != null) {
        write(o, s, hashes, view);
        type = SnpPageType.NORMAL;
      }
      LoadedGuest.Range r = new LoadedGuest.Range(s.address(), s.length(), s.kind().what, type);
      (type == SnpPageType.CPUID && vmm == ResetState.EC2 ? last : ranges).add(r);
    }
    ranges.addAll(last);
  }

  private static SnpPageType type(SnpSection.Kind kind, ResetState vmm) {
    return switch (kind) {
      case SEC_MEM -> vmm == ResetState.GCE ? SnpPageType.UNMEASURED : SnpPageType.ZERO;
      case SVSM_CAA, KERNEL_HASHES -> SnpPageType.ZERO;
      case SECRETS -> SnpPageType.SECRETS;
      case CPUID -> SnpPageType.CPUID;
    };
  }

  /** Writes the table of hashes at its offset into the page, which is zero around it. */
  private static void write(BootOptions o, SnpSection s, FirmwareTable.Area hashes, HostView view)
      throws BootException {
    byte[] b = KernelHashes.of(o.image(), o.initrd(), o.commandLine());
    long at = hashes.address() & 0xFFF;
    if (at + b.length > PAGE) {
      throw new BootException(
          "the firmware wants hashes of the kernel at 0x"
              + Long.toHexString(hashes.address())
              + ", across the end of a page: build it anew");
    }
    view.write(s.address() + at, b, 0, b.length);
  }
}
