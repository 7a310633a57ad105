package dev.vesper.junit;

import dev.vesper.machine.HardwareOptions;
import dev.vesper.machine.Machine;
import dev.vesper.machine.device.net.Network;
import dev.vesper.machine.device.share.ShareBoundary;
import dev.vesper.machine.launch.CommandFailed;
import dev.vesper.machine.observe.Event;
import dev.vesper.machine.observe.Symbols;
import dev.vesper.machine.spec.BootException;
import dev.vesper.machine.spec.Hardware;
import dev.vesper.machine.spec.MachineSpec;
import dev.vesper.machine.spec.SevMode;
import dev.vesper.machine.spec.Translator;
import java.io.IOException;
import java.nio.file.FileSystemException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Locale;
import java.util.Set;
import java.util.function.IntConsumer;
import org.jspecify.annotations.Nullable;

/** How a guest is made and run: its description, and what is not part of it. */
final class GuestPlan {
  /** Most instructions of a guest whose test says nothing of it. */
  static final long LIMIT = 5_000_000_000L;

  final List<GuestSetup> setups = new ArrayList<>();
  final Set<String> allowed = new LinkedHashSet<>();
  final Set<String> baseline = new LinkedHashSet<>();
  final Set<Class<? extends Event>> keep = new LinkedHashSet<>();
  @Nullable Symbols symbols;
  @Nullable Translator translator;
  @Nullable Integer translateAfter;
  long limitInsns = LIMIT;

  /** In seconds of real time; 0 for none. */
  double timeout;

  boolean check;
  boolean echo;

  /** A machine that has not run, and who records it. */
  record Held(Machine machine, Recording recording) {}

  /**
   * {@return a machine by the setups}
   *
   * @param more to be done behind them
   * @param mode instead of what is described, or null
   * @param page what is written if the test fails
   * @throws Misuse if it cannot be made
   */
  Held hold(MachineSpec.Builder b, GuestSetup more, @Nullable SevMode mode, Path page) {
    List<GuestSetup> all = new ArrayList<>(setups);
    all.add(more);
    MachineSpec spec = null;
    try {
      for (GuestSetup s : all) {
        s.describe(b);
      }
      if (mode != null) {
        b.mode(mode);
      }
      spec = b.build();
      if (spec.boot().image().length == 0 && spec.boot().firmware() == null) {
        throw new Misuse("there is nothing to boot: name a kernel, or firmware with bios");
      }
      requireApart(page, spec.hardware());
      Held h = hold(spec);
      for (GuestSetup s : all) {
        s.prepare(h.machine);
      }
      return h;
    } catch (Misuse | BootException | IllegalArgumentException | CommandFailed e) {
      close(spec == null ? b.build() : spec);
      throw new Misuse(String.valueOf(e.getMessage()));
    } catch (FileSystemException e) {
      close(spec == null ? b.build() : spec);
      throw new Misuse("cannot read " + e.getFile() + ": " + HardwareOptions.reason(e));
    } catch (Exception e) {
      close(spec == null ? b.build() : spec);
      throw new Misuse("its setup failed: " + e, e);
    }
  }

  /** Refuses a page in a folder where the guest could put a link in its place. */
  private static void requireApart(Path page, Hardware h) {
    new ShareBoundary(
            h.shares().stream().map(Hardware.Share::server).filter(s -> !s.readOnly()).toList())
        .requireWritable(page);
  }

  private Held hold(MachineSpec spec) throws BootException {
    MachineSpec.Ports p = spec.ports();
    IntConsumer console = echo ? p.console().andThen(GuestPlan::echo) : p.console();
    String title = spec.boot().name() + " --sev " + spec.mode().name().toLowerCase(Locale.ROOT);
    Recording r = new Recording(title, console, allowed, baseline, keep);
    MachineSpec.Ports recorded =
        new MachineSpec.Ports(
            r,
            p.debug(),
            b -> {
              r.virtioConsole(b);
              p.virtioConsole().accept(b);
            },
            p.input());
    Machine m = new Machine(spec.toBuilder().ports(recorded).build());
    if (symbols != null) {
      m.name(symbols);
    }
    if (translator != null) {
      m.translator(translator);
    }
    if (translateAfter != null) {
      m.translateAfter(translateAfter);
    }
    m.limit(limitInsns, timeout > 0 ? System.nanoTime() + (long) (timeout * 1e9) : Long.MAX_VALUE);
    // Without encrypted state there is no protocol to look at.
    r.begin(m, spec.mode().encryptsState());
    return new Held(m, r);
  }

  private static void echo(int b) {
    System.out.write(b);
    if (b == '\n') {
      System.out.flush();
    }
  }

  /** Runs a guest to its end or its limits. */
  GuestRun run(MachineSpec spec) throws BootException {
    return run(hold(spec));
  }

  /** Runs a machine to its end or its limits. */
  static GuestRun run(Held h) {
    return new GuestRun(h.machine, h.recording, h.machine.run());
  }

  /** Closes what a machine would close that has not been made. */
  static void close(MachineSpec spec) {
    Hardware h = spec.hardware();
    h.networks().forEach(Network::close);
    try {
      for (Hardware.Drive d : h.drives()) {
        d.disk().close();
      }
      for (Hardware.Share s : h.shares()) {
        s.server().close();
      }
    } catch (IOException e) {
      // why there is no machine is what counts
    }
  }
}
