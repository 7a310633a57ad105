package dev.vesper.machine.cpu.emit;

import static dev.vesper.machine.cpu.emit.HostAssembler.MAP_0F;
import static dev.vesper.machine.cpu.emit.HostAssembler.MAP_0F38;
import static dev.vesper.machine.cpu.emit.HostAssembler.MAP_1;
import static dev.vesper.machine.cpu.emit.HostAssembler.NONE;
import static dev.vesper.machine.cpu.emit.HostAssembler.R13;
import static dev.vesper.machine.cpu.emit.HostAssembler.R14;
import static dev.vesper.machine.cpu.emit.HostAssembler.R15;
import static dev.vesper.machine.cpu.emit.HostAssembler.RAX;
import static dev.vesper.machine.cpu.emit.HostAssembler.RBX;
import static dev.vesper.machine.cpu.emit.HostAssembler.RCX;
import static dev.vesper.machine.cpu.emit.HostAssembler.RDI;
import static dev.vesper.machine.cpu.emit.HostAssembler.RDX;
import static dev.vesper.machine.cpu.emit.HostAssembler.RSP;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatCode;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import dev.vesper.machine.cpu.Cpu;
import dev.vesper.machine.cpu.CpuFeatures;
import dev.vesper.machine.cpu.NativeBlock;
import dev.vesper.machine.cpu.NativeState;
import dev.vesper.machine.cpu.NativeWorld;
import dev.vesper.x86.Decoder;
import dev.vesper.x86.Insn;
import dev.vesper.x86.Operation;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HexFormat;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.function.Consumer;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;

/** The verifier of native code finds what is broken, and nothing else. */
final class EmissionVerifierTest {
  private static final int CODE_BYTES = 1 << 20;

  /** Loads, stores, the stack, vectors, a division and jumps of all kinds. */
  private static final String PROGRAM =
      """
      mov rax, [rbx]
      add [rbx+8], rax
      mov word [rbx+r9], 5
      mov ah, [r12]
      push rax
      pop r11
      push qword [rbx]
      pop rcx
      movdqa xmm1, [rbx]
      movdqu [rbx+16], xmm1
      vaddps ymm2, ymm1, [rbx+1]
      xor edx, edx
      mov ecx, 3
      div ecx
      cqo
      idiv rcx
      call NEAR
      mov rdx, 0x5000
      jmp rdx
      NEAR: test eax, eax
      jne DONE
      mov r14, [rbx]
      xchg [rbx], rdx
      DONE: ret
      """;

  private record Emission(NativeBlock block, byte[] code, long leave, long loadVectors) {
    void verify() {
      EmissionVerifier.verify(block, code, code.length, leave, loadVectors);
    }

    Emission with(byte[] other) {
      return new Emission(block, other, leave, loadVectors);
    }
  }

  private final List<Emission> emissions = new ArrayList<>();

  /** Jumps of code by hand that are taken where something was not found. */
  private final List<Integer> misses = new ArrayList<>();

  @BeforeEach
  void emitSomething() {
    assumeTrue(NativeCode.lack() == null);
    NativeCode.inspector =
        new NativeCode.Inspector() {
          @Override
          public void emitted(NativeBlock made, byte[] code, int length, long leave, long load) {
            emissions.add(new Emission(made, Arrays.copyOf(code, length), leave, load));
          }

          @Override
          public void linked(NativeBlock from, int jump, NativeBlock to) {
            EmissionVerifier.verifyLink(from, jump, to);
          }
        };
    NativeWorld w = new NativeWorld(64, NativeCode.create(CpuFeatures.ALL, CODE_BYTES));
    w.program(0x4000, PROGRAM);
    // A direct jump into the next page.
    w.program(0x5000, "inc eax\ndb 0xE9, 0xF9, 0x0F, 0, 0");
    w.program(0x6000, "hlt");
    Cpu c = w.cpu;
    c.r[3] = 0x8000;
    c.r[9] = 0x20;
    c.r[12] = 0x9000;
    c.r[4] = 0xB800;
    c.run(c.icount + 1000);
    assertThat(c.exitCode).isEqualTo(0x78);
  }

