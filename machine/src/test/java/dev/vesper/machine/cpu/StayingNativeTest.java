package dev.vesper.machine.cpu;

import static org.assertj.core.api.Assertions.assertThat;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import dev.vesper.ghcb.ExitCode;
import dev.vesper.machine.cpu.emit.NativeCode;
import dev.vesper.machine.cpu.emit.VerifiedEmission;
import dev.vesper.machine.memory.Page;
import dev.vesper.x86.Assembler;
import dev.vesper.x86.Formatter;
import java.util.Arrays;
import java.util.List;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.ExtendWith;

/**
 * Loops of what kernels do all the time stay in native code, and end as the interpreter's do: code
 * is entered a few times until all of it is there, and then no more.
 */
@ExtendWith(VerifiedEmission.class)
final class StayingNativeTest {
  private static final int CODE_BYTES = 1 << 20;
  private static final int ROUNDS = 500;
  private static final int MOST_ENTRIES = 60;
  private static final int STACK = 0xB800;
  private static final int GDT = 9;
  private static final long CODE_64 = 0x00AF_9B00_0000_FFFFL;
  private static final long DATA = 0x00CF_9300_0000_FFFFL;
  private static final int FAR_FROM_STACK = 0x1_0000;

  /** Counts how often native code is entered. */
  private static final class Counting implements NativeTier {
    private final NativeTier tier;
    int entries;

    Counting(NativeTier tier) {
      this.tier = tier;
    }

    @Override
    public @Nullable KnownBlock known(Page page, int start, int mode, int kind) {
      return tier.known(page, start, mode, kind);
    }

    @Override
    public @Nullable NativeBlock translate(Block block, int kind) {
      return tier.translate(block, kind);
    }

    @Override
    public void cover(boolean on) {
      tier.cover(on);
    }

    @Override
    public boolean admits(long state) {
      return tier.admits(state);
    }

    @Override
    public NativeBlock block(int number) {
      return tier.block(number);
    }

    @Override
    public int enter(Cpu cpu, long state, long target, boolean vectors) {
      entries++;
      return tier.enter(cpu, state, target, vectors);
    }

    @Override
    public void link(NativeBlock from, int jump, NativeBlock to) {
      tier.link(from, jump, to);
    }

    @Override
    public int generation() {
      return tier.generation();
    }
  }

  private static String state(NativeWorld w) {
    Cpu c = w.cpu;
    StringBuilder b = new StringBuilder();
    b.append("r ").append(Arrays.toString(Arrays.copyOf(c.r, 16)));
    b.append("\nrip ").append(Long.toHexString(c.rip)).append(" flags ").append(c.flags());
    b.append(" count ").append(c.icount).append(" cpl ").append(c.cpl).append(" exit ");
    b.append(Long.toHexString(c.exitCode)).append(" cr3 ").append(Long.toHexString(c.cr3));
    b.append("\nselectors ").append(Arrays.toString(c.selector));
    b.append("\nbases ").append(Arrays.toString(c.segBase));
    b.append("\nlimits ").append(Arrays.toString(c.segLimit));
    b.append("\nattributes ").append(Arrays.toString(c.segAttr));
    b.append("\nkernel GS ").append(c.kernelGsBase).append(" shadow ").append(c.interruptShadow);
    for (int f = 0; f < NativeWorld.FRAMES; f++) {
      byte[] bytes = new byte[4096];
      w.memory.page(f, 0).copyTo(0, bytes, 0, 4096);
      b.append("\npage ").append(f).append(' ').append(Arrays.hashCode(bytes));
    }
    return b.toString();
  }

  private static void prepare(NativeWorld w, String source, int at) {
    Assembler a = new Assembler(at, 64);
    for (String line :
        ("mov r15d, ROUNDS\nL:\n" + source + "\ndec r15d\njne L\nhlt").lines().toList()) {
      a.add(line.replace("ROUNDS", "" + ROUNDS));
    }
    byte[] code = a.finish();
    for (int done = 0; done < code.length; done += 4096) {
      w.code(at + done, Arrays.copyOfRange(code, done, Math.min(code.length, done + 4096)));
    }
    Cpu c = w.cpu;
    c.intercepts.vector3 = ExitCode.interceptBit(ExitCode.HLT);
    c.intercepts.vector4 = 0;
    c.rip = at;
    c.r[4] = STACK;
    c.gdtBase = GDT << 12;
    c.gdtLimit = 0x2F;
    for (int i = 1; i < 6; i++) {
      // 8 and 16 are the world's.
      w.memory.page(GDT, 0).put64(8 * i, i == 1 || i == 4 ? CODE_64 : DATA);
    }
    c.kernelGsBase = 0xFFFF_8000_0000_1000L;
    c.star = 0x0023_0010L << 32;
  }

