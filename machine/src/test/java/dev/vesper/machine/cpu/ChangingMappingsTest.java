package dev.vesper.machine.cpu;

import static org.assertj.core.api.Assertions.assertThat;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import dev.vesper.machine.cpu.emit.NativeCode;
import dev.vesper.machine.cpu.emit.VerifiedEmission;
import dev.vesper.machine.cpu.interp.Interpreter;
import dev.vesper.machine.memory.Page;
import dev.vesper.machine.memory.PhysicalMemory;
import dev.vesper.machine.memory.Rmp;
import dev.vesper.machine.memory.RmpEntry;
import dev.vesper.x86.Assembler;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Random;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.extension.ExtendWith;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/**
 * Two processors with one memory that change page tables, code and the states and owners of pages
 * under the code that runs: by native code and by the interpreter, which must agree in everything
 * after each step. A sequence that fails is made as short as it can be.
 *
 * <p>{@code -Dmappings.count} and {@code -Dmappings.seed} make a soak of it.
 */
@ExtendWith(VerifiedEmission.class)
final class ChangingMappingsTest {
  private static final int FRAMES = 40;
  private static final int VCPUS = 2;
  private static final int PROGRAM = 0x4000;
  private static final long C_BIT = 1L << 51;
  private static final int ASID = 1;

  /** Page tables whose entries change, and the large page's directory. */
  private static final int TABLE = 5;

  private static final int ALIASES = 6;
  private static final int DIRECTORY = 3;

  /** Pages of the region that the tables map. */
  private static final int PAGES = 4;

  private static final long REGION = 0x40_0000;

  /** In the same entries of a TLB as the region. */
  private static final long ALIAS = REGION + (1L << 28);

  /** What is mapped: code that calls can reach, which is data as well. */
  private static final int FIRST_FRAME = 16;

  private static final int MAPPED_FRAMES = 6;

  /** Bytes between routines of a page. */
  private static final int ROUTINE = 64;

  private static final int CODE_BYTES = 1 << 18;

  /** A jump to what follows: what is behind it is native code again, whatever was before. */
  private static final String NEXT_BLOCK = "db 0xEB, 0";

  private static final String[] REGISTERS = {"rax", "rdx", "rbp", "r8", "r9", "r11", "r14"};

  /** What one processor does: its program, where it may be cut, and what the host does before. */
  private record Step(int vcpu, int cpl, long slices, int host, List<String> lines) {
    @Override
    public String toString() {
      return "vCPU %d at CPL %d, slices %d, host %d:%n  %s"
          .formatted(vcpu, cpl, slices, host, String.join("\n  ", lines));
    }
  }

  /** How much of the guest is protected. */
  private enum Protection {
    NONE,
    ENCRYPTED,
    SNP;

    boolean encrypts() {
      return this != NONE;
    }
  }

  private record Case(Protection protection, long seed, List<Step> steps) {
    Case with(List<Step> others) {
      return new Case(protection, seed, others);
    }

    @Override
    public String toString() {
      StringBuilder b = new StringBuilder();
      b.append("seed ").append(seed).append(' ').append(protection).append('\n');
      steps.forEach(s -> b.append(s).append('\n'));
      return b.toString();
    }
  }

  /** Processors of one kind and their memory. */
  private static final class Side {
    final PhysicalMemory memory = new PhysicalMemory(FRAMES << 12, 8);
    final List<Cpu> cpus = new ArrayList<>();
    final int key;
    final StringBuilder seen = new StringBuilder();

    /** Who owns which page, or null. */
    final @Nullable Rmp rmp;

    Side(Protection protection, @Nullable NativeTier natives) {
      boolean encrypted = protection.encrypts();
      CpuFeatures f = CpuFeatures.ALL;
      NestedMap map = frame -> frame >= 0 && frame < FRAMES ? NestedMap.RAM : NestedMap.ABSENT;
      key = encrypted ? memory.createKey(3) : Page.SHARED;
      rmp = protection == Protection.SNP ? memory.protect(key) : null;
      for (int i = 0; i < FRAMES && rmp != null; i++) {
        own(rmp, i);
      }
      for (int i = 0; i < VCPUS; i++) {
        Cpu c = new Cpu(memory, map, f, new Interpreter(f), 1 + i);
        if (encrypted) {
          c.configureEncryption(key, C_BIT);
        }
        c.configureSnp(rmp != null, ASID, 0, Mmu.NO_VTOM);
        c.observer = observer();
        c.runNatively(natives);
        cpus.add(c);
      }
    }

