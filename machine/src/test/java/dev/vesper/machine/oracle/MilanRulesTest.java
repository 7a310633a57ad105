package dev.vesper.machine.oracle;

import static org.assertj.core.api.Assertions.assertThat;

import dev.vesper.machine.cpu.Cpu;
import dev.vesper.machine.cpu.CpuFeatures;
import dev.vesper.machine.cpu.CpuState;
import dev.vesper.machine.cpu.Execution;
import dev.vesper.machine.cpu.emit.VerifiedEmission;
import dev.vesper.machine.cpu.fp.Reciprocals;
import dev.vesper.x86.Assembler;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.ExtendWith;
import org.junit.jupiter.params.ParameterizedClass;
import org.junit.jupiter.params.provider.ValueSource;

/**
 * Rules that recorded cases of a Milan showed, each by itself; the manuals leave most of them open.
 */
@ParameterizedClass
@ValueSource(ints = {Execution.STANDARD, Execution.NATIVE})
@ExtendWith(VerifiedEmission.class)
final class MilanRulesTest {
  private static final long DATA = OracleWorld.DATA;
  private static final int AT = 0x800;
  private static final int BREAKPOINT = 3;
  private static final int PAGE_FAULT = 14;

  private final OracleWorld world;
  private final Cpu cpu;
  private final byte[] data = new byte[OracleWorld.DATA_BYTES];

  MilanRulesTest(int execution) {
    world = new OracleWorld(CpuFeatures.ALL, execution);
    cpu = world.cpu;
  }

  private void prepare(int bits, String... lines) {
    Assembler a = new Assembler(OracleWorld.CODE + AT, bits);
    a.add(String.join("\n", lines));
    world.prepare(bits, a.finish(), AT, data);
    cpu.xcr0 = 7;
    cpu.r[4] = DATA + 0x1800;
    cpu.fcw = 0x37F;
    cpu.fvalid = 0;
    cpu.setFlags(0x202);
  }

  private int flags() {
    return (int) world.frame(BREAKPOINT, 2) & CpuState.ARITH;
  }

  @Test
  void aRepeatPrefixChoosesTheConditionOfLoop() {
    for (String prefixed : new String[] {"db 0xf2, 0xe1, 0x10", "db 0xf2, 0xe0, 0x10"}) {
      prepare(64, prefixed);
      cpu.r[1] = 5;
      assertThat(world.run()).isEqualTo(BREAKPOINT);
      assertThat(world.frame(BREAKPOINT, 0)).isEqualTo(OracleWorld.CODE + AT + 0x14);
    }
    prepare(64, "db 0xf3, 0xe0, 0x10");
    cpu.r[1] = 5;
    assertThat(world.run()).isEqualTo(BREAKPOINT);
    assertThat(world.frame(BREAKPOINT, 0)).isEqualTo(OracleWorld.CODE + AT + 4);
  }

  @Test
  void divisionSetsAfAndLeavesCfAndOf() {
    prepare(64, "div rcx");
    cpu.r[0] = 100;
    cpu.r[1] = 7;
    cpu.setFlags(0x202 | CpuState.ARITH);
    assertThat(world.run()).isEqualTo(BREAKPOINT);
    assertThat(flags()).isEqualTo(CpuState.CF | CpuState.OF | CpuState.AF);
  }

  @Test
  void sixteenBitDoubleShiftBeyondItsWidthTakesTheSourceTwice() {
    prepare(64, "shrd bx, dx, cl");
    cpu.r[3] = 0x8018;
    cpu.r[2] = 0xABCD;
    cpu.r[1] = 17;
    assertThat(world.run()).isEqualTo(BREAKPOINT);
    assertThat(cpu.r[3]).isEqualTo(0xD5E6);
    assertThat(flags() & CpuState.CF).isZero();
  }

  @Test
  void countingZerosLeavesOf() {
    prepare(64, "lzcnt eax, ecx");
    cpu.setFlags(0x202 | CpuState.OF);
    assertThat(world.run()).isEqualTo(BREAKPOINT);
    assertThat(flags()).isEqualTo(CpuState.OF | CpuState.CF);
  }

  @Test
  void arplAsksToWriteOnlyToWrite() {
    for (int rpl : new int[] {0, 3}) {
      prepare(32, "arpl [ecx], ax");
      cpu.r[0] = rpl;
      cpu.r[1] = OracleWorld.CODE;
      assertThat(world.run()).isEqualTo(rpl == 0 ? BREAKPOINT : PAGE_FAULT);
    }
  }

  @Test
  void fstpnceOfAnEmptyRegisterPopsWithoutAnException() {
    prepare(64, "db 0xd9, 0xdf");
    assertThat(world.run()).isEqualTo(BREAKPOINT);
    assertThat(cpu.fsw).isZero();
    assertThat(cpu.ftop).isEqualTo(1);
  }

