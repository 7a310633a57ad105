package dev.vesper.cli.gdb;

import dev.vesper.cli.gdb.RegisterSet.Register;
import dev.vesper.machine.Machine;
import dev.vesper.machine.VcpuView;
import java.nio.charset.StandardCharsets;
import java.util.Arrays;
import java.util.List;
import java.util.function.BooleanSupplier;
import java.util.function.Consumer;
import org.jspecify.annotations.Nullable;

/**
 * Answers packets while the guest stands still. What it does not know it answers with nothing, as
 * the protocol asks for; what is malformed, with an error.
 */
final class Stub {
  static final String OK = "OK";

  /** EINVAL. */
  static final String MALFORMED = "E22";

  /** EFAULT: memory cannot be reached. */
  private static final String NO_MEMORY = "E14";

  /** EIO: what should not be. */
  static final String FAILED = "E05";

  /** ENOTSUP. */
  private static final String NOT_OFFERED = "E95";

  private static final int SIGTRAP = 5;

  private static final String OFFERED =
      "PacketSize=%x;QStartNoAckMode+;multiprocess+;swbreak+;hwbreak+;vContSupported+;"
          + "qXfer:features:read+;qXfer:threads:read+;qXfer:memory-map:read+;"
          + "ConditionalBreakpoints+;ReverseStep+;ReverseContinue+";

  /** What a packet asks for besides its answer. */
  enum Then {
    STAND,
    GO,
    DETACH,
    KILL
  }

  private final Client client;
  private final Points points;
  private final Machine machine;
  private final Monitor monitor;
  private final Past past;
  private final List<Register> registers;
  private final BooleanSupplier interrupted;
  private int general;
  private int control = -1;
  private boolean multiprocess;
  private boolean namesBreaks;
  private Resume resume = Resume.ON;
  private int signal = SIGTRAP;
  private int stopped;
  private String why = "";

  /**
   * @param interrupted whether the client has said since that it does not wait for an answer
   */
  Stub(
      Client client,
      Points points,
      Machine machine,
      Monitor monitor,
      Past past,
      List<Register> registers,
      BooleanSupplier interrupted) {
    this.client = client;
    this.points = points;
    this.machine = machine;
    this.monitor = monitor;
    this.past = past;
    this.registers = registers;
    this.interrupted = interrupted;
    stopped = machine.observer().current().id();
    general = stopped;
  }

  /** {@return how the guest is to go on, after {@link Then#GO}} */
  Resume resume() {
    return resume;
  }

  /** Takes what the client has agreed on with another stub of the same session. */
  void goesOnAs(Stub before) {
    multiprocess = before.multiprocess;
    namesBreaks = before.namesBreaks;
  }

  /**
   * Tells the client that the guest stands still.
   *
   * @param number of the signal
   * @param reason as in the packet, each with its semicolon, or empty
   */
  void stopped(int number, int vcpu, String reason) {
    general = vcpu;
    signal = number;
    stopped = vcpu;
    why = reason;
    say(stop());
  }

  private String stop() {
    String named = namesBreaks || !why.endsWith("break:;") ? why : "";
    return "T%02xthread:%s;core:%x;%s".formatted(signal, name(stopped), stopped, named);
  }

  /** Tells the client that the guest's life has ended. */
  void ended(int status) {
    say("W%02x%s".formatted(status & 0xFF, multiprocess ? ";process:1" : ""));
  }

  /** Shows the client a text, as what the program has written. */
  void show(String text) {
    say("O" + Packets.hex(text));
  }

  private void say(String answer) {
    client.send(Packets.text(answer));
  }

  private String name(int vcpu) {
    return multiprocess ? "p1.%x".formatted(vcpu + 1) : "%x".formatted(vcpu + 1);
  }

  /** {@return what is to happen when a packet is answered} */
  Then take(byte[] data) {
    String p = Packets.text(data);
    try {
      return take(p, data);
    } catch (NumberFormatException e) {
      say(MALFORMED);
    } catch (IndexOutOfBoundsException e) {
      say(NO_MEMORY);
    } catch (RuntimeException | StackOverflowError e) {
      // A defect of ours, which must not be the end of the guest's run.
      show("vesper: a defect, and the packet was not done to its end: " + e + "\n");
      say(FAILED);
    }
    return Then.STAND;
  }

