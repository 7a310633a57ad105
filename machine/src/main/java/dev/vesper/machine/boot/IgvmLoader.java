package dev.vesper.machine.boot;

import dev.vesper.machine.host.GuestRam;
import dev.vesper.machine.igvm.IgvmFile;
import dev.vesper.machine.igvm.IgvmHeader;
import dev.vesper.machine.igvm.IgvmPlatform;
import dev.vesper.machine.launch.SnpDigest;
import dev.vesper.machine.launch.SnpPageType;
import dev.vesper.machine.memory.HostView;
import dev.vesper.machine.sev.LaunchState;
import dev.vesper.machine.sev.VmsaField;
import dev.vesper.machine.spec.BootException;
import dev.vesper.machine.spec.KernelHashing;
import dev.vesper.machine.spec.SevMode;
import java.util.ArrayList;
import java.util.BitSet;
import java.util.List;
import java.util.NavigableMap;
import java.util.TreeMap;

/**
 * Loads an IGVM file as its directives say, one after the other (spec: snp 4.4). Memory may be RAM
 * or lie where firmware does, in the last 16 MiB below 4 GiB. Each page is put into memory once.
 */
final class IgvmLoader {
  /** Least address of firmware, which may lie outside RAM. */
  static final long FIRMWARE = GuestRam.FOUR_GIB - (16 << 20);

  private static final int PAGE = 4096;

  private final BootOptions options;
  private final IgvmFile file;
  private final HostView view;
  private final IgvmPlatform platform;
  private final int mask;
  private final IgvmParameters parameters;
  private final List<LoadedGuest.Range> ranges = new ArrayList<>();
  private final BitSet placed = new BitSet();
  private final NavigableMap<Integer, LaunchState> registers = new TreeMap<>();

  /** Where their save areas are. */
  private final NavigableMap<Integer, Long> areas = new TreeMap<>();

  private IgvmLoader(BootOptions options, IgvmFile file, HostView view, SevMode mode)
      throws BootException {
    this.options = options;
    this.file = file;
    this.view = view;
    platform = platform(mode);
    mask = file.platform(platform).mask();
    parameters = new IgvmParameters(options, file, view.ram());
  }

  /** {@return what a guest's protection is called in a file} */
  static IgvmPlatform platform(SevMode mode) {
    return switch (mode) {
      case OFF -> IgvmPlatform.NATIVE;
      case SEV -> IgvmPlatform.SEV;
      case ES -> IgvmPlatform.SEV_ES;
      case SNP -> IgvmPlatform.SEV_SNP;
    };
  }

  static LoadedGuest load(BootOptions o, byte[] image, HostView view) throws BootException {
    if (o.launch().hashes() == KernelHashing.ON) {
      throw new BootException(
          "an IGVM file has no place for hashes of the kernel: --kernel-hashes off");
    }
    SevMode mode =
        o.cBit() == 0
            ? SevMode.OFF
            : o.launch().snp() != null
                ? SevMode.SNP
                : o.encryptedState() ? SevMode.ES : SevMode.SEV;
    IgvmLoader l = new IgvmLoader(o, IgvmFile.parse(image), view, mode);
    for (IgvmHeader h : l.file.headers()) {
      if ((h.mask() & l.mask) != 0) {
        l.obey(h);
      }
    }
    return l.guest();
  }

  private static String hex(long v) {
    return "0x" + Long.toHexString(v);
  }

  private static BootException refused(String why) {
    return new BootException("the IGVM file " + why);
  }

  private void obey(IgvmHeader h) throws BootException {
    switch (h) {
      case IgvmHeader.ParameterArea a -> parameters.add(a);
      case IgvmHeader.Parameter p -> parameters.add(p);
      case IgvmHeader.ParameterInsert i -> insert(i);
      case IgvmHeader.PageData p -> page(p);
      case IgvmHeader.VpContext c -> context(c);
      case IgvmHeader.RequiredMemory m -> requireRam("memory", m.address(), m.length());
      case IgvmHeader.ErrorRange r -> requireRam("a range for errors", r.address(), r.length());
      case IgvmHeader.Region r -> requireRam("memory", r.address(), r.length());
      case IgvmHeader.Foreign f ->
          throw refused(
              "has " + f.type().words() + " for " + platform.words() + ", which has none");
      case IgvmHeader.Platform p -> {}
      case IgvmHeader.Policy p -> {}
      case IgvmHeader.SnpIdBlock b -> {}
      case IgvmHeader.Unknown u -> {}
    }
  }

  // ---- memory

  private void requireRam(String what, long address, long length) throws BootException {
    if (((address | length) & PAGE - 1) != 0 || !view.ram().contains(address, length)) {
      throw refused(
          "asks for "
              + what
              + " at "
              + hex(address)
              + ", "
              + hex(length)
              + " bytes, which are no pages of this guest's "
              + (view.ram().bytes() >> 20)
              + " MiB: "
              + (((address | length) & PAGE - 1) != 0
                  ? "they begin and end in the middle of some"
                  : GuestWriter.remedy(address, length)));
    }
  }

