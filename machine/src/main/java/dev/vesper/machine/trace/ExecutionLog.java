package dev.vesper.machine.trace;

import dev.vesper.machine.cpu.Block;
import dev.vesper.machine.cpu.Cpu;
import dev.vesper.machine.cpu.CpuObserver;
import dev.vesper.machine.cpu.CpuState;
import dev.vesper.machine.cpu.Exceptions;
import dev.vesper.machine.observe.HostObserver;
import dev.vesper.machine.observe.LogItem;
import dev.vesper.machine.observe.Symbols;
import dev.vesper.machine.observe.format.Visible;
import dev.vesper.x86.Formatter;
import dev.vesper.x86.Insn;
import java.util.List;
import java.util.Locale;
import java.util.Set;
import java.util.function.Consumer;
import java.util.function.Supplier;
import org.jspecify.annotations.Nullable;

/**
 * What processors and host do, in the words of QEMU 7.2's log. Registers are those of the guest,
 * however they are protected.
 */
public final class ExecutionLog implements CpuObserver, HostObserver {
  /** Lets an observer look at a vCPU's processor while it has the guest's registers. */
  public interface Look {
    void at(int vcpu, Consumer<Cpu> observer);
  }

  private static final int DOUBLE_FAULT = 8;
  private static final int PAGE_FAULT = 14;

  /** Bytes of an instruction in a line. */
  private static final int ROW = 8;

  private final Set<LogItem> items;
  private final Consumer<String> out;
  private final List<Cpu> cpus;
  private final Look look;
  private final Supplier<Symbols> symbols;
  private final Formatter formatter = new Formatter(Formatter.Syntax.ATT);
  private long events;

  /** What was begun last, so that it is told once however often it is begun. */
  private String begun = "";

  /**
   * @param out takes whole lines
   * @param cpus the processors, the boot processor first
   */
  public ExecutionLog(
      Set<LogItem> items,
      Consumer<String> out,
      List<Cpu> cpus,
      Look look,
      Supplier<Symbols> symbols) {
    this.items = items;
    this.out = out;
    this.cpus = cpus;
    this.look = look;
    this.symbols = symbols;
  }

  /** {@return whether processors have to tell of each block} */
  public boolean followsBlocks() {
    return items.contains(LogItem.EXEC) || items.contains(LogItem.CPU);
  }

  /** The machine is about to start. */
  public void starts() {
    for (int i = 0; i < cpus.size(); i++) {
      resets(i);
    }
  }

  private String name(Cpu c) {
    return Visible.of(symbols.get().at(c.rip));
  }

  @Override
  public void resets(int vcpu) {
    if (items.contains(LogItem.CPU_RESET)) {
      look.at(
          vcpu,
          c -> out.accept("CPU Reset (CPU " + vcpu + ")\n" + RegisterDump.of(c, c.rip, true)));
    }
  }

  @Override
  public void onVc(Cpu c, int code) {
    // It is delivered like others.
  }

  private boolean isRepeated(Cpu c, String what) {
    String now =
        what + ' ' + cpus.indexOf(c) + ' ' + c.icount + ' ' + c.rip + ' ' + c.r[4] + ' ' + c.cr2;
    boolean same = now.equals(begun);
    begun = now;
    return same;
  }

  @Override
  public void onException(Cpu c, int before, int vector) {
    boolean wanted = items.contains(LogItem.INT) || items.contains(LogItem.CPU_RESET);
    if (!wanted || isRepeated(c, "x" + before + ' ' + vector)) {
      return;
    }
    if (items.contains(LogItem.INT)) {
      // Others are forgotten when a second one comes.
      boolean counts = before == 0 || before >= 10 && before <= 14 || before == DOUBLE_FAULT;
      out.accept(
          String.format(
              "check_exception old: 0x%x new 0x%x\n",
              counts || before == Exceptions.VC ? before : -1, vector));
    }
    if (before == DOUBLE_FAULT && items.contains(LogItem.CPU_RESET)) {
      out.accept("Triple fault\n");
    }
  }

