package dev.vesper.fuzz;

import dev.vesper.ghcb.ExitCode;
import dev.vesper.ghcb.GhcbField;
import dev.vesper.machine.host.DescriptorField;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.TreeMap;
import java.util.function.Predicate;
import org.jspecify.annotations.Nullable;

/**
 * Makes inputs of others: by lies at places that the other's execution has come to, by other
 * values, by leaving out, and by parts of a third. What it makes is a function of its seed and of
 * what it was given.
 */
final class Mutator {
  private static final int MOST_STEPS = 5;

  /** Inputs that are tried of one entry before anything is left to chance. */
  private static final int MOST_FIRST = 4096;

  private static final long EXCEPTION_VALID = 1L << 31 | 3 << 8;
  private static final long[] EXCEPTIONS = {0, 3, 6, 13, 14, 29};

  /** Exit codes that handlers of #VC serve, and may believe. */
  private static final int[] RAISED = {
    ExitCode.CPUID,
    ExitCode.MSR,
    ExitCode.IOIO,
    ExitCode.VMMCALL,
    ExitCode.RDTSC,
    ExitCode.RDTSCP,
    ExitCode.WBINVD,
    ExitCode.RDPMC,
    ExitCode.INVD,
    ExitCode.MONITOR,
    ExitCode.MWAIT,
    ExitCode.DR7_READ,
    ExitCode.DR7_WRITE,
    0x41,
    0x51,
    ExitCode.NPF
  };

  private static final List<String> FILES =
      List.of(
          "etc/acpi/tables",
          "etc/acpi/rsdp",
          "etc/table-loader",
          "etc/e820",
          "bootorder",
          "etc/system-states",
          "etc/smbios/smbios-tables",
          "etc/smbios/smbios-anchor");

  private final Random random;
  private final SiteFilter sites;
  private final Numbers numbers = new Numbers();

  Mutator(long seed, SiteFilter sites) {
    random = new Random(seed);
    this.sites = sites;
  }

  /** Learns what a guest was told, and what it has compared that with. */
  void learn(Noted noted) {
    for (Comparison c : noted.comparisons()) {
      if (c.left() != c.right()) {
        numbers.learn(c.left());
        numbers.learn(c.right());
      }
    }
    for (Seen s : noted.seen()) {
      numbers.learn(s.rax());
      numbers.learn(s.rbx());
      numbers.learn(s.rcx());
      numbers.learn(s.rdx());
    }
  }

  /** {@return a number from 0 to one less than another} */
  int below(int n) {
    return random.nextInt(n);
  }

  /**
   * {@return inputs with one more lie each, which are tried once, before anything is left to
   * chance} What the guest has compared answers with comes first, then telling values for the first
   * answer to each question.
   *
   * @param untried says whether what was asked for, or an address, was not tried yet
   */
  List<Input> first(Input of, Noted noted, Predicate<String> untried) {
    List<Lie> all = new ArrayList<>(InputToState.of(noted, sites));
    Map<String, Seen> firsts = new TreeMap<>();
    noted.seen().forEach(s -> firsts.putIfAbsent(name(s), s));
    firsts.values().removeIf(s -> !untried.test(name(s)));
    for (Seen s : firsts.values()) {
      if (sites.takes(s.site())) {
        add(all, s.site(), s.nth(), v -> telling(s, v));
      }
      if (sites.takes(SiteFilter.Way.INJECT) && s.site().kind() != Site.Kind.PROTO) {
        for (int code : RAISED) {
          all.add(new Lie(s.site(), s.nth(), List.of(new Change.Raise(code))));
        }
      }
    }
    for (SharedRead r :
        sites.takes(SiteFilter.Way.SHARED) ? noted.reads() : List.<SharedRead>of()) {
      if (untried.test(r.site() + " shared:" + r.gpa())) {
        add(all, r.site(), r.nth(), v -> List.of(new Change.Shared(r.gpa(), r.bytes(), v)));
      }
    }
    return all.stream().distinct().limit(MOST_FIRST).map(l -> with(of, l)).toList();
  }

  /** {@return what tells questions apart: of a port that gives many things, how many bytes too} */
  private static String name(Seen s) {
    return s.site() + "/" + s.buffer();
  }

  /** Makes changes that bring a value into an answer. */
  private interface Values {
    List<Change> of(long value);
  }

