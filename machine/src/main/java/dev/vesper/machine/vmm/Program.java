package dev.vesper.machine.vmm;

import dev.vesper.ghcb.GhcbField;
import dev.vesper.ghcb.GhcbPage;
import dev.vesper.ghcb.MsrRequest;
import dev.vesper.machine.host.Answer;
import dev.vesper.machine.host.Exit;
import dev.vesper.machine.host.HostMemory;
import dev.vesper.machine.host.HypervisorProgram;
import dev.vesper.machine.host.VmcbView;
import dev.vesper.machine.sev.Vmcb;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Deque;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.PriorityQueue;
import java.util.function.Consumer;
import java.util.function.IntToLongFunction;
import java.util.function.Supplier;

/** What a user's program has the hypervisor do: whom to ask at which exit, before the profile. */
public final class Program implements HypervisorProgram {
  /** For {@link #events} and {@link #msrs}: whatever the code. */
  private static final int ANY = Integer.MIN_VALUE;

  /** For {@link #next}. */
  private static final int ANY_VCPU = -1;

  private final Map<Integer, List<Answer<Exit.Event>>> events = new HashMap<>();
  private final Map<Integer, List<Answer<Exit.Msr>>> msrs = new HashMap<>();
  private final Map<Integer, List<Answer<Exit.Automatic>>> exits = new HashMap<>();

  private final PriorityQueue<Meeting> meetings = new PriorityQueue<>();
  private final PriorityQueue<Meeting> times = new PriorityQueue<>();

  /** By vCPU: due at its own count. */
  private final Map<Integer, PriorityQueue<Meeting>> ofVcpus = new HashMap<>();

  private final List<Consumer<Exit.Appointment>> entries = new ArrayList<>();
  private final Map<Integer, Deque<Consumer<Exit.Appointment>>> soon = new HashMap<>();
  private final NestedTable nested;
  private final Tampering platform;
  private final IntToLongFunction count;
  private long appointed;

  /**
   * @param instructions count, or virtual time in nanoseconds
   * @param number of those that are due together the least comes first
   */
  private record Meeting(long instructions, long number, Consumer<Exit.Appointment> host)
      implements Comparable<Meeting> {
    @Override
    public int compareTo(Meeting o) {
      int c = Long.compare(instructions, o.instructions);
      return c != 0 ? c : Long.compare(number, o.number);
    }
  }

  /**
   * @param count instructions that a vCPU has executed, given its number
   */
  Program(NestedTable nested, Tampering platform, IntToLongFunction count) {
    this.nested = nested;
    this.platform = platform;
    this.count = count;
  }

  @Override
  public void onEvent(int code, Answer<Exit.Event> answer) {
    add(events, code, answer);
  }

  @Override
  public void onEvents(Answer<Exit.Event> answer) {
    add(events, ANY, answer);
  }

  @Override
  public void onMsr(int info, Answer<Exit.Msr> answer) {
    add(msrs, info, answer);
  }

  @Override
  public void onMsrs(Answer<Exit.Msr> answer) {
    add(msrs, ANY, answer);
  }

  @Override
  public void onExit(int code, Answer<Exit.Automatic> answer) {
    add(exits, code, answer);
  }

  @Override
  public void at(long instructions, Consumer<Exit.Appointment> host) {
    if (instructions < 0) {
      throw new IllegalArgumentException(
          "a count of instructions is not negative, as " + instructions + " is");
    }
    meetings.add(new Meeting(instructions, appointed++, host));
  }

  @Override
  public void atTime(long nanos, Consumer<Exit.Appointment> host) {
    if (nanos < 0) {
      throw new IllegalArgumentException("virtual time is not negative, as " + nanos + " is");
    }
    times.add(new Meeting(nanos, appointed++, host));
  }

  @Override
  public void after(int vcpu, long instructions, Consumer<Exit.Appointment> host) {
    if (instructions < 1) {
      throw new IllegalArgumentException("nothing comes after " + instructions + " instructions");
    }
    long at = count.applyAsLong(vcpu) + instructions;
    ofVcpus
        .computeIfAbsent(vcpu, v -> new PriorityQueue<>())
        .add(new Meeting(at, appointed++, host));
  }

  @Override
  public void onEntry(Consumer<Exit.Appointment> host) {
    entries.add(host);
  }

  @Override
  public void next(int vcpu, Consumer<Exit.Appointment> host) {
    soon.computeIfAbsent(vcpu, v -> new ArrayDeque<>()).add(host);
  }

  @Override
  public NestedTable nested() {
    return nested;
  }

  @Override
  public Tampering platform() {
    return platform;
  }