  @AfterEach
  void inspectNoMore() {
    NativeCode.inspector = null;
  }

  @Test
  void whatIsEmittedIsGood() {
    assertThat(emissions).hasSizeGreaterThan(3);
    emissions.forEach(Emission::verify);
  }

  private static byte[] changed(byte[] code, int at, int value) {
    byte[] c = code.clone();
    c[at] = (byte) value;
    return c;
  }

  /** Where instructions begin. */
  private static Map<Integer, Insn> decoded(byte[] code) {
    Map<Integer, Insn> all = new LinkedHashMap<>();
    for (int at = 0; at < code.length; ) {
      Insn in = new Insn();
      assertThat(Decoder.decode(code, at, code.length, 64, in)).isEqualTo(Decoder.Outcome.OK);
      all.put(at, in);
      at += in.length;
    }
    return all;
  }

  private static void assertFound(Emission e, byte[] broken, String what) {
    assertThatThrownBy(() -> e.with(broken).verify())
        .as(what)
        .isInstanceOf(EmissionVerifier.Violation.class);
  }

  /** Without any one of the tests for zero that are before an access, or a jump. */
  @Test
  void eachTestCounts() {
    int tests = 0;
    for (Emission e : emissions) {
      for (Map.Entry<Integer, Insn> i : decoded(e.code).entrySet()) {
        if (i.getValue().operation() == Operation.JCXZ && i.getValue().asize == 8) {
          assertFound(e, changed(e.code, i.getKey(), 0xEB), "always goes on at " + i.getKey());
          tests++;
        }
      }
    }
    assertThat(tests).isGreaterThan(20);
  }

  @Test
  void eachBranchLeadsToAnInstruction() {
    int branches = 0;
    for (Emission e : emissions) {
      for (Map.Entry<Integer, Insn> i : decoded(e.code).entrySet()) {
        int end = i.getKey() + i.getValue().length;
        boolean near =
            switch (i.getValue().operation()) {
              case JMP, CALL -> (e.code[i.getKey()] & 0xFF) < 0xF0;
              case JCC -> true;
              default -> false;
            };
        if (near) {
          assertFound(e, changed(e.code, end - 4, e.code[end - 4] + 1), "one byte further");
          assertFound(e, changed(e.code, end - 1, 0x40), "far away");
          branches++;
        }
      }
    }
    assertThat(branches).isGreaterThan(50);
  }

  /** The look-up of one byte where more are accessed. */
  @Test
  void eachByteOfAnAccessIsLookedUp() {
    int sums = 0;
    for (Emission e : emissions) {
      for (Map.Entry<Integer, Insn> i : decoded(e.code).entrySet()) {
        Insn in = i.getValue();
        boolean sum = in.operation() == Operation.LEA && in.reg == RCX && in.index == R13;
        if (sum && in.disp > 0) {
          assertFound(e, changed(e.code, i.getKey() + in.length - 1, 0), "bytes at " + i.getKey());
          sums++;
        }
      }
    }
    assertThat(sums).isGreaterThan(10);
  }

  /** No change of a byte has the verifier fail in another way than by finding something. */
  @Test
  void whateverTheBytesAreTheVerifierSaysSo() {
    int found = 0;
    int all = 0;
    for (Emission e : emissions) {
      for (int at = 0; at < e.code.length; at++) {
        for (int bit = 0; bit < 8; bit++) {
          all++;
          try {
            e.with(changed(e.code, at, e.code[at] ^ 1 << bit)).verify();
          } catch (EmissionVerifier.Violation v) {
            found++;
          }
        }
      }
    }
    // What is left changes results, not safety: another register, condition or constant.
    assertThat(found * 100L / all).isGreaterThan(60);
  }

  // ---- code by hand

