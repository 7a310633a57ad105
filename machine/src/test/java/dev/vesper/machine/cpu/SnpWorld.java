package dev.vesper.machine.cpu;

import dev.vesper.machine.cpu.interp.Interpreter;
import dev.vesper.machine.memory.HostView;
import dev.vesper.machine.memory.PhysicalMemory;
import dev.vesper.machine.memory.Rmp;
import dev.vesper.machine.memory.RmpEntry;
import dev.vesper.machine.memory.RmpResult;
import dev.vesper.x86.Assembler;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Set;
import java.util.TreeSet;

/**
 * Processors of a guest with SEV-SNP, at CPL 0 in 64-bit mode. Guest memory of 6 MiB is mapped to
 * itself privately by pages of 4 KiB, and a second time with the C-bit clear, {@link #SHARED}
 * higher. What the guest needs to live is launched; every other page is the hypervisor's.
 * Exceptions are intercepted, which makes them #VC, and #VC is reflected: each ends the run.
 */
public final class SnpWorld {
  /** The C-bit. */
  public static final long C_BIT = 1L << 51;

  /** The guest's ASID. */
  public static final int ASID = 5;

  /** Where addresses begin that are mapped with the C-bit clear. */
  public static final long SHARED = 0x4000_0000L;

  /** The first page of code. */
  public static final int CODE = 0x8000;

  /** Bytes of guest memory. */
  public static final int BYTES = 6 << 20;

  private static final int FRAMES = BYTES >> 12;

  /** Tables and code lie below. */
  public static final int LAUNCHED = 0x1_0000;

  /** The exit that #VC is instead of an exception, by which tests see what it is for. */
  public static final int VC = 0x40 + 29;

  /** Exceptions as #VC is told of those that are intercepted. */
  public static final int PF = 0x40 + 14;

  public static final int GP = 0x40 + 13;
  public static final int UD = 0x40 + 6;

  /** Guest memory. */
  public final PhysicalMemory memory = new PhysicalMemory(BYTES, 16);

  /** The guest's key. */
  public final int key = memory.createKey(7);

  public final Rmp rmp = memory.protect(key);
  public final HostView host = memory.hostView();
  public final List<Cpu> cpus = new ArrayList<>();

  /** Frames of 2 MiB that nested paging maps otherwise than the reverse map table has them. */
  public final Set<Integer> oddlyMapped = new TreeSet<>();

  /** Frames that nested paging does not map. */
  public final Set<Integer> absent = new TreeSet<>();

  /**
   * @param execution as {@link Execution} has it
   */
  public SnpWorld(int processors, int execution) {
    CpuFeatures f = CpuFeatures.ALL;
    NestedMap map =
        new NestedMap() {
          @Override
          public int type(long frame) {
            return frame >= 0 && frame < FRAMES && !absent.contains((int) frame) ? RAM : ABSENT;
          }

          @Override
          public boolean large(long frame) {
            return rmp.isLarge(frame) != oddlyMapped.contains((int) frame >> 9);
          }
        };
    tables();
    for (int p = 0; p < LAUNCHED; p += 4096) {
      launch(p, 0);
    }
    for (int i = 0; i < processors; i++) {
      Cpu c = new Cpu(memory, map, f, new Interpreter(f), 1 + i);
      Execution.choose(c, f, execution);
      c.configureEncryption(key, C_BIT);
      cpus.add(c);
      reset(c);
    }
  }

  /** Four levels at 1000, 2000 and 3000; tables of pages at 4000 (private) and 5000 (shared). */
  private void tables() {
    host.write(0x1000, 8, 0x2007L | C_BIT);
    host.write(0x2000, 8, 0x3007L | C_BIT);
    host.write(0x2008, 8, 0x4007L | C_BIT);
    for (int i = 0; i < 3; i++) {
      host.write(0x3000 + 8 * i, 8, 0x9000 + 0x1000L * i + 7 | C_BIT);
      host.write(0x4000 + 8 * i, 8, 0xC000 + 0x1000L * i + 7 | C_BIT);
    }
    for (int f = 0; f < FRAMES; f++) {
      host.write(0x9000 + 8 * f, 8, (long) f << 12 | 7 | C_BIT);
      host.write(0xC000 + 8 * f, 8, (long) f << 12 | 7);
    }
  }