  private static void add(List<Lie> to, Site site, int nth, Values values) {
    for (int i = 0; i < Numbers.count(); i++) {
      values.of(Numbers.telling(i)).forEach(c -> to.add(new Lie(site, nth, List.of(c))));
    }
  }

  /** {@return what has a value in one place, as far as that may be changed} */
  private List<Change> telling(Seen s, long v) {
    List<Change> all = new ArrayList<>();
    if (sites.takesValues() && (!isWrite(s) || sites.takes(SiteFilter.Way.ERROR))) {
      all.addAll(values(s, v));
    }
    if (v >= 32 && v <= 255 && sites.takes(SiteFilter.Way.IRQ)) {
      all.add(new Change.Interrupt((int) v));
    }
    if (isBell(s) && sites.takes(SiteFilter.Way.VIRTIO)) {
      all.add(new Change.Used(false, (int) v));
      all.add(new Change.Used(true, (int) v));
      for (DescriptorField f : DescriptorField.values()) {
        all.add(new Change.Descriptor(f, v));
      }
    }
    return all;
  }

  /** {@return whether a question has no answer but that it was heard} */
  private static boolean isWrite(Seen s) {
    return s.site().kind() == Site.Kind.WRMSR || isBell(s);
  }

  /** {@return whether a question may be the doorbell of a device} */
  private static boolean isBell(Seen s) {
    return s.site().kind() == Site.Kind.OUT || s.site().kind() == Site.Kind.MMIO_WRITE;
  }

  /** {@return what has a value in one place of an answer, a change for each place} */
  private static List<Change> values(Seen s, long v) {
    return switch (s.site().kind()) {
      case CPUID ->
          List.of(
              new Change.Field(GhcbField.RAX, v & 0xFFFF_FFFFL),
              new Change.Field(GhcbField.RBX, v & 0xFFFF_FFFFL),
              new Change.Field(GhcbField.RCX, v & 0xFFFF_FFFFL),
              new Change.Field(GhcbField.RDX, v & 0xFFFF_FFFFL));
      case MSR -> List.of(new Change.Field(GhcbField.RAX, v), new Change.Field(GhcbField.RDX, v));
      case PORT, PCI ->
          s.buffer() > 0 ? words(s.buffer(), v) : List.of(new Change.Field(GhcbField.RAX, v));
      case MMIO -> List.of(new Change.Buffer(0, width(s.buffer()), v));
      case PROTO -> List.of(new Change.Response(s.rax() & 0xFFFF_FFFFL | v << 32));
      case VC, WRMSR, OUT, MMIO_WRITE -> List.of(new Change.Field(GhcbField.SW_EXITINFO2, v));
    };
  }

  /** {@return changes of each word of a buffer, of four bytes and of eight} */
  private static List<Change> words(int bytes, long v) {
    List<Change> all = new ArrayList<>();
    for (int at = 0; at < bytes; at += 4) {
      all.add(new Change.Buffer(at, width(Math.min(4, bytes - at)), v));
      if (at % 8 == 0 && at + 8 <= bytes) {
        all.add(new Change.Buffer(at, 8, v));
      }
    }
    return all;
  }

  private static int width(int bytes) {
    return bytes >= 8 ? 8 : bytes >= 4 ? 4 : bytes >= 2 ? 2 : 1;
  }

  /**
   * {@return another input}
   *
   * @param noted of the first one's execution
   * @param third an input that parts may come from
   */
  Input mutate(Input input, Noted noted, Input third) {
    List<Lie> lies = new ArrayList<>(input.lies());
    int steps = 1 + random.nextInt(MOST_STEPS);
    for (int i = 0; i < steps; i++) {
      step(lies, noted, third);
    }
    while (lies.size() > Input.MOST) {
      lies.removeLast();
    }
    return new Input(lies);
  }

  private void step(List<Lie> lies, Noted noted, Input third) {
    int what = lies.isEmpty() ? 0 : random.nextInt(10);
    switch (what) {
      case 0, 1, 2 -> add(lies, noted);
      case 3, 4, 5 -> revalue(lies);
      case 6 -> lies.remove(random.nextInt(lies.size()));
      case 7 -> again(lies);
      case 8 -> more(lies, noted.seen());
      default -> {
        for (Lie l : third.lies()) {
          if (random.nextBoolean()) {
            lies.add(l);
          }
        }
      }
    }
  }

