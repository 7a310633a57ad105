package dev.vesper.fuzz;

import dev.vesper.ghcb.ExitCode;
import dev.vesper.ghcb.GhcbField;
import dev.vesper.ghcb.GhcbPage;
import dev.vesper.ghcb.MsrRequest;
import dev.vesper.machine.Machine;
import dev.vesper.machine.Observer;
import dev.vesper.machine.host.DescriptorField;
import dev.vesper.machine.host.Exit;
import dev.vesper.machine.host.HostMemory;
import dev.vesper.machine.host.HostPlatform;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.HashSet;
import java.util.HexFormat;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.function.BiConsumer;
import org.jspecify.annotations.Nullable;

/**
 * Answers one machine's guest as an input says, and knows what was asked for. It counts from the
 * machine's beginning on; what it has counted at a moment is brought back with that moment.
 */
final class LyingHost {
  /** Occurrences of a site that are noted, and in all. */
  private static final int NOTED_OF_A_SITE = 64;

  private static final int NOTED = 8192;

  private static final int PAGE = 4096;
  private static final int LONGEST_STRING = 64;

  /** EVENTINJ of #VC: an exception with an error code. */
  private static final long VC = 29 | 3 << 8 | 1 << 11;

  private static final int PCI_ADDRESS = 0xCF8;

  /** How often something has come, now and at the moment that executions begin at. */
  private static final class Count {
    private int now;
    private int base;
    private boolean touched;
  }

  /**
   * A lie that was told.
   *
   * @param nth of which request with the same code
   */
  record Told(Lie lie, int nth) {}

  private final HostPlatform platform;
  private final Map<Site, Count> sites = new HashMap<>();
  private final Map<Integer, Count> codes = new HashMap<>();
  private final Map<Integer, Count> requests = new HashMap<>();
  private final List<Count> touched = new ArrayList<>();
  private final List<Told> told = new ArrayList<>();
  private final List<Seen> seen = new ArrayList<>();
  private Map<Site, List<Lie>> lies = Map.of();
  private BiConsumer<Site, Exit> first = (site, e) -> {};
  private long pciAddress;
  private long pciBase;
  private boolean noting;
  private long asked;
  private @Nullable Asked last;

  /** Pages that were GHCBs of a request. */
  private final Set<Long> ghcbs = new HashSet<>();

  private final Observer observer;
  private final MessageNumbers messages = new MessageNumbers();

  /** A question, and at which time it was asked. */
  record Asked(Site site, int nth) {}

  /** Takes part in a machine that has not run. */
  LyingHost(Machine m) {
    platform = m.hypervisor().platform();
    observer = m.observer();
    m.hypervisor().onEvents(this::event);
    m.hypervisor().onMsrs(this::request);
  }

  /** Has somebody told of each question before it is answered. */
  void beforeAnswers(BiConsumer<Site, Exit> who) {
    first = who;
  }

  /** The machine is where executions begin. */
  void mark() {
    List.of(sites, codes, requests).forEach(m -> m.values().forEach(LyingHost::keep));
    touched.clear();
    messages.mark();
    pciBase = pciAddress;
  }

  private static void keep(Count c) {
    c.base = c.now;
    c.touched = false;
  }

  /**
   * The machine is there again.
   *
   * @param input what it is told from here on
   * @param note whether {@link #seen()} is wanted
   */
  void begin(Input input, boolean note) {
    for (Count c : touched) {
      c.now = c.base;
      c.touched = false;
    }
    touched.clear();
    told.clear();
    seen.clear();
    pciAddress = pciBase;
    noting = note;
    asked = 0;
    last = null;
    ghcbs.clear();
    messages.begin();
    // What the last execution was told and no device has said is none of this one's.
    platform.used(0, -1, -1);
    for (DescriptorField f : DescriptorField.values()) {
      platform.descriptor(0, f, 0);
    }
    if (input.lies().isEmpty()) {
      lies = Map.of();
      return;
    }
    lies = new HashMap<>();
    for (Lie l : input.lies()) {
      lies.computeIfAbsent(l.site(), s -> new ArrayList<>(1)).add(l);
    }
  }

  /** {@return how many questions there were since {@link #begin}} */
  long asked() {
    return asked;
  }

  /** {@return the rule that the guest has broken since {@link #begin}, in words, or null} */
  @Nullable String breach() {
    return messages.breach();
  }

  /** {@return the last question since {@link #begin}, or null before it} */
  @Nullable Asked last() {
    return last;
  }

  /** {@return whether an address lies in a page that was a GHCB} */
  boolean isGhcb(long gpa) {
    return ghcbs.contains(gpa >>> 12);
  }

  /** {@return what was told since {@link #begin}} */
  List<Told> told() {
    return List.copyOf(told);
  }

  /** {@return the answers since {@link #begin}, as far as they are noted} */
  List<Seen> seen() {
    return List.copyOf(seen);
  }

  private int count(Count c) {
    if (!c.touched) {
      c.touched = true;
      touched.add(c);
    }
    return ++c.now;
  }

  private <K> int count(Map<K, Count> of, K key) {
    return count(of.computeIfAbsent(key, k -> new Count()));
  }

