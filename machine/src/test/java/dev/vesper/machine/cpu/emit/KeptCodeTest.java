package dev.vesper.machine.cpu.emit;

import static org.assertj.core.api.Assertions.assertThat;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import dev.vesper.machine.cpu.Cpu;
import dev.vesper.machine.cpu.CpuFeatures;
import dev.vesper.machine.cpu.NativeWorld;
import dev.vesper.machine.memory.Page;
import java.io.IOException;
import java.io.RandomAccessFile;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.channels.FileChannel;
import java.nio.channels.FileLock;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.nio.file.attribute.FileTime;
import java.nio.file.attribute.PosixFilePermissions;
import java.util.ArrayList;
import java.util.List;
import java.util.Objects;
import java.util.Random;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.ExtendWith;
import org.junit.jupiter.api.io.TempDir;

/** Native code in a folder: what is used of it, what is not, and what is said of that. */
@ExtendWith(VerifiedEmission.class)
final class KeptCodeTest {
  private static final long SEED = 20_261_130;
  private static final byte[] KEY = new byte[32];

  /**
   * Loops, calls, memory, vectors, a transfer through a register, an instruction that runs on into
   * another page, and one left out.
   */
  private static final String PROGRAM =
      """
      mov rsp, 0xb800
      mov ecx, 50
      LOOP: add rbx, rcx
      imul rdx, rbx, 17
      mov [0x9000], rdx
      movdqu xmm1, [0x9000]
      paddq xmm1, xmm1
      movdqu [0x9010], xmm1
      mov rax, 0x5000
      call rax
      mov rax, 0x7ffe
      call rax
      ror rdx, cl
      dec ecx
      jne LOOP
      fninit
      hlt
      """;

  private static final String ROUTINE = "xor rsi, [0x9010]\nret";

  private final List<String> notes = new ArrayList<>();
  @TempDir Path dir;
  private Path folder;

  @BeforeEach
  void needsNativeCode() {
    assumeTrue(NativeCode.lack() == null, () -> "no native code: " + NativeCode.lack());
    folder = dir.resolve("code");
  }

  private KeptCode open() throws IOException {
    return Objects.requireNonNull(KeptCode.open(folder, KEY, notes::add));
  }

  private Path file() throws IOException {
    try (var all = Files.list(folder)) {
      return all.filter(p -> p.toString().endsWith(".code")).findFirst().orElseThrow();
    }
  }

  /** Runs the program; {@return its registers} */
  private static long[] run(KeptCode kept, String routine) {
    NativeCode code = NativeCode.create(CpuFeatures.ALL, 1 << 20);
    assumeTrue(code != null);
    code.keepIn(kept);
    return run(code, routine);
  }

  private static long[] run(NativeCode code, String routine) {
    NativeWorld w = new NativeWorld(64, code);
    w.program(NativeWorld.START, PROGRAM);
    w.program(0x5000, routine);
    // ADD EBP, and a number whose end is another one with another routine.
    w.code(0x7FFE, new byte[] {(byte) 0x81, (byte) 0xC5});
    w.code(
        0x8000, new byte[] {1, 2, 3, (byte) (4 + (routine.equals(ROUTINE) ? 0 : 1)), (byte) 0xC3});
    Cpu c = w.cpu;
    c.run(10_000);
    assertThat(c.exitCode).isEqualTo(0x78);
    long[] r = java.util.Arrays.copyOf(c.r, 18);
    r[17] = c.icount;
    return r;
  }

  private static long[] expected(String routine) {
    return run(Objects.requireNonNull(NativeCode.create(CpuFeatures.ALL, 1 << 20)), routine);
  }

  /** Fills the folder; {@return how many blocks there are} */
  private int fill() throws IOException {
    try (KeptCode k = open()) {
      run(k, ROUTINE);
      k.save();
      return k.store().count();
    }
  }

