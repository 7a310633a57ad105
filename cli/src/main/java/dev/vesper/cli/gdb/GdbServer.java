package dev.vesper.cli.gdb;

import dev.vesper.cli.gdb.Client.Said;
import dev.vesper.cli.monitor.Control;
import dev.vesper.machine.Machine;
import dev.vesper.machine.Stop;
import dev.vesper.machine.Until;
import dev.vesper.machine.VcpuView;
import dev.vesper.machine.observe.check.Checker;
import dev.vesper.machine.observe.format.Visible;
import dev.vesper.machine.spec.Outcome;
import java.io.Closeable;
import java.io.IOException;
import java.nio.channels.ReadableByteChannel;
import java.nio.channels.ServerSocketChannel;
import java.nio.channels.SocketChannel;
import java.nio.channels.WritableByteChannel;
import java.util.List;
import java.util.Objects;
import java.util.concurrent.ArrayBlockingQueue;
import java.util.concurrent.BlockingQueue;
import java.util.concurrent.TimeUnit;
import java.util.function.Consumer;
import java.util.function.Supplier;
import org.jspecify.annotations.Nullable;

/**
 * Runs machines as a debugger says. The guest stands still from when somebody connects until it is
 * told to go on; who leaves without a word leaves it as it is, so that the next one can connect.
 *
 * <p>A thread takes clients in and another reads what one says; all that is done to the machine is
 * done on the thread that runs it.
 */
public final class GdbServer implements Closeable {
  private static final int SIGINT = 2;
  private static final int SIGQUIT = 3;
  private static final int SIGTRAP = 5;
  private static final int SIGABRT = 6;

  /** What a client may say before it is heard; then it waits. */
  private static final int MOST_UNHEARD = 64;

  private static final long LOOK_MS = 50;

  /** Nothing is kept of what was before. */
  private static final String BEGIN = "replaylog:begin;";

  /** Clients that cannot be let in, one after another, before nobody is any more. */
  private static final int MOST_FAILURES = 100;

  private final @Nullable ServerSocketChannel listening;
  private final BlockingQueue<Spoken> said = new ArrayBlockingQueue<>(MOST_UNHEARD);
  private final Points points = new Points();
  private volatile @Nullable Machine machine;
  private @Nullable Client client;
  private @Nullable Stub stub;
  private @Nullable Monitor monitor;
  private @Nullable Control control;

  /** The machine's, which is another one's when another machine follows. */
  private @Nullable Past past;

  private boolean reverses = true;

  /** What the last of the events was at which the guest would have stood still, going back. */
  private String event = "";

  /** How the last of the points is reported, of the same. */
  private String reason = "";

  private List<RegisterSet.Register> registers = List.of();
  private boolean standing;
  private @Nullable Checker checker;
  private @Nullable BreachStop breach;
  private Consumer<String> unseen = s -> {};

  /** The client waits to be told that the guest stands still. */
  private boolean awaited;

  /** The client has let the guest go for good, and has said nothing since. */
  private boolean detached;

  /** The guest ran when the client came, who has said nothing yet. */
  private boolean interrupted;

  /** The only client that there can be has gone: nobody could let the guest go on. */
  private boolean deserted;

  /** Something that a client has said. */
  private record Spoken(Client by, Said what) {}

  private GdbServer(@Nullable ServerSocketChannel listening, boolean standing) {
    this.listening = listening;
    this.standing = standing;
  }

  /**
   * Lets clients in, one after another.
   *
   * @param listening is closed with the server
   * @param standing the guest waits for the first one
   */
  public static GdbServer over(ServerSocketChannel listening, boolean standing) {
    GdbServer s = new GdbServer(listening, standing);
    start(() -> s.accept(listening));
    return s;
  }

  /** Has monitors say too whether the guest stands still, and {@code monitor} do their commands. */
  public void servedBy(Control c) {
    control = c;
    c.onChange(
        () -> {
          Past p = past;
          if (p != null) {
            p.changed();
          }
        });
    c.heldBy(
        new Control.Holder() {
          @Override
          public boolean isHeld() {
            return standing;
          }

          @Override
          public void hold() {
            Machine m = machine;
            if (!standing && m != null) {
              standing = true;
              tell(SIGINT, m.observer().current().id(), "");
            }
          }

          @Override
          public void release() {
            standing = false;
          }
        });
  }

  /** Has one client, who is there already, as behind {@code target remote |}. */
  public static GdbServer over(ReadableByteChannel in, WritableByteChannel out, boolean standing) {
    GdbServer s = new GdbServer(null, standing);
    start(() -> s.listen(new Client(in, new Outbox(out))));
    return s;
  }

  /** Says whether clients can have machines go back, which costs copies of pages that change. */
  public void reverses(boolean on) {
    reverses = on;
  }

