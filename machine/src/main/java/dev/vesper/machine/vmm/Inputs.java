package dev.vesper.machine.vmm;

import dev.vesper.ghcb.ExitCode;
import dev.vesper.machine.input.Difference;
import dev.vesper.machine.input.InputLog;
import dev.vesper.machine.input.RunEnd;
import dev.vesper.machine.input.Source;
import dev.vesper.machine.sev.Vmcb;
import dev.vesper.machine.spec.ConsoleInput;
import dev.vesper.machine.spec.Outcome;
import java.util.concurrent.ConcurrentLinkedQueue;
import java.util.function.Supplier;
import org.jspecify.annotations.Nullable;

/**
 * What reaches a guest from outside, as its host asks for it: console, time that passes while
 * nobody can run, and what is done to the machine. All of it goes by an {@link InputLog}, and so do
 * networks by themselves.
 */
public final class Inputs {
  /** A key goes down or up: its make code, the high byte first, and whether it goes down. */
  private static final int KEY = 1;

  private static final int KEY_BYTES = 4;
  private static final int MOST_WAITING = 4096;
  private static final byte[] NOTHING = {};

  private final InputLog log;
  private final transient ConsoleInput console;
  private final transient ConcurrentLinkedQueue<byte[]> actions = new ConcurrentLinkedQueue<>();
  private final InputLog.Live typed = this::typed;
  private final InputLog.Live closed = this::closed;
  private final transient InputLog.Live action = actions::poll;

  /**
   * How a guest waited that had nothing to do.
   *
   * @param heard the number of the network on which somebody has done something, or -1
   * @param passed so much virtual time has passed, or -1 if it is all until the next event
   */
  record Wait(int heard, long passed) {
    static final Wait WHOLE = new Wait(-1, -1);

    byte @Nullable [] bytes() {
      if (heard < 0 && passed < 0) {
        return null;
      }
      byte[] b = new byte[9];
      b[0] = (byte) (heard + 1);
      for (int i = 0; i < 8; i++) {
        b[i + 1] = (byte) (passed >> 8 * i);
      }
      return b;
    }

    static Wait of(byte[] b) {
      long passed = 0;
      for (int i = 0; i < 8; i++) {
        passed |= (b[i + 1] & 0xFFL) << 8 * i;
      }
      return new Wait(b[0] - 1, Math.max(-1, passed));
    }
  }

  /**
   * @param console what COM1 hears
   */
  public Inputs(InputLog log, ConsoleInput console) {
    this.log = log;
    this.console = console;
  }

  /** Says whose inputs they are. */
  void of(Hypervisor h) {
    log.clock(h::instructions);
  }

  /** {@return where it is asked} */
  public InputLog log() {
    return log;
  }

  // ---- console

  private byte @Nullable [] typed() {
    int b = console.poll();
    return b < 0
        ? null
        : b < 0x100 ? new byte[] {(byte) b} : new byte[] {(byte) b, (byte) (b >> 8)};
  }

  private byte @Nullable [] closed() {
    return console.closed() ? NOTHING : null;
  }

  /** {@return the next byte that was typed, {@link ConsoleInput#BREAK}, or -1} */
  int poll() {
    byte[] b = log.ask(Source.CONSOLE, typed);
    if (b == null) {
      return -1;
    }
    if (b.length == 1) {
      return b[0] & 0xFF;
    }
    if (b.length == 2 && b[0] == 0 && b[1] == 1) {
      return ConsoleInput.BREAK;
    }
    log.differs("the recording has something for the console that is no byte and no break");
    return -1;
  }

  /** Looks whether anything can still be typed. */
  void lookAtEnd() {
    if (!log.consoleEnded()) {
      log.ask(Source.CONSOLE_END, closed);
    }
  }

  /** {@return whether nothing can be typed any more, as was last looked at} */
  boolean consoleEnded() {
    return log.consoleEnded();
  }

  /** {@return the console itself, to wait for it} */
  ConsoleInput console() {
    return console;
  }

  // ---- waiting

  /**
   * {@return how a guest waits that has nothing to do}
   *
   * @param live waits
   */
  Wait idle(Supplier<Wait> live) {
    byte[] b = log.ask(Source.IDLE, () -> live.get().bytes());
    if (b == null) {
      return Wait.WHOLE;
    }
    if (b.length != 9 || b[0] < 0) {
      log.differs("the recording has a wait that is none");
      return Wait.WHOLE;
    }
    return Wait.of(b);
  }

  // ---- actions

  /**
   * Has a key go down or up before the guest goes on; from the machine's thread or another one. In
   * a replay nothing is done that was not recorded.
   */
  public void key(int scanCode, boolean down) {
    if (actions.size() < MOST_WAITING && !log.replays()) {
      actions.add(new byte[] {KEY, (byte) (scanCode >> 8), (byte) scanCode, (byte) (down ? 1 : 0)});
    }
  }

  /** Does what was asked for to the machine; {@return whether there was anything} */
  boolean act(Hypervisor h) {
    boolean any = false;
    for (byte[] b = log.ask(Source.ACTION, action); b != null; b = log.ask(Source.ACTION, action)) {
      if (b.length == KEY_BYTES && b[0] == KEY && (b[2] & 0x7F) != 0) {
        h.key((b[1] & 0xFF) << 8 | b[2] & 0xFF, b[3] != 0);
      } else {
        log.differs("the recording has something done to the machine that this Vesper cannot do");
      }
      any = true;
    }
    return any;
  }

  // ---- replays

  /** {@return how a replayed run ends here, or null if it goes on} */
  @Nullable RunEnd endsHere(boolean inside) {
    return log.endsHere(inside);
  }

  /** A vCPU's turn has ended by an exit. */
  void turnEnds(HostVcpu v) {
    Vmcb c = v.cpu.vmcb();
    long what = (long) v.id << 48 ^ (long) c.exitCode() << 16 ^ c.get(Vmcb.EXITINFO1) * 0x1_0001;
    if (!log.digests().turn(what, v.cpu.instructions(), v.cpu.now())) {
      log.differs(
          "the turn of vCPU "
              + v.id
              + " that has come to instruction "
              + v.cpu.instructions()
              + " of its own has ended by "
              + ExitCode.name(c.exitCode())
              + " there, and in the recording otherwise");
    }
  }

  /** Looks at registers if it is time to, between turns. */
  void look(Hypervisor h) {
    long n = h.instructions();
    if (log.digests().isDue(n) && !log.digests().registers(log.at(), n, h.registers())) {
      log.differs("registers are not those of the recording");
    }
  }

  /** Ends the run of a replay that is not what was recorded. */
  void judge(Hypervisor h) {
    Difference d = log.difference();
    if (d != null) {
      h.end(
          Outcome.DIFFERS,
          "the replay differs from the recording, first at instruction "
              + d.instructions()
              + ": "
              + d.what());
    }
  }
}
