package dev.vesper.machine.cpu;

import static org.assertj.core.api.Assertions.assertThat;

import dev.vesper.machine.memory.ExternalBus;
import dev.vesper.machine.memory.Page;
import dev.vesper.x86.Assembler;
import org.junit.jupiter.api.Test;

/**
 * A far pointer in memory behind a REX.W prefix: AMD processors read 32 bits of offset, as a
 * program on a Milan shows, and a host that emulates the instruction, since it touches a device,
 * reads 64, as KVM's emulator does.
 */
final class FarPointerWidthTest {
  /** JMP FAR [RBX] with REX.W. */
  private static final String JUMP = "db 0x48, 0xff, 0x2b";

  /** LGS RAX, [RBX] with REX.W. */
  private static final String LOAD = "db 0x48, 0x0f, 0xb5, 0x03";

  private static final ExternalBus NOWHERE =
      new ExternalBus() {
        @Override
        public long readMemory(long address, int bytes) {
          throw new AssertionError("all of this memory is backed");
        }

        @Override
        public void writeMemory(long address, int bytes, long value) {
          throw new AssertionError("all of this memory is backed");
        }

        @Override
        public int readPort(int port, int bytes) {
          throw new AssertionError("no port is read");
        }

        @Override
        public void writePort(int port, int bytes, int value) {
          throw new AssertionError("no port is written");
        }
      };

  private final RestartGuest g = new RestartGuest(0);
  private final Cpu cpu = g.cpu;

  /** An instruction, and a pointer whose selector lies behind so many bytes. */
  private void prepare(String source, int bytes, long offset, int selector) {
    g.fill(64);
    g.prepare(64, 0);
    byte[] code = Assembler.assemble(64, source);
    for (int i = 0; i < code.length; i++) {
      g.put(RestartGuest.CODE + i, 1, code[i]);
    }
    g.memory.page(RestartGuest.CODE >> 12, Page.SHARED).dropCode();
    cpu.flushTlb(true);
    cpu.rip = RestartGuest.CODE;
    cpu.r[3] = RestartGuest.OPERAND;
    g.put(RestartGuest.OPERAND, 8, offset);
    g.put(RestartGuest.OPERAND + bytes, 2, selector);
  }

  @Test
  void theProcessorReads32BitsOfOffset() {
    prepare(JUMP, 4, RestartGuest.HANDLER, 8);
    cpu.run(cpu.icount + 1);
    assertThat(cpu.rip).isEqualTo(RestartGuest.HANDLER);
    assertThat(cpu.selector[CpuState.CS]).isEqualTo(8);
    prepare(LOAD, 4, 0x8765_4321L, 16);
    cpu.run(cpu.icount + 1);
    assertThat(cpu.r[0] & 0xFFFF_FFFFL).isEqualTo(0x8765_4321L);
    assertThat(cpu.selector[CpuState.GS]).isEqualTo(16);
  }

  @Test
  void aHostThatEmulatesTheInstructionReads64() {
    prepare(JUMP, 8, RestartGuest.HANDLER, 8);
    assertThat(cpu.emulateOne(NOWHERE)).isTrue();
    assertThat(cpu.rip).isEqualTo(RestartGuest.HANDLER);
    assertThat(cpu.selector[CpuState.CS]).isEqualTo(8);
    prepare(LOAD, 8, 0x1234_5678_8765_4321L, 16);
    assertThat(cpu.emulateOne(NOWHERE)).isTrue();
    assertThat(cpu.r[0]).isEqualTo(0x1234_5678_8765_4321L);
    assertThat(cpu.selector[CpuState.GS]).isEqualTo(16);
  }
}
