package dev.vesper.machine;

import static java.nio.charset.StandardCharsets.ISO_8859_1;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.vesper.guest.FlatGuest;
import dev.vesper.guest.Locore;
import dev.vesper.machine.cpu.Execution;
import dev.vesper.machine.device.disk.Disk;
import dev.vesper.machine.device.disk.OverlayDisk;
import dev.vesper.machine.observe.Event;
import dev.vesper.machine.spec.Hardware;
import dev.vesper.machine.spec.MachineSpec;
import dev.vesper.machine.spec.SevMode;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.channels.SeekableByteChannel;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.ArrayList;
import java.util.List;
import java.util.Random;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/**
 * A run that goes on from a snapshot in another machine is the run that was not interrupted: the
 * same trace from there on, the same console, the same final hash.
 */
final class SnapshotTest {
  /** Random places a row; more with {@code -Dlong}. */
  private static final int PLACES = Boolean.getBoolean("long") ? 50 : 1;

  private static final long MOST = 50_000_000L;

  @TempDir Path folder;

  /** A machine with what its console and its trace have said. */
  private static final class Traced {
    final ByteArrayOutputStream console = new ByteArrayOutputStream();
    final List<Event> events = new ArrayList<>();
    final Machine machine;

    Traced(MachineSpec.Builder spec, int execution) throws Exception {
      machine = new Machine(spec.console((int b) -> console.write(b)).build());
      Execution.choose(machine, execution);
      machine.trace(events::add, true);
      machine.limit(MOST, Long.MAX_VALUE);
    }

    String console() {
      return console.toString(ISO_8859_1);
    }
  }

  /** Makes the same description each time. */
  interface Described {
    MachineSpec.Builder spec() throws Exception;
  }

  private static Described locore(SevMode mode, String profile, int processors) {
    return () ->
        MachineSpec.builder(mode, Locore.image(), b -> {})
            .memoryBytes(64L << 20)
            .profile(profile)
            .processors(processors)
            .cpuModel(mode == SevMode.SNP ? "EPYC-Milan" : "vesper-min,+xsave");
  }

  private Path saved(Machine m) throws IOException {
    Path p = folder.resolve("snapshot");
    ByteArrayOutputStream b = new ByteArrayOutputStream();
    m.save(b);
    Files.write(p, b.toByteArray());
    return p;
  }

  /**
   * Interrupts a run after some instructions and goes on in another machine, by another translator.
   */
  private void resumes(Described d, int execution, int then, long at, String hash)
      throws Exception {
    Traced first = new Traced(d.spec(), execution);
    first.machine.run(Until.instructions(at));
    int events = first.events.size();
    int said = first.console().length();
    Path file = saved(first.machine);
    int status = first.machine.run().status();
    assertThat(first.machine.stateHash())
        .as("hash of a run that was saved at %d", at)
        .isEqualTo(hash);
    Traced second = new Traced(d.spec(), then);
    second.machine.load(file);
    assertThat(second.machine.instructions()).isEqualTo(at);
    assertThat(second.machine.run().status()).isEqualTo(status);
    List<Event> rest = first.events.subList(events, first.events.size());
    List<Event> again = second.events;
    for (int i = 0; i < Math.min(rest.size(), again.size()); i++) {
      assertThat(again.get(i)).as("event %d behind %d", i, at).isEqualTo(rest.get(i));
    }
    assertThat(again).as("events behind %d", at).hasSameSizeAs(rest);
    assertThat(second.console()).isEqualTo(first.console().substring(said));
    assertThat(second.machine.instructions()).isEqualTo(first.machine.instructions());
    assertThat(second.machine.stateHash()).as("hash of a run from %d on", at).isEqualTo(hash);
  }