  private Then take(String p, byte[] data) {
    String rest = p.isEmpty() ? "" : p.substring(1);
    switch (p.isEmpty() ? ' ' : p.charAt(0)) {
      case '?' -> say(stop());
      case 'g' -> say(allRegisters());
      case 'G' -> say(setAll(rest));
      case 'p' -> say(register(rest));
      case 'P' -> say(set(rest));
      case 'm' -> say(Packets.hex(read(rest)));
      case 'x' -> client.send(binary(rest));
      case 'M' -> say(write(rest, null));
      case 'X' -> say(write(rest, data));
      case 'H' -> say(select(rest));
      case 'T' -> say(threadOf(rest) >= 0 ? OK : MALFORMED);
      case 'Z', 'z' -> say(points.change(p.charAt(0) == 'Z', rest));
      case 'c', 's', 'C', 'S' -> {
        return go(p.charAt(0), rest);
      }
      case 'D' -> {
        say(OK);
        return Then.DETACH;
      }
      case 'k' -> {
        return Then.KILL;
      }
      case 'b' -> {
        return back(p);
      }
      case 'v' -> {
        return named(p);
      }
      case 'q', 'Q' -> query(p);
      default -> say("");
    }
    return Then.STAND;
  }

  // ---- registers

  private VcpuView vcpu() {
    return machine.observer().vcpu(general);
  }

  private String allRegisters() {
    StringBuilder b = new StringBuilder();
    VcpuView v = vcpu();
    registers.forEach(r -> b.append(r.value(v)));
    return b.toString();
  }

  private String register(String number) {
    return registers.get(index(number)).value(vcpu());
  }

  private static int index(String hex) {
    long n = Packets.number(hex);
    return n < 0 ? Integer.MAX_VALUE : (int) Math.min(Integer.MAX_VALUE, n);
  }

  private String set(String what) {
    int equals = what.indexOf('=');
    if (equals < 0) {
      return MALFORMED;
    }
    return set(registers.get(index(what.substring(0, equals))), what.substring(equals + 1));
  }

  private String set(Register r, String value) {
    byte[] b = Packets.bytes(value);
    if (b == null || b.length != r.bits() / 8) {
      return MALFORMED;
    }
    if (r.value(vcpu()).equals(value)) {
      return OK;
    }
    RegisterSet.Write w = r.write();
    if (w == null || !machine.canBeChanged() || !w.set(vcpu(), words(b))) {
      return NOT_OFFERED;
    }
    past.changed();
    return OK;
  }

  /** {@return bytes as quadwords, the least significant first} */
  private static long[] words(byte[] b) {
    long[] words = new long[b.length + 7 >> 3];
    for (int i = 0; i < b.length; i++) {
      words[i >> 3] |= (b[i] & 0xFFL) << 8 * (i & 7);
    }
    return words;
  }

  /** All are there and are numbers before the first is changed. */
  private String setAll(String values) {
    int digits = registers.stream().mapToInt(r -> r.bits() / 4).sum();
    if (values.length() < digits || Packets.bytes(values.substring(0, digits)) == null) {
      return MALFORMED;
    }
    int at = 0;
    String worst = OK;
    for (Register r : registers) {
      int end = at + r.bits() / 4;
      String answer = set(r, values.substring(at, end));
      worst = answer.equals(OK) ? worst : answer;
      at = end;
    }
    return worst;
  }

  // ---- memory

  /** {@return as much as there is of what {@code address,length} asks for} */
  private byte[] read(String range) {
    int comma = range.indexOf(',');
    if (comma < 0) {
      throw new NumberFormatException(range);
    }
    long address = Packets.number(range.substring(0, comma));
    int most = Packets.LARGEST / 2 - 1;
    long wanted = Packets.number(range.substring(comma + 1));
    int length = (int) (wanted < 0 || wanted > most ? most : wanted);
    return monitor.view().read(vcpu(), address, length);
  }

  private byte[] binary(String range) {
    byte[] b = read(range);
    return Packets.escaped("b", b, 0, b.length);
  }