  /** Puts code in the place of a block of one operation, with the way out behind it. */
  private Emission byHand(Consumer<HostAssembler> body) {
    Emission e = emissions.get(0);
    NativeBlock b = e.block;
    HostAssembler a = new HostAssembler();
    body.accept(a);
    a.constant(RCX, 0);
    int out = a.jmp();
    a.bind32(out, a.position());
    BlockEmitter.wayOut(a);
    BlockEmitter.place(a.bytes(), a.position(), b.number(), b.entry(), e.leave, 0);
    NativeBlock alone =
        new NativeBlock(
            b.block(),
            b.kind(),
            b.number(),
            b.entry(),
            new int[] {0},
            0,
            0,
            new long[0],
            new int[0]);
    return new Emission(alone, Arrays.copyOf(a.bytes(), a.position()), e.leave, e.loadVectors);
  }

  /** The look-up as the emitter writes it, of an address in RBX. */
  private void lookUp(HostAssembler a, int kind, int bytes, boolean write) {
    a.move(R13, RBX);
    a.shrx(R14, R13, RSP);
    a.movzx16(R14, R14);
    a.table(write ? NativeState.writeTags(kind) : NativeState.readTags(kind), R14).load(RCX);
    a.memory(RCX, R13, 0, bytes - 1).lea(RCX);
    a.shrx(RCX, RCX, RSP);
    skipUnlessZero(a);
    a.table(NativeState.hostTable(kind), R14).load(R14);
  }

  /** Jumps to the end where the emitter would jump out of line. */
  private void skipUnlessZero(HostAssembler a) {
    int zero = a.jrcxz();
    int miss = a.jmp();
    a.bind8(zero);
    misses.add(miss);
  }

  private Emission lookedUp(int bytes, boolean write, Consumer<HostAssembler> access) {
    misses.clear();
    return byHand(
        a -> {
          lookUp(a, emissions.get(0).block.kind(), bytes, write);
          access.accept(a);
          for (int m : misses) {
            a.bind32(m, a.position());
          }
        });
  }

  private static void hex(HostAssembler a, String bytes) {
    for (byte b : HexFormat.of().parseHex(bytes.replace(" ", ""))) {
      a.b(b);
    }
  }

  @Test
  void theSameWithoutTheFaultIsGood() {
    List<Emission> good =
        List.of(
            byHand(a -> a.move(RAX, RBX)),
            lookedUp(8, false, a -> a.memory(R13, R14, 0, 0).load(RAX)),
            lookedUp(8, true, a -> a.memory(R13, R14, 0, 0).store(RAX)),
            byHand(a -> a.state(NativeState.TEMPORARY).store(RAX)));
    for (Emission e : good) {
      assertThatCode(e::verify).doesNotThrowAnyException();
    }
  }

