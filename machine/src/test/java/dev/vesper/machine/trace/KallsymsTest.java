package dev.vesper.machine.trace;

import static org.assertj.core.api.Assertions.assertThat;

import dev.vesper.fixtures.fuzz.Bounded;
import dev.vesper.machine.observe.Symbols;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.util.Arrays;
import java.util.Objects;
import java.util.Random;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

/** A kernel's own symbol table in every order and encoding that Linux has had since 5.x. */
final class KallsymsTest {
  private static final long LINEAR = 0xFFFF_FFFF_8100_0000L;
  private static final int FUNCTIONS = 5000;
  private static final int TABLE = 1 << 19;

  /** Where tables lie and how an offset is stored. */
  enum Layout {
    LINUX_5(8),
    LINUX_6_2(8),
    LINUX_6_4(8),
    LINUX_6_15(8),
    LINUX_7(4);

    final int alignment;

    Layout(int alignment) {
      this.alignment = alignment;
    }

    boolean offsetsFirst() {
      return this == LINUX_5 || this == LINUX_6_2;
    }

    boolean perCpuIsAbsolute() {
      return compareTo(LINUX_6_15) < 0;
    }
  }

  private static String token(int i) {
    boolean itself = i > ' ' && i < 0x7F;
    return itself ? String.valueOf((char) i) : "_" + (char) ('a' + i % 26) + (char) ('a' + i / 26);
  }

  private static String name(int i) {
    return "function_" + i + (i % 700 == 0 ? "_long".repeat(30) : "");
  }

  private static long address(int i) {
    return LINEAR + 0x40L * i;
  }

  /** Writes the tables of one kernel behind its text. */
  private static final class Image {
    final ByteBuffer b = ByteBuffer.allocate(1 << 20).order(ByteOrder.LITTLE_ENDIAN);
    final Layout layout;

    Image(Layout layout, int odd) {
      this.layout = layout;
      b.position(TABLE + odd);
      if (layout.offsetsFirst()) {
        offsets();
      }
      align();
      b.putInt(FUNCTIONS + 2);
      align();
      int[] markers = names();
      align();
      IntStream.of(markers).forEach(b::putInt);
      if (layout == Layout.LINUX_6_2) {
        sequences();
      }
      align();
      int[] index = new int[256];
      int start = b.position();
      for (int i = 0; i < 256; i++) {
        index[i] = b.position() - start;
        b.put(token(i).getBytes(StandardCharsets.US_ASCII)).put((byte) 0);
      }
      align();
      IntStream.of(index).forEach(i -> b.putShort((short) i));
      if (!layout.offsetsFirst()) {
        offsets();
        sequences();
      }
    }

    private void align() {
      b.position(b.position() + layout.alignment - 1 & -layout.alignment);
    }

    private void sequences() {
      byte[] noise = new byte[3 * FUNCTIONS];
      new Random(1).nextBytes(noise);
      b.put(noise);
    }

    /** A per-CPU symbol, the functions, and data behind them. */
    private void offsets() {
      align();
      if (layout.perCpuIsAbsolute()) {
        b.putInt(0x1000);
      } else {
        offset(address(0));
      }
      for (int i = 0; i < FUNCTIONS; i++) {
        offset(address(i));
      }
      offset(address(FUNCTIONS));
      align();
      if (layout != Layout.LINUX_7) {
        b.putLong(LINEAR);
      }
    }

    private void offset(long address) {
      long base = layout == Layout.LINUX_7 ? LINEAR + b.position() : LINEAR;
      b.putInt((int) (layout.perCpuIsAbsolute() ? base - 1 - address : address - base));
    }

    private int[] names() {
      int start = b.position();
      int[] markers = new int[FUNCTIONS + 2 + 255 >> 8];
      for (int i = 0; i < FUNCTIONS + 2; i++) {
        if ((i & 255) == 0) {
          markers[i >> 8] = b.position() - start;
        }
        String n = i == 0 ? "Aper_cpu" : i > FUNCTIONS ? "Ddata" : "T" + name(i - 1);
        if (n.length() > 127) {
          b.put((byte) (n.length() & 0x7F | 0x80)).put((byte) (n.length() >> 7));
        } else {
          b.put((byte) n.length());
        }
        b.put(n.getBytes(StandardCharsets.US_ASCII));
      }
      return markers;
    }
  }