  private static Input with(Input of, Lie l) {
    List<Lie> all = new ArrayList<>(of.lies());
    all.add(l);
    return new Input(all);
  }

  private void add(List<Lie> lies, Noted noted) {
    List<Seen> seen = noted.seen();
    if (!noted.reads().isEmpty() && sites.takes(SiteFilter.Way.SHARED) && random.nextInt(4) == 0) {
      SharedRead r = noted.reads().get(random.nextInt(noted.reads().size()));
      Change c = new Change.Shared(r.gpa(), r.bytes(), numbers.other(r.value(), random));
      lies.add(new Lie(r.site(), r.nth(), List.of(c)));
      return;
    }
    if (seen.isEmpty()) {
      return;
    }
    for (int attempt = 0; attempt < 16; attempt++) {
      Site site = seen.get(random.nextInt(seen.size())).site();
      if (sites.takes(site)) {
        List<Seen> same = seen.stream().filter(s -> s.site().equals(site)).toList();
        Seen s = same.get(random.nextInt(same.size()));
        boolean always = random.nextInt(8) == 0;
        Change c = change(s);
        if (c != null) {
          lies.add(new Lie(site, always ? 0 : s.nth(), List.of(c)));
          return;
        }
      }
    }
  }

  /** Has a lie be told at another time, or each time. */
  private void again(List<Lie> lies) {
    Lie l = lies.get(random.nextInt(lies.size()));
    int nth = random.nextInt(4) == 0 ? 0 : Math.max(1, l.nth() + 1 + random.nextInt(4));
    lies.add(new Lie(l.site(), nth, l.changes()));
  }

  /** Has a lie change more. */
  private void more(List<Lie> lies, List<Seen> seen) {
    int i = random.nextInt(lies.size());
    Lie l = lies.get(i);
    // Memory may be changed behind a question whose answer may not.
    if (l.changes().size() == Lie.MOST || !sites.takes(l.site())) {
      return;
    }
    for (Seen s : seen) {
      if (s.site().equals(l.site()) && l.isAt(s.nth())) {
        Change c = change(s);
        if (c != null) {
          List<Change> changes = new ArrayList<>(l.changes());
          changes.add(c);
          lies.set(i, new Lie(l.site(), l.nth(), changes));
        }
        return;
      }
    }
  }

  private void revalue(List<Lie> lies) {
    int i = random.nextInt(lies.size());
    Lie l = lies.get(i);
    List<Change> changes = new ArrayList<>(l.changes());
    int k = random.nextInt(changes.size());
    changes.set(k, revalued(changes.get(k)));
    lies.set(i, new Lie(l.site(), l.nth(), changes));
  }

  private Change revalued(Change c) {
    return switch (c) {
      case Change.Field f -> new Change.Field(f.field(), numbers.other(f.value(), random));
      case Change.Invalid v -> v;
      case Change.Buffer b ->
          new Change.Buffer(b.at(), b.bytes(), numbers.other(b.value(), random));
      case Change.Response r -> new Change.Response(response(r.value()));
      case Change.Interrupt v -> new Change.Interrupt(32 + random.nextInt(224));
      case Change.Raise r -> new Change.Raise(RAISED[random.nextInt(RAISED.length)]);
      case Change.Delay d -> new Change.Delay(delay());
      case Change.Shared s ->
          new Change.Shared(s.gpa(), s.bytes(), numbers.other(s.value(), random));
      case Change.Used u -> new Change.Used(u.ofLength(), (int) numbers.other(u.value(), random));
      case Change.Descriptor d ->
          new Change.Descriptor(d.field(), numbers.other(d.value(), random));
      case Change.File f -> file(f.name());
    };
  }

  private long response(long v) {
    // The lower half says what is answered; a guest stops at once if it is something else.
    return random.nextInt(16) == 0
        ? numbers.other(v, random)
        : v & 0xFFFF_FFFFL | numbers.other(v >>> 32, random) << 32;
  }

  private long delay() {
    return 1L << random.nextInt(33);
  }

  private Change.File file(String name) {
    StringBuilder b = new StringBuilder();
    int n = 1 + random.nextInt(8);
    for (int i = 0; i < n; i++) {
      b.append(String.format("%02x", random.nextInt(4) == 0 ? 0xFF : random.nextInt(256)));
    }
    int most = random.nextInt(3) == 0 ? 8192 : 256;
    return new Change.File(name, random.nextInt(most), b.toString());
  }

