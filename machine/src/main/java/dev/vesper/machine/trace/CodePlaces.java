package dev.vesper.machine.trace;

import dev.vesper.machine.cpu.Cpu;
import dev.vesper.machine.observe.Bytes;
import dev.vesper.machine.observe.Symbols;
import dev.vesper.x86.Decoder;
import dev.vesper.x86.Formatter;
import dev.vesper.x86.Insn;
import java.util.Arrays;
import java.util.HashMap;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/**
 * What stands at addresses of the guest's code, by name and as text. A guest exits at few places
 * again and again: what was found out is kept for as long as the bytes there are the same.
 */
final class CodePlaces {
  /** A guest may run through ever new ones. */
  private static final int MOST = 1 << 14;

  /**
   * What stands at an address.
   *
   * @param bytes from there on
   * @param bits code width
   * @param names that were in use
   * @param insn the instruction, or null if there is none
   * @param encoding its bytes, none without one
   * @param text its disassembly, or {@code ?}
   */
  record Code(
      Bytes bytes,
      int bits,
      Symbols names,
      @Nullable Insn insn,
      Bytes encoding,
      String symbol,
      String source,
      String text) {
    /** {@return what people are shown of it} */
    Shown shown() {
      return new Shown(bits, symbol, source, text);
    }
  }

  /**
   * What people are shown of an address, for who waits with it: names and instructions have no form
   * in a snapshot.
   */
  record Shown(int bits, String symbol, String source, String text) {}

  private final transient Formatter formatter = new Formatter(Formatter.Syntax.INTEL);
  private final transient Map<Long, Code> known = new HashMap<>();
  private final transient byte[] bytes = new byte[Decoder.MAX_LENGTH];

  /** {@return what stands at an address of the current code segment} */
  Code at(Cpu c, long rip, Symbols symbols) {
    int got = c.fetchQuietly(rip, bytes);
    Code k = known.get(rip);
    if (k != null && k.names == symbols && k.bits == c.codeBits() && k.bytes.areFirst(bytes, got)) {
      return k;
    }
    byte[] own = Arrays.copyOf(bytes, got);
    Insn in = c.decode(own, got);
    String text = in == null ? "?" : formatter.format(in, rip);
    k =
        new Code(
            Bytes.of(own),
            c.codeBits(),
            symbols,
            in,
            in == null ? Bytes.NONE : Bytes.of(in.bytes),
            symbols.at(rip),
            symbols.source(rip),
            text);
    if (known.size() >= MOST) {
      known.clear();
    }
    known.put(rip, k);
    return k;
  }
}