    /** Has a page be the guest's, and valid. */
    private static void own(Rmp rmp, int frame) {
      rmp.update((long) frame << 12, RmpEntry.guest((long) frame << 12, ASID));
      rmp.pvalidate(frame, false, ASID, true);
    }

    private CpuObserver observer() {
      return new CpuObserver() {
        @Override
        public void onVc(Cpu cpu, int code) {
          seen.append(" vc ").append(code);
        }

        @Override
        public void onWatched(
            Cpu cpu, Page page, long la, int offset, int bytes, boolean write, long value) {
          seen.append(write ? " W" : " R").append(Long.toHexString(la)).append('+').append(bytes);
          seen.append('=').append(value).append('@').append(Long.toHexString(cpu.instructionRip()));
        }
      };
    }

    private long c() {
      return key == Page.SHARED ? 0 : C_BIT;
    }

    Page page(int frame) {
      return memory.page(frame, key);
    }

    void prepare(long seed) {
      Random random = new Random(seed);
      page(1).put64(0, 0x2007L | c());
      page(2).put64(0, 0x3007L | c());
      page(DIRECTORY).put64(0, 0x87L | c());
      page(DIRECTORY).put64(8 * (int) (REGION >> 21), TABLE << 12 | 7L | c());
      page(DIRECTORY).put64(8 * (int) (ALIAS >> 21), ALIASES << 12 | 7L | c());
      for (int f = FIRST_FRAME; f < FIRST_FRAME + MAPPED_FRAMES; f++) {
        routines(page(f), random);
      }
      for (int v = 0; v < PAGES; v++) {
        page(TABLE).put64(8 * v, FIRST_FRAME + v << 12 | 7L | c());
        page(ALIASES).put64(8 * v, FIRST_FRAME + (v + 2) % MAPPED_FRAMES << 12 | 0x107L | c());
      }
      for (int i = 0; i < VCPUS; i++) {
        registers(cpus.get(i), random);
      }
    }

    private static void registers(Cpu c, Random random) {
      for (int s = 0; s < 6; s++) {
        c.segBase[s] = 0;
        c.segLimit[s] = 0xFFFF_FFFFL;
      }
      for (int i = 0; i < 16; i++) {
        c.r[i] = random.nextInt(1 << 16);
        c.xmm[2 * i] = random.nextLong();
        c.xmm[2 * i + 1] = random.nextLong();
      }
      boolean pcid = random.nextBoolean();
      c.cr0 = random.nextInt(4) == 0 ? 0x8000_0033L : 0x8001_0033L;
      c.cr4 =
          CpuState.CR4_PAE
              | CpuState.CR4_OSFXSR
              | CpuState.CR4_OSXSAVE
              | (random.nextInt(4) == 0 ? CpuState.CR4_SMAP : 0)
              | (random.nextBoolean() ? CpuState.CR4_PGE : 0)
              | (pcid ? CpuState.CR4_PCIDE : 0);
      c.efer = 0xD01;
      c.xcr0 = 7;
      c.cr3 = 0x1000 | (pcid ? 5 : 0);
      c.intercepts.exceptions = -1;
      c.intercepts.vector3 = 1 << 24 | 1 << 31;
      c.flushTlb(true);
    }

