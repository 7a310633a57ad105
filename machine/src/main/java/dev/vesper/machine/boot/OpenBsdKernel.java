package dev.vesper.machine.boot;

import dev.vesper.machine.sev.LaunchState;
import dev.vesper.machine.sev.VmsaField;
import dev.vesper.machine.spec.BootException;
import dev.vesper.machine.vmm.OpenBsdLaunch;
import java.util.Arrays;
import java.util.List;
import java.util.Random;

/**
 * An OpenBSD kernel, launched by vmd(8) or entered by boot(8) (spec: openbsd sections 1.1, 4.2,
 * 4.3). Both hand over a stack with eight words and a page of boot arguments.
 */
final class OpenBsdKernel {
  /** Bits of an ELF address that remain of it in guest memory. */
  static final long ADDRESS_MASK = 0x0FFF_FFFFL;

  private static final long BOOTARGS_PAGE = 0x2000;
  private static final long STACK_PAGE = 0xF000;
  private static final long GDT_PAGE = 0x1_0000;
  private static final long PML4_PAGE = 0x1_1000;
  private static final long PML3_PAGE = 0x1_2000;
  private static final long PML2_PAGE = 0x1_3000;
  private static final long PAGE = 0x1000;

  /** BAPIV_VECTOR, BAPIV_ENV, BAPIV_BMEMMAP. */
  private static final int API_VERSION = 0x0E;

  /** MAKEBOOTDEV(4, 0, 0, 0, 0): sd0a. */
  private static final int BOOTDEV = 0xA000_0004;

  /** Words on the stack with the return address slot. */
  private static final int STACK_BYTES = 9 * 4;

  private static final long DESCRIPTOR_CODE32 = 0x00CF_9F00_0000_FFFFL;
  private static final long DESCRIPTOR_DATA = 0x00CF_9300_0000_FFFFL;
  private static final long DESCRIPTOR_CODE64 = 0x00AF_9F00_0000_FFFFL;
  private static final int CODE32 = 0xC9F;
  private static final int DATA = 0xC93;
  private static final int SELECTOR_CODE = 0x08;
  private static final int SELECTOR_DATA = 0x10;
  private static final long ET_PE = 0x11;
  private static final long PG = 0x8000_0000L;
  private static final long PSE_PAE = 0x30;
  private static final long PSE = 0x10;
  private static final long SVME = 0x1000;
  private static final long LME_LMA = 0x500;
  private static final int SHT_SYMTAB = 2;
  private static final int SHT_STRTAB = 3;

  private final BootOptions options;
  private final GuestWriter w;
  private final ElfImage elf;
  private final EncryptedRanges encrypted = new EncryptedRanges();

  private OpenBsdKernel(BootOptions options, GuestWriter w, ElfImage elf) {
    this.options = options;
    this.w = w;
    this.elf = elf;
  }

  static LoadedGuest load(BootOptions o, GuestWriter w, ElfImage elf) throws BootException {
    if (o.initrd() != null) {
      throw new BootException(
          o.name()
              + " is launched as an OpenBSD kernel, which takes no initrd: leave -initrd away");
    }
    return new OpenBsdKernel(o, w, elf).load();
  }

  private void put(String what, long address, byte[] bytes) throws BootException {
    w.put(elf.name(), address, bytes, 0, bytes.length);
    encrypted.add(address, bytes.length, what);
  }