  @Test
  void memoryThatWasNotFoundIsNotAccessed() {
    Map<String, Emission> broken = new LinkedHashMap<>();
    broken.put("no look-up", byHand(a -> a.memory(RBX, 0).load(RAX)));
    broken.put("an address", byHand(a -> a.memory(NONE, 0x1000).load(RAX)));
    broken.put("the stack", byHand(a -> a.memory(RSP, 8).load(RAX)));
    broken.put(
        "a store where loads are allowed",
        lookedUp(8, false, a -> a.memory(R13, R14, 0, 0).store(RAX)));
    broken.put("more bytes", lookedUp(4, true, a -> a.memory(R13, R14, 0, 0).store(RAX)));
    broken.put("further on", lookedUp(8, true, a -> a.memory(R13, R14, 0, 8).store(RAX)));
    broken.put(
        "another address",
        lookedUp(
            8,
            true,
            a -> {
              a.memory(R13, 8).lea(R13);
              a.memory(R13, R14, 0, 0).store(RAX);
            }));
    broken.put(
        "a locked exchange beyond",
        lookedUp(
            1,
            true,
            a -> a.memory(R13, R14, 0, 0).legacy(0, false, true, MAP_1, 0x87, RAX, false)));
    broken.put(
        "a bit beyond its operand",
        lookedUp(
            4,
            true,
            a -> {
              // PEXT RCX, RDX, [TEMPORARY]; BTS [R13 + R14], ECX
              a.state(NativeState.TEMPORARY).storeConstant(63);
              a.state(NativeState.TEMPORARY).vex(2, MAP_0F38, true, false, 0xF5, RCX, RDX);
              a.memory(R13, R14, 0, 0).legacy(0, false, false, MAP_0F, 0xAB, RCX, false);
            }));
    broken.put(
        "sixteen bytes that may not be aligned",
        lookedUp(
            16,
            true,
            a -> a.memory(R13, R14, 0, 0).legacy(0, false, true, MAP_0F, 0xC7, 1, false)));
    broken.put(
        "what decides about an intercept", byHand(a -> a.state(NativeState.CLI_CHECK).store(RAX)));
    broken.put(
        "a bit of a string",
        lookedUp(
            8,
            false,
            a -> a.memory(R13, R14, 0, 0).legacy(0, false, true, MAP_0F, 0xA3, RAX, false)));
    broken.put(
        "vectors that are not loaded",
        lookedUp(
            16,
            false,
            a -> a.memory(R13, R14, 0, 0).legacy(0, false, false, MAP_0F, 0x10, 1, false)));
    broken.put(
        "another kind's TLB",
        byHand(
            a -> {
              misses.clear();
              lookUp(a, (emissions.get(0).block.kind() + 1) % NativeState.KINDS, 8, false);
              a.memory(R13, R14, 0, 0).load(RAX);
              for (int m : misses) {
                a.bind32(m, a.position());
              }
            }));
    broken.put(
        "an index of any size", byHand(a -> a.table(NativeState.readTags(0), RBX).load(RCX)));
    broken.put("beyond the fields", byHand(a -> a.state(NativeState.TABLES + 8).load(RAX)));
    broken.put("before the fields", byHand(a -> a.state(-8).load(RAX)));
    broken.put("between fields", byHand(a -> a.state(NativeState.PAGE + 4).load(RAX)));
    broken.put("the stack pointer's field", byHand(a -> a.state(NativeState.STACK).store(RAX)));
    broken.put("what is loaded", byHand(a -> a.state(NativeState.SSE).store(RAX)));
    broken.put(
        "a tag",
        byHand(
            a -> {
              a.shrx(R14, RBX, RSP);
              a.movzx16(R14, R14);
              a.table(NativeState.writeTags(0), R14).store(RAX);
            }));
    broken.forEach((what, e) -> assertFound(e, e.code, what));
  }

  /** Counts the edge whose index is in RBX, but for a fault. */
  private Emission counted(Consumer<HostAssembler> index, Consumer<HostAssembler> access) {
    return byHand(
        a -> {
          index.accept(a);
          a.state(NativeState.EDGE_MAP).load(R14);
          access.accept(a);
        });
  }

  @Test
  void countersOfEdgesAreFoundBySixteenBitsAlone() {
    Consumer<HostAssembler> cut = a -> a.movzx16(RCX, RBX);
    Consumer<HostAssembler> next =
        a -> {
          a.memory(R14, RCX, 0, 0).load8(R13);
          a.bytes(NativeState.NEXT_COUNTS, R13).load8(R13);
          a.memory(R14, RCX, 0, 0).store8(R13);
        };
    assertThatCode(() -> counted(cut, next).verify()).doesNotThrowAnyException();
    Map<String, Emission> broken = new LinkedHashMap<>();
    broken.put("an index of any size", counted(a -> a.move(RCX, RBX), next));
    broken.put("two counters", counted(cut, a -> a.memory(R14, RCX, 0, 0).store32(R13)));
    broken.put("further on", counted(cut, a -> a.memory(R14, RCX, 0, 1).store8(R13)));
    broken.put("by twice the index", counted(cut, a -> a.memory(R14, RCX, 1, 0).store8(R13)));
    broken.put("another base", counted(cut, a -> a.memory(RDX, RCX, 0, 0).store8(R13)));
    broken.put(
        "a count of any size", counted(cut, a -> a.bytes(NativeState.NEXT_COUNTS, RBX).load8(R13)));
    broken.put(
        "what counts become",
        counted(
            cut,
            a -> {
              a.memory(R14, RCX, 0, 0).load8(R13);
              a.bytes(NativeState.NEXT_COUNTS, R13).store8(R13);
            }));
    broken.put("where counters are", byHand(a -> a.state(NativeState.EDGE_MAP).store(RAX)));
    broken.forEach((what, e) -> assertFound(e, e.code, what));
  }