  private static <E extends Exit> void add(
      Map<Integer, List<Answer<E>>> to, int code, Answer<E> answer) {
    to.computeIfAbsent(code, c -> new ArrayList<>()).add(answer);
  }

  /** {@return how many appointments were ever made} */
  long appointed() {
    return appointed;
  }

  /** {@return the instruction count of the machine at which the next appointment is} */
  long nextAppointment() {
    Meeting m = meetings.peek();
    return m == null ? Long.MAX_VALUE : m.instructions;
  }

  /** {@return the virtual time of the next one that is at a time} */
  long nextTime() {
    Meeting m = times.peek();
    return m == null ? Long.MAX_VALUE : m.instructions;
  }

  /** {@return how many instructions a vCPU may execute until its own next appointment} */
  long left(HostVcpu v) {
    if (ofVcpus.isEmpty()) {
      return Long.MAX_VALUE;
    }
    PriorityQueue<Meeting> own = ofVcpus.get(v.id);
    return own == null || own.isEmpty()
        ? Long.MAX_VALUE
        : Math.max(0, own.peek().instructions - v.cpu.instructions());
  }

  /** Has a consumer speak to the host now, about the boot processor, while nothing runs. */
  void now(Hypervisor host, Consumer<Exit.Appointment> consumer) {
    consumer.accept(new Met(host, host.vcpus.get(0)));
  }

  /** Keeps the appointments that are due before a vCPU runs. */
  void entering(Hypervisor host, HostVcpu v) {
    for (int i = 0; i < entries.size(); i++) {
      entries.get(i).accept(new Met(host, v));
    }
    if (!soon.isEmpty()) {
      comeBack(host, v, v.id);
      comeBack(host, v, ANY_VCPU);
    }
    if (!ofVcpus.isEmpty()) {
      countDown(host, v);
    }
    while (!times.isEmpty() && nextTime() <= v.cpu.now() && isFree(v) && host.outcome() == null) {
      times.remove().host.accept(new Met(host, v));
    }
    while (!meetings.isEmpty()
        && nextAppointment() <= host.instructions()
        && isFree(v)
        && host.outcome() == null) {
      meetings.remove().host.accept(new Met(host, v));
    }
  }

  /** Keeps what was asked for by {@link #next}. */
  private void comeBack(Hypervisor host, HostVcpu v, int asked) {
    Deque<Consumer<Exit.Appointment>> now = soon.get(asked);
    // What they ask for anew is for the VMRUN after this one.
    for (int n = now == null ? 0 : now.size(); n > 0 && isFree(v); n--) {
      Consumer<Exit.Appointment> c = now == null ? null : now.poll();
      if (c != null && host.outcome() == null) {
        c.accept(new Met(host, v));
      }
    }
  }

  /** Keeps the vCPU's own appointments that are due. */
  private void countDown(Hypervisor host, HostVcpu v) {
    PriorityQueue<Meeting> own = ofVcpus.get(v.id);
    while (own != null
        && !own.isEmpty()
        && own.peek().instructions <= v.cpu.instructions()
        && isFree(v)
        && host.outcome() == null) {
      own.remove().host.accept(new Met(host, v));
    }
  }

  /** {@return whether no event is on its way into the guest already} */
  private static boolean isFree(HostVcpu v) {
    Vmcb b = v.cpu.vmcb();
    long lost = b.get(Vmcb.EXITINTINFO);
    return (b.get(Vmcb.EVENTINJ) & Interrupts.EVENT_VALID) == 0
        && ((lost & Interrupts.EVENT_VALID) == 0 || (lost & 0xFF) == Interrupts.VC);
  }

  /** Serves a VMGEXIT. */
  void vmgexit(Hypervisor host, HostVcpu v) {
    long msr = v.cpu.vmcb().get(Vmcb.GHCB_GPA);
    Runnable profile = () -> host.handlers.vmgexit(v);
    if (MsrRequest.info(msr) != 0) {
      ask(msrs, MsrRequest.info(msr), () -> new ByMsr(host, v, msr), profile);
      return;
    }
    long page = host.handlers.ghcb(msr);
    if (events.isEmpty() || page == 0 || !host.memory.contains(page, GhcbPage.SIZE)) {
      profile.run();
      return;
    }
    ByPage e = new ByPage(host, v, page);
    ask(events, e.code(), () -> e, profile);
  }

  /** Serves any other exit. */
  void exit(Hypervisor host, HostVcpu v, int code, long info1, long info2) {
    if (exits.isEmpty()) {
      host.handlers.exit(v, code, info1, info2);
      return;
    }
    ask(
        exits,
        code,
        () -> new Other(host, v, code, info1, info2),
        () -> host.handlers.exit(v, code, info1, info2));
  }

