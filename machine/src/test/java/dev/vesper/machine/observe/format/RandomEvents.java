package dev.vesper.machine.observe.format;

import dev.vesper.ghcb.ExitCode;
import dev.vesper.ghcb.GhcbField;
import dev.vesper.ghcb.MsrRequest;
import dev.vesper.machine.observe.Accesses;
import dev.vesper.machine.observe.At;
import dev.vesper.machine.observe.ByteRange;
import dev.vesper.machine.observe.Bytes;
import dev.vesper.machine.observe.Event;
import dev.vesper.machine.observe.FieldValues;
import dev.vesper.machine.observe.GhcbContents;
import dev.vesper.machine.observe.GhcbUse;
import dev.vesper.machine.observe.Omitted;
import dev.vesper.machine.observe.Operand;
import dev.vesper.machine.observe.PageState;
import dev.vesper.machine.observe.Registers;
import dev.vesper.machine.observe.RmpAccess;
import dev.vesper.machine.observe.RmpCause;
import dev.vesper.machine.observe.RmpCheck;
import dev.vesper.machine.observe.RmpState;
import dev.vesper.machine.observe.flow.FlowKind;
import java.util.ArrayList;
import java.util.EnumMap;
import java.util.List;
import java.util.Map;
import java.util.Random;
import org.jspecify.annotations.Nullable;

/** Events of every type with every part, as a tracer could make them. */
final class RandomEvents {
  private static final int TYPES = 30;
  private static final int[] EXITS = {
    0, 0x27, 0x37, 0x60, 0x6E, 0x72, 0x7B, 0x8F, 0x9F, 0x400, 0x80000001, 0x8000FFFF, -1, 0x1234
  };

  private final Random r;
  private int turn;

  RandomEvents(long seed) {
    r = new Random(seed);
  }

  /** {@return the next event; all types come in turn} */
  Event next() {
    At at = at();
    return switch (turn++ % TYPES) {
      case 0 -> raised(at);
      case 1 ->
          new Event.VcReturned(
              at,
              exit(),
              id(),
              number(),
              number(),
              r.nextInt(9999),
              registers(),
              bytes(),
              ranges());
      case 2 -> exchange(at);
      case 3 ->
          new Event.MsrExchange(
              at,
              id(),
              number(),
              number() | MsrRequest.CPUID_REQ,
              number(),
              r.nextBoolean() ? null : text("ended "));
      case 4 -> new Event.AutomaticExit(at, exit(), number(), number());
      case 5 -> new Event.WriteTrap(at, exit(), number(), number());
      case 6 -> new Event.Injected(at, number());
      case 7 ->
          new Event.PageStateChanged(
              at, number(), PageState.SHARED, PageState.PRIVATE, one(GhcbUse.values()));
      case 8 -> {
        boolean write = r.nextBoolean();
        yield new Event.HostAccess(at, write, number(), r.nextBoolean(), write && r.nextBoolean());
      }
      case 9 -> new Event.DmaNoise(at, number());
      case 10 -> new Event.ExecuteOnlyRead(at, number(), id(), number());
      case 11 -> new Event.VcpuStarted(at, r.nextInt(64), text("by "));
      case 12 -> new Event.ConsoleLine(at, text(""));
      case 13 -> new Event.Place(at);
      case 14 -> new Event.Launched(at, text("0x1 "), bytes(), bytes(), bytes());
      case 15 ->
          new Event.Pvalidate(
              at,
              number(),
              gpa(),
              r.nextBoolean(),
              r.nextBoolean(),
              eax(),
              r.nextBoolean(),
              state(),
              one(RmpCheck.values()),
              id());
      case 16 ->
          new Event.Rmpadjust(
              at,
              number(),
              gpa(),
              r.nextBoolean(),
              r.nextInt(256),
              r.nextInt(256),
              r.nextBoolean(),
              eax(),
              state(),
              state(),
              one(RmpCheck.values()));
      case 17 ->
          new Event.Rmpquery(
              at, number(), gpa(), r.nextInt(256), eax(), state(), one(RmpCheck.values()));
      case 18 -> changed(at);
      case 19 ->
          new Event.RmpViolation(
              at,
              one(RmpAccess.values()),
              number(),
              number(),
              r.nextBoolean(),
              number(),
              state(),
              one(RmpCheck.values()));
      case 20 -> new Event.ApCreationAsked(at, number(), number(), number(), text("no "));
      case 21 -> new Event.GhcbRegistered(at, number());
      case 22 ->
          new Event.GuestRequestAnswered(
              at, r.nextBoolean(), number(), number(), number(), number(), text("no "));
      case 23 -> new Event.Omission(at, one(Omitted.values()), number());
      case 24 -> new Event.CpuidLaunched(at, number(), Bytes.of(new byte[] {1, 2, 3}));
      case 25 -> new Event.KeyExposed(at, r.nextInt(4), number());
      case 26 -> called(at);
      case 27 ->
          new Event.HostileRule(
              at,
              r.nextInt(10_000),
              r.nextInt(100),
              r.nextBoolean(),
              r.nextBoolean(),
              text("insn "),
              text(""));
      case 28 ->
          new Event.FlowFound(at, one(FlowKind.values()), text("symbol "), text("GHCB "), number());
      default -> new Event.Ended(at, r.nextInt(126), text("reason "));
    };
  }