  /** A vector at an address that was looked up, and is aligned or not. */
  @Test
  void alignmentIsTestedWhereTheProcessorDemandsIt() {
    assertFound(aligned(0), aligned(0).code, "not tested");
    assertFound(aligned(8), aligned(8).code, "tested for less");
    assertThatCode(() -> aligned(16).verify()).doesNotThrowAnyException();
  }

  private Emission aligned(int bytes) {
    return lookedUp(
        16,
        false,
        a -> {
          a.state(NativeState.SSE).load(RCX);
          skipUnlessZero(a);
          if (bytes > 0) {
            a.move(RDX, R14);
            a.constant(R14, 64 - Integer.numberOfTrailingZeros(bytes));
            a.shlx(RCX, R13, R14);
            a.move(R14, RDX);
            skipUnlessZero(a);
          }
          a.memory(R13, R14, 0, 0).legacy(0, false, false, MAP_0F, 0x28, 1, false);
        });
  }

  @Test
  void instructionsOfNoUseAreFound() {
    List<String> all =
        List.of(
            "f4",
            "0f05",
            "0f01f8",
            "0f01d0",
            "0fa2",
            "0f31",
            "cd80",
            "cc",
            "c3",
            "50",
            "58",
            "9d",
            "fd",
            "e460",
            "0f20c0",
            "0f23c0",
            "8ed8",
            "8cd8",
            "0f0b",
            "f30faed8",
            "f3480faed8",
            "a4",
            "f3a4",
            "f3ab",
            "a6",
            "d7",
            "c8000000",
            "c9",
            "ffe0",
            "ffd0",
            "f048012b",
            "64488b03",
            "d9e8",
            "0f77",
            "0faef0",
            "0fae5500",
            "62f17c4858c0",
            "f7f1",
            "48f7f9",
            "90",
            "48bc0000000000000000",
            "4889c4",
            "4883c408",
            "4d89c7",
            "a000000000000000ff",
            "e8fbffffff",
            "ebfe",
            "ff2425a0000000",
            "65ff2425b0000000",
            "0f01f9",
            "f30f1ec8");
    for (String bytes : all) {
      Emission e = byHand(a -> hex(a, bytes));
      assertFound(e, e.code, bytes);
    }
  }

  @Test
  void theWayOutHasAReason() {
    Emission e = emissions.get(0);
    int[] reasons = {1, 63, 65, 127, 128, 129, 130, 131, 255, 256};
    for (int why : reasons) {
      Emission b =
          byHand(
              a -> {
                a.constant(RCX, why);
                // Over the good reason, to the way out.
                a.bind32(a.jmp(), a.position() + 10);
              });
      assertFound(b, b.code, "reason " + why);
    }
    Emission none = byHand(a -> a.bind32(a.jmp(), a.position() + 10));
    assertFound(none, none.code, "no reason");
    Emission straight =
        byHand(
            a -> {
              a.constant(RCX, (long) e.block.number() << 8);
              a.bind32(a.jmp(), (int) (e.leave - e.block.entry()));
            });
    assertFound(straight, straight.code, "past the way out");
    byte[] other = e.code.clone();
    BlockEmitter.place(other, other.length, e.block.number() + 1, e.block.entry(), e.leave, 0);
    assertFound(e, other, "in the name of another");
    Emission end = byHand(a -> a.memory(R15, -1).lea(RDI));
    byte[] cut = Arrays.copyOf(end.code, end.code.length - 5);
    assertFound(end, cut, "a way that runs out of the code");
  }

  @Test
  void aLinkLeadsToWhatWasMadeForTheSame() {
    Emission from =
        emissions.stream().filter(e -> e.block.jumps().length > 0).findFirst().orElseThrow();
    NativeBlock other = emissions.get(emissions.size() - 1).block;
    assertThat(other.block().start).isNotEqualTo(from.block.targets()[0]);
    assertThatThrownBy(() -> EmissionVerifier.verifyLink(from.block, 0, other))
        .isInstanceOf(EmissionVerifier.Violation.class);
  }
}