  /** Says who looks for breaches at which a client may have the guest stand still. */
  public void judgedBy(Checker c) {
    checker = c;
  }

  /**
   * Has guests stand still at breaches, whether there is a client or not.
   *
   * @param unseen is told, in a line, when there is none
   */
  public void standsAt(BreachStop s, Consumer<String> unseen) {
    breach = s;
    this.unseen = unseen;
  }

  private static void start(Runnable r) {
    Thread t = new Thread(r, "gdb");
    t.setDaemon(true);
    t.start();
  }

  private void accept(ServerSocketChannel s) {
    for (int failures = 0; s.isOpen() && failures < MOST_FAILURES; ) {
      try (SocketChannel c = s.accept();
          Client who = new Client(c, new Outbox(c))) {
        listen(who);
        failures = 0;
      } catch (IOException e) {
        // Who knocked has gone, the server is closed, or there are no descriptors any more.
        failures++;
      }
    }
  }

  private void listen(Client c) {
    c.listen(
        what -> {
          try {
            while (!isTaken(new Spoken(c, what))) {
              Thread.sleep(1);
            }
          } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
          }
        });
  }

  /**
   * Has the run come back for something. Both is done under a lock, so that the stop is that of the
   * run that is under way, never of the one that it asks for: see {@link #move}.
   *
   * @return false if too much is unheard
   */
  private boolean isTaken(Spoken s) {
    synchronized (said) {
      boolean taken = said.offer(s);
      Machine m = machine;
      if (taken && m != null) {
        m.stop();
      }
      return taken;
    }
  }

  /**
   * Runs a machine to its end, or to the client's.
   *
   * @param over says that the run is to end although the guest stands still; it may wait for a
   *     moment
   * @param between is called each time that the run has come back and goes on
   */
  public Outcome run(Machine m, Supplier<@Nullable Outcome> over, Runnable between) {
    machine = m;
    if (!standing && !said.isEmpty()) {
      // Who has come during the launch could not have the run come back.
      m.stop();
    }
    Control c0 = control;
    Monitor now = new Monitor(m, c0 == null ? Control.of(m) : c0);
    Monitor before = monitor;
    if (before != null) {
      now.stops().takeOver(before.stops());
    } else {
      now.stops().judgedBy(checker);
    }
    monitor = now;
    past = new Past(m, reverses);
    BreachStop b = breach;
    if (b != null) {
      b.of(m);
    }
    registers = new RegisterSet(m.observer().vcpu(0)).all();
    points.of(m, registers);
    Client c = client;
    if (c != null) {
      meet(c, m, now);
    }
    Resume how = Resume.ON;
    for (; ; ) {
      if (standing) {
        Then then = stand(m, now, over);
        if (then.outcome != null) {
          return then.outcome;
        }
        how = then.resume;
        standing = false;
      }
      // A step that nobody waits for any more is none: the guest runs on.
      how = stub == null ? Resume.ON : how;
      Stop s = move(m, now, how);
      switch (s) {
        case Stop.Ended e -> {
          Then then = ended(m, e.outcome(), now, over);
          if (then.outcome != null) {
            return then.outcome;
          }
          how = then.resume;
          continue;
        }
        case Stop.Limit l -> {
          if (how.back()) {
            beginning(m);
            break;
          }
          return Objects.requireNonNull(ended(m, m.run(), now, over).outcome);
        }
        case Stop.Requested r -> between.run();
        default -> report(m, s, how);
      }
      if (!standing) {
        listenTo(m);
      }
      if (deserted && (how.back() || standing && !(s instanceof Stop.Requested))) {
        return gone();
      }
      if (!standing && how.back()) {
        // Somebody else has asked; who went back does not go on from where that was.
        stop("", m.observer().current().id());
      }
    }
  }

  private static Outcome gone() {
    return new Outcome(Outcome.QUIT, "the debugger has gone");
  }

  /** The guest has gone back as far as it can. */
  private void beginning(Machine m) {
    String why = Objects.requireNonNull(past).beginning();
    Stub st = stub;
    if (st != null && awaited && !why.isEmpty()) {
      st.show("vesper: " + why + "\n");
    }
    stop(BEGIN, m.observer().current().id());
  }

  private Stop move(Machine m, Monitor now, Resume how) {
    Past p = Objects.requireNonNull(past);
    BreachStop b = breach;
    Until u = b == null ? now.stops().until() : now.stops().until().or(b.until());
    synchronized (said) {
      // Each packet asks the run to come back, and those that are heard have.
      if (how.back() && said.isEmpty()) {
        m.forgetStop();
      }
    }
    if (how.back()) {
      return p.back(how.step(), u, s -> counts(m, now, s));
    }
    if (!how.isStep()) {
      return p.run(u);
    }
    VcpuView v = m.observer().vcpu(how.step());
    long before = v.instructions();
    Stop s = p.step(how.step());
    // Whoever has asked for the run to come back must not have the step made twice.
    return s instanceof Stop.Requested && v.instructions() > before
        ? new Stop.Stepped(how.step())
        : s;
  }

  /** {@return whether something stops a guest that goes back} */
  private boolean counts(Machine m, Monitor now, Stop s) {
    return switch (s) {
      case Stop.Breakpoint b -> counts(points.report(b, m.observer().vcpu(b.vcpu())));
      case Stop.Watchpoint w -> {
        String shared = now.stops().sharedWrite(w, m.observer().vcpu(w.vcpu()));
        boolean point = counts(points.report(w, m.observer().vcpu(w.vcpu())));
        if (!point && shared != null) {
          event = shared;
          reason = "";
        }
        yield point || shared != null;
      }
      case Stop.Happened h -> {
        BreachStop b = breach;
        String found = b == null ? null : b.found();
        event = found != null ? found : now.stops().why();
        yield true;
      }
      default -> true;
    };
  }

  /** The machine may be elsewhere when a client is told. */
  private boolean counts(@Nullable String how) {
    if (how != null) {
      event = "";
      reason = how;
    }
    return how != null;
  }

  private void served() {
    Control c = control;
    if (c != null) {
      c.serve();
    }
  }

  /** What comes of standing still: how the guest goes on, or how the run has ended. */
  private record Then(Resume resume, @Nullable Outcome outcome) {}

  private Then stand(Machine m, Monitor now, Supplier<@Nullable Outcome> over) {
    for (; ; ) {
      Outcome o = over.get();
      if (o != null) {
        return new Then(Resume.ON, o);
      }
      served();
      if (!standing) {
        return new Then(Resume.ON, null);
      }
      Spoken s = next();
      if (s == null) {
        continue;
      }
      Then t = hear(s, m, now);
      if (t != null) {
        return t;
      }
    }
  }

  /** {@return what a client has said next, or null if nothing for a moment} */
  private @Nullable Spoken next() {
    try {
      Spoken s = said.poll(LOOK_MS, TimeUnit.MILLISECONDS);
      // Who asks first asks again after two seconds, which a launch may take.
      while (s != null && isGreeting(s) && isGreeting(said.peek())) {
        s = said.poll();
      }
      return s;
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
      return null;
    }
  }

  /** {@return whether a client has gone, or does not wait for an answer} */
  private boolean isInterrupted() {
    return said.stream()
        .anyMatch(
            s ->
                s.what instanceof Client.Left
                    || s.what instanceof Client.Told t
                        && t.message() instanceof PacketReader.Interrupt);
  }

  private static boolean isGreeting(@Nullable Spoken s) {
    return s != null
        && s.what instanceof Client.Told t
        && t.message() instanceof PacketReader.Packet p
        && Packets.text(p.data()).startsWith("qSupported");
  }

  /** {@return what a client has said comes to, or null if the guest stands on} */
  private @Nullable Then hear(Spoken s, Machine m, Monitor now) {
    switch (s.what) {
      case Client.Arrived a -> meet(s.by, m, now);
      case Client.Left l -> {
        leave();
        if (listening == null) {
          // Nobody else could let the guest go on.
          return new Then(Resume.ON, gone());
        }
        if (interrupted) {
          // It was no debugger: whoever has looked whether somebody listens.
          interrupted = false;
          if (!said.isEmpty()) {
            m.stop();
          }
          return new Then(Resume.ON, null);
        }
      }
      case Client.Told t -> {
        interrupted = false;
        detached = false;
        Stub st = stub;
        if (t.message() instanceof PacketReader.Packet p && st != null) {
          return obey(st, st.take(p.data()));
        }
      }
    }
    return null;
  }

  private void meet(Client c, Machine m, Monitor now) {
    Stub before = client == c ? stub : null;
    client = c;
    Past p = Objects.requireNonNull(past);
    p.begin();
    Stub st = new Stub(c, points, m, now, p, registers, this::isInterrupted);
    if (before != null) {
      st.goesOnAs(before);
    }
    stub = st;
  }

  /** What the client has set goes with it. */
  private void leave() {
    forget();
    deserted = listening == null;
    client = null;
    stub = null;
    detached = false;
  }

  /** Nobody waits for the guest any more: nothing may have it stand still. */
  private void forget() {
    points.clear();
    Monitor m = monitor;
    if (m != null) {
      m.forget();
    }
    Past p = past;
    if (p != null) {
      p.end();
    }
    awaited = false;
  }

  private @Nullable Then obey(Stub st, Stub.Then then) {
    return switch (then) {
      case STAND -> null;
      case GO -> {
        awaited = true;
        yield new Then(st.resume(), null);
      }
      case DETACH -> {
        forget();
        detached = true;
        yield new Then(Resume.ON, null);
      }
      case KILL -> new Then(Resume.ON, new Outcome(Outcome.QUIT, "ended by the debugger"));
    };
  }

  /** A client has said something while the guest ran: it stands still, as QEMU's does. */
  private void listenTo(Machine m) {
    Spoken s = said.peek();
    while (s != null && s.what instanceof Client.Left) {
      said.remove();
      leave();
      s = said.peek();
    }
    if (s == null) {
      return;
    }
    standing = true;
    interrupted = s.what instanceof Client.Arrived;
    tell(SIGINT, m.observer().current().id(), "");
    if (s.what instanceof Client.Told t && t.message() instanceof PacketReader.Interrupt) {
      said.remove();
    }
  }

  private void tell(int signal, int vcpu, String why) {
    Stub st = stub;
    if (st != null && awaited) {
      awaited = false;
      st.stopped(signal, vcpu, why);
    }
  }

  private void report(Machine m, Stop s, Resume how) {
    switch (s) {
      case Stop.Breakpoint b -> {
        VcpuView v = m.observer().vcpu(b.vcpu());
        stop(how.back() ? reason : points.report(b, v), b.vcpu());
      }
      case Stop.Watchpoint w -> {
        VcpuView v = m.observer().vcpu(w.vcpu());
        String why = how.back() ? reason : points.report(w, v);
        String shared =
            how.back() ? event : Objects.requireNonNull(monitor).stops().sharedWrite(w, v);
        if (why == null || why.isEmpty()) {
          why = happened(shared) ? "" : why;
        }
        stop(why, w.vcpu());
      }
      case Stop.Stepped p -> {
        VcpuView v = m.observer().vcpu(p.vcpu());
        if (!how.within(RegisterSet.codeAddress(v))) {
          stop("", p.vcpu());
        }
      }
      case Stop.Happened h -> {
        Stub st = stub;
        BreachStop b = breach;
        String found = b == null ? null : b.found();
        String why =
            how.back()
                ? event
                : found != null ? found : Objects.requireNonNull(monitor).stops().why();
        if (st != null && awaited) {
          happened(why);
        } else if (st == null && found != null) {
          unseen.accept(found);
        }
        stop("", m.observer().current().id());
      }
      default -> throw new AssertionError(s);
    }
  }

  /** Tells a client who waits of an event; {@return whether there is one} */
  private boolean happened(@Nullable String what) {
    Stub st = stub;
    boolean is = what != null && !what.isEmpty();
    if (st != null && awaited && is) {
      st.show("vesper: " + what + "\n");
    }
    return is;
  }

  /**
   * Stands still.
   *
   * @param why as in the packet, or null if the client does not want to know
   */
  private void stop(@Nullable String why, int vcpu) {
    if (why != null) {
      standing = true;
      tell(SIGTRAP, vcpu, why);
    }
  }

  /** The guest's life is over. A client may look at what it died of, or have it go back. */
  private Then ended(Machine m, Outcome o, Monitor now, Supplier<@Nullable Outcome> over) {
    Then end = new Then(Resume.ON, o);
    Stub st = stub;
    if (st == null || detached || o.is(Outcome.POWER_OFF) || over.get() != null) {
      return end;
    }
    tell(m, SIGABRT, o);
    Then t = null;
    while (t == null && stub != null && over.get() == null) {
      served();
      Spoken s = next();
      t = s == null ? null : hear(s, m, now);
    }
    return t != null && t.outcome == null && t.resume.back() ? t : end;
  }

  private void tell(Machine m, int signal, Outcome o) {
    Stub st = stub;
    if (st != null && awaited) {
      st.show("vesper: " + Visible.of(o.reason()) + "\n");
    }
    tell(signal, m.observer().current().id(), "");
  }

  /**
   * Serves clients while a guest that has come to its end is kept, which cannot be had to go on.
   *
   * @param o how its life has ended
   * @param over says how the run ends; it may wait for a moment
   * @return how the run ends, as that says or as a client has it
   */
  public Outcome keep(Machine m, Outcome o, Supplier<@Nullable Outcome> over) {
    standing = true;
    Outcome end = null;
    while (end == null) {
      tell(m, SIGQUIT, o);
      end = stand(m, Objects.requireNonNull(monitor), over).outcome;
    }
    return end;
  }

  /**
   * Says that there is nothing more to come: a run's end may be one that another machine follows.
   */
  public void conclude(Outcome o) {
    Stub st = stub;
    if (st != null && awaited) {
      awaited = false;
      st.ended(o.status());
    }
  }

  @Override
  public void close() throws IOException {
    if (listening != null) {
      listening.close();
    }
    Client c = client;
    if (c != null) {
      c.close();
    }
  }
}