  @Test
  void theSecondRunMakesNothing() throws IOException {
    int made = fill();
    assertThat(made).isGreaterThan(4);
    byte[] first = Files.readAllBytes(file());
    long verified = VerifiedEmission.count();
    try (KeptCode k = open()) {
      assertThat(k.store().count()).isEqualTo(made);
      assertThat(run(k, ROUTINE)).isEqualTo(expected(ROUTINE));
      assertThat(k.store().count()).isEqualTo(made);
      k.save();
    }
    assertThat(VerifiedEmission.count() - verified).as("kept code too").isGreaterThan(made);
    assertThat(file()).hasBinaryContent(first);
    assertThat(notes).isEmpty();
  }

  @Test
  void otherBytesAreOtherCode() throws IOException {
    int made = fill();
    String other = "add rsi, [0x9010]\nret";
    try (KeptCode k = open()) {
      assertThat(run(k, other)).isEqualTo(expected(other)).isNotEqualTo(expected(ROUTINE));
      assertThat(k.store().count()).isEqualTo(made + 2);
    }
  }

  /** Every byte of a block counts, also those behind the ones that the hash is made of. */
  @Test
  void aBlockIsFoundByAllOfItsBytes() throws IOException {
    String longer = "mov rax, 0x1111111122222222\nmov rdi, 0x3333333344444444\n";
    try (KeptCode k = open()) {
      for (int last : new int[] {1, 2, 3}) {
        String r = longer + "add rsi, " + last + "\nret";
        assertThat(run(k, r)).isEqualTo(expected(r));
      }
    }
  }

  @Test
  void whatIsDamagedIsNotUsed() throws IOException {
    int made = fill();
    byte[] good = Files.readAllBytes(file());
    Random random = new Random(SEED);
    for (int i = 0; i < 400; i++) {
      byte[] bad = good.clone();
      int size = bad.length;
      if (i % 4 == 0) {
        size = random.nextInt(bad.length);
      } else {
        int bit = random.nextInt(8 * bad.length);
        bad[bit >> 3] ^= (byte) (1 << (bit & 7));
      }
      Files.write(file(), java.util.Arrays.copyOf(bad, size));
      notes.clear();
      try (KeptCode k = open()) {
        assertThat(k.store().count()).as("seed %d, file %d", SEED, i).isZero();
        if (size != 0) {
          assertThat(notes).hasSize(1).first().asString().contains("native code is made anew");
        }
        if (i % 40 == 0) {
          assertThat(run(k, ROUTINE)).isEqualTo(expected(ROUTINE));
          k.save();
          assertThat(k.store().count()).isEqualTo(made);
          assertThat(Files.size(file())).isEqualTo(good.length);
        }
      }
    }
  }

  /** A file that is whole but whose records are nonsense is read without leaving them. */
  @Test
  void nonsenseWithAGoodSumIsReadWithinItsBounds() throws IOException {
    fill();
    byte[] good = Files.readAllBytes(file());
    Random random = new Random(SEED);
    NativeWorld w = new NativeWorld(64, null);
    w.program(NativeWorld.START, PROGRAM);
    Page p = w.memory.page(NativeWorld.START >> 12, 0);
    for (int i = 0; i < 300; i++) {
      byte[] bad = good.clone();
      for (int n = random.nextInt(20); n >= 0; n--) {
        bad[0x40 + random.nextInt(bad.length - 0x40)] = (byte) random.nextInt();
      }
      ByteBuffer h = ByteBuffer.wrap(bad).order(ByteOrder.LITTLE_ENDIAN);
      // The run whose number the records have, as if this one had used them, or the one behind it.
      h.putInt(0x34, i & 1);
      h.putLong(0x38, CodeFile.sum(h.slice(0, 0x38), h.slice(0x40, bad.length - 0x40)));
      Files.write(file(), bad);
      try (KeptCode k = open()) {
        for (int start = 0; start < 64; start++) {
          long r = k.store().find(p, start > Page.SIZE - 16 ? p : null, start, 4, 0);
          if (r != 0) {
            assertThat(CodeStore.known(r).length()).isBetween(1, 64);
            byte[] code = new byte[1 << 16];
            CodeStore.code(r, code);
            assertThat(CodeStore.translation(r).resume()).isNotEmpty();
          }
        }
      }
    }
  }

