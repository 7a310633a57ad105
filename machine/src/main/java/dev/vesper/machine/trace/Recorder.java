package dev.vesper.machine.trace;

import dev.vesper.machine.cpu.Cpu;
import dev.vesper.machine.memory.Page;
import dev.vesper.machine.memory.PhysicalMemory;
import dev.vesper.machine.observe.Accesses;
import dev.vesper.machine.observe.At;
import dev.vesper.machine.observe.Event;
import dev.vesper.machine.observe.EventSink;
import dev.vesper.machine.observe.Symbols;
import dev.vesper.machine.observe.Tally;
import dev.vesper.machine.state.StateFollower;
import java.util.ArrayList;
import java.util.BitSet;
import java.util.EnumMap;
import java.util.List;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/** What the tracers of a machine share: whom they look at, and where their events go. */
final class Recorder implements StateFollower {
  /** Addresses that are named; a guest may use ever new ones. */
  private static final int MOST_PLACES = 100_000;

  /** Who wants to be told of accesses to a page. */
  enum Watcher {
    /** It is a GHCB, or was one. */
    GHCB,
    /** A device has written to it while it was private. */
    DEVICE,
    /** The guest has validated it. */
    FIRST_USE
  }

  private final Map<Watcher, BitSet> watched = new EnumMap<>(Watcher.class);

  /** The frames that memory and processors know to be watched by anyone. */
  private final transient BitSet told = new BitSet();

  private final EventSink sink;
  private final EventSink now;
  private final CodePlaces code = new CodePlaces();
  private final AddressMap places = new AddressMap();
  private final KaslrSlide kaslr = new KaslrSlide();
  private final List<TracedVcpu> vcpus = new ArrayList<>();
  private transient List<Cpu> cpus = List.of();
  private transient Symbols symbols = Symbols.NONE;
  private transient Symbols given = Symbols.NONE;

  /** The names in use are not those that were given. */
  private boolean adjusted;

  /** How far those in use are moved. */
  private long slide;

  private int running;

  private long events;
  private long exceptions;
  private long exchanges;

  /** The last event, which waits for others that are like it. */
  private @Nullable Event pending;

  /**
   * @param sink is told of events, of those that are like the one before together
   * @param now is told of each when it happens
   */
  Recorder(EventSink sink, EventSink now) {
    this.sink = sink;
    this.now = now;
  }

  void attach(List<Cpu> all, Symbols names) {
    cpus = all;
    symbols = names;
    given = names;
    all.forEach(c -> vcpus.add(new TracedVcpu()));
  }

  /**
   * Names are in no file: those that the guest's tables show are found again. Memory is told which
   * accesses are reported.
   */
  @Override
  public void stateChanged() {
    if (cpus.isEmpty()) {
      return;
    }
    BitSet wanted = new BitSet();
    watched.values().forEach(wanted::or);
    BitSet changed = (BitSet) told.clone();
    changed.xor(wanted);
    changed.stream().forEach(f -> tell(f, wanted.get(f)));
    if (!adjusted) {
      symbols = given;
    } else if (symbols == given || symbols.slide() != slide) {
      symbols = new KaslrSlide().adjust(cpu(), given);
    }
  }

  /** Another vCPU's turn has come. */
  void running(int vcpu) {
    running = vcpu;
  }

  /** {@return the processor whose turn it is} */
  Cpu cpu() {
    return cpus.get(running);
  }

  /** {@return what is known about the vCPU whose turn it is} */
  TracedVcpu vcpu() {
    return vcpus.get(running);
  }

  /** {@return the number of the vCPU whose turn it is} */
  int running() {
    return running;
  }

  PhysicalMemory memory() {
    return cpus.get(0).memory;
  }

  Symbols symbols() {
    return symbols;
  }

  /** Looks whether the processor's tables show where the guest's kernel runs. */
  void adjustSymbols(Cpu c) {
    symbols = kaslr.adjust(c, symbols);
    adjusted = symbols != given;
    slide = symbols.slide();
  }

  /** {@return what stands at an address} */
  CodePlaces.Code code(long rip) {
    return code.at(cpu(), rip, symbols);
  }

  void record(Event e) {
    flush();
    count(e);
    sink.accept(e);
    now.accept(e);
  }

  /** Counts an event before anybody is told of it. */
  private void count(Event e) {
    events++;
    if (e instanceof Event.VcRaised) {
      exceptions++;
    } else if (e instanceof Event.GhcbExchange) {
      exchanges++;
    }
  }

  /** {@return what has happened until now} */
  Tally tally() {
    return new Tally(events, exceptions, exchanges);
  }

  /** Records an event without which all others are what they are with it. */
  void recordBeside(Event e) {
    sink.accept(e);
    now.accept(e);
  }

  /** Records an event that may be one of many alike: they become one ({@link EventRuns}). */
  void recordRun(Event e) {
    count(e);
    Event first = pending;
    Event joined = first == null ? null : EventRuns.join(first, e);
    if (joined == null) {
      flush();
    }
    pending = joined == null ? e : joined;
    now.accept(e);
  }

  /** Hands on what may have had more events like it. */
  private void flush() {
    Event e = pending;
    if (e != null) {
      pending = null;
      sink.accept(e);
    }
  }

  /**
   * {@return the present and a place, with the accesses to the GHCB until now} The event that it is
   * for must be recorded next.
   */
  At at(long rip) {
    Accesses a = accesses();
    return at(rip, code(rip), a);
  }

  /**
   * {@return the same}
   *
   * @param there what stands at the address now
   */
  At at(long rip, CodePlaces.Code there) {
    return at(rip, there, accesses());
  }

  /**
   * {@return the same}
   *
   * @param there what stood at the address
   */
  At at(long rip, CodePlaces.Shown there) {
    return at(rip, there, accesses());
  }

  /** {@return the present and a place, for an event between a request and its answer} */
  At atOnly(long rip) {
    return at(rip, code(rip), Accesses.NONE);
  }

  /** {@return the accesses until now, after the names of where they were made} */
  private Accesses accesses() {
    Accesses a = vcpu().takeAccesses();
    for (int i = 0; i < a.size(); i++) {
      long from = a.rip(i);
      if (places.get(from) == 0 && places.size() < MOST_PLACES) {
        places.put(from, 1);
        record(new Event.Place(at(from, code(from), Accesses.NONE)));
      }
    }
    return a;
  }

  private At at(long rip, CodePlaces.Code k, Accesses accesses) {
    return at(rip, k.shown(), accesses);
  }

  private At at(long rip, CodePlaces.Shown k, Accesses accesses) {
    Cpu c = cpu();
    return new At(
        c.instructionCount() + c.idleTime,
        c.instructionCount(),
        running,
        k.bits(),
        c.cpl,
        c.vmpl(),
        rip,
        k.symbol(),
        k.source(),
        k.text(),
        accesses);
  }

  /** Has accesses to a page reported to somebody, or no longer. */
  void watch(int frame, Watcher who, boolean on) {
    BitSet frames = watched.computeIfAbsent(who, w -> new BitSet());
    frames.set(frame, on);
    tell(frame, watched.values().stream().anyMatch(b -> b.get(frame)));
  }

  private void tell(int frame, boolean any) {
    told.set(frame, any);
    if (memory().watch(frame, any)) {
      cpus.forEach(c -> c.watchFrame(frame, any));
    }
  }

  /** Copies a page as the host sees it. */
  void peekShared(int frame, byte[] to) {
    memory().peek(frame, Page.SHARED, to);
  }
}
