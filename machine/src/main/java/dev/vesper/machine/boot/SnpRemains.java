package dev.vesper.machine.boot;

import dev.vesper.machine.host.GuestRam;
import dev.vesper.machine.launch.SnpPageType;
import dev.vesper.machine.spec.BootException;
import dev.vesper.machine.spec.SnpLaunch;
import java.util.ArrayList;
import java.util.List;
import java.util.NavigableMap;
import java.util.TreeMap;
import java.util.zip.CRC32;

/**
 * What firmware under SEV-SNP leaves to a kernel, for one that is entered without it (spec: snp 5.2
 * and 8.3): all memory valid, the secrets page, the CPUID page, and the blob that says where both
 * are, {@code setup_data} of type 7 before it.
 *
 * <p>The page of the blob, little endian: setup_data at 0 (next u64, type u32, length u32, address
 * of the blob u32), the blob at 0x40: 'AMDE' u32, version u16, reserved u16, address of the secrets
 * page u64, length u32, reserved u32, the same of the CPUID page. A kernel that is told of firmware
 * by its EFI system table has that at 0x80 (UEFI 2.10, 4.3) in the place of setup_data, and at
 * 0x100 the one configuration table that it lists: GUID, address of the blob.
 */
final class SnpRemains {
  /**
   * Where the page of the blob is. It lies in what a memory map calls memory: Linux maps setup_data
   * that lies elsewhere without the C-bit. The blob is part of the data, which Linux reserves.
   */
  static final long BASE = 0x9_C000;

  /** The secrets page: from here up to 0xA0000 there is no memory of a kernel's. */
  static final long SECRETS = BASE + 0x1000;

  /** The CPUID page. */
  static final long CPUID = BASE + 0x2000;

  /** The calling area of a service module, if the kernel runs under one. */
  static final long CALLING_AREA = BASE + 0x3000;

  private static final int BLOB = 0x40;
  private static final int BLOB_BYTES = 40;
  private static final int SYSTEM_TABLE = 0x80;
  private static final int SYSTEM_TABLE_BYTES = 120;
  private static final int CONFIGURATION = 0x100;
  private static final int SETUP_DATA_BYTES = 16;
  private static final int SETUP_CC_BLOB = 7;
  private static final int PAGE = 0x1000;
  private static final int MAGIC = 0x4544_4D41;

  /** "IBI SYST". */
  private static final long EFI_SIGNATURE = 0x5453_5953_2049_4249L;

  /** Of UEFI 2.70. */
  private static final int EFI_REVISION = 2 << 16 | 70;

  /** 067b1f5f-cf26-44c5-8554-93d777912d42 in its two halves. */
  private static final long GUID_LOW = 0x44C5_CF26_067B_1F5FL;

  private static final long GUID_HIGH = 0x422D_9177_D793_5485L;
  static final long VGA = 0xA_0000;
  static final long VGA_END = 0xC_0000;

  private SnpRemains() {}

  /** Writes the page of the blob; {@return the address for boot_params' setup_data} */
  static long place(GuestWriter w) throws BootException {
    byte[] b = blob();
    Bytes.put(b, 8, 4, SETUP_CC_BLOB);
    Bytes.put(b, 12, 4, BLOB + BLOB_BYTES - SETUP_DATA_BYTES);
    Bytes.put(b, 16, 4, BASE + BLOB);
    w.put("SNP remains", BASE, b);
    return BASE;
  }

  /** Writes the page of the blob; {@return the address of the EFI system table} */
  static long placeTables(FirmwareRemains.Writer w) throws BootException {
    byte[] b = blob();
    Bytes.put(b, SYSTEM_TABLE, 8, EFI_SIGNATURE);
    Bytes.put(b, SYSTEM_TABLE + 8, 4, EFI_REVISION);
    Bytes.put(b, SYSTEM_TABLE + 12, 4, SYSTEM_TABLE_BYTES);
    Bytes.put(b, SYSTEM_TABLE + 0x68, 8, 1);
    Bytes.put(b, SYSTEM_TABLE + 0x70, 8, BASE + CONFIGURATION);
    CRC32 crc = new CRC32();
    crc.update(b, SYSTEM_TABLE, SYSTEM_TABLE_BYTES);
    Bytes.put(b, SYSTEM_TABLE + 16, 4, crc.getValue());
    Bytes.put(b, CONFIGURATION, 8, GUID_LOW);
    Bytes.put(b, CONFIGURATION + 8, 8, GUID_HIGH);
    Bytes.put(b, CONFIGURATION + 16, 8, BASE + BLOB);
    w.put(BASE, b);
    return BASE + SYSTEM_TABLE;
  }

