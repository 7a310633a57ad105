package dev.vesper.cli.attack;

import dev.vesper.machine.Machine;
import dev.vesper.machine.Stop;
import dev.vesper.machine.Until;
import dev.vesper.machine.VcpuView;
import java.util.Map;
import java.util.function.Predicate;
import org.jspecify.annotations.Nullable;

/**
 * Where in a guest's life an attack strikes. A host finds such places by the pages that are fetched
 * from and by counting exits; here a run without the attack tells the instruction's number.
 */
enum Place {
  /** Kernel code before paging, where the first handlers of #VC are. */
  EARLY("early code of the kernel", Map.of(Target.Kind.LOCORE, "fillkpt")),
  /**
   * The first instruction of an ordinary function of the kernel that runs with its own handlers.
   */
  KERNEL(
      "the kernel",
      Map.of(Target.Kind.LOCORE, "process_setup", Target.Kind.LINUX, "kernel_init_freeable")),
  /** An instruction of the kernel that stores a register. */
  STORE("the kernel", KERNEL, i -> i.matches("mov .*\\[.*\\],[a-z0-9]+")),
  /** An instruction of the kernel that loads a register. */
  LOAD("the kernel", KERNEL, i -> i.matches("mov [a-z0-9]+,.*\\[.*\\]")),
  /** The kernel's handler of #VC, while it uses the GHCB. */
  HANDLER(
      "the handler of #VC",
      Map.of(Target.Kind.LOCORE, "ghcb_sync_out", Target.Kind.LINUX, "sev_es_ghcb_hv_call")),
  /** A program that runs with CPL 3. */
  PROGRAM("a program", Map.of());

  private static final int MOST_STEPS = 20_000;
  private static final long USER_TEXT = 0x40_0000;
  private static final long PHYSICAL = 0x7FFF_FFFF;

  private final String words;
  private final Map<Target.Kind, String> symbols;
  private final @Nullable Place from;
  private final Predicate<String> instruction;

  Place(String words, Map<Target.Kind, String> symbols) {
    this(words, symbols, null, i -> true);
  }

  Place(String words, Place from, Predicate<String> instruction) {
    this(words, from.symbols, from, instruction);
  }

  Place(
      String words,
      Map<Target.Kind, String> symbols,
      @Nullable Place from,
      Predicate<String> instruction) {
    this.words = words;
    this.symbols = symbols;
    this.from = from;
    this.instruction = instruction;
  }

  @Override
  public String toString() {
    return words;
  }

  /**
   * {@return instructions that the target has executed when it first is there, -1 if it never is}
   */
  long find(AttackRun run) {
    return run.instructionsAt(name(), this::reach);
  }

  /** {@return whether a run that begins now comes there} */
  private boolean reach(AttackRun run, Machine m) {
    Target t = run.target();
    if (this == PROGRAM) {
      return program(t, m);
    }
    String symbol = symbols.get(t.kind());
    if (symbol == null) {
      return symbols == KERNEL.symbols
          && t.kind() == Target.Kind.OTHER
          && m.run(Until.instructions(t.most() / 2)) instanceof Stop.Limit
          && (from == null || steps(m, i -> instruction.test(i.instruction())));
    }
    Until there = this == EARLY ? early(m, symbol) : Until.symbol(symbol);
    if (!stopped(m.run(there.or(end(t))))) {
      return false;
    }
    return from == null || steps(m, i -> instruction.test(i.instruction()));
  }

  private static Until end(Target t) {
    return Until.instructions(t.most());
  }

  /** {@return when code is reached that runs where it lies, before paging} */
  private static Until early(Machine m, String symbol) {
    return m.symbols().all().stream()
        .filter(s -> s.name().equals(symbol))
        .map(s -> Until.address(s.address() & PHYSICAL))
        .reduce(Until::or)
        .orElse(Until.end());
  }

  private static boolean stopped(Stop s) {
    return !(s instanceof Stop.Limit) && !(s instanceof Stop.Ended);
  }

  private static boolean program(Target t, Machine m) {
    return switch (t.kind()) {
      case LOCORE -> stopped(m.run(Until.address(USER_TEXT).or(end(t))));
      case LINUX ->
          stopped(m.run(Until.symbol("syscall_return_via_sysret").or(end(t))))
              && steps(m, v -> v.cpl() == 3);
      case OTHER -> false;
    };
  }

  private static boolean steps(Machine m, Predicate<VcpuView> there) {
    VcpuView v = m.observer().current();
    for (int i = 0; i < MOST_STEPS; i++) {
      if (there.test(v)) {
        return true;
      }
      m.step(v.id());
    }
    return false;
  }
}