  /** Takes pages that nothing has been put into. */
  private void claim(String what, long address, long length, boolean host) throws BootException {
    boolean high =
        !host
            && address >= FIRMWARE
            && address < GuestRam.FOUR_GIB
            && length <= GuestRam.FOUR_GIB - address
            && (address & PAGE - 1) == 0;
    if (!high) {
      requireRam(what, address, length);
    }
    int first = (int) (address >>> 12);
    int end = first + (int) (length >>> 12);
    int taken = placed.nextSetBit(first);
    if (taken >= 0 && taken < end) {
      throw refused("puts two things into the page at " + hex((long) taken << 12));
    }
    placed.set(first, end);
  }

  private void put(String what, long address, byte[] b, SnpPageType type) {
    view.write(address, b, 0, b.length);
    add(what, address, b.length, type);
  }

  /** Adds to what is launched, and has been put into memory. */
  private void add(String what, long address, long length, SnpPageType type) {
    LoadedGuest.Range last = ranges.isEmpty() ? null : ranges.get(ranges.size() - 1);
    if (last != null
        && last.type() == type
        && last.what().equals(what)
        && last.address() + last.length() == address) {
      ranges.set(
          ranges.size() - 1,
          new LoadedGuest.Range(last.address(), last.length() + length, what, type));
    } else {
      ranges.add(new LoadedGuest.Range(address, length, what, type));
    }
  }

  private boolean snp() {
    return platform == IgvmPlatform.SEV_SNP;
  }

  private void page(IgvmHeader.PageData p) throws BootException {
    int known =
        IgvmHeader.PageData.LARGE | IgvmHeader.PageData.UNMEASURED | IgvmHeader.PageData.SHARED;
    if ((p.flags() & ~known) != 0) {
      throw refused("has a page at " + hex(p.address()) + " with flags " + hex(p.flags()));
    }
    boolean normal = p.kind() == IgvmHeader.PageData.NORMAL;
    boolean large = p.has(IgvmHeader.PageData.LARGE);
    if (p.kind() > IgvmHeader.PageData.CPUID_XF || !normal && !snp()) {
      throw refused(
          "has a page of type "
              + p.kind()
              + " at "
              + hex(p.address())
              + " for "
              + platform.words());
    }
    if (large && (!normal || (p.address() & p.length() - 1) != 0)) {
      throw refused("has a page of 2 MiB at " + hex(p.address()) + ", which cannot be one");
    }
    boolean shared = p.has(IgvmHeader.PageData.SHARED);
    claim("a page", p.address(), p.length(), shared);
    byte[] b =
        p.offset() == 0 || !normal
            ? new byte[p.length()]
            : file.data("page " + hex(p.address()), p.offset(), p.length());
    if (shared) {
      view.write(p.address(), b, 0, b.length);
      return;
    }
    switch (p.kind()) {
      case IgvmHeader.PageData.SECRETS -> put("secrets", p.address(), b, SnpPageType.SECRETS);
      case IgvmHeader.PageData.NORMAL -> {
        if (p.has(IgvmHeader.PageData.UNMEASURED)) {
          unmeasured("unmeasured pages", p.address(), b);
        } else {
          put("pages", p.address(), b, SnpPageType.NORMAL);
        }
      }
      default -> put("CPUID page", p.address(), b, SnpPageType.CPUID);
    }
  }

  /** Where nothing but what is measured is encrypted, the rest stays the host's. */
  private void unmeasured(String what, long address, byte[] b) {
    if (snp()) {
      put(what, address, b, SnpPageType.UNMEASURED);
    } else {
      view.write(address, b, 0, b.length);
    }
  }

  private void insert(IgvmHeader.ParameterInsert i) throws BootException {
    claim("parameters", i.address(), parameters.length(i.area()), false);
    unmeasured("parameters", i.address(), parameters.contents(i.area()));
  }

  // ---- processors

  private void context(IgvmHeader.VpContext c) throws BootException {
    String who = "processor " + c.processor();
    if (c.processor() >= options.processors()) {
      throw refused(
          "has registers for "
              + who
              + ", and the guest has "
              + options.processors()
              + ": give it more with -smp");
    }
    byte[] b = file.data("registers of " + who, c.offset(), PAGE);
    boolean area = snp() || platform == IgvmPlatform.SEV_ES;
    if (registers.put(c.processor(), area ? LaunchState.of(b) : IgvmRegisters.plain(b)) != null) {
      throw refused("has registers of " + who + " twice");
    }
    areas.put(c.processor(), c.address());
    if (snp() && c.address() != SnpDigest.VMSA_ADDRESS) {
      claim("the save area of " + who, c.address(), PAGE, false);
      put("save area of vCPU " + c.processor(), c.address(), b, SnpPageType.VMSA);
    }
  }

  private LoadedGuest guest() throws BootException {
    LaunchChoices c = options.launch();
    LaunchState first = LaunchState.atReset(c.reset(), c.signature());
    LaunchState others = LaunchState.ofApAtReset(c.reset(), c.signature());
    if (snp()) {
      first.set(VmsaField.SEV_FEATURES, 1);
      others.set(VmsaField.SEV_FEATURES, 1);
      if (!registers.isEmpty() && !registers.containsKey(0)) {
        throw refused("has registers for processors, and not for processor 0, which starts");
      }
    }
    LoadedGuest g = LoadedGuest.of("IGVM", registers.getOrDefault(0, first), ranges);
    return g.startingAps(others)
        .withRegisters(registers, snp() && !registers.isEmpty() ? areas : null);
  }
}
