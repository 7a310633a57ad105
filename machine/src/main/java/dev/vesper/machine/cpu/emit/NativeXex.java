package dev.vesper.machine.cpu.emit;

import static dev.vesper.machine.cpu.emit.HostAssembler.MAP_0F;
import static dev.vesper.machine.cpu.emit.HostAssembler.MAP_0F38;
import static dev.vesper.machine.cpu.emit.HostAssembler.MAP_0F3A;
import static dev.vesper.machine.cpu.emit.HostAssembler.MAP_1;
import static dev.vesper.machine.cpu.emit.HostAssembler.RCX;
import static dev.vesper.machine.cpu.emit.HostAssembler.RDI;
import static dev.vesper.machine.cpu.emit.HostAssembler.RDX;
import static dev.vesper.machine.cpu.emit.HostAssembler.RSI;

import dev.vesper.machine.memory.LazyMemory;
import dev.vesper.machine.memory.NativeFunction;
import dev.vesper.machine.memory.RawMemory;
import dev.vesper.machine.memory.XexCipher;
import java.lang.foreign.MemorySegment;
import org.jspecify.annotations.Nullable;

/**
 * The cipher of encrypted memory by the computer's AES instructions. Java's own is fast only once
 * HotSpot's second compiler has had it, and a boot has decrypted most of its pages by then.
 */
public final class NativeXex implements XexCipher {
  /** Registers XMM0 to 3 have tweaks, 4 to 7 data. */
  private static final int LANES = 4;

  private static final int ROUNDS = 10;
  private static final int SCHEDULE = (ROUNDS + 1) * BLOCK;

  // Offsets in the memory of a cipher: schedules of keys, the address of the next block, and a key.
  private static final int TWEAK = 0;
  private static final int ENCRYPT = SCHEDULE;
  private static final int DECRYPT = 2 * SCHEDULE;
  private static final int ADDRESS = 3 * SCHEDULE;
  private static final int KEY = ADDRESS + BLOCK;
  private static final int UNUSED = KEY + BLOCK;
  private static final int BYTES = 4096;

  // Opcodes with prefix 66, in the maps 0F and 0F 38.
  private static final int PXOR = 0xEF;
  private static final int MOVDQA = 0x6F;
  private static final int MOVDQA_STORE = 0x7F;
  private static final int AESIMC = 0xDB;
  private static final int AESENC = 0xDC;
  private static final int AESDEC = 0xDE;

  /** CMP sets the carry flag: fewer blocks are left than there are lanes. */
  private static final int BELOW = 2;

  /** The functions, of the whole process; kept with the memory that they are in. */
  private record Functions(
      CodeMemory memory, NativeFunction encrypt, NativeFunction decrypt, NativeFunction expand) {}

  private static final @Nullable Functions FUNCTIONS = make();

  private final Functions functions;
  private final MemorySegment own = LazyMemory.map(BYTES);

  private NativeXex(Functions functions, byte[] dataKey, byte[] tweakKey) {
    this.functions = functions;
    long at = own.address();
    expand(tweakKey, at + TWEAK, at + UNUSED);
    expand(dataKey, at + ENCRYPT, at + DECRYPT);
  }

  /** {@return what makes such ciphers, or null where the computer has no such instructions} */
  public static @Nullable Maker maker() {
    Functions f = FUNCTIONS;
    return f == null ? null : (data, tweak) -> new NativeXex(f, data, tweak);
  }

  private static @Nullable Functions make() {
    NativeEntry entry = NativeEntry.get();
    CodeMemory memory = entry == null || !entry.features().has("aes") ? null : CodeMemory.of(BYTES);
    if (memory == null) {
      return null;
    }
    HostAssembler a = new HostAssembler();
    cipher(a, ENCRYPT, AESENC);
    int decrypt = a.position();
    cipher(a, DECRYPT, AESDEC);
    int expand = a.position();
    expansion(a);
    long at = memory.next();
    memory.add(a.bytes(), a.position());
    return new Functions(memory, linked(at), linked(at + decrypt), linked(at + expand));
  }

  private static NativeFunction linked(long at) {
    return NativeFunction.at(MemorySegment.ofAddress(at));
  }

  private void expand(byte[] key, long encryption, long decryption) {
    long at = own.address() + KEY;
    RawMemory.copy(key, 0, at, BLOCK);
    functions.expand.call(at, encryption, decryption);
  }

  @Override
  public void encrypt(long at, long pa, int blocks) {
    RawMemory.put64(own.address() + ADDRESS, pa);
    functions.encrypt.call(own.address(), at, blocks);
  }