    /** Fills a page with routines that end with a return, the last of which runs on. */
    private static void routines(Page p, Random random) {
      byte[] all = new byte[Page.SIZE];
      for (int at = 0; at < Page.SIZE; at += ROUTINE) {
        Assembler a = new Assembler(0, 64);
        // Code that is stored to changes this number.
        a.add("add eax, " + (0x1000_0000 + random.nextInt(1 << 20)));
        for (int i = random.nextInt(4); i > 0; i--) {
          a.add(
              switch (random.nextInt(6)) {
                case 0 -> "rol rax, " + (1 + random.nextInt(60));
                case 1 -> "xor rdx, [rsi+" + random.nextInt(100) + "]";
                case 2 -> "inc dword [rdi+" + random.nextInt(100) + "]";
                case 3 -> "movdqu xmm1, [rsi]";
                case 4 -> "push rdx\npop r8";
                default -> "lea r9, [r9+rax]";
              });
        }
        a.add("ret");
        byte[] b = a.finish();
        int start = at == Page.SIZE - ROUTINE ? Page.SIZE - b.length / 2 : at;
        System.arraycopy(b, 0, all, start, Math.min(b.length, Page.SIZE - start));
        if (at == 0) {
          // What a routine that runs on from the page before comes to.
          Arrays.fill(all, 0, 8, (byte) 0x90);
          all[8] = (byte) 0xC3;
        }
      }
      p.copyFrom(0, all, 0, Page.SIZE);
    }

    void step(Step s) {
      host(s.host);
      byte[] code = Assembler.assemble(64, String.join("\n", s.lines) + "\nhlt");
      Page p = page(PROGRAM >> 12);
      memory.dropCode(p);
      p.copyFrom(0, code, 0, code.length);
      Cpu c = cpus.get(s.vcpu);
      c.cpl = s.cpl;
      for (int i = 0; i < 6; i++) {
        c.selector[i] = i == CpuState.CS ? 8 + s.cpl : 16 + s.cpl;
        c.segAttr[i] = (i == CpuState.CS ? 0xA9B : 0xC93) | s.cpl << 5;
      }
      c.rip = PROGRAM;
      c.r[4] = 0xB800;
      c.r[6] = REGION + 0x1100;
      c.r[7] = REGION + 0x2200;
      c.setFlags(2 | CpuState.AC);
      c.exitCode = 0;
      c.modeChanged();
      Random slices = new Random(s.slices);
      for (int i = 0; i < 12; i++) {
        c.run(c.icount + 1 + slices.nextInt(slices.nextInt(3) == 0 ? 4 : 60));
        if (c.exitCode != 0x60) {
          break;
        }
      }
    }

    /** The host watches pages, or no more, and takes pages or gives them back. */
    private void host(int what) {
      int frame = FIRST_FRAME + (what >> 4);
      switch (what & 15) {
        case 1, 2 -> {
          boolean on = (what & 15) == 1;
          if (memory.watch(frame, on)) {
            cpus.forEach(c -> c.watchFrame(frame, on));
          }
        }
        case 3 -> memory.page(frame, Page.SHARED);
        case 4 -> memory.page(frame, key);
        case 5 -> memory.dropCode(page(frame));
        default -> {
          if (rmp != null) {
            owner(rmp, frame, what & 15);
          }
        }
      }
    }

    /** The host changes the entry of a page: mostly so that the guest can go on with it. */
    private static void owner(Rmp rmp, int frame, int what) {
      long gpa = (long) frame << 12;
      switch (what) {
        case 6 -> rmp.update(gpa, RmpEntry.HYPERVISOR);
        case 7 -> rmp.update(gpa, RmpEntry.guest(gpa, ASID + 1));
        case 8 -> rmp.setPermissions(gpa, RmpEntry.READ);
        case 9 -> rmp.setPermissions(gpa, RmpEntry.ALL & ~RmpEntry.EXECUTE_SUPERVISOR);
        default -> own(rmp, frame);
      }
    }