  private LoadedGuest load() throws BootException {
    segments();
    long end = symbols();
    boolean compatibility = options.openBsd() == OpenBsdLaunch.VMD_COMPATIBILITY;
    LaunchState s = registers(compatibility && elf.bits() == 64);
    if (compatibility) {
      if (elf.bits() == 64) {
        tables64();
      } else {
        tables32(s);
      }
    }
    boolean snp = options.launch().snp() != null;
    boolean firmware = options.openBsd() == OpenBsdLaunch.BOOTX64;
    byte[] arguments =
        BootArguments.build(
            w.ram(),
            snp ? SnpRemains.BASE : firmware ? FirmwareRemains.BASE : BootArguments.LOW_RAM_END,
            w.lowEnd(),
            snp ? SnpRemains.placeTables((at, bytes) -> put("SNP remains", at, bytes)) : 0);
    put("boot arguments", BOOTARGS_PAGE, Arrays.copyOf(arguments, (int) PAGE));
    stack(end, arguments.length);
    gdt(compatibility && elf.bits() == 64);
    AcpiRemains.place(options, (at, bytes) -> put("ACPI tables", at, bytes));
    String way =
        switch (options.openBsd()) {
          case VMD_COMPATIBILITY -> "vmd, compatibility mode";
          case VMD_LEGACY -> "vmd, legacy mode";
          case BOOTX64 -> "BOOTX64.EFI, legacy mode";
        };
    String format = "OpenBSD ELF" + elf.bits() + " (" + way + ")";
    if (firmware && !snp && options.processors() > 1) {
      FirmwareRemains.place((at, bytes) -> put("firmware remains", at, bytes));
      return new LoadedGuest(
          format,
          s,
          FirmwareRemains.parked(),
          true,
          FirmwareRemains.JUMP_TABLE,
          encrypted.list(),
          List.of(),
          dev.vesper.machine.observe.Symbols.NONE,
          false);
    }
    return LoadedGuest.of(format, s, encrypted.list());
  }

  // ---- the image

  private void segments() throws BootException {
    byte[] b = elf.bytes();
    for (ElfImage.Segment s : elf.segments()) {
      long at = s.physical() & ADDRESS_MASK;
      w.require(elf.name(), at, s.memorySize());
      w.put(elf.name(), at, b, (int) s.offset(), (int) s.fileSize());
      encrypted.add(at, s.fileSize(), "kernel segment");
      if (s.memorySize() > s.fileSize()) {
        encrypted.add(at + s.fileSize(), s.memorySize() - s.fileSize(), "kernel bss");
      }
    }
    Random random = new Random(options.seed());
    for (ElfImage.Segment s : elf.randomData()) {
      w.require(elf.name(), s.physical() & ADDRESS_MASK, s.memorySize());
      byte[] r = new byte[(int) s.memorySize()];
      random.nextBytes(r);
      put("kernel random data", s.physical() & ADDRESS_MASK, r);
    }
  }

  private static long round8(long n) {
    return n + 7 & -8L;
  }

  /**
   * Loads file header, section headers, symbol and string tables behind the kernel, with section
   * offsets made relative to the header.
   *
   * @return the end of them, what the kernel calls esym; 0 without symbols
   */
  private long symbols() throws BootException {
    byte[] b = elf.bytes();
    long table = Bytes.u64(b, 40);
    int size = Bytes.u16(b, 58);
    int count = Bytes.u16(b, 60);
    boolean sane = elf.bits() == 64 && size == 64 && count > 0 && table > 0;
    if (!sane || table > b.length - (long) size * count) {
      return 0;
    }
    long start = round8(end());
    byte[] header = Arrays.copyOf(b, 64);
    byte[] sections = Arrays.copyOfRange(b, (int) table, (int) table + size * count);
    long at = start + 64 + round8(sections.length);
    boolean any = false;
    for (int i = 0; i < count; i++) {
      int h = i * size;
      long type = Bytes.u32(sections, h + 4);
      long offset = Bytes.u64(sections, h + 24);
      long length = Bytes.u64(sections, h + 32);
      boolean fits =
          offset >= 0 && length >= 0 && offset <= b.length && length <= b.length - offset;
      if ((type == SHT_SYMTAB || type == SHT_STRTAB) && fits) {
        put("kernel symbols", at, Arrays.copyOfRange(b, (int) offset, (int) (offset + length)));
        Bytes.put(sections, h + 24, 8, at - start);
        at += round8(length);
        any |= type == SHT_SYMTAB;
      }
    }
    if (!any) {
      return 0;
    }
    put("section headers", start + 64, sections);
    // Program headers do not come along.
    Bytes.put(header, 32, 8, 0);
    Bytes.put(header, 40, 8, 64);
    Bytes.put(header, 54, 2, 0);
    Bytes.put(header, 56, 2, 0);
    put("ELF header", start, header);
    return at;
  }

