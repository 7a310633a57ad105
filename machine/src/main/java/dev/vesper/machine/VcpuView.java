package dev.vesper.machine;

import dev.vesper.machine.assembly.Assembly;
import dev.vesper.machine.cpu.Cpu;
import dev.vesper.machine.cpu.fp.Num;
import dev.vesper.machine.host.VcpuState;
import dev.vesper.machine.memory.HostView;
import dev.vesper.machine.memory.Page;
import dev.vesper.machine.observe.Mapping;
import dev.vesper.machine.observe.Registers;
import dev.vesper.machine.sev.EncryptedVcpu;
import dev.vesper.machine.sev.GuestRegisters;
import dev.vesper.machine.sev.Vmcb;
import dev.vesper.machine.sev.VmsaFields;
import dev.vesper.x86.Formatter;
import java.io.ByteArrayOutputStream;
import java.util.Arrays;
import java.util.Map;
import java.util.Objects;
import java.util.function.Function;
import java.util.function.Predicate;
import java.util.stream.IntStream;

/**
 * One vCPU as an observer sees it: what the guest's program has in its registers now, and memory
 * through its page tables. A debugger may also change registers.
 */
public final class VcpuView {
  /** RAX in {@link #gpr}; the others follow by their numbers in instructions. */
  public static final int RAX = 0;

  public static final int RCX = 1;
  public static final int RDX = 2;
  public static final int RBX = 3;
  public static final int RSP = 4;
  public static final int RBP = 5;
  public static final int RSI = 6;
  public static final int RDI = 7;

  /** Segment registers, in the order of their numbers in instructions. */
  public enum SegmentRegister {
    ES,
    CS,
    SS,
    DS,
    FS,
    GS,
    LDTR,
    TR
  }

  /**
   * A segment register with what it holds of its descriptor.
   *
   * @param attributes as in a VMCB: descriptor bits 47:40 in 7:0, bits 55:52 in 11:8
   */
  public record Segment(int selector, long base, long limit, int attributes) {}

  /** GDTR or IDTR: address of the first byte and offset of the last one. */
  public record DescriptorTable(long base, int limit) {}

  private final Assembly parts;
  private final Changes changes;
  private final int id;

  VcpuView(Assembly parts, Changes changes, int id) {
    this.parts = parts;
    this.changes = changes;
    this.id = id;
  }

  private <T> T look(Function<Cpu, T> f) {
    return GuestRegisters.look(parts.vcpus.get(id), f);
  }

  /** {@return its number} */
  public int id() {
    return id;
  }

  /** {@return whether it can run, as its host has it} */
  public VcpuState state() {
    return parts.host.state(id);
  }

  /** {@return instructions that it has executed} */
  public long instructions() {
    return look(c -> c.instructionCount());
  }

  /** {@return its virtual time in nanoseconds} */
  public long time() {
    return parts.vcpus.get(id).now();
  }

  /** {@return RIP: of the next instruction, or in a callback of the one that is executed} */
  public long rip() {
    return look(c -> c.instructionRip());
  }

  /**
   * {@return a general register}
   *
   * @param number 0 ({@link #RAX}) to 15 (R15)
   * @throws IndexOutOfBoundsException for another number
   */
  public long gpr(int number) {
    Objects.checkIndex(number, Registers.COUNT);
    return look(c -> c.r[number]);
  }

  /** {@return the general registers} */
  public Registers registers() {
    return look(c -> Registers.of(c.r));
  }

  /** {@return RFLAGS} */
  public long rflags() {
    return look(c -> (long) c.flags());
  }

  /** {@return the privilege level, 0 to 3} */
  public int cpl() {
    return look(c -> c.cpl);
  }

  /** {@return the width of code: 16, 32 or 64} */
  public int bits() {
    return look(c -> c.codeBits());
  }

  /** {@return CR0} */
  public long cr0() {
    return look(c -> c.cr0);
  }

  /** {@return CR2} */
  public long cr2() {
    return look(c -> c.cr2);
  }