    /** {@return everything that can be seen} */
    String state() {
      StringBuilder b = new StringBuilder();
      for (Cpu c : cpus) {
        b.append(" r ").append(Arrays.toString(Arrays.copyOf(c.r, 16)));
        b.append(" rip ").append(Long.toHexString(c.rip)).append(" flags ").append(c.flags());
        b.append(" count ").append(c.icount).append(" exit ").append(Long.toHexString(c.exitCode));
        b.append(' ').append(Long.toHexString(c.exitInfo1)).append(' ');
        b.append(Long.toHexString(c.exitInfo2)).append(" cr2 ").append(Long.toHexString(c.cr2));
        b.append(" cr3 ").append(c.cr3).append(" cr4 ").append(c.cr4);
        b.append(" xmm ").append(Arrays.hashCode(c.xmm));
      }
      for (int f = 0; f < FRAMES; f++) {
        byte[] bytes = new byte[Page.SIZE];
        memory.peek(f, memory.domain(f), bytes);
        b.append(" page").append(f).append(' ').append(memory.domain(f)).append(' ');
        b.append(Arrays.hashCode(bytes));
      }
      return b.append(" seen").append(seen).toString();
    }
  }

  // ---- what is done

  private static long address(Random random) {
    long base = random.nextInt(4) == 0 ? ALIAS : REGION;
    int offset = random.nextInt(4) == 0 ? 4096 - random.nextInt(16) : random.nextInt(4096);
    return base + (long) random.nextInt(PAGES) * Page.SIZE + offset;
  }

  /** {@return where a routine begins: one of few, so that the same are called again} */
  private static long routine(Random random) {
    int[] starts = {0, 1, 2, Page.SIZE / ROUTINE - 1};
    long base = random.nextInt(4) == 0 ? ALIAS : REGION;
    int which = starts[random.nextInt(starts.length)];
    return base + (long) random.nextInt(PAGES) * Page.SIZE + ROUTINE * which;
  }

  private static String line(Random random, Protection protection) {
    boolean encrypted = protection.encrypts();
    String r = REGISTERS[random.nextInt(REGISTERS.length)];
    String at = "[" + address(random) + "]";
    return switch (random.nextInt(26)) {
      case 0, 1 -> "mov " + r + ", " + at;
      case 2, 3 -> "add " + at + ", " + r;
      case 4 -> "mov byte " + at + ", " + random.nextInt(128);
      case 5 -> "movdqu xmm2, " + at + "\nmovdqu [" + address(random) + "], xmm2";
      case 6, 7, 8, 9 -> "mov rbx, " + routine(random) + "\ncall rbx";
      // Another number in a routine: code that has been executed, perhaps in this very page.
      case 10, 11, 12 ->
          "mov dword [" + (routine(random) + 1) + "], " + (0x1000_0000 + random.nextInt(1 << 20));
      case 13, 14 -> {
        int page = random.nextInt(PAGES);
        boolean alias = random.nextInt(4) == 0;
        yield entry(random, encrypted, alias, page) + flush(random, address(random));
      }
      case 15 -> changedBetweenCalls(random, encrypted);
      case 16 -> storedBetweenCalls(random);
      case 22 -> encrypted ? sharedBetweenCalls(random) : storedBetweenCalls(random);
      // A store to the number of the next instruction.
      case 24 ->
          "db 0xC6, 5, 1, 0, 0, 0, %d\ndb 0xB0, %d"
              .formatted(random.nextInt(128), random.nextInt(128));
      case 25 -> random.nextInt(3) == 0 ? "clac" : "stac";
      case 23 ->
          protection == Protection.SNP
              ? validatedBetweenCalls(random)
              : flush(random, address(random)).strip();
      case 17 -> large(random, encrypted) + flush(random, address(random));
      case 18 -> {
        String d = "\nmov rdi, " + address(random);
        yield "mov rsi, "
            + address(random)
            + d
            + "\nmov ecx, "
            + (random.nextInt(600) + 1)
            + "\nrep movsb";
      }
      case 19 -> "mov rsi, " + address(random) + "\nmov rdi, " + address(random);
      case 20 -> "push qword " + at + "\npop r11";
      default -> "mov rbx, " + routine(random) + "\ncall rbx".repeat(3);
    };
  }

