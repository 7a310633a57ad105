package dev.vesper.cli.monitor;

import dev.vesper.machine.Machine;
import dev.vesper.machine.VcpuView;
import dev.vesper.machine.VcpuView.DescriptorTable;
import dev.vesper.machine.VcpuView.Segment;
import dev.vesper.machine.VcpuView.SegmentRegister;
import dev.vesper.machine.host.GuestRam;
import java.io.IOException;
import java.io.OutputStream;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;

/**
 * An ELF core of a guest as QEMU's {@code dump-guest-memory} writes it: memory by physical
 * addresses, and for each vCPU a note CORE with a prstatus (Linux, elfcore.h) and one QEMU with
 * control registers and descriptor tables (QEMU, docs/interop/dump and target/i386/arch_dump.c).
 * What is private is in plaintext, as the guest sees it.
 */
final class CoreFile {
  private static final int ELF_HEADER = 64;
  private static final int PROGRAM_HEADER = 56;
  private static final int STATUS_BYTES = 336;
  private static final int STATUS_PID = 32;
  private static final int STATUS_REGISTERS = 112;
  private static final int QEMU_BYTES = 440;
  private static final int NOTE_HEADER = 12;
  private static final int NAME_BYTES = 8;
  private static final int PT_LOAD = 1;
  private static final int PT_NOTE = 4;
  private static final int PART = 1 << 20;

  /** In the order of Linux's user_regs_struct, before what is no general register. */
  private static final int[] GENERAL = {15, 14, 13, 12, 5, 3, 11, 10, 9, 8, 0, 1, 2, 6, 7};

  private final Machine machine;

  /** A piece of memory. */
  private record Piece(long address, long bytes) {}

  CoreFile(Machine machine) {
    this.machine = machine;
  }

  private static ByteBuffer buffer(int bytes) {
    return ByteBuffer.allocate(bytes).order(ByteOrder.LITTLE_ENDIAN);
  }

  /** Writes it. */
  void write(OutputStream out) throws IOException {
    GuestRam ram = machine.hostView().ram();
    List<Piece> pieces = new ArrayList<>();
    pieces.add(new Piece(0, ram.below4G()));
    if (ram.above4G() > 0) {
      pieces.add(new Piece(GuestRam.FOUR_GIB, ram.above4G()));
    }
    byte[] notes = notes();
    int headers = ELF_HEADER + PROGRAM_HEADER * (1 + pieces.size());
    ByteBuffer b = buffer(headers);
    header(b, 1 + pieces.size());
    segment(b, PT_NOTE, headers, 0, notes.length);
    long at = headers + notes.length;
    for (Piece p : pieces) {
      segment(b, PT_LOAD, at, p.address, p.bytes);
      at += p.bytes;
    }
    out.write(b.array());
    out.write(notes);
    for (Piece p : pieces) {
      for (long done = 0; done < p.bytes; done += PART) {
        int n = (int) Math.min(PART, p.bytes - done);
        out.write(machine.observer().readAsTouched(p.address + done, n));
      }
    }
  }

  private static void header(ByteBuffer b, int segments) {
    b.put(new byte[] {0x7F, 'E', 'L', 'F', 2, 1, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0});
    // ET_CORE, EM_X86_64.
    b.putShort((short) 4).putShort((short) 62).putInt(1);
    b.putLong(0).putLong(ELF_HEADER).putLong(0).putInt(0);
    b.putShort((short) ELF_HEADER).putShort((short) PROGRAM_HEADER).putShort((short) segments);
    b.putShort((short) 0).putShort((short) 0).putShort((short) 0);
  }

  private static void segment(ByteBuffer b, int type, long at, long address, long bytes) {
    b.putInt(type).putInt(0).putLong(at).putLong(0).putLong(address);
    b.putLong(bytes).putLong(bytes).putLong(0);
  }

  private byte[] notes() {
    List<VcpuView> all = machine.observer().vcpus();
    int each = 2 * (NOTE_HEADER + NAME_BYTES) + STATUS_BYTES + QEMU_BYTES;
    ByteBuffer b = buffer(all.size() * each);
    for (VcpuView v : all) {
      note(b, "CORE", 1, status(v));
    }
    for (VcpuView v : all) {
      note(b, "QEMU", 0, qemu(v));
    }
    return b.array();
  }

  private static void note(ByteBuffer b, String name, int type, byte[] content) {
    b.putInt(name.length() + 1).putInt(content.length).putInt(type);
    b.put(Arrays.copyOf(name.getBytes(StandardCharsets.US_ASCII), NAME_BYTES));
    b.put(content);
  }

  private static byte[] status(VcpuView v) {
    ByteBuffer b = buffer(STATUS_BYTES);
    b.putInt(STATUS_PID, v.id() + 1);
    b.position(STATUS_REGISTERS);
    for (int r : GENERAL) {
      b.putLong(v.gpr(r));
    }
    b.putLong(0).putLong(v.rip()).putLong(v.segment(SegmentRegister.CS).selector());
    b.putLong(v.rflags()).putLong(v.gpr(VcpuView.RSP));
    b.putLong(v.segment(SegmentRegister.SS).selector());
    b.putLong(v.segment(SegmentRegister.FS).base());
    b.putLong(v.segment(SegmentRegister.GS).base());
    for (SegmentRegister s :
        List.of(SegmentRegister.DS, SegmentRegister.ES, SegmentRegister.FS, SegmentRegister.GS)) {
      b.putLong(v.segment(s).selector());
    }
    return b.array();
  }

  private static byte[] qemu(VcpuView v) {
    ByteBuffer b = buffer(QEMU_BYTES);
    b.putInt(1).putInt(QEMU_BYTES);
    for (int r : new int[] {0, 3, 1, 2, 6, 7, 4, 5, 8, 9, 10, 11, 12, 13, 14, 15}) {
      b.putLong(v.gpr(r));
    }
    b.putLong(v.rip()).putLong(v.rflags());
    for (SegmentRegister s :
        List.of(
            SegmentRegister.CS,
            SegmentRegister.DS,
            SegmentRegister.ES,
            SegmentRegister.FS,
            SegmentRegister.GS,
            SegmentRegister.SS,
            SegmentRegister.LDTR,
            SegmentRegister.TR)) {
      Segment g = v.segment(s);
      b.putInt(g.selector())
          .putInt((int) g.limit())
          .putInt(RegistersText.descriptor(g))
          .putInt(0)
          .putLong(g.base());
    }
    for (DescriptorTable t : List.of(v.gdtr(), v.idtr())) {
      b.putInt(0).putInt(t.limit()).putInt(0).putInt(0).putLong(t.base());
    }
    b.putLong(v.cr0()).putLong(0).putLong(v.cr2()).putLong(v.cr3()).putLong(v.cr4());
    b.putLong(v.kernelGsBase());
    return b.array();
  }
}