  @Override
  public void onDelivery(Cpu c, int vector, long error, int type, long from) {
    if (!items.contains(LogItem.INT) || isRepeated(c, "v" + vector + ' ' + type)) {
      return;
    }
    StringBuilder b = new StringBuilder();
    if (type == Exceptions.INTERRUPT) {
      b.append(String.format("Servicing hardware INT=0x%02x\n", vector));
    }
    b.append(
        String.format(
            "%6d: v=%02x e=%04x i=%d cpl=%d IP=%04x:%016x pc=%016x SP=%04x:%016x ",
            events++,
            vector,
            Math.max(error, 0),
            type == Exceptions.SOFTWARE ? 1 : 0,
            c.cpl,
            c.selector[CpuState.CS],
            from,
            linear(c, from),
            c.selector[CpuState.SS],
            c.r[4]));
    b.append(
        vector == PAGE_FAULT
            ? String.format("CR2=%016x\n", c.cr2)
            : String.format("env->regs[R_EAX]=%016x\n", c.r[0]));
    out.accept(b.append(RegisterDump.of(c, from, false)).toString());
  }

  private static long linear(Cpu c, long rip) {
    return c.codeAddress() - c.rip + rip & (c.mode64() ? -1L : 0xFFFF_FFFFL);
  }

  @Override
  public void onBlock(Cpu c, long address, int bytes) {
    if (!items.contains(LogItem.IN_ASM)) {
      return;
    }
    StringBuilder b = new StringBuilder("----------------\nIN: ");
    b.append(name(c)).append('\n');
    for (int done = 0; done < bytes; ) {
      Insn in = c.insnAt(address + done);
      if (in == null) {
        break;
      }
      instruction(b, in, linear(c, address + done), address + done);
      done += in.length;
    }
    out.accept(b.append('\n').toString());
  }

  private void instruction(StringBuilder b, Insn in, long linear, long rip) {
    String text = formatter.format(in, rip);
    int space = text.indexOf(' ', text.startsWith("rep") ? text.indexOf(' ') + 1 : 0);
    for (int i = 0; i < in.length; i += ROW) {
      StringBuilder bytes = new StringBuilder();
      for (int k = i; k < Math.min(in.length, i + ROW); k++) {
        bytes.append(String.format("%02x ", in.bytes[k]));
      }
      String line = String.format("0x%08x:  %-24s ", linear + i, bytes);
      if (i == 0) {
        line +=
            space < 0
                ? text
                : String.format("%-8s %s", text.substring(0, space), text.substring(space + 1));
      }
      b.append(line.stripTrailing()).append('\n');
    }
  }

  @Override
  public void onExecute(Cpu c, Block block) {
    if (items.contains(LogItem.EXEC)) {
      long base = c.codeAddress() - c.rip;
      out.accept(
          String.format(
              "Trace %d: 0x%012x [%016x/%016x/%08x/00000000] %s\n",
              cpus.indexOf(c),
              (long) block.page.frame << 12 | block.start,
              base,
              c.codeAddress(),
              TranslationFlags.of(c),
              name(c)));
    }
    if (items.contains(LogItem.CPU)) {
      out.accept(RegisterDump.of(c, c.rip, items.contains(LogItem.FPU)));
    }
  }

  // ---- the host

  @Override
  public void invalid(Space space, long address, int bytes, boolean write) {
    if (items.contains(LogItem.GUEST_ERRORS)) {
      out.accept(
          String.format(
              "Invalid %s at addr 0x%X, size %d, region '%s', reason: rejected\n",
              write ? "write" : "read",
              address,
              bytes,
              space == Space.MEMORY
                  ? "(null)"
                  : space == Space.PORTS ? "io" : space.name().toLowerCase(Locale.ROOT)));
    }
  }

  @Override
  public void exit(int code, long info1, long info2) {
    // Exits are QEMU's own affair, and so are the requests that a guest makes by them.
  }

  @Override
  public void vmgexit(long msr) {
    // as above
  }

  @Override
  public void serves(long gpa) {
    // as above
  }

  @Override
  public void answered(long msr, @Nullable String ended) {
    // as above
  }

  @Override
  public void inject(long event) {
    // It is delivered by the processor.
  }
}
