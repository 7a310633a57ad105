package dev.vesper.machine.boot;

import dev.vesper.machine.sev.LaunchState;
import java.nio.charset.StandardCharsets;

/**
 * Xen's PVH entry with hvm_start_info version 1. It cannot work under SEV: there is no #VC handler.
 */
final class Pvh {
  private static final long START_INFO = 0x9_0000;
  private static final long MAGIC = 0x336E_C578L;

  private Pvh() {}

  static LoadedGuest load(BootOptions o, GuestWriter w, ElfImage elf) throws BootException {
    elf.place(w);
    byte[] line = o.commandLine().getBytes(StandardCharsets.UTF_8);
    if (line.length > 0x7FF) {
      throw new BootException("the command line is longer than 2047 bytes");
    }
    long text = START_INFO + 0x200;
    long map = START_INFO + 0x100;
    long modules = START_INFO + 0x180;
    w.put(START_INFO, new byte[0x200]);
    w.put("the command line", text, java.util.Arrays.copyOf(line, line.length + 1));
    w.put(START_INFO, 4, MAGIC);
    w.put(START_INFO + 4, 4, 1);
    byte[] initrd = o.initrd();
    if (initrd != null) {
      long at = Math.max(0x800_0000L, elf.end() + 0xFFF & ~0xFFFL);
      if (at + initrd.length > w.size()) {
        at = w.size() - initrd.length & ~0xFFFL;
      }
      if (at < elf.end()) {
        throw new BootException(
            "the initrd does not fit above the kernel: give the guest more memory with -m");
      }
      w.put("the initrd", at, initrd, 0, initrd.length);
      w.put(START_INFO + 12, 4, 1);
      w.put(START_INFO + 16, 8, modules);
      w.put(modules, 8, at);
      w.put(modules + 8, 8, initrd.length);
    }
    w.put(START_INFO + 24, 8, text);
    w.put(START_INFO + 40, 8, map);
    w.put(START_INFO + 48, 4, 2);
    entry(w, map, 0, 0x9_FC00);
    entry(w, map + 24, 0x10_0000, w.size() - 0x10_0000);
    LaunchState s = BzImage.protectedMode();
    s.flat(0x08, 0xC9B, 0x10).set(LaunchState.RIP, elf.pvhEntry()).set(LaunchState.RBX, START_INFO);
    return LoadedGuest.of("PVH", s, w.ranges());
  }

  private static void entry(GuestWriter w, long at, long address, long length)
      throws BootException {
    w.put(at, 8, address);
    w.put(at + 8, 8, length);
    w.put(at + 16, 4, 1);
  }
}