  private static void run(NativeWorld w, String source, int at) {
    prepare(w, source, at);
    Cpu c = w.cpu;
    c.run(c.icount + 100L * ROUNDS);
    assertThat(c.exitCode).as(c.disassemble(Formatter.Syntax.INTEL)).isEqualTo(0x78);
  }

  private static void stays(String source) {
    stays(source, NativeWorld.START);
  }

  private static void stays(String source, int at) {
    assertThat(same(source, at)).isLessThan(MOST_ENTRIES);
  }

  /** Runs a loop twice. {@return how often native code was entered} */
  private static int same(String source, int at) {
    NativeCode code = NativeCode.create(CpuFeatures.ALL, CODE_BYTES);
    assumeTrue(code != null, () -> "no native code: " + NativeCode.lack());
    Counting tier = new Counting(code);
    NativeWorld natively = new NativeWorld(64, tier);
    run(natively, source, at);
    NativeWorld interpreted = new NativeWorld(64, null);
    run(interpreted, source, at);
    assertThat(state(natively)).as(source).isEqualTo(state(interpreted));
    return tier.entries;
  }

  /** The addition begins two bytes before the end of a page. */
  @Test
  void anInstructionThatRunsOnIntoTheNextPage() {
    stays("jmp A\nskip 4083\nA: add eax, 0x1234567");
  }

  @Test
  void whatFollowsAnSti() {
    stays("cli\ninc eax\nsti\ninc ebx\nadd ecx, ebx");
  }

  @Test
  void theTimeWithItsProcessor() {
    stays("rdtscp\nxor ebx, eax");
  }

  @Test
  void basesOfSegments() {
    stays(
        "lea rax, [r15+4096]\nwrfsbase rax\nrdgsbase rbx\nadd rbx, 16\nwrgsbase rbx\nrdfsbase rdx");
  }

  @Test
  void theOtherBaseOfGs() {
    stays("swapgs\nrdgsbase rbx\nadd rbx, 16\nwrgsbase rbx\nswapgs\nrdgsbase rcx");
  }

  @Test
  void selectors() {
    stays("mov [rsp-16], ds\nmov [rsp-14], gs\nmov word [rsp-12], cs\nmov eax, [rsp-16]");
    stays("lea rax, [r15-9]\nmov r12, rax\nmov ax, ds\nmov r12w, ss\nmov ecx, cs\nmov r13, es");
  }

  /** A frame for the next instruction, which CHANGE has time for, and IRET. */
  private static final String RETURN =
      """
      mov rdx, rsp
      push 16
      push rdx
      cmp r15d, 400
      pushfq
      push 8
      mov rax, A
      push rax
      CHANGE
      iretq
      A: pushfq
      pop rsi
      add rbp, rsi
      imul rbp, rbp, 3
      add rbx, rsp
      """;

  @Test
  void returnsFromInterrupts() {
    stays(RETURN.replace("CHANGE", "nop"));
    stays(RETURN.replace("push 16", "push 0").replace("CHANGE", "nop"));
    stays(RETURN.replace("CHANGE", "cli\nxor qword [rsp+16], 0x200\nadd al, 1"));
    stays(RETURN.replace("CHANGE", "xor qword [rsp+16], 0x10000"));
    stays(RETURN.replace("CHANGE", "mov qword [rsp+24], 0x8000\nxor qword [rsp+16], 0x8d5"));
  }

  /** RFLAGS.RF is there until the instruction that is returned to has retired, and not longer. */
  @Test
  void returnsThatHoldBreakpointsBack() {
    NativeCode code = NativeCode.create(CpuFeatures.ALL, CODE_BYTES);
    assumeTrue(code != null, () -> "no native code: " + NativeCode.lack());
    String[] sources = {
      RETURN,
      RETURN.replace("A: pushfq", "A: rep stosb\npushfq"),
      RETURN.replace("A: pushfq", "A: hlt\npushfq")
    };
    boolean resumed = false;
    for (String source : sources) {
      String held =
          "mov edi, 0xcff0\nmov ecx, 5000\n"
              + source.replace("CHANGE", "xor qword [rsp+16], 0x10000");
      StringBuilder[] seen = {new StringBuilder(), new StringBuilder()};
      for (int i = 0; i < 2; i++) {
        NativeWorld w = new NativeWorld(64, i == 0 ? null : code);
        prepare(w, held, NativeWorld.START);
        for (int n = 0; n < 400; n++) {
          w.cpu.run(w.cpu.icount + 1 + n % 37);
          resumed |= (w.cpu.eflags & CpuState.RF) != 0;
          seen[i].append(w.cpu.exitCode).append(' ').append(w.cpu.flags()).append(' ');
          seen[i].append(w.cpu.icount).append(' ').append(w.cpu.rip).append('\n');
        }
      }
      assertThat(seen[1].toString()).as(source).isEqualTo(seen[0].toString());
    }
    assertThat(resumed).isTrue();
  }