  /**
   * Writes what {@code address,length:bytes} says.
   *
   * @param binary the packet if its bytes are binary, else null
   */
  private String write(String what, byte @Nullable [] binary) {
    int comma = what.indexOf(',');
    int colon = what.indexOf(':');
    if (comma < 0 || colon < comma) {
      return MALFORMED;
    }
    long address = Packets.number(what.substring(0, comma));
    long length = Packets.number(what.substring(comma + 1, colon));
    byte[] bytes =
        binary == null
            ? Packets.bytes(what.substring(colon + 1))
            : Packets.unescaped(binary, colon + 2);
    if (bytes == null || bytes.length != length) {
      return MALFORMED;
    }
    if (bytes.length > 0 && !machine.canBeChanged()) {
      return NOT_OFFERED;
    }
    if (bytes.length > 0) {
      monitor.view().write(vcpu(), address, bytes);
      past.changed();
    }
    return OK;
  }

  // ---- threads

  private String select(String what) {
    if (what.isEmpty()) {
      return MALFORMED;
    }
    int t = threadOf(what.substring(1));
    switch (what.charAt(0)) {
      case 'g' -> general = t >= 0 ? t : general;
      case 'c' -> control = t;
      default -> {
        return MALFORMED;
      }
    }
    return OK;
  }

  /**
   * {@return the vCPU that a thread's name is of, or -1 for all and for any}
   *
   * @throws IndexOutOfBoundsException if there is none
   */
  private int threadOf(String name) {
    String n = name;
    if (n.startsWith("p")) {
      int dot = n.indexOf('.');
      n = dot < 0 ? "-1" : n.substring(dot + 1);
    }
    if (n.equals("-1") || n.equals("0")) {
      return -1;
    }
    long id = Packets.number(n);
    if (id < 1 || id > machine.observer().vcpus().size()) {
      throw new NumberFormatException(n);
    }
    return (int) id - 1;
  }

  // ---- going on

  /** {@code c}, {@code s} and, with a signal that no guest has, {@code C} and {@code S}. */
  private Then go(char how, String rest) {
    String where = rest;
    if (how == 'C' || how == 'S') {
      int semicolon = rest.indexOf(';');
      where = semicolon < 0 ? "" : rest.substring(semicolon + 1);
    }
    int vcpu = control >= 0 ? control : general;
    if (!where.isEmpty() && !machine.canBeChanged()) {
      say(NOT_OFFERED);
      return Then.STAND;
    }
    if (!where.isEmpty()) {
      machine.observer().vcpu(vcpu).setRip(Packets.number(where));
      past.changed();
    }
    resume = how == 's' || how == 'S' ? Resume.step(vcpu) : Resume.ON;
    return Then.GO;
  }

  /** {@code bs} and {@code bc}. */
  private Then back(String p) {
    boolean step = p.equals("bs");
    if (!step && !p.equals("bc")) {
      say("");
      return Then.STAND;
    }
    if (!past.reaches()) {
      show("vesper: " + past.lack() + "\n");
      say(NOT_OFFERED);
      return Then.STAND;
    }
    resume = step ? Resume.stepBack(control >= 0 ? control : general) : Resume.BACK;
    return Then.GO;
  }

  private Then named(String p) {
    if (p.equals("vCont?")) {
      say("vCont;c;C;s;S;r");
    } else if (p.startsWith("vCont;")) {
      return go(p.substring(6).split(";", -1));
    } else if (p.startsWith("vKill")) {
      say(OK);
      return Then.KILL;
    } else if (p.startsWith("vAttach") || p.startsWith("vRun")) {
      say(NOT_OFFERED);
    } else {
      say("");
    }
    return Then.STAND;
  }

  /** The first action that is not to run is that of its thread; the others run meanwhile. */
  private Then go(String[] actions) {
    resume = Resume.ON;
    for (String a : actions) {
      int colon = a.indexOf(':');
      String action = colon < 0 ? a : a.substring(0, colon);
      int vcpu = colon < 0 ? -1 : threadOf(a.substring(colon + 1));
      int stepped = vcpu >= 0 ? vcpu : general;
      if (action.equals("s") || action.startsWith("S")) {
        resume = Resume.step(stepped);
        return Then.GO;
      }
      if (action.startsWith("r")) {
        int comma = action.indexOf(',');
        if (comma < 0) {
          throw new NumberFormatException(action);
        }
        resume =
            new Resume(
                stepped,
                Packets.number(action.substring(1, comma)),
                Packets.number(action.substring(comma + 1)),
                false);
        return Then.GO;
      }
      if (!action.equals("c") && !action.startsWith("C")) {
        throw new NumberFormatException(action);
      }
    }
    return Then.GO;
  }

