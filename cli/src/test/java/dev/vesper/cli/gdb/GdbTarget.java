package dev.vesper.cli.gdb;

import dev.vesper.fixtures.fuzz.FuzzTarget;
import dev.vesper.guest.FlatGuest;
import dev.vesper.machine.Checkpoint;
import dev.vesper.machine.Machine;
import dev.vesper.machine.Stop;
import dev.vesper.machine.Until;
import dev.vesper.machine.spec.MachineSpec;
import dev.vesper.machine.spec.SevMode;
import java.io.ByteArrayInputStream;
import java.io.ByteArrayOutputStream;
import java.nio.channels.Channels;
import java.nio.charset.StandardCharsets;
import java.util.Arrays;
import java.util.List;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;

/**
 * What a debugger's client says: packets, a line each, one after another, which make the guest go
 * on and back.
 */
public final class GdbTarget implements FuzzTarget {
  private static final int MOST_PACKETS = 24;
  private static final int ON = 40;

  /** What a command is answered with that fails as none should. */
  private static final String DEFECT = "Vesper has a defect";

  /** One machine for all inputs, which is as it was before each of them. */
  private @Nullable Machine machine;

  private @Nullable Checkpoint begin;
  private List<RegisterSet.Register> registers = List.of();

  @Override
  public String name() {
    return "gdb";
  }

  @Override
  public List<String> covers() {
    return Stream.of(
            "AgentExpression",
            "Packet",
            "Past",
            "Points",
            "RegisterSet",
            "Resume",
            "StopOn",
            "Stub",
            "Target")
        .map(n -> "dev.vesper.cli.gdb." + n)
        .toList();
  }

  @Override
  public int longest() {
    return 2048;
  }

  @Override
  public int inputs() {
    return 3000;
  }

  @Override
  public List<String> words() {
    return Stream.concat(
            Stream.of(HostilePacketsTest.TRUE).filter(p -> p.length() < 64),
            Stream.of("\nbs\n", "\nbc\n", "\ns\n", "\nc\n", "300000", "100007", "ffffffffffffffff"))
        .toList();
  }

  @Override
  public List<byte[]> seeds() {
    Stream<String> sequences =
        Stream.of(
            "c\nbs\nbs\nP1=8877665544332211\nbs\nc\nbc",
            "Z0,100002,1\nc\nc\nbc\nz0,100002,1\nbs\ns",
            "Z2,1ff8,8\nc\nbc\nbs\ns",
            "Hg1\nHc1\ns\ns\nbs\nM300000,2:1234\nbs\nm300000,2",
            "qSupported:multiprocess+;swbreak+;hwbreak+\nvCont;s:p1.1\nbc\ng",
            "vCont;r100000,100010:p1.1\nbs\nvCont;c\nbc",
            "qRcmd," + Packets.hex("savevm a") + "\ns\nbs\nqRcmd," + Packets.hex("loadvm a"));
    return Stream.concat(sequences, Stream.of(HostilePacketsTest.TRUE).map(p -> p + "\nbs\nc\nbc"))
        .map(Packets::text)
        .toList();
  }

  private Machine machine() throws Exception {
    Machine m = machine;
    if (m == null) {
      m =
          new Machine(
              MachineSpec.builder(
                      SevMode.ES,
                      FlatGuest.image(
                          "mov esp, 0x380000\nagain: inc rax\npush rax\npop rcx\njmp again"),
                      b -> {})
                  .memoryBytes(8 << 20)
                  .build());
      if (!(m.run(Until.instructions(100)) instanceof Stop.Limit)) {
        throw new AssertionError("a guest that nobody can debug");
      }
      begin = m.checkpoint();
      registers = new RegisterSet(m.observer().vcpu(0)).all();
      machine = m;
    }
    if (begin != null) {
      m.restore(begin);
      m.branch();
    }
    return m;
  }

  @Override
  public void take(byte[] input) throws Exception {
    Machine m = machine();
    ByteArrayOutputStream sent = new ByteArrayOutputStream();
    Client.Outgoing to =
        new Client.Outgoing() {
          @Override
          public void send(byte[] b) {
            sent.writeBytes(b);
          }

          @Override
          public void close() {
            // Nobody is there.
          }
        };
    // As bytes, too: they need be no packets.
    Client raw = new Client(Channels.newChannel(new ByteArrayInputStream(input)), to);
    raw.listen(s -> {});
    Client c = new Client(Channels.newChannel(new ByteArrayInputStream(new byte[0])), to);
    Points points = new Points();
    points.of(m, registers);
    Monitor monitor = new Monitor(m);
    Past past = new Past(m, true);
    past.begin();
    try {
      Stub s = new Stub(c, points, m, monitor, past, registers, () -> false);
      int from = 0;
      for (int n = 0; n < MOST_PACKETS && from <= input.length; n++) {
        int end = from;
        while (end < input.length && input[end] != '\n') {
          end++;
        }
        byte[] p = Arrays.copyOfRange(input, from, end);
        from = end + 1;
        sent.reset();
        Stub.Then then = s.take(p);
        if ((then == Stub.Then.STAND || then == Stub.Then.DETACH) && sent.size() < 4) {
          throw new AssertionError("no answer to " + Packets.text(p));
        }
        String said = sent.toString(StandardCharsets.ISO_8859_1);
        if (said.contains("$" + Stub.FAILED) || said.contains(Packets.hex(DEFECT))) {
          throw new AssertionError(said + " for " + Packets.text(p));
        }
        if (then == Stub.Then.GO) {
          move(m, past, monitor.stops().until(), s.resume());
        }
      }
    } finally {
      monitor.forget();
      points.clear();
      past.end();
    }
  }

  private static void move(Machine m, Past past, Until events, Resume how) {
    long before = m.instructions();
    if (how.back()) {
      past.back(how.step(), events, x -> true);
      if (m.instructions() > before) {
        throw new AssertionError("backwards, and it is further than it was");
      }
    } else if (how.isStep()) {
      past.step(how.step());
    } else {
      past.run(events.or(Until.instructions(before + ON)));
    }
  }
}