  /** A page that the guest gives up, or takes again, or nothing of both. */
  private static String validatedBetweenCalls(Random random) {
    long at = routine(random);
    String call = "\nmov rbx, " + at + "\ncall rbx";
    return (random.nextBoolean() ? "call rbx" : "nop")
        + "\nmov rax, "
        + at
        + "\nxor ecx, ecx\nmov edx, "
        + (random.nextInt(3) == 0 ? 0 : 1)
        + "\npvalidate"
        + (random.nextBoolean() ? "\n" + NEXT_BLOCK : "")
        + call;
  }

  /** The same routine before and after its page is another one. */
  private static String changedBetweenCalls(Random random, boolean encrypted) {
    int page = random.nextInt(PAGES);
    boolean alias = random.nextInt(4) == 0;
    long at = (alias ? ALIAS : REGION) + (long) page * Page.SIZE + ROUTINE;
    String call = "mov rbx, " + at + "\ncall rbx";
    return call
        + "\ncall rbx\n"
        + entry(random, encrypted, alias, page)
        + flush(random, at)
        + (random.nextBoolean() ? "\n" + NEXT_BLOCK : "")
        + "\n"
        + call;
  }

  /** A routine that is stored to when its page can be written to already, and is not code. */
  private static String storedBetweenCalls(Random random) {
    long at = routine(random);
    StringBuilder s = new StringBuilder("mov rbx, " + at);
    for (int i = 0; i < 2; i++) {
      for (int n = 1 + random.nextInt(2); n > 0; n--) {
        s.append("\nmov dword [").append(at + 1).append("], ").append(random.nextInt(1 << 20));
      }
      s.append("\ncall rbx");
    }
    return s.toString();
  }

  /** A routine whose page is looked at as a shared one by another address. */
  private static String sharedBetweenCalls(Random random) {
    int page = random.nextInt(PAGES);
    int other = random.nextInt(PAGES);
    long frame = (long) FIRST_FRAME + random.nextInt(MAPPED_FRAMES) << 12 | 0x67;
    long at = REGION + (long) page * Page.SIZE + ROUTINE;
    long seen = ALIAS + (long) other * Page.SIZE;
    // Another routine: this one would have the same entry of the jump cache.
    long evicting = ALIAS + (long) page * Page.SIZE + 2 * ROUTINE;
    return "mov rax, "
        + (frame | C_BIT)
        + "\nmov ["
        + ((TABLE << 12) + 8 * page)
        + "], rax\ninvlpg ["
        + at
        + "]\nmov rax, "
        + frame
        + "\nmov ["
        + ((ALIASES << 12) + 8 * other)
        + "], rax\ninvlpg ["
        + seen
        + "]\nmov rbx, "
        + at
        + "\ncall rbx\ncall rbx"
        // Takes the page's entry in the TLB away.
        + (random.nextBoolean() ? "\nmov r14, " + evicting + "\ncall r14" : "")
        + "\nmov rdx, ["
        + seen
        + "]\n"
        + NEXT_BLOCK
        + "\ncall rbx";
  }

  /** Another mapping of a page of the region. */
  private static String entry(Random random, boolean encrypted, boolean alias, int page) {
    long e = (long) FIRST_FRAME + random.nextInt(MAPPED_FRAMES) << 12 | 0x21;
    e |= random.nextInt(5) == 0 ? 0 : 2;
    e |= random.nextInt(4) == 0 ? 0 : 4;
    e |= random.nextInt(3) == 0 ? 0 : 0x40;
    e |= random.nextInt(3) == 0 ? 0x100 : 0;
    e |= random.nextInt(8) == 0 ? 1L << 63 : 0;
    e |= encrypted && random.nextInt(6) != 0 ? C_BIT : 0;
    if (random.nextInt(10) == 0) {
      e = 0;
    }
    int at = ((alias ? ALIASES : TABLE) << 12) + 8 * page;
    return "mov rax, " + e + "\nmov [" + at + "], rax";
  }

  /** A large page in place of a table, or the table again. */
  private static String large(Random random, boolean encrypted) {
    boolean alias = random.nextInt(3) == 0;
    long c = encrypted ? C_BIT : 0;
    long table = (long) (alias ? ALIASES : TABLE) << 12 | 7 | c;
    long e = random.nextBoolean() ? table : 0x87L | (random.nextBoolean() ? 0x100 : 0) | c;
    int at = (DIRECTORY << 12) + 8 * (int) ((alias ? ALIAS : REGION) >> 21);
    return "mov rax, " + e + "\nmov [" + at + "], rax";
  }