  /** {@return memory with the tables of a kernel} */
  static byte[] small() {
    return new Image(Layout.LINUX_6_4, 0).b.array();
  }

  /** {@return the tables alone, which take a quarter of a MiB} */
  static byte[] tables(Layout layout) {
    ByteBuffer b = new Image(layout, 0).b;
    return Arrays.copyOfRange(b.array(), TABLE - 64, b.position() + 64);
  }

  @ParameterizedTest
  @EnumSource
  void everyNameHasItsAddress(Layout layout) {
    // Tables may begin anywhere behind the text.
    for (int odd = 0; odd < 8; odd += layout.alignment) {
      byte[] image = new Image(layout, odd).b.array();
      Symbols s = Objects.requireNonNull(Kallsyms.read(image, LINEAR));
      for (int i = 0; i < FUNCTIONS; i++) {
        assertThat(s.at(address(i) + 3)).isEqualTo(name(i) + "+0x3");
      }
      assertThat(s.all()).hasSize(FUNCTIONS);
      // Data ends the last function, and what lies below the first one has no name.
      assertThat(s.at(address(FUNCTIONS))).isEmpty();
      assertThat(s.at(address(0) - 1)).isEmpty();
      assertThat(s.at(0x1000)).isEmpty();
    }
  }

  /** KASLR moves tables and code alike; the base is a pointer that the kernel has moved itself. */
  @Test
  void aKernelWithoutABaseIsReadWhereItRuns() {
    byte[] image = new Image(Layout.LINUX_7, 0).b.array();
    Symbols s = Objects.requireNonNull(Kallsyms.read(image, LINEAR + 0x1E0_0000));
    assertThat(s.at(address(7) + 0x1E0_0000)).isEqualTo(name(7));
  }

  /** Much that looks like the beginning of a table is looked into a little. */
  @Test
  void memoryFullOfBeginningsIsGivenUpSoon() throws Exception {
    byte[] digits =
        "0\0001\0002\0003\0004\0005\0006\0007\0008\0009\0".getBytes(StandardCharsets.US_ASCII);
    for (int distance : new int[] {20, 64, 4096}) {
      byte[] b = new byte[32 << 20];
      Arrays.fill(b, (byte) 'a');
      for (int at = 1 << 20; at < b.length - 20; at += distance) {
        System.arraycopy(digits, 0, b, at, digits.length);
      }
      Bounded.within(10, 4096, () -> assertThat(Kallsyms.read(b, LINEAR)).isNull());
    }
    // Markers everywhere: a zero and numbers that rise.
    ByteBuffer good = new Image(Layout.LINUX_6_4, 0).b;
    byte[] b = Arrays.copyOf(new byte[8 << 20], 9 << 20);
    ByteBuffer m = ByteBuffer.wrap(b).order(ByteOrder.LITTLE_ENDIAN);
    while (m.position() < 8 << 20) {
      m.putInt(m.position() % 80 == 0 ? 0 : 1000 * (m.position() % 80 / 4));
    }
    m.put(good.array(), TABLE + (1 << 17), 1 << 18);
    Bounded.within(10, 4096, () -> Kallsyms.read(b, LINEAR));
  }

  @ParameterizedTest
  @EnumSource
  void damagedTablesDoNoHarm(Layout layout) {
    byte[] good = new Image(layout, 0).b.array();
    Random r = new Random(3);
    for (int n = 0; n < 60; n++) {
      byte[] bad = n % 2 == 0 ? good.clone() : Arrays.copyOf(good, TABLE + r.nextInt(TABLE));
      for (int i = r.nextInt(2000); i >= 0; i--) {
        bad[r.nextInt(bad.length)] = (byte) r.nextInt();
      }
      Symbols s = Kallsyms.read(bad, LINEAR);
      assertThat(s == null ? 0 : s.all().size()).isLessThanOrEqualTo(FUNCTIONS + 300);
    }
  }
}