  /** {@return a change of an answer, by one of the ways that are allowed; null for none} */
  private @Nullable Change change(Seen s) {
    boolean values = sites.takesValues();
    // Where only ways are named they are all there is, else values come first.
    int way = random.nextInt(values ? 24 : 8);
    SiteFilter.Way w =
        switch (way) {
          case 0 -> SiteFilter.Way.IRQ;
          case 1 -> SiteFilter.Way.TIME;
          case 2 -> SiteFilter.Way.FW_CFG;
          case 3 -> SiteFilter.Way.INJECT;
          case 4, 5 -> SiteFilter.Way.ERROR;
          default -> SiteFilter.Way.VIRTIO;
        };
    boolean fits =
        switch (w) {
          case VIRTIO -> isBell(s) && (way & 1) == 0;
          case ERROR -> s.site().kind() != Site.Kind.PROTO;
          case IRQ, TIME, FW_CFG, INJECT -> true;
          case SHARED -> false;
        };
    if (fits && sites.takes(w)) {
      return way(w, s);
    }
    if (!values || isWrite(s) && !sites.takes(SiteFilter.Way.ERROR)) {
      return null;
    }
    return value(s);
  }

  private Change way(SiteFilter.Way w, Seen s) {
    return switch (w) {
      case IRQ -> new Change.Interrupt(32 + random.nextInt(224));
      case TIME -> new Change.Delay(delay());
      case FW_CFG -> file(FILES.get(random.nextInt(FILES.size())));
      case INJECT -> new Change.Raise(RAISED[random.nextInt(RAISED.length)]);
      // What is read from there is not known of a question.
      case SHARED -> throw new AssertionError(w);
      case ERROR -> error(s);
      case VIRTIO -> {
        long v = numbers.other(0, random);
        int what = random.nextInt(2 + DescriptorField.values().length);
        yield what < 2
            ? new Change.Used(what == 0, (int) v)
            : new Change.Descriptor(DescriptorField.values()[what - 2], v);
      }
    };
  }

  private Change error(Seen s) {
    return switch (random.nextInt(4)) {
      case 0 -> new Change.Field(GhcbField.SW_EXITINFO1, numbers.other(1, random));
      case 1 -> {
        long vector = EXCEPTIONS[random.nextInt(EXCEPTIONS.length)];
        yield new Change.Field(GhcbField.SW_EXITINFO2, EXCEPTION_VALID | vector);
      }
      case 2 -> new Change.Field(GhcbField.SW_EXITINFO2, numbers.other(0, random));
      default ->
          new Change.Invalid(
              s.site().code() == ExitCode.CPUID && random.nextBoolean()
                  ? GhcbField.RBX
                  : GhcbField.RAX);
    };
  }

  private Change value(Seen s) {
    return switch (s.site().kind()) {
      case CPUID -> {
        int r = random.nextInt(4);
        long own = r == 0 ? s.rax() : r == 1 ? s.rbx() : r == 2 ? s.rcx() : s.rdx();
        GhcbField f = List.of(GhcbField.RAX, GhcbField.RBX, GhcbField.RCX, GhcbField.RDX).get(r);
        yield new Change.Field(f, numbers.other(own, random) & 0xFFFF_FFFFL);
      }
      case MSR ->
          random.nextBoolean()
              ? new Change.Field(GhcbField.RAX, numbers.other(s.rax(), random) & 0xFFFF_FFFFL)
              : new Change.Field(GhcbField.RDX, numbers.other(s.rdx(), random) & 0xFFFF_FFFFL);
      case PORT, PCI ->
          s.buffer() > 0
              ? buffer(s)
              : new Change.Field(GhcbField.RAX, numbers.other(s.rax(), random) & 0xFFFF_FFFFL);
      case MMIO -> buffer(s);
      case PROTO -> new Change.Response(response(s.rax()));
      case VC -> random.nextBoolean() ? buffer(s) : error(s);
      case WRMSR, OUT, MMIO_WRITE -> error(s);
    };
  }

  private Change buffer(Seen s) {
    int width = 1 << random.nextInt(4);
    int places = Math.max(1, s.buffer() / width);
    return new Change.Buffer(
        width * random.nextInt(places), width, numbers.other(random.nextInt(256), random));
  }
}