  @ParameterizedTest
  @CsvSource({
    "OFF, kvm, 1, 0, 2",
    "SEV, kvm, 2, 2, 0",
    "ES, kvm, 1, 0, 2",
    "ES, kvm, 4, 2, -1",
    "ES, openbsd, 1, -1, 1",
    "SNP, kvm, 2, -1, 2",
    "SNP, kvm, 4, 1, -1"
  })
  void aRunGoesOnAsIfItHadNeverStoodStill(
      SevMode mode, String profile, int processors, int execution, int then) throws Exception {
    Described d = locore(mode, profile, processors);
    Traced whole = new Traced(d.spec(), execution);
    whole.machine.run();
    Random random = new Random(processors * 31L + mode.ordinal());
    for (int i = 0; i < PLACES; i++) {
      long at = 1 + random.nextLong(whole.machine.instructions() - 1);
      resumes(d, execution, then, at, whole.machine.stateHash());
    }
  }

  /** Sectors in memory that take long to come by, and say when they are read. */
  private static final class Sectors implements Disk {
    private final Runnable read;
    private long work;

    Sectors(Runnable read) {
      this.read = read;
    }

    @Override
    public long sectors() {
      return 1 << 16;
    }

    @Override
    public boolean readOnly() {
      return true;
    }

    @Override
    public long work() {
      return work;
    }

    @Override
    public void read(long sector, byte[] to, int bytes) {
      for (int i = 0; i < bytes; i++) {
        to[i] = (byte) (sector * 31 + i * 7L);
      }
      work += 4L << 20;
      read.run();
    }

    @Override
    public void write(long sector, byte[] from, int bytes) {
      throw new UnsupportedOperationException("it is read only");
    }

    @Override
    public void flush() {
      // Nothing is written.
    }

    @Override
    public String fingerprint() {
      return "sectors of a test";
    }
  }

  /** One command of an AHCI disk that reads 4 MiB, which is done in several goes. */
  private static final String READS =
      """
          mov ebx, 0x80000000
      find:
          mov eax, ebx
          mov edx, 0xcf8
          out dx, eax
          mov edx, 0xcfc
          in eax, dx
          add ebx, 0x800
          cmp eax, 0x29228086
          jne find
          lea eax, [rbx - 0x7dc]
          mov edx, 0xcf8
          out dx, eax
          mov edx, 0xcfc
          in eax, dx
          and eax, -16
          mov edi, eax
          mov esi, 0x300000
          mov dword [rsi], 0x10005
          mov dword [rsi + 8], 0x310000
          mov esi, 0x310000
          mov dword [rsi], 0x258027
          mov dword [rsi + 4], 0x40000000
          mov dword [rsi + 12], 0x2000
          mov dword [rsi + 0x80], 0x1000000
          mov dword [rsi + 0x8c], 0x3fffff
          mov dword [rdi + 0x100], 0x300000
          mov dword [rdi + 0x108], 0x308000
          mov dword [rdi + 0x118], 0x11
          mov dword [rdi + 0x138], 1
      L:  cmp dword [rdi + 0x138], 0
          jne L
          mov edx, 0xf4
          out dx, al
      """;

  /** The guest's whole transfer is there, though its first half was moved in another machine. */
  @Test
  void aTransferThatIsUnderWayIsFinishedElsewhere() throws Exception {
    Machine[] running = new Machine[1];
    int[] reads = {0, 12};
    Described d =
        () -> {
          Sectors s =
              new Sectors(
                  () -> {
                    if (++reads[0] == reads[1]) {
                      running[0].stop();
                    }
                  });
          return MachineSpec.builder(SevMode.OFF, FlatGuest.image(READS), b -> {})
              .memoryBytes(64L << 20)
              .hardware(
                  new Hardware(
                      Hardware.Board.PC, List.of(new Hardware.Drive(new OverlayDisk(s), false))));
        };
    Traced first = new Traced(d.spec(), 0);
    running[0] = first.machine;
    assertThat(first.machine.run(Until.end())).isEqualTo(new Stop.Requested());
    Path file = saved(first.machine);
    Traced second = new Traced(d.spec(), 0);
    reads[1] = 0;
    int status = first.machine.run().status();
    int all = reads[0];
    assertThat(all).isGreaterThan(30);
    second.machine.load(file);
    assertThat(second.machine.run().status()).isEqualTo(status).isEqualTo(1);
    assertThat(reads[0] - all).as("reads behind the snapshot").isEqualTo(all - 12);
    assertThat(second.machine.hostView().read(0x100_0000 + (4 << 20) - 8, 8))
        .isNotZero()
        .isEqualTo(first.machine.hostView().read(0x100_0000 + (4 << 20) - 8, 8));
    assertThat(second.machine.stateHash()).isEqualTo(first.machine.stateHash());
  }