  /** {@return CR3} */
  public long cr3() {
    return look(c -> c.cr3);
  }

  /** {@return CR4} */
  public long cr4() {
    return look(c -> c.cr4);
  }

  /** {@return EFER} */
  public long efer() {
    return look(c -> c.efer);
  }

  /** {@return XCR0} */
  public long xcr0() {
    return look(c -> c.xcr0);
  }

  /**
   * {@return a debug register}
   *
   * @param number 0 to 3, 6 or 7
   * @throws IndexOutOfBoundsException for another number
   */
  public long dr(int number) {
    if (number < 0 || number > 7 || number == 4 || number == 5) {
      throw new IndexOutOfBoundsException("there is no debug register " + number);
    }
    return look(c -> c.dr[number]);
  }

  /** {@return the GHCB MSR, C001_0130} */
  public long ghcbMsr() {
    return look(c -> c.ghcbMsr);
  }

  /** {@return a segment register} */
  public Segment segment(SegmentRegister s) {
    int i = s.ordinal();
    return look(c -> new Segment(c.selector[i], c.segBase[i], c.segLimit[i], c.segAttr[i]));
  }

  /**
   * {@return the 256 bits of a YMM register, as four quadwords, the least significant first}
   *
   * @param number 0 to 15
   * @throws IndexOutOfBoundsException for another number
   */
  public long[] ymm(int number) {
    Objects.checkIndex(number, 16);
    return look(
        c ->
            new long[] {
              c.xmm[2 * number], c.xmm[2 * number + 1], c.ymmh[2 * number], c.ymmh[2 * number + 1]
            });
  }

  /**
   * {@return the 512 bits of a ZMM register, as eight quadwords, the least significant first}
   *
   * @param number 0 to 31
   * @throws IndexOutOfBoundsException for another number
   */
  public long[] zmm(int number) {
    Objects.checkIndex(number, 32);
    return look(
        c -> {
          if (number >= 16) {
            return Arrays.copyOfRange(c.zmm16, 8 * (number - 16), 8 * (number - 15));
          }
          long[] all = Arrays.copyOf(Arrays.copyOfRange(c.xmm, 2 * number, 2 * number + 2), 8);
          System.arraycopy(c.ymmh, 2 * number, all, 2, 2);
          System.arraycopy(c.zmmh, 4 * number, all, 4, 4);
          return all;
        });
  }

  /**
   * {@return an opmask register}
   *
   * @param number 0 to 7
   * @throws IndexOutOfBoundsException for another number
   */
  public long opmask(int number) {
    Objects.checkIndex(number, 8);
    return look(c -> c.k[number]);
  }

  /** {@return MXCSR} */
  public int mxcsr() {
    return look(c -> c.mxcsr);
  }

  /** {@return PKRU} */
  public int pkru() {
    return look(c -> c.pkru);
  }

  /** {@return the x87 state} */
  public FloatingPoint floatingPoint() {
    return look(
        c ->
            new FloatingPoint(
                c.fcw,
                c.x87Status(),
                c.x87Tags(new Num()),
                c.fop,
                c.fip,
                c.fdp,
                c.fcs,
                c.fds,
                IntStream.range(0, 8).mapToObj(i -> c.fpMant[c.ftop + i & 7]).toList(),
                IntStream.range(0, 8).mapToObj(i -> c.fpExp[c.ftop + i & 7]).toList()));
  }

  /** {@return KernelGSBase, which SWAPGS exchanges with the base of GS} */
  public long kernelGsBase() {
    return look(c -> c.kernelGsBase);
  }

  /** {@return CR8, the task priority} */
  public long cr8() {
    return look(c -> c.cr8);
  }

  /** {@return GDTR} */
  public DescriptorTable gdtr() {
    return look(c -> new DescriptorTable(c.gdtBase, c.gdtLimit));
  }

  /** {@return IDTR} */
  public DescriptorTable idtr() {
    return look(c -> new DescriptorTable(c.idtBase, c.idtLimit));
  }

