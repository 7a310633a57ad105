package dev.vesper.machine.input;

import dev.vesper.fixtures.fuzz.FuzzTarget;
import dev.vesper.guest.FlatGuest;
import dev.vesper.machine.Machine;
import dev.vesper.machine.Stop;
import dev.vesper.machine.Until;
import dev.vesper.machine.VcpuView;
import dev.vesper.machine.launch.CommandFailed;
import dev.vesper.machine.launch.LaunchSecret;
import dev.vesper.machine.spec.Hardware;
import dev.vesper.machine.spec.MachineSpec;
import dev.vesper.machine.spec.Outcome;
import dev.vesper.machine.spec.SevMode;
import java.io.ByteArrayOutputStream;
import java.time.Duration;
import java.util.List;
import java.util.zip.CRC32C;

/**
 * Recordings whose sums are right whatever they say, so that what they say is looked at, and is
 * done: those with changes by a machine that is given them.
 */
public final class RecordingTarget implements FuzzTarget {
  private static final int HEAD = 16;
  private static final int SUM = 4;
  private static final long FAR = 4000;

  /** What the header of a run under SEV has here. */
  private static final String ENCRYPTED = "{\"mode\":\"sev\"}";

  private static final byte[] IMAGE =
      FlatGuest.image(
          """
          again: in al, 0x61
          add ebx, [0x190004]
          mov [0x190008], ebx
          jmp again
          """);

  @Override
  public String name() {
    return "recording";
  }

  @Override
  public List<String> covers() {
    return List.of("dev.vesper.machine.input.RecordingReader", "dev.vesper.machine.Changes");
  }

  @Override
  public int inputs() {
    return 2000;
  }

  @Override
  public List<byte[]> seeds() throws Exception {
    return List.of(
        RecordingFilesTest.file(0),
        RecordingFilesTest.file(12),
        changed(false),
        changed(true),
        lastChange(false),
        lastChange(true));
  }

  private static Machine machine(boolean encrypted, InputLog log) throws Exception {
    Machine m =
        new Machine(
            MachineSpec.builder(encrypted ? SevMode.SEV : SevMode.OFF, IMAGE, b -> {})
                .hardware(new Hardware(Hardware.Board.PC, List.of()))
                .memoryBytes(4L << 20)
                .cpuModel("EPYC-Genoa")
                .inputs(log)
                .build());
    m.translateAfter(0);
    return m;
  }

  /** {@return a recorded run with each change that somebody can make} */
  private static byte[] changed(boolean encrypted) throws Exception {
    ByteArrayOutputStream file = new ByteArrayOutputStream();
    RecordingWriter w = new RecordingWriter(file, encrypted ? ENCRYPTED : "{}");
    InputLog log = InputLog.recording(w);
    Machine m = machine(encrypted, log);
    if (encrypted) {
      try {
        m.injectSecret(
            new LaunchSecret(new byte[LaunchSecret.HEADER_BYTES], new byte[16]), 0x19_0000);
      } catch (CommandFailed e) {
        // It is in the recording all the same.
        m.run(Until.instructions(7));
      }
    }
    m.run(Until.instructions(100));
    VcpuView v = m.observer().vcpu(0);
    v.setGpr(VcpuView.RCX, 17);
    v.write(0x19_0004, new byte[] {1, 2, 3, 4});
    m.run(Until.instructions(200));
    v.setRflags(v.rflags() ^ 1);
    v.setOpmask(2, 5);
    v.setZmm(20, new long[] {1, 2, 3, 4, 5, 6, 7, 8});
    m.board().readPort(0x61, 1);
    m.run(Until.instructions(300));
    m.board().writePort(0x61, 1, 2);
    m.board().pressPowerButton();
    v.setRip(v.rip());
    m.run(Until.instructions(500));
    return ended(file, w, log, m);
  }

  /** {@return one with what ends most runs} */
  private static byte[] lastChange(boolean reset) throws Exception {
    ByteArrayOutputStream file = new ByteArrayOutputStream();
    RecordingWriter w = new RecordingWriter(file, "{}");
    InputLog log = InputLog.recording(w);
    Machine m = machine(false, log);
    m.run(Until.instructions(100));
    if (reset) {
      m.board().reset();
    } else {
      m.board().nmi();
    }
    m.run(Until.instructions(500));
    return ended(file, w, log, m);
  }

  private static byte[] ended(
      ByteArrayOutputStream file, RecordingWriter w, InputLog log, Machine m) {
    w.end(log, m.end(new Outcome(Outcome.LIMIT, "it is enough"), ""));
    return file.toByteArray();
  }

  @Override
  public void take(byte[] input) throws Exception {
    byte[] file = signed(input.clone());
    Recording r;
    try {
      r = RecordingReader.read(file);
      replay(r);
    } catch (IllegalArgumentException e) {
      requireLine(String.valueOf(e.getMessage()), e);
      return;
    }
    if (!r.changes().isEmpty()) {
      run(r);
    }
  }

  private static void requireLine(String text, Exception e) {
    if (text.contains("\n")) {
      throw new AssertionError("more than a line", e);
    }
  }

  /** Has a machine do what the recording says. */
  private static void run(Recording r) throws Exception {
    Machine m = machine(r.header().equals(ENCRYPTED), InputLog.replaying(r));
    Stop s = m.run(Until.instructions(FAR).within(Duration.ofSeconds(1)));
    if (s.description().contains("\n")) {
      throw new AssertionError("a run ends with more than a line: " + s);
    }
    Difference d = m.inputs().difference();
    if (d != null && d.what().contains("\n")) {
      throw new AssertionError("a difference has more than a line: " + d);
    }
  }

  /** Asks as a machine does, which takes what it is given. */
  private static void replay(Recording r) {
    InputLog log = InputLog.replaying(r);
    long[] instructions = {0};
    log.clock(() -> instructions[0]);
    for (InputRecord i : r.inputs()) {
      instructions[0] = i.instructions();
      for (int n = 0; n < 64 && log.at() < i.point() && log.endsHere(false) == null; n++) {
        log.ask(i.source(), () -> null);
      }
      log.digests().turn(i.point(), instructions[0], 0);
    }
  }

  /** Makes the sums of a file anew, as far as its lengths lead. */
  static byte[] signed(byte[] file) {
    if (file.length < HEAD) {
      return file;
    }
    CRC32C sum = new CRC32C();
    int at = HEAD;
    int summed = 0;
    int length = 0;
    for (int i = 0; i < 4; i++) {
      length |= (file[HEAD - 4 + i] & 0xFF) << 8 * i;
    }
    while (length >= 0 && length <= file.length - at - SUM) {
      at += length;
      sum.update(file, summed, at - summed);
      for (int i = 0; i < SUM; i++) {
        file[at + i] = (byte) (sum.getValue() >> 8 * i);
      }
      sum.update(file, at, SUM);
      at += SUM;
      summed = at;
      length = 0;
      for (int shift = 0; at < file.length && shift < 28; shift += 7) {
        length |= (file[at] & 0x7F) << shift;
        if (file[at++] >= 0) {
          break;
        }
      }
      if (at == file.length) {
        break;
      }
    }
    return file;
  }
}
