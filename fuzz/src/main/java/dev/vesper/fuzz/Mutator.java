package dev.vesper.fuzz;

import dev.vesper.ghcb.ExitCode;
import dev.vesper.ghcb.GhcbField;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.TreeMap;

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

  /** Learns what a guest was told. */
  void learn(List<Seen> seen) {
    for (Seen s : seen) {
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
   * {@return inputs with one telling value each, for each question's first answer} They are tried
   * once, before anything is left to chance.
   */
  List<Input> first(Input of, List<Seen> seen) {
    List<Input> all = new ArrayList<>();
    Map<String, Seen> firsts = new TreeMap<>();
    seen.forEach(s -> firsts.putIfAbsent(s.site().toString(), s));
    for (Seen s : firsts.values()) {
      if (!sites.takes(s.site()) || !sites.takesValues()) {
        continue;
      }
      for (int i = 0; i < Numbers.count(); i++) {
        for (Change c : values(s, Numbers.telling(i))) {
          if (all.size() < MOST_FIRST) {
            all.add(with(of, new Lie(s.site(), s.nth(), List.of(c))));
          }
        }
      }
    }
    return all;
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
          s.buffer() > 0
              ? List.of(new Change.Buffer(0, 4, v))
              : List.of(new Change.Field(GhcbField.RAX, v));
      case MMIO -> List.of(new Change.Buffer(0, width(s.buffer()), v));
      case PROTO -> List.of(new Change.Response(s.rax() & 0xFFFF_FFFFL | v << 32));
      case VC, WRMSR, OUT, MMIO_WRITE -> List.of(new Change.Field(GhcbField.SW_EXITINFO2, v));
    };
  }

  private static int width(int bytes) {
    return bytes >= 8 ? 8 : bytes >= 4 ? 4 : bytes >= 2 ? 2 : 1;
  }

  /**
   * {@return another input}
   *
   * @param seen answers of the first one's execution
   * @param third an input that parts may come from
   */
  Input mutate(Input input, List<Seen> seen, Input third) {
    List<Lie> lies = new ArrayList<>(input.lies());
    int steps = 1 + random.nextInt(MOST_STEPS);
    for (int i = 0; i < steps; i++) {
      step(lies, seen, third);
    }
    while (lies.size() > Input.MOST) {
      lies.removeLast();
    }
    return new Input(lies);
  }

  private void step(List<Lie> lies, List<Seen> seen, Input third) {
    int what = lies.isEmpty() ? 0 : random.nextInt(10);
    switch (what) {
      case 0, 1, 2 -> add(lies, seen);
      case 3, 4, 5 -> revalue(lies);
      case 6 -> lies.remove(random.nextInt(lies.size()));
      case 7 -> again(lies);
      case 8 -> more(lies, seen);
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

  private void add(List<Lie> lies, List<Seen> seen) {
    if (seen.isEmpty()) {
      return;
    }
    for (int attempt = 0; attempt < 16; attempt++) {
      Site site = seen.get(random.nextInt(seen.size())).site();
      if (sites.takes(site)) {
        List<Seen> same = seen.stream().filter(s -> s.site().equals(site)).toList();
        Seen s = same.get(random.nextInt(same.size()));
        boolean always = random.nextInt(8) == 0;
        lies.add(new Lie(site, always ? 0 : s.nth(), List.of(change(s))));
        return;
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
    if (l.changes().size() == Lie.MOST) {
      return;
    }
    for (Seen s : seen) {
      if (s.site().equals(l.site()) && l.isAt(s.nth())) {
        List<Change> changes = new ArrayList<>(l.changes());
        changes.add(change(s));
        lies.set(i, new Lie(l.site(), l.nth(), changes));
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
      case Change.Delay d -> new Change.Delay(delay());
      case Change.Used u -> new Change.Used(u.ofLength(), (int) numbers.other(u.value(), random));
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

  /** {@return a change of an answer, by one of the ways that are allowed} */
  private Change change(Seen s) {
    int way = random.nextInt(24);
    if (way == 0 && sites.takes(SiteFilter.Way.IRQ)) {
      return new Change.Interrupt(32 + random.nextInt(224));
    }
    if (way == 1 && sites.takes(SiteFilter.Way.TIME)) {
      return new Change.Delay(delay());
    }
    if (way == 2 && sites.takes(SiteFilter.Way.FW_CFG)) {
      return file(FILES.get(random.nextInt(FILES.size())));
    }
    boolean bell = s.site().kind() == Site.Kind.OUT || s.site().kind() == Site.Kind.MMIO_WRITE;
    if (bell && (way & 1) == 0 && sites.takes(SiteFilter.Way.VIRTIO)) {
      return new Change.Used(random.nextBoolean(), (int) numbers.other(0, random));
    }
    boolean request = s.site().kind() != Site.Kind.PROTO;
    if (request && (way == 3 || way == 4) && sites.takes(SiteFilter.Way.ERROR)) {
      return error(s);
    }
    return value(s);
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
