package dev.vesper.machine.boot;

import dev.vesper.machine.foreign.ForeignBytes;
import dev.vesper.machine.sev.LaunchState;
import dev.vesper.machine.sev.VmsaField;
import dev.vesper.machine.spec.BootException;

/**
 * Registers that an IGVM file gives a processor: a save area as it is, or, where the launch does
 * not measure any, the fields of IgvmNativeVpContextX64, little endian: RAX, RCX, RDX, RBX, RSP,
 * RBP, RSI, RDI, R8 to R15, RIP and RFLAGS u64 each from 0 on; base u64 and limit u16 of the IDT at
 * 0x90, limit u16 of the GDT at 0x9E and its base u64 at 0xA0; selector u16, attributes u16, base
 * u32 and limit u32 of the code segment at 0xA8 and of the others at 0xB4; the base of GS at 0xC0,
 * CR0, CR3, CR4 and EFER from 0xC8 on.
 */
final class IgvmRegisters {
  private static final int BYTES = 0xE8;
  private static final long SVME = 1L << 12;

  private static final VmsaField[] GENERAL = {
    VmsaField.RAX,
    VmsaField.RCX,
    VmsaField.RDX,
    VmsaField.RBX,
    VmsaField.RSP,
    VmsaField.RBP,
    VmsaField.RSI,
    VmsaField.RDI,
    VmsaField.R8,
    VmsaField.R9,
    VmsaField.R10,
    VmsaField.R11,
    VmsaField.R12,
    VmsaField.R13,
    VmsaField.R14,
    VmsaField.R15,
    VmsaField.RIP,
    VmsaField.RFLAGS
  };

  private IgvmRegisters() {}

  /** {@return the registers of a context that is no save area} */
  static LaunchState plain(byte[] context) throws BootException {
    for (int i = BYTES; i < context.length; i++) {
      if (context[i] != 0) {
        throw new BootException(
            "the IGVM file has a context of a processor with something behind its registers: it is"
                + " no IgvmNativeVpContextX64");
      }
    }
    ForeignBytes b = ForeignBytes.of(context);
    LaunchState s = new LaunchState();
    for (VmsaField f : GENERAL) {
      s.set(f, b.u64());
    }
    s.segment(VmsaField.IDTR, 0, 0, b.at(0x98, 2), b.at(0x90, 8));
    s.segment(VmsaField.GDTR, 0, 0, b.at(0x9E, 2), b.at(0xA0, 8));
    segment(s, VmsaField.CS, b, 0xA8);
    for (VmsaField f :
        new VmsaField[] {VmsaField.ES, VmsaField.SS, VmsaField.DS, VmsaField.FS, VmsaField.GS}) {
      segment(s, f, b, 0xB4);
    }
    s.base(VmsaField.GS, b.at(0xC0, 8));
    s.set(VmsaField.CR0, b.at(0xC8, 8)).set(VmsaField.CR3, b.at(0xD0, 8));
    return s.set(VmsaField.CR4, b.at(0xD8, 8)).set(VmsaField.EFER, b.at(0xE0, 8) | SVME);
  }

  /** Attributes are a descriptor's bits 40 to 55; a save area leaves out the limit's in between. */
  private static void segment(LaunchState s, VmsaField f, ForeignBytes b, int at) {
    int attributes = (int) b.at(at + 2, 2);
    s.segment(
        f,
        (int) b.at(at, 2),
        attributes & 0xFF | attributes >> 4 & 0xF00,
        b.at(at + 8, 4),
        b.at(at + 4, 4));
  }
}