  private void event(Exit.Event e, Runnable profile) {
    Site site = Site.of(e, pciAddress);
    first.accept(site, e);
    if (site.kind() == Site.Kind.OUT && site.key() == PCI_ADDRESS) {
      pciAddress = e.request(GhcbField.RAX) & 0xFFFF_FFFFL;
    }
    int nth = count(sites, site);
    int ofCode = count(codes, e.code());
    asked++;
    messages.asked(e);
    profile.run();
    for (Lie l : lies.getOrDefault(site, List.of())) {
      if (l.isAt(nth)) {
        l.changes().forEach(c -> apply(c, e));
        told.add(new Told(l, ofCode));
      }
    }
    if (noting) {
      last = new Asked(site, nth);
      ghcbs.add(e.ghcb() >>> 12);
      note(e, site, nth);
    }
  }

  private void note(Exit.Event e, Site site, int nth) {
    if (nth - of(site) <= NOTED_OF_A_SITE && seen.size() < NOTED) {
      int bytes = buffer(e);
      seen.add(
          new Seen(
              site,
              nth,
              e.get(GhcbField.RAX),
              e.get(GhcbField.RBX),
              e.get(GhcbField.RCX),
              e.get(GhcbField.RDX),
              bytes,
              words(e, bytes)));
    }
  }

  private static List<Long> words(Exit.Event e, int bytes) {
    long from = e.request(GhcbField.SW_SCRATCH);
    List<Long> all = new ArrayList<>();
    for (int at = 0; at < bytes && e.memory().contains(from + at, Long.BYTES); at += Long.BYTES) {
      all.add(e.memory().read(from + at, Long.BYTES));
    }
    return all;
  }

  private int of(Site s) {
    Count c = sites.get(s);
    return c == null ? 0 : c.base;
  }

  private static int buffer(Exit.Event e) {
    long info1 = e.request(GhcbField.SW_EXITINFO1);
    return switch (e.code()) {
      case ExitCode.MMIO_READ -> (int) (e.request(GhcbField.SW_EXITINFO2) & 0x3F);
      case ExitCode.IOIO -> (info1 & 5) == 5 ? string(e, info1) : 0;
      case ExitCode.CPUID, ExitCode.MSR, ExitCode.MMIO_WRITE -> 0;
      default -> 32;
    };
  }

  /** {@return bytes of a string that is read from a port, as far as they are looked at} */
  private static int string(Exit.Event e, long info1) {
    long bytes = e.request(GhcbField.SW_EXITINFO2) * (info1 >>> 4 & 7);
    return (int) (Long.compareUnsigned(bytes, LONGEST_STRING) > 0 ? LONGEST_STRING : bytes);
  }

  private void request(Exit.Msr e, Runnable profile) {
    Site site = Site.of(e.request());
    first.accept(site, e);
    int nth = count(sites, site);
    int ofInfo = count(requests, MsrRequest.info(e.request()));
    asked++;
    profile.run();
    for (Lie l : lies.getOrDefault(site, List.of())) {
      if (l.isAt(nth)) {
        l.changes().forEach(c -> apply(c, e));
        told.add(new Told(l, ofInfo));
      }
    }
    if (noting) {
      last = new Asked(site, nth);
    }
    if (noting && nth - of(site) <= NOTED_OF_A_SITE && seen.size() < NOTED) {
      seen.add(new Seen(site, nth, e.response(), 0, 0, 0, 0, List.of()));
    }
  }

  private void apply(Change change, Exit.Msr e) {
    if (change instanceof Change.Response r) {
      e.respond(r.value());
    } else {
      apply(change, (Exit) e);
    }
  }

  private void apply(Change change, Exit.Event e) {
    switch (change) {
      case Change.Field f -> e.set(f.field(), f.value());
      case Change.Invalid i -> {
        long at = e.ghcb() + GhcbPage.VALID_BITMAP + i.field().bit() / 8;
        e.memory().write(at, 1, e.memory().read(at, 1) & ~(1L << i.field().bit() % 8));
      }
      case Change.Buffer b -> {
        long at = e.request(GhcbField.SW_SCRATCH) + b.at();
        HostMemory m = e.memory();
        if (m.contains(at, b.bytes())) {
          m.write(at, b.bytes(), b.value());
        }
      }
      default -> apply(change, (Exit) e);
    }
  }

  private void apply(Change change, Exit e) {
    switch (change) {
      case Change.Interrupt i -> e.inject(i.vector());
      case Change.Raise r -> e.inject(VC | (long) r.code() << 32);
      case Change.Delay d -> e.delay(d.nanos());
      case Change.Descriptor d -> platform.descriptor(1, d.field(), d.value());
      case Change.Shared s -> {
        // What is private is garbled by whoever writes there, and that is no lie.
        if (e.memory().contains(s.gpa(), s.bytes())
            && (s.gpa() & 0xFFF) + s.bytes() <= PAGE
            && !observer.isPrivate(s.gpa())) {
          e.memory().write(s.gpa(), s.bytes(), s.value());
        }
      }
      case Change.Used u ->
          platform.used(
              1,
              u.ofLength() ? -1 : u.value() & 0xFFFF_FFFFL,
              u.ofLength() ? u.value() & 0xFFFF_FFFFL : -1);
      case Change.File f -> platform.file(f.name(), f.at(), HexFormat.of().parseHex(f.hex()));
      case Change.Field f -> {}
      case Change.Invalid i -> {}
      case Change.Buffer b -> {}
      case Change.Response r -> {}
    }
  }
}