  @Test
  void ofAnotherBuildNothingIsUsed() throws IOException {
    fill();
    byte[] all = Files.readAllBytes(file());
    byte[] other = KEY.clone();
    other[31] = 1;
    try (KeptCode k = KeptCode.open(folder, other, notes::add)) {
      // The name has half of the key.
      assertThat(Objects.requireNonNull(k).store().count()).isZero();
    }
    assertThat(notes).hasSize(1).first().asString().contains("another build or processor");
    assertThat(file()).hasBinaryContent(all);
  }

  @Test
  void whatOthersMayWriteToIsNotUsed() throws IOException {
    fill();
    Files.setPosixFilePermissions(file(), PosixFilePermissions.fromString("rw-rw-r--"));
    assertThat(KeptCode.open(folder, KEY, notes::add)).isNull();
    Files.setPosixFilePermissions(file(), PosixFilePermissions.fromString("rw-------"));
    Files.setPosixFilePermissions(folder, PosixFilePermissions.fromString("rwxrwxrwx"));
    assertThat(KeptCode.open(folder, KEY, notes::add)).isNull();
    assertThat(notes)
        .hasSize(2)
        .allMatch(n -> n.endsWith("can be written to by others: chmod go-w"));
  }

  @Test
  void aLinkIsNotFollowed() throws IOException {
    fill();
    Path elsewhere = Files.move(file(), dir.resolve("elsewhere"));
    Files.createSymbolicLink(folder.resolve("0000000000000000.code"), elsewhere);
    assertThat(KeptCode.open(folder, KEY, notes::add)).isNull();
    assertThat(notes).hasSize(1).first().asString().endsWith("is no file");
  }

  @Test
  void folderAndFileAreTheUsersOwn() throws IOException {
    fill();
    assertThat(PosixFilePermissions.toString(Files.getPosixFilePermissions(folder)))
        .isEqualTo("rwx------");
    assertThat(PosixFilePermissions.toString(Files.getPosixFilePermissions(file())))
        .isEqualTo("rw-------");
  }

  @Test
  void runsAtTheSameTimeLoseNothing() throws IOException {
    String other = "add rsi, [0x9010]\nret";
    int both;
    try (KeptCode one = open();
        KeptCode two = open()) {
      run(one, ROUTINE);
      run(two, other);
      both = one.store().count() + 2;
      one.save();
      two.save();
    }
    try (KeptCode k = open()) {
      assertThat(k.store().count()).isEqualTo(both);
      run(k, ROUTINE);
      run(k, other);
      assertThat(k.store().count()).isEqualTo(both);
    }
    assertThat(notes).isEmpty();
  }

  @Test
  void whoWritesIsLetAlone() throws IOException {
    try (KeptCode k = open()) {
      run(k, ROUTINE);
      try (FileChannel c = FileChannel.open(file(), StandardOpenOption.WRITE);
          FileLock lock = c.lock()) {
        assertThat(lock.isValid()).isTrue();
        k.save();
      }
      assertThat(file()).isEmptyFile();
      k.save();
      assertThat(file()).isNotEmptyFile();
    }
  }

  @Test
  void theFolderStaysWithinItsBounds() throws IOException {
    fill();
    for (int i = 0; i < 3; i++) {
      Path p = folder.resolve(i + ".code");
      try (RandomAccessFile f = new RandomAccessFile(p.toFile(), "rw")) {
        f.setLength(100L << 20);
      }
      Files.setLastModifiedTime(p, FileTime.fromMillis(1_000_000 - 1000L * i));
    }
    Files.setLastModifiedTime(file(folder), FileTime.fromMillis(0));
    open().close();
    assertThat(folder.resolve("2.code")).doesNotExist();
    assertThat(folder.resolve("1.code")).exists();
    assertThat(folder.resolve("0.code")).exists();
    assertThat(file(folder)).exists();
  }

  private static Path file(Path folder) {
    return folder.resolve("0000000000000000.code");
  }
}