  private static String flush(Random random, long page) {
    return switch (random.nextInt(6)) {
      case 0, 1 -> "\ninvlpg [" + page + "]";
      case 2 -> "\nmov rax, cr3\nmov cr3, rax";
      case 3 -> "\nmov rax, cr3\nbts rax, 63\nmov cr3, rax";
      case 4 -> "\nmov rax, cr4\nxor al, 128\nmov cr4, rax";
      default -> "\nnop";
    };
  }

  private static Case random(long seed) {
    Random random = new Random(seed);
    boolean encrypted = random.nextInt(3) == 0;
    Protection protection =
        !encrypted ? Protection.NONE : (seed & 1) == 0 ? Protection.ENCRYPTED : Protection.SNP;
    int actions = protection == Protection.SNP ? 16 : 6;
    List<Step> steps = new ArrayList<>();
    for (int i = 0; i < 30; i++) {
      List<String> lines = new ArrayList<>();
      for (int n = 3 + random.nextInt(14); n > 0; n--) {
        lines.addAll(line(random, protection).lines().toList());
      }
      int cpl = random.nextInt(4) == 0 ? 3 : 0;
      int host =
          random.nextInt(3) == 0 ? random.nextInt(MAPPED_FRAMES) << 4 | random.nextInt(actions) : 0;
      steps.add(new Step(random.nextInt(VCPUS), cpl, random.nextLong(), host, lines));
    }
    return new Case(protection, seed, steps);
  }

  // ---- comparison

  private final @Nullable NativeTier natives = NativeCode.create(CpuFeatures.ALL, CODE_BYTES);

  /** {@return what differs, or null} */
  private @Nullable String difference(Case c) {
    Side plain = new Side(c.protection, null);
    Side translated = new Side(c.protection, natives);
    plain.prepare(c.seed);
    translated.prepare(c.seed);
    int n = 0;
    for (Step s : c.steps) {
      plain.step(s);
      translated.step(s);
      String a = plain.state();
      String b = translated.state();
      if (!a.equals(b)) {
        return "step " + n + ": interpreted" + a + "\nnative" + b;
      }
      n++;
    }
    return null;
  }

  private Case minimise(Case whole) {
    Case shortest = whole;
    for (int i = shortest.steps.size() - 1; i >= 0; i--) {
      List<Step> less = new ArrayList<>(shortest.steps);
      less.remove(i);
      shortest = shorter(shortest, less);
    }
    for (int i = 0; i < shortest.steps.size(); i++) {
      for (int l = shortest.steps.get(i).lines.size() - 1; l >= 0; l--) {
        Step s = shortest.steps.get(i);
        List<String> lines = new ArrayList<>(s.lines);
        lines.remove(l);
        List<Step> less = new ArrayList<>(shortest.steps);
        less.set(i, new Step(s.vcpu, s.cpl, s.slices, s.host, lines));
        shortest = shorter(shortest, less);
      }
    }
    return shortest;
  }

  private Case shorter(Case whole, List<Step> less) {
    Case c = whole.with(less);
    return difference(c) != null ? c : whole;
  }

  @ParameterizedTest
  @ValueSource(longs = 1)
  void nativeCodeSeesEveryChange(long first) {
    assumeTrue(natives != null, () -> "no native code: " + NativeCode.lack());
    int count = Integer.getInteger("mappings.count", 60);
    long seed = Long.getLong("mappings.seed", first);
    long blocks = VerifiedEmission.count();
    for (int i = 0; i < count; i++) {
      Case c = random(seed * 1_000_003 + i);
      if (difference(c) != null) {
        Case small = minimise(c);
        assertThat(difference(small)).as(small.toString()).isNull();
      }
    }
    assertThat(VerifiedEmission.count() - blocks).isGreaterThan(20L * count);
  }
}