  /** {@return SEV_STATUS, MSR C001_0131} */
  public long sevStatus() {
    return look(c -> c.sevStatus);
  }

  /** {@return whether the processor has a feature, by its name in {@code -cpu}} */
  public boolean hasFeature(String name) {
    return look(c -> c.features.has(name));
  }

  /** {@return the next instruction in Intel's syntax, or {@code ?} if its bytes cannot be read} */
  public String instruction() {
    return look(c -> c.disassemble(Formatter.Syntax.INTEL));
  }

  /**
   * {@return the guest physical address of a linear one, or -1 if it is not mapped} Nothing faults,
   * and no A or D bit is set.
   */
  public long physical(long linear) {
    return look(c -> c.translateQuietly(linear));
  }

  /**
   * {@return bytes at a linear address as the guest's accesses have them: plaintext where it is
   * mapped private}
   *
   * @throws IndexOutOfBoundsException if any of it is not mapped, or not to memory
   */
  public byte[] read(long linear, int length) {
    return look(
        c -> {
          if (length > 0 && length <= Page.SIZE - (linear & Page.SIZE - 1)) {
            return piece(c, linear, length);
          }
          ByteArrayOutputStream out = new ByteArrayOutputStream();
          pieces(linear, length, (la, done, n) -> out.writeBytes(piece(c, la, n)));
          return out.toByteArray();
        });
  }

  /**
   * {@return how many bytes from a linear address on are not there: 0 if there is memory} Nothing
   * faults. A search passes over gaps of any size so.
   *
   * @param most where it is enough
   */
  public long gap(long linear, long most) {
    HostView host = parts.memory.hostView();
    return look(
        c -> {
          long done = 0;
          while (done < most && !isMemory(c, host, linear + done)) {
            done += Page.SIZE - (linear + done & Page.SIZE - 1);
          }
          return Math.min(done, most);
        });
  }

  private static boolean isMemory(Cpu c, HostView host, long linear) {
    long gpa = c.translateQuietly(linear);
    return gpa >= 0 && host.contains(gpa, 1);
  }

  /**
   * {@return whether a linear address is mapped private} Nothing faults, and no A or D bit is set.
   *
   * @throws IndexOutOfBoundsException if it is not mapped
   */
  public boolean mapsPrivate(long linear) {
    return look(
        c -> {
          if (c.translateQuietly(linear) < 0) {
            throw new IndexOutOfBoundsException(
                "linear address 0x" + Long.toHexString(linear) + " is not mapped at vCPU " + id);
          }
          return c.quietPrivate();
        });
  }

  /**
   * Tells of each page that the page tables map, in the order of linear addresses; nothing is
   * changed by that, and nothing is mapped while paging is off.
   *
   * @param to says whether it wants more
   * @return whether that was all: of more than 32768 tables the rest is left out
   */
  public boolean mappings(Predicate<Mapping> to) {
    return look(c -> c.walkQuietly().each(to));
  }

  /** {@return whether the vCPU is inside VMRUN, so that its save area is not up to date} */
  public boolean inside() {
    return GuestRegisters.inside(parts.vcpus.get(id));
  }

  /**
   * {@return 64 bits of its VMCB's control area}
   *
   * @param offset 0 to 3F8 (AMD APM volume 2, table B-1)
   * @throws IndexOutOfBoundsException outside of it
   */
  public long vmcb(int offset) {
    return parts.vcpus.get(id).vmcb().get(Objects.checkFromIndexSize(offset, 8, Vmcb.SAVE_AREA));
  }

  /**
   * {@return the fields of its VMSA that are not zero, by the names of the AMD manual and in
   * plaintext; empty if its state is not encrypted} They are what the last exit has left.
   */
  public Map<String, Long> saveArea() {
    if (!(parts.vcpus.get(id) instanceof EncryptedVcpu e)) {
      return Map.of();
    }
    long at = e.vmcb().get(Vmcb.VMSA_PTR);
    return VmsaFields.of(Observer.read(parts, at, Page.SIZE, parts.key));
  }