  /** What was written to a disk is in the snapshot, and its image is as it was. */
  @Test
  void whatWasWrittenToADiskGoesWithTheMachine() throws Exception {
    byte[] text = new byte[3 * Disk.SECTOR];
    new Random(8).nextBytes(text);
    byte[] read = new byte[text.length];
    OverlayDisk one = new OverlayDisk(new Sectors(() -> {}));
    Machine first = onDisk(one);
    one.write(1001, text, text.length);
    Path file = saved(first);
    one.write(1001, read, read.length);
    OverlayDisk other = new OverlayDisk(new Sectors(() -> {}));
    onDisk(other).load(file);
    other.read(1001, read, read.length);
    assertThat(read).isEqualTo(text);
    assertThat(other.written()).isEqualTo(4096);
    assertThatThrownBy(() -> onDisk(new Sectors(() -> {})).load(file))
        .isInstanceOf(SnapshotException.class)
        .hasMessageContaining("drive 1");
  }

  /** A channel to a file that takes so many bytes, as a disk does that has become full. */
  private static final class Full implements SeekableByteChannel {
    private final FileChannel file;
    private long left;

    Full(FileChannel file, long left) {
      this.file = file;
      this.left = left;
    }

    @Override
    public int write(ByteBuffer from) throws IOException {
      if (left == 0) {
        throw new IOException("no space left on device");
      }
      int n = (int) Math.min(left, from.remaining());
      left -= n;
      int written = file.write(from.slice(from.position(), n));
      from.position(from.position() + n);
      return written;
    }

    @Override
    public int read(ByteBuffer to) throws IOException {
      return file.read(to);
    }

    @Override
    public long position() throws IOException {
      return file.position();
    }

    @Override
    public SeekableByteChannel position(long at) throws IOException {
      file.position(at);
      return this;
    }

    @Override
    public long size() throws IOException {
      return file.size();
    }

    @Override
    public SeekableByteChannel truncate(long length) throws IOException {
      file.truncate(length);
      return this;
    }

    @Override
    public boolean isOpen() {
      return file.isOpen();
    }

    @Override
    public void close() throws IOException {
      file.close();
    }
  }

  /** Wherever the writing ends, the file is none, though a whole one was there before. */
  @Test
  void aFileThatWasNotWrittenToItsEndSaysSo() throws Exception {
    Described d = locore(SevMode.ES, "kvm", 1);
    Machine m = new Traced(d.spec(), 0).machine;
    m.run(Until.instructions(50_000));
    Path file = saved(m);
    byte[] whole = Files.readAllBytes(file);
    for (long most : new long[] {8, 9, 5000, whole.length / 2, whole.length - 1, whole.length}) {
      Files.write(file, whole);
      try (FileChannel c = FileChannel.open(file, StandardOpenOption.WRITE)) {
        assertThatThrownBy(() -> m.save(new Full(c, most), null)).isInstanceOf(IOException.class);
      }
      Machine other = new Traced(d.spec(), 0).machine;
      assertThatThrownBy(() -> other.load(file))
          .isInstanceOf(SnapshotException.class)
          .hasMessage("it was not written to its end: the run was ended, or its disk full");
    }
    try (FileChannel c = FileChannel.open(file, StandardOpenOption.WRITE)) {
      m.save(c, null);
    }
    assertThat(Files.readAllBytes(file)).isEqualTo(whole);
  }

  private static Machine onDisk(Disk d) throws Exception {
    return new Machine(
        MachineSpec.builder(SevMode.OFF, FlatGuest.image("L: jmp short L"), b -> {})
            .memoryBytes(16L << 20)
            .hardware(new Hardware(Hardware.Board.PC, List.of(new Hardware.Drive(d, true))))
            .build());
  }
}