  private static byte[] blob() {
    byte[] b = new byte[PAGE];
    Bytes.put(b, BLOB, 4, MAGIC);
    Bytes.put(b, BLOB + 4, 2, 1);
    Bytes.put(b, BLOB + 8, 8, SECRETS);
    Bytes.put(b, BLOB + 16, 4, PAGE);
    Bytes.put(b, BLOB + 24, 8, CPUID);
    Bytes.put(b, BLOB + 32, 4, PAGE);
    return b;
  }

  /**
   * {@return the guest with all of its memory in the launch} Pages that were written are measured,
   * of the others that they are zero.
   *
   * @throws BootException if the image lies where the pages of SEV-SNP are
   */
  static LoadedGuest allValid(LoadedGuest g, GuestRam ram, SnpLaunch snp) throws BootException {
    return allValid(g, ram, snp, SECRETS, CPUID);
  }

  /**
   * The same where the secure processor fills other pages than the kernel's.
   *
   * @param secrets the secrets page that is launched
   * @param cpuid the CPUID page that is launched
   */
  static LoadedGuest allValid(LoadedGuest g, GuestRam ram, SnpLaunch snp, long secrets, long cpuid)
      throws BootException {
    NavigableMap<Long, String> written = new TreeMap<>();
    for (LoadedGuest.Range r : g.ranges()) {
      for (long at = r.address() & -PAGE; at < r.address() + r.length(); at += PAGE) {
        written.merge(at, r.what(), (old, more) -> old.contains(more) ? old : old + ", " + more);
      }
    }
    for (long at : new long[] {SECRETS, CPUID}) {
      String there = written.get(at);
      if (there != null) {
        throw new BootException(
            there
                + " lies at 0x"
                + Long.toHexString(at)
                + ", where a guest under SEV-SNP has its secrets and CPUID pages: link it"
                + " elsewhere");
      }
    }
    NavigableMap<Long, LoadedGuest.Range> own = new TreeMap<>();
    own.put(secrets, new LoadedGuest.Range(secrets, PAGE, "secrets", SnpPageType.SECRETS));
    own.put(cpuid, new LoadedGuest.Range(cpuid, PAGE, "CPUID page", SnpPageType.CPUID));
    List<LoadedGuest.Range> pages = new ArrayList<>();
    add(pages, written, own, 0, Math.min(VGA, ram.below4G()));
    add(pages, written, own, VGA_END, ram.below4G());
    add(pages, written, own, GuestRam.FOUR_GIB, GuestRam.FOUR_GIB + ram.above4G());
    return g.snp(pages, snp.features());
  }

  private static void add(
      List<LoadedGuest.Range> pages,
      NavigableMap<Long, String> written,
      NavigableMap<Long, LoadedGuest.Range> own,
      long from,
      long to) {
    for (long at = from; at < to; ) {
      LoadedGuest.Range r = own.get(at);
      if (r == null) {
        String what = written.get(at);
        long end = at + PAGE;
        if (what == null) {
          end = Math.min(next(written, end, to), next(own, end, to));
          r = new LoadedGuest.Range(at, end - at, "memory", SnpPageType.ZERO);
        } else {
          while (end < to && what.equals(written.get(end))) {
            end += PAGE;
          }
          r = new LoadedGuest.Range(at, end - at, what, SnpPageType.NORMAL);
        }
      }
      pages.add(r);
      at = r.address() + r.length();
    }
  }

  private static long next(NavigableMap<Long, ?> map, long from, long to) {
    Long key = map.ceilingKey(from);
    return key == null ? to : Math.min(key, to);
  }
}