  @Override
  public void decrypt(long at, long pa, int blocks) {
    RawMemory.put64(own.address() + ADDRESS, pa);
    functions.decrypt.call(own.address(), at, blocks);
  }

  // ---- what is emitted

  private static void sse(HostAssembler a, int map, int opcode, int reg) {
    a.legacy(0, true, false, map, opcode, reg, false);
  }

  /** RDI: the memory of a cipher, RSI: data, RDX: blocks. */
  private static void cipher(HostAssembler a, int schedule, int round) {
    a.memory(RDI, ADDRESS).load(RCX);
    int rest = loop(a, LANES, schedule, round);
    a.bind32(rest, a.position());
    int end = loop(a, 1, schedule, round);
    a.bind32(end, a.position());
    a.b(0xC3);
  }

  /** {@return the jump to fill in, which is taken when there are fewer blocks than lanes} */
  private static int loop(HostAssembler a, int lanes, int schedule, int round) {
    int top = a.position();
    // CMP RDX, lanes
    a.register(RDX).legacy(0, false, true, MAP_1, 0x83, 7, false);
    a.b(lanes);
    int out = a.jcc(BELOW);
    for (int i = 0; i < lanes; i++) {
      // MOVQ XMMi, RCX
      a.register(RCX).legacy(0, true, true, MAP_0F, 0x6E, i, false);
      a.memory(RCX, BLOCK).lea(RCX);
    }
    rounds(a, 0, lanes, TWEAK, AESENC);
    for (int i = 0; i < lanes; i++) {
      // MOVDQU
      a.memory(RSI, i * BLOCK).legacy(0xF3, false, false, MAP_0F, MOVDQA, LANES + i, false);
      sse(a.register(i), MAP_0F, PXOR, LANES + i);
    }
    rounds(a, LANES, lanes, schedule, round);
    for (int i = 0; i < lanes; i++) {
      sse(a.register(i), MAP_0F, PXOR, LANES + i);
      a.memory(RSI, i * BLOCK).legacy(0xF3, false, false, MAP_0F, MOVDQA_STORE, LANES + i, false);
    }
    a.memory(RSI, lanes * BLOCK).lea(RSI);
    a.memory(RDX, -lanes).lea(RDX);
    a.bind32(a.jmp(), top);
    return out;
  }

  /** AES of registers from one on, whose steps go side by side. */
  private static void rounds(HostAssembler a, int first, int lanes, int schedule, int round) {
    for (int r = 0; r <= ROUNDS; r++) {
      for (int i = first; i < first + lanes; i++) {
        a.memory(RDI, schedule + r * BLOCK);
        if (r == 0) {
          sse(a, MAP_0F, PXOR, i);
        } else {
          // The last round has the opcode behind.
          sse(a, MAP_0F38, r == ROUNDS ? round + 1 : round, i);
        }
      }
    }
  }

  /** RDI: a key, RSI: where its schedule goes, RDX: that for the inverse cipher. */
  private static void expansion(HostAssembler a) {
    sse(a.memory(RDI, 0), MAP_0F, MOVDQA, 0);
    int constant = 1;
    for (int r = 0; r <= ROUNDS; r++) {
      sse(a.memory(RSI, r * BLOCK), MAP_0F, MOVDQA_STORE, 0);
      if (r == 0 || r == ROUNDS) {
        sse(a.memory(RDX, (ROUNDS - r) * BLOCK), MAP_0F, MOVDQA_STORE, 0);
      } else {
        sse(a.register(0), MAP_0F38, AESIMC, 1);
        sse(a.memory(RDX, (ROUNDS - r) * BLOCK), MAP_0F, MOVDQA_STORE, 1);
      }
      // AESKEYGENASSIST XMM1, XMM0; PSHUFD XMM1, XMM1, FF
      sse(a.register(0), MAP_0F3A, 0xDF, 1);
      a.b(constant);
      sse(a.register(1), MAP_0F, 0x70, 1);
      a.b(0xFF);
      for (int i = 0; i < 3; i++) {
        // MOVDQA XMM2, XMM0; PSLLDQ XMM2, 4, each of which goes on from the last
        if (i == 0) {
          sse(a.register(0), MAP_0F, MOVDQA, 2);
        }
        sse(a.register(2), MAP_0F, 0x73, 7);
        a.b(4);
        sse(a.register(2), MAP_0F, PXOR, 0);
      }
      sse(a.register(1), MAP_0F, PXOR, 0);
      constant = constant << 1 ^ (constant & 0x80) * 0x11B >>> 7;
    }
    a.b(0xC3);
  }
}