  /** Every so often a frame, or the GDT, asks for what native code leaves to the interpreter. */
  @Test
  void returnsThatChangeMore() {
    List<String> changes =
        List.of(
            "xor qword [rsp+16], 0x10000",
            "xor qword [rsp+16], 0x40000",
            "xor qword [rsp+16], 0x200400",
            "xor qword [rsp+16], 0x3000",
            "xor qword [rsp+16], 0x180000",
            "mov qword [rsp+32], 0",
            "mov qword [rsp+32], 24",
            "mov qword [rsp+8], 32",
            "mov rax, [0x9008]\nbtc rax, 52\nmov [0x9008], rax",
            "mov rax, [0x9010]\nbtc rax, 52\nmov [0x9010], rax",
            "mov rax, [0x9010]\nbtr rax, 40\nmov [0x9010], rax",
            "mov eax, 24\nmov ds, ax",
            "mov eax, 3\nmov gs, ax",
            "mov word [0x9200], 0x27\nmov qword [0x9202], 0x9000\nlgdt [0x9200]",
            "mov rsi, rsp\nmov edi, 0xaff0\nmov ecx, 5\nrep movsq\nmov rsp, 0xaff0");
    for (String c : changes) {
      String rarely = "test r15b, 7\njne N\n" + c + "\nN: nop";
      same(RETURN.replace("CHANGE", rarely), NativeWorld.START);
      same(RETURN.replace("push 16", "push 0").replace("CHANGE", rarely), NativeWorld.START);
      // What was left of the last round is what the next one begins with.
      same(RETURN.replace("CHANGE", "nop") + rarely, NativeWorld.START);
    }
  }

  @Test
  void functionsThatHaveTheSameLowBits() {
    stays(
        "call A\ncall B\njmp C\nskip 64\nA: inc eax\nret\nskip 65533\nB: inc ebx\nret\nC: nop",
        FAR_FROM_STACK);
  }

  /** What a page table maps from there on: an addition, whose end lies in one of two pages. */
  private static final long MAPPED = 0x20_0000;

  private static final int TABLE = 0x30;
  private static final int CODE = 0x20;

  /** The second page of such an instruction is another one from time to time. */
  @Test
  void theEndOfAnInstructionThatIsMappedAnew() {
    NativeCode code = NativeCode.create(CpuFeatures.ALL, CODE_BYTES);
    assumeTrue(code != null, () -> "no native code: " + NativeCode.lack());
    for (String flush : new String[] {"invlpg [0x201000]", "mov rax, cr3\nmov cr3, rax"}) {
      String[] ends = new String[2];
      for (int i = 0; i < ends.length; i++) {
        NativeWorld w = new NativeWorld(64, i == 0 ? null : code);
        w.memory.page(3, 0).put64(8 * (int) (MAPPED >> 21), TABLE << 12 | 3);
        for (int n = 0; n < 3; n++) {
          w.memory.page(TABLE, 0).put64(8 * n, CODE + n << 12 | 3);
        }
        w.code((CODE << 12) + 0xFFE, new byte[] {5, 1});
        w.code(CODE + 1 << 12, new byte[] {1, 0, 0, (byte) 0xC3});
        w.code(CODE + 2 << 12, new byte[] {2, 0, 0, (byte) 0xC3});
        run(
            w,
            """
            mov rbx, 0x200ffe
            xor eax, eax
            call rbx
            call rbx
            add ebp, eax
            xor qword [0x30008], 0x3000
            FLUSH
            xor eax, eax
            call rbx
            add ebp, eax
            """
                .replace("FLUSH", flush),
            NativeWorld.START);
        ends[i] = state(w);
      }
      assertThat(ends[1]).isEqualTo(ends[0]);
    }
  }
}