  /** Launches a page of what the host has written. */
  public void launch(long gpa, int permissions) {
    expect(rmp.update(gpa, RmpEntry.guest(gpa, ASID).forFirmware()));
    rmp.launch(gpa, permissions, false);
  }

  /** Has a page be Guest-Invalid. */
  public void assign(long gpa) {
    expect(rmp.update(gpa, RmpEntry.guest(gpa, ASID)));
  }

  /** Has 2 MiB be Guest-Invalid by one entry. */
  public void assignLarge(long gpa) {
    expect(rmp.update(gpa, RmpEntry.guest(gpa, ASID).ofTwoMebibytes()));
  }

  /** Has a page be Guest-Valid. */
  public void validate(long gpa) {
    boolean large = rmp.isLarge(gpa >>> 12);
    Rmp.Answer a = rmp.pvalidate(gpa >>> 12, large, ASID, true);
    if (a.access() != Rmp.ALLOWED || a.result() != RmpResult.SUCCESS) {
      throw new AssertionError(a);
    }
  }

  private static void expect(RmpResult r) {
    if (r != RmpResult.SUCCESS) {
      throw new AssertionError(r);
    }
  }

  /** Puts registers into their first state: privilege level 0, exceptions intercepted. */
  public void reset(Cpu c) {
    c.resetRegisters();
    segments(c, 0);
    c.cr0 = 0x8000_0033L;
    c.cr4 = CpuState.CR4_PAE | CpuState.CR4_OSFXSR | CpuState.CR4_OSXSAVE;
    c.efer = 0xD01;
    c.cr3 = 0x1000;
    c.xcr0 = 7;
    c.intercepts.es = true;
    c.intercepts.snp = true;
    c.intercepts.reflectVc = true;
    c.intercepts.exceptions = -1;
    c.intercepts.vector3 = 1 << 24 | 1 << 31;
    c.configureSnp(true, ASID, 0, Mmu.NO_VTOM);
    c.flushTlb(true);
  }

  private static void segments(Cpu c, int cpl) {
    c.cpl = cpl;
    for (int s = 0; s < 6; s++) {
      c.selector[s] = (s == CpuState.CS ? 8 : 16) + cpl;
      c.segBase[s] = 0;
      c.segLimit[s] = 0xFFFF_FFFFL;
      c.segAttr[s] = (s == CpuState.CS ? 0xA9B : 0xC93) | cpl << 5;
    }
    c.modeChanged();
  }

  /** Has a processor be at a privilege level. */
  public void level(Cpu c, int vmpl) {
    c.configureSnp(true, ASID, vmpl, Mmu.NO_VTOM);
  }

  /** Has a processor be at CPL 3, or 0. */
  public void user(Cpu c, boolean on) {
    segments(c, on ? 3 : 0);
  }

  /** Puts a program, which ends with HLT, into a page of code. */
  public void program(int at, String source) {
    byte[] code = Assembler.assemble(64, source + "\nhlt");
    byte[] page = Arrays.copyOf(code, 256);
    memory.page(at >> 12, key).copyFrom(at & 0xFFF, page, 0, page.length);
    memory.dropCode(memory.page(at >> 12, key));
  }

  /** Executes a program until it exits, from its start. */
  public Cpu run(Cpu c, String source) {
    program(CODE, source);
    c.rip = CODE;
    return go(c);
  }

  /** Executes until there is an exit. */
  public Cpu go(Cpu c) {
    c.exitCode = 0;
    c.interruptShadow = false;
    c.setFlags(2);
    c.modeChanged();
    c.run(c.icount + 100_000);
    return c;
  }

  /** {@return the error code of the #VC that ended a run, or -1 if another exit did} */
  public static long vc(Cpu c) {
    return c.exitCode == VC ? c.guestExitCode : -1;
  }

  /** {@return what a guest's page holds} */
  public byte[] plain(int frame) {
    byte[] b = new byte[4096];
    memory.peek(frame, key, b);
    return b;
  }
}