  private Event called(At at) {
    boolean answered = r.nextBoolean();
    boolean list = r.nextBoolean();
    return new Event.SvsmCalled(
        at,
        1 + r.nextInt(3),
        r.nextBoolean() ? r.nextInt(8) : number(),
        number(),
        number(),
        number(),
        number(),
        r.nextInt(3) - 1,
        list ? r.nextInt(1 << 16) : -1,
        list ? r.nextInt(1 << 16) : -1,
        answered,
        answered ? number() : 0,
        answered ? number() : 0,
        answered ? number() : 0,
        answered ? number() : 0,
        answered ? r.nextInt(3) - 1 : -1);
  }

  private Event changed(At at) {
    int first = r.nextInt(254) - 1;
    return new Event.RmpChanged(
        at,
        one(RmpCause.values()),
        text("private "),
        number(),
        id(),
        state(),
        state(),
        first,
        first < 0 ? -1 : first + r.nextInt(3),
        text("no "));
  }

  private RmpState state() {
    return new RmpState(
        one(RmpState.Kind.values()),
        r.nextBoolean(),
        r.nextBoolean(),
        r.nextInt(3),
        r.nextInt(3) == 0 ? 0 : number(),
        r.nextInt(2) == 0 ? 0 : r.nextInt());
  }

  private long gpa() {
    return r.nextInt(4) == 0 ? Event.NO_ADDRESS : number() >>> 1;
  }

  private int eax() {
    return r.nextInt(8) - 1;
  }

  private Event raised(At at) {
    int exit = exit();
    return new Event.VcRaised(
        at,
        exit,
        id(),
        number(),
        registers(),
        bytes(),
        operand(),
        operand(),
        operand(),
        r.nextInt(3) == 0 ? null : (Boolean) r.nextBoolean(),
        bytes(),
        exit == ExitCode.CPUID ? number() : 0,
        one(GhcbUse.values()),
        r.nextBoolean() ? 0 : id());
  }

  private Event exchange(At at) {
    if (r.nextInt(8) == 0) {
      long msr = number();
      return new Event.GhcbExchange(
          at,
          id(),
          number(),
          msr,
          msr,
          PageState.OUTSIDE,
          PageState.UNKNOWN,
          GhcbContents.NONE,
          GhcbContents.NONE,
          0,
          0,
          List.of(),
          List.of(),
          PageState.UNKNOWN,
          text("nothing "),
          null);
    }
    return new Event.GhcbExchange(
        at,
        id(),
        number(),
        number(),
        number(),
        r.nextBoolean() ? PageState.SHARED : PageState.PRIVATE,
        one(PageState.values()),
        contents(),
        contents(),
        r.nextInt(1 << 16),
        number() & 0xFFFF_FFFFL,
        ranges(),
        ranges(),
        one(PageState.values()),
        text("done "),
        r.nextBoolean() ? null : text("ended "));
  }

  private At at() {
    return new At(
        r.nextLong() >>> 1,
        r.nextLong() >>> 1,
        r.nextInt(64),
        16 << r.nextInt(3),
        r.nextInt(4),
        r.nextInt(4),
        number(),
        text(""),
        text(""),
        text("mov "),
        accesses());
  }

  /** Numbers of every length, negative ones too. */
  private long number() {
    return r.nextInt(5) == 0 ? 0 : r.nextLong() >>> r.nextInt(64);
  }

  private long id() {
    return r.nextInt(1000) + 1;
  }

  private int exit() {
    return EXITS[r.nextInt(EXITS.length)];
  }

  private <T> T one(T[] all) {
    return all[r.nextInt(all.length)];
  }

  /** Text with everything that JSON has to write otherwise. */
  private String text(String start) {
    StringBuilder b = new StringBuilder(start);
    for (int n = r.nextInt(12); n > 0; n--) {
      b.append("a \"\\\n\t\u0001/é€=\u2028".charAt(r.nextInt(12)));
    }
    return b.toString();
  }

  private Bytes bytes() {
    byte[] b = new byte[r.nextInt(20)];
    r.nextBytes(b);
    return Bytes.of(b);
  }

  private Registers registers() {
    return Registers.of(r.longs(Registers.COUNT).map(v -> v >>> r.nextInt(64)).toArray());
  }

  private @Nullable Operand operand() {
    return switch (r.nextInt(3)) {
      case 0 -> null;
      case 1 -> Operand.unmapped(number());
      default -> new Operand(number(), true, number(), r.nextBoolean(), r.nextBoolean());
    };
  }

  private List<ByteRange> ranges() {
    List<ByteRange> l = new ArrayList<>();
    for (int n = r.nextInt(4); n > 0; n--) {
      int from = r.nextInt(4096);
      l.add(new ByteRange(from, from + r.nextInt(4096 - from)));
    }
    return l;
  }

  private FieldValues fields() {
    Map<GhcbField, Long> m = new EnumMap<>(GhcbField.class);
    for (GhcbField f : GhcbField.values()) {
      if (r.nextInt(4) == 0) {
        m.put(f, number());
      }
    }
    return FieldValues.of(m);
  }

  private GhcbContents contents() {
    return new GhcbContents(fields(), fields(), bytes(), bytes());
  }

  private Accesses accesses() {
    if (r.nextBoolean()) {
      return Accesses.NONE;
    }
    Accesses a = new Accesses();
    for (int n = r.nextInt(40); n >= 0; n--) {
      a.add(one(Accesses.Kind.values()), r.nextInt(4096), 1 << r.nextInt(6), number(), number());
    }
    return a;
  }
}