  @Test
  void anUnmaskedDenormalIsLoadedAndReported() {
    data[0x1000] = 1;
    prepare(64, "fld dword [rbx]");
    cpu.r[3] = DATA + 0x1000;
    cpu.fcw = 0x37D;
    assertThat(world.run()).isEqualTo(BREAKPOINT);
    assertThat(cpu.fsw).isEqualTo(0x8082);
    assertThat(cpu.fvalid).isEqualTo(0x80);
  }

  @Test
  void x87PointersAreStoredOnlyWhileAnExceptionIsPending() {
    for (int fcw : new int[] {0x37F, 0x37B}) {
      prepare(64, "fld1", "fldz", "db 0xde, 0xf9", "fxsave [rbx]");
      cpu.r[3] = DATA + 0x1000;
      cpu.fcw = fcw;
      assertThat(world.run()).isEqualTo(BREAKPOINT);
      assertThat(world.data(0x1008) != 0).isEqualTo(fcw == 0x37B);
    }
  }

  @Test
  void fxsaveFaultsAtItsLastByteAndXsaveAtItsFirst() {
    prepare(64, "fxsave [rbx]");
    cpu.r[3] = DATA + 0x2000;
    assertThat(world.run()).isEqualTo(PAGE_FAULT);
    assertThat(cpu.cr2).isEqualTo(DATA + 0x21FF);
    prepare(64, "xsave [rbx]");
    cpu.r[3] = DATA + 0x2000;
    cpu.r[0] = 7;
    assertThat(world.run()).isEqualTo(PAGE_FAULT);
    assertThat(cpu.cr2).isEqualTo(DATA + 0x2000);
  }

  @Test
  void changedMxcsrCountsAsInUseForXgetbvAlone() {
    prepare(64, "xgetbv");
    cpu.r[1] = 1;
    cpu.mxcsr = 0x1F81;
    java.util.Arrays.fill(cpu.xmm, 0);
    assertThat(world.run()).isEqualTo(BREAKPOINT);
    assertThat(cpu.r[0] & 2).isEqualTo(2);
  }

  @Test
  void aFarReturnReadsCsBeforeRip() {
    prepare(32, "retf");
    cpu.r[4] = DATA + 0x2000;
    assertThat(world.run()).isEqualTo(PAGE_FAULT);
    assertThat(cpu.cr2).isEqualTo(DATA + 0x2004);
  }

  @Test
  void aFarPointerHasThirtyTwoBitsWithRexWToo() {
    byte[] pointer = {0x11, 0x22, 0x33, (byte) 0x84, 0x2B, 0};
    System.arraycopy(pointer, 0, data, 0x1000, pointer.length);
    prepare(64, "db 0x48, 0x0f, 0xb4, 0x03");
    cpu.r[3] = DATA + 0x1000;
    assertThat(world.run()).isEqualTo(BREAKPOINT);
    assertThat(cpu.r[0]).isEqualTo(0x8433_2211L);
  }

  @Test
  void vpermqIgnoresW() {
    prepare(64, "db 0xc4, 0xe3, 0x7d, 0x00, 0xc1, 0x1b");
    assertThat(world.run()).isEqualTo(BREAKPOINT);
  }

  @Test
  void anOperandMayNotWrapAtTheEndOfFourGigabytes() {
    prepare(32, "movups xmm0, [eax]");
    cpu.r[0] = 0xFFFF_FFFFL;
    assertThat(world.run()).isEqualTo(13);
  }

  @Test
  void anExactOverflowThatTrapsIsNotInexact() {
    prepare(64, "addss xmm0, xmm0");
    cpu.xmm[0] = 0x7F00_0000L;
    cpu.mxcsr = 0x1F80 & ~(1 << 10);
    assertThat(world.run()).isEqualTo(19);
    assertThat(cpu.mxcsr & 0x3F).isEqualTo(8);
  }

  @Test
  void theSineOfATinyAngleIsLessThanTheAngle() {
    prepare(64, "fsin");
    cpu.fcw = 0xF7F;
    cpu.fvalid = 1;
    cpu.fpMant[0] = 0xC000_0000_0000_0000L;
    cpu.fpExp[0] = 0x2000;
    assertThat(world.run()).isEqualTo(BREAKPOINT);
    assertThat(cpu.fpMant[0]).isEqualTo(0xBFFF_FFFF_FFFF_FFFFL);
  }

  @Test
  void reciprocalsAreThoseOfTheProcessor() {
    assertThat(Reciprocals.reciprocal(0x3F80_0000)).isEqualTo(0x3F7F_F000);
    assertThat(Reciprocals.reciprocal(0xC000_1234)).isEqualTo(0xBEFF_D800);
    assertThat(Reciprocals.reciprocal(0x7E80_0000)).isZero();
    assertThat(Reciprocals.reciprocal(0x8000_0001)).isEqualTo(0xFF80_0000);
    assertThat(Reciprocals.reciprocalRoot(0x3F80_0000)).isEqualTo(0x3F7F_F800);
    assertThat(Reciprocals.reciprocalRoot(0x4000_0000)).isEqualTo(0x3F35_0000);
    assertThat(Reciprocals.reciprocalRoot(0xBF80_0000)).isEqualTo(0xFFC0_0000);
  }
}