  /** A part of a range that lies in one page, and how much of the range lies before it. */
  private interface Piece {
    void at(long linear, int done, int length);
  }

  private static void pieces(long linear, int length, Piece to) {
    for (int done = 0; done < length; ) {
      long la = linear + done;
      int n = (int) Math.min(length - done, Page.SIZE - (la & Page.SIZE - 1));
      to.at(la, done, n);
      done += n;
    }
  }

  /** {@return the encryption domain that the last address looked up quietly is mapped in} */
  private static int domain(Cpu c) {
    return c.quietPrivate() ? c.key : Page.SHARED;
  }

  private byte[] piece(Cpu c, long la, int n) {
    long gpa = c.translateQuietly(la);
    if (gpa < 0) {
      throw new IndexOutOfBoundsException(
          "linear address 0x" + Long.toHexString(la) + " is not mapped at vCPU " + id);
    }
    return Observer.read(parts, gpa, n, domain(c));
  }

  /**
   * Changes bytes at a linear address, in the page as the guest has it mapped: private or shared.
   * All of them, or none.
   *
   * @throws IndexOutOfBoundsException if any of it is not mapped, not to memory, or to a page that
   *     was last touched otherwise than it is mapped
   */
  public void write(long linear, byte[] bytes) {
    read(linear, bytes.length);
    look(
        c -> {
          pieces(linear, bytes.length, (la, done, n) -> requireAsMapped(parts, c, la));
          return c;
        });
    changes.memory(id, linear, bytes);
  }

  /** Writes bytes as the guest has their pages mapped; {@code Changes} alone may. */
  static void poke(Assembly parts, Cpu c, long linear, byte[] bytes) {
    pieces(linear, bytes.length, (la, done, n) -> requireAsMapped(parts, c, la));
    pieces(
        linear,
        bytes.length,
        (la, done, n) -> {
          long gpa = c.translateQuietly(la);
          parts.memory.poke(gpa, Arrays.copyOfRange(bytes, done, done + n), domain(c));
        });
  }

  private static void requireAsMapped(Assembly parts, Cpu c, long la) {
    long gpa = c.translateQuietly(la);
    if (gpa < 0 || !parts.memory.hostView().contains(gpa, 1)) {
      throw new IndexOutOfBoundsException(
          "linear address 0x" + Long.toHexString(la) + " is not mapped to memory");
    }
    int frame = (int) (gpa >>> 12);
    if (parts.memory.domain(frame) != domain(c)) {
      throw new IndexOutOfBoundsException(
          "the page at linear address 0x"
              + Long.toHexString(la)
              + " is not "
              + (c.quietPrivate() ? "private" : "shared")
              + " as it is mapped");
    }
  }

  /** Changes a general register. */
  public void setGpr(int number, long value) {
    Objects.checkIndex(number, Registers.COUNT);
    changes.gpr(id, number, value);
  }

  /**
   * Changes a ZMM register.
   *
   * @param number 0 to 31
   * @param words its 512 bits as eight quadwords, the least significant first
   * @throws IndexOutOfBoundsException for another number, or if there are fewer quadwords
   */
  public void setZmm(int number, long[] words) {
    Objects.checkIndex(number, 32);
    Objects.checkFromToIndex(0, 8, words.length);
    changes.zmm(id, number, words);
  }

  /**
   * Changes an opmask register.
   *
   * @param number 0 to 7
   * @throws IndexOutOfBoundsException for another number
   */
  public void setOpmask(int number, long value) {
    Objects.checkIndex(number, 8);
    changes.opmask(id, number, value);
  }

  /** Changes RIP, of which code that is not 64-bit has 32 bits. */
  public void setRip(long value) {
    changes.rip(id, value);
  }

  /** Changes the status flags, DF and TF of RFLAGS; the others stay. */
  public void setRflags(long value) {
    changes.rflags(id, value);
  }
}