  private static <E extends Exit> void ask(
      Map<Integer, List<Answer<E>>> whom, int code, Supplier<E> exit, Runnable profile) {
    List<Answer<E>> all = whom.getOrDefault(ANY, List.of());
    List<Answer<E>> some = whom.getOrDefault(code, List.of());
    if (all.isEmpty() && some.isEmpty()) {
      profile.run();
      return;
    }
    E e = exit.get();
    Runnable next = profile;
    for (Answer<E> a : all) {
      next = asking(a, e, next);
    }
    for (Answer<E> a : some) {
      next = asking(a, e, next);
    }
    next.run();
  }

  private static <E extends Exit> Runnable asking(Answer<E> a, E e, Runnable next) {
    return () -> a.answer(e, next);
  }

  /** What all exits have. */
  private abstract static class Base implements Exit {
    final Hypervisor host;
    final HostVcpu v;

    Base(Hypervisor host, HostVcpu v) {
      this.host = host;
      this.v = v;
    }

    @Override
    public int vcpu() {
      return v.id;
    }

    @Override
    public long instructions() {
      return v.cpu.instructions();
    }

    @Override
    public long allInstructions() {
      return host.instructions();
    }

    @Override
    public long time() {
      return v.cpu.now();
    }

    @Override
    public VmcbView vmcb() {
      Vmcb b = v.cpu.vmcb();
      return new VmcbView() {
        @Override
        public long get(int offset) {
          return b.get(offset);
        }

        @Override
        public void set(int offset, long value) {
          b.set(offset, value);
          b.setInt(Vmcb.CLEAN, 0);
        }
      };
    }

    @Override
    public HostMemory memory() {
      return host.memory;
    }

    @Override
    public void inject(long event) {
      host.interrupts.inject(v, event);
    }

    @Override
    public void delay(long nanos) {
      if (nanos < 0 || nanos > Hypervisor.LONGEST_DELAY) {
        throw new IllegalArgumentException(
            "a delay is 0 to " + Hypervisor.LONGEST_DELAY + " ns, not " + nanos);
      }
      v.cpu.idleUntil(v.cpu.now() + nanos);
    }

    @Override
    public void end(int status, String reason) {
      host.end(status, reason);
    }
  }

  private static final class Met extends Base implements Exit.Appointment {
    Met(Hypervisor host, HostVcpu v) {
      super(host, v);
    }
  }

  private static final class Other extends Base implements Exit.Automatic {
    private final int code;
    private final long info1;
    private final long info2;

    Other(Hypervisor host, HostVcpu v, int code, long info1, long info2) {
      super(host, v);
      this.code = code;
      this.info1 = info1;
      this.info2 = info2;
    }

    @Override
    public int code() {
      return code;
    }

    @Override
    public long info1() {
      return info1;
    }

    @Override
    public long info2() {
      return info2;
    }
  }

  private static final class ByMsr extends Base implements Exit.Msr {
    private final long request;

    ByMsr(Hypervisor host, HostVcpu v, long request) {
      super(host, v);
      this.request = request;
    }

    @Override
    public long request() {
      return request;
    }

    @Override
    public long response() {
      return v.cpu.vmcb().get(Vmcb.GHCB_GPA);
    }

    @Override
    public void respond(long value) {
      v.cpu.vmcb().set(Vmcb.GHCB_GPA, value);
    }
  }

  private static final class ByPage extends Base implements Exit.Event {
    private final long page;
    private final byte[] copy = new byte[GhcbPage.SIZE];
    private final GhcbPage request = new GhcbPage(copy);

    ByPage(Hypervisor host, HostVcpu v, long page) {
      super(host, v);
      this.page = page;
      host.memory.read(page, copy, 0, GhcbPage.SIZE);
    }

    @Override
    public int code() {
      return (int) request.get(GhcbField.SW_EXITCODE);
    }

    @Override
    public long request(GhcbField f) {
      return request.get(f);
    }

    @Override
    public long ghcb() {
      return page;
    }

    @Override
    public long get(GhcbField f) {
      return host.memory.read(page + f.offset, f.bytes);
    }

    @Override
    public void set(GhcbField f, long value) {
      put(f, value);
      long bit = page + GhcbPage.VALID_BITMAP + f.bit() / 8;
      host.memory.write(bit, 1, host.memory.read(bit, 1) | 1L << f.bit() % 8);
    }

    @Override
    public void put(GhcbField f, long value) {
      host.memory.write(page + f.offset, f.bytes, value);
    }
  }
}