  // ---- questions

  private void query(String p) {
    String name = p.split("[:;,]", 2)[0];
    String rest = p.substring(Math.min(p.length(), name.length() + 1));
    switch (name) {
      case "qSupported" -> {
        List<String> theirs = Arrays.asList(rest.split(";", -1));
        multiprocess = theirs.contains("multiprocess+");
        namesBreaks = theirs.contains("swbreak+") && theirs.contains("hwbreak+");
        say(OFFERED.formatted(Packets.LARGEST));
      }
      case "QStartNoAckMode" -> {
        say(OK);
        client.trust();
      }
      case "qAttached" -> say("1");
      case "qC" -> say("QC" + name(general));
      case "qfThreadInfo" -> {
        StringBuilder b = new StringBuilder("m");
        machine
            .observer()
            .vcpus()
            .forEach(v -> b.append(v.id() == 0 ? "" : ",").append(name(v.id())));
        say(b.toString());
      }
      case "qsThreadInfo" -> say("l");
      case "qThreadExtraInfo" -> {
        VcpuView v = machine.observer().vcpu(Math.max(0, threadOf(rest)));
        say(Packets.hex("CPU#" + v.id() + " " + TargetDescription.doing(v)));
      }
      case "qXfer" -> transfer(rest);
      case "qSearch" -> search(rest, p);
      case "qRcmd" -> command(rest);
      case "qHostInfo" ->
          say("triple:" + Packets.hex("x86_64-unknown-none") + ";ptrsize:8;endian:little;");
      // What GEF and pwndbg know QEMU by; steps hold nothing back here (bit 0 alone).
      case "qqemu.sstepbits", "Qqemu.sstepbits" -> say("ENABLE=1,NOIRQ=2,NOTIMER=4");
      case "qqemu.sstep" -> say("0x1");
      case "qqemu.Supported" -> say("sstepbits;sstep;PhyMemMode");
      case "qqemu.PhyMemMode" -> say(monitor.view().isPhysical() ? "1" : "0");
      case "Qqemu.PhyMemMode" -> {
        monitor.view().physical(rest.equals("1"));
        say(OK);
      }
      default -> say(name.startsWith("Qqemu.sstep") ? OK : "");
    }
  }

  private void transfer(String what) {
    String[] f = what.split(":", -1);
    String text =
        f.length != 4 || !f[1].equals("read")
            ? null
            : switch (f[0] + ":" + f[2]) {
              case "features:target.xml" -> TargetDescription.registers(registers);
              case "threads:" -> TargetDescription.threads(machine);
              case "memory-map:" -> TargetDescription.MEMORY;
              default -> null;
            };
    if (text == null) {
      say(f[0].equals("features") ? "E00" : "");
      return;
    }
    byte[] all = Packets.text(text);
    int comma = f[3].indexOf(',');
    if (comma < 0) {
      throw new NumberFormatException(f[3]);
    }
    int from = Math.min(all.length, index(f[3].substring(0, comma)));
    int most = Math.min(Packets.LARGEST / 2, index(f[3].substring(comma + 1)));
    int to = Math.min(all.length, from + most);
    client.send(Packets.escaped(to == all.length ? "l" : "m", all, from, to));
  }

  /** {@code qSearch:memory:address;length;pattern}. */
  private void search(String what, String packet) {
    String prefix = "memory:";
    String[] f = what.split(";", 3);
    if (!what.startsWith(prefix) || f.length != 3) {
      say("");
      return;
    }
    long address = Packets.number(f[0].substring(prefix.length()));
    long length = Packets.number(f[1]);
    int at = packet.length() - f[2].length();
    byte[] pattern = Packets.unescaped(Packets.text(packet), at);
    MemorySearch search = new MemorySearch(monitor.view(), vcpu(), interrupted);
    say(search.answer(address, length, pattern));
  }

  private void command(String hex) {
    byte[] b = Packets.bytes(hex);
    if (b == null) {
      say(MALFORMED);
      return;
    }
    Consumer<String> out = this::show;
    monitor.run(new String(b, StandardCharsets.UTF_8), vcpu(), out);
    say(OK);
  }
}