  private long end() {
    return elf.segments().stream()
        .mapToLong(s -> (s.physical() & ADDRESS_MASK) + s.memorySize())
        .max()
        .orElse(0);
  }

  // ---- the state

  private LaunchState registers(boolean compatibility) {
    LaunchState s = new LaunchState();
    s.segment(VmsaField.CS, SELECTOR_CODE, CODE32, 0xFFFF_FFFFL, 0);
    for (VmsaField r :
        new VmsaField[] {VmsaField.DS, VmsaField.ES, VmsaField.FS, VmsaField.GS, VmsaField.SS}) {
      s.segment(r, SELECTOR_DATA, DATA, 0xFFFF_FFFFL, 0);
    }
    s.segment(VmsaField.GDTR, 0, 0, 0xFFFF, GDT_PAGE);
    s.set(VmsaField.RIP, elf.entry() & ADDRESS_MASK);
    s.set(VmsaField.RSP, STACK_PAGE + PAGE - STACK_BYTES);
    s.set(VmsaField.CR0, ET_PE | (compatibility ? PG : 0));
    s.set(VmsaField.CR3, compatibility ? PML4_PAGE : 0);
    s.set(VmsaField.CR4, compatibility ? PSE_PAE : 0);
    s.set(VmsaField.EFER, SVME | (compatibility ? LME_LMA : 0));
    return s;
  }

  private void tables64() throws BootException {
    byte[] pml4 = new byte[(int) PAGE];
    byte[] pml3 = new byte[(int) PAGE];
    byte[] pml2 = new byte[(int) PAGE];
    Bytes.put(pml4, 0, 8, PML3_PAGE | 7 | options.cBit());
    Bytes.put(pml3, 0, 8, PML2_PAGE | 7 | options.cBit());
    for (int i = 0; i < 512; i++) {
      Bytes.put(pml2, 8 * i, 8, (long) i << 21 | 0x87 | options.cBit());
    }
    put("page tables", PML4_PAGE, pml4);
    put("page tables", PML3_PAGE, pml3);
    put("page tables", PML2_PAGE, pml2);
  }

  /** A 32-bit kernel gets a page directory of 4 MiB pages. */
  private void tables32(LaunchState s) throws BootException {
    byte[] directory = new byte[(int) PAGE];
    for (int i = 0; i < 1024; i++) {
      Bytes.put(directory, 4 * i, 4, (long) i << 22 | 0x87);
    }
    put("page tables", PML3_PAGE, directory);
    s.set(VmsaField.CR0, ET_PE | PG).set(VmsaField.CR3, PML3_PAGE).set(VmsaField.CR4, PSE);
  }

  private void stack(long end, int argumentBytes) throws BootException {
    byte[] page = new byte[(int) PAGE];
    int at = (int) PAGE;
    // Pushed in this order: the last one is howto, and below it lies a return address slot.
    long[] words = {
      BOOTARGS_PAGE, argumentBytes, 0, 0, end, API_VERSION, BOOTDEV & 0xFFFF_FFFFL, 0
    };
    for (long word : words) {
      at -= 4;
      Bytes.put(page, at, 4, word);
    }
    put("stack", STACK_PAGE, page);
  }

  private void gdt(boolean compatibility) throws BootException {
    byte[] page = new byte[(int) PAGE];
    Bytes.put(page, 8, 8, DESCRIPTOR_CODE32);
    Bytes.put(page, 16, 8, DESCRIPTOR_DATA);
    if (compatibility) {
      Bytes.put(page, 24, 8, DESCRIPTOR_CODE64);
    }
    put("GDT", GDT_PAGE, page);
  }
}
