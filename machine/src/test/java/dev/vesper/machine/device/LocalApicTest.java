package dev.vesper.machine.device;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.ArrayList;
import java.util.List;
import java.util.Random;
import org.junit.jupiter.api.Test;

/** The local APIC: priorities, the timer, commands, and random register programs. */
final class LocalApicTest {
  private final List<Long> sent = new ArrayList<>();
  private final LocalApic apic =
      new LocalApic(1, false, (from, c, d) -> sent.add((long) d << 32 | c));

  private void enable() {
    apic.write(0xF0, 0x1FF, 0);
  }

  @Test
  void identity() {
    assertThat(apic.read(0x20, 0)).isEqualTo(1 << 24);
    assertThat(apic.read(0x30, 0)).isEqualTo(0x5_0014);
    assertThat(apic.acceptsExternal()).isFalse();
    assertThat(new LocalApic(0, true, (f, c, d) -> {}).acceptsExternal()).isTrue();
  }

  @Test
  void higherVectorsComeFirstAndEoiFreesThem() {
    enable();
    apic.request(0x41);
    apic.request(0x62);
    assertThat(apic.acknowledge()).isEqualTo(0x62);
    assertThat(apic.requesting()).as("0x41 waits for 0x62").isFalse();
    assertThat(apic.read(0xA0, 0)).as("PPR").isEqualTo(0x60);
    assertThat(apic.read(0x130, 0)).as("ISR").isEqualTo(4);
    assertThat(apic.read(0x220, 0)).as("IRR").isEqualTo(2);
    apic.write(0xB0, 0, 0);
    assertThat(apic.requesting()).isTrue();
    apic.write(0x80, 0x40, 0);
    assertThat(apic.requesting()).as("masked by TPR").isFalse();
    apic.setTaskPriority(3);
    assertThat(apic.acknowledge()).isEqualTo(0x41);
  }

  @Test
  void aDisabledApicTakesNothing() {
    apic.request(0x41);
    assertThat(apic.requesting()).isFalse();
    enable();
    apic.request(5);
    assertThat(apic.read(0x280, 0)).as("ESR: illegal vector").isEqualTo(0x40);
    assertThat(apic.requesting()).isFalse();
  }

  @Test
  void oneShotAndPeriodicTimer() {
    enable();
    apic.write(0x3E0, 0xB, 0);
    apic.write(0x320, 0x50, 0);
    apic.write(0x380, 1000, 100);
    assertThat(apic.nextEvent()).isEqualTo(1100);
    assertThat(apic.read(0x390, 600)).isEqualTo(500);
    apic.advance(1100);
    assertThat(apic.acknowledge()).isEqualTo(0x50);
    assertThat(apic.nextEvent()).isEqualTo(Timed.NEVER);
    assertThat(apic.read(0x390, 2000)).isZero();
    apic.write(0xB0, 0, 2000);
    apic.write(0x3E0, 0, 2000);
    apic.write(0x320, 0x2_0051, 2000);
    apic.write(0x380, 1000, 2000);
    assertThat(apic.nextEvent()).as("divided by 2").isEqualTo(4000);
    apic.advance(4000);
    assertThat(apic.acknowledge()).isEqualTo(0x51);
    assertThat(apic.nextEvent()).isEqualTo(6000);
    apic.write(0x320, 0x3_0051, 4000);
    assertThat(apic.nextEvent()).as("masked").isEqualTo(Timed.NEVER);
  }

  @Test
  void commandsCarryTheirDestination() {
    apic.write(0x310, 0x0200_0000, 0);
    apic.write(0x300, 0x4607, 0);
    assertThat(sent).containsExactly(0x2_0000_4607L);
    assertThat(apic.addressedBy(1, false)).isTrue();
    assertThat(apic.addressedBy(2, false)).isFalse();
    apic.write(0xD0, 0x0400_0000, 0);
    assertThat(apic.addressedBy(6, true)).isTrue();
    assertThat(apic.addressedBy(1, true)).isFalse();
  }

  @Test
  void randomProgramsDoNoHarm() {
    Random r = new Random(4);
    long now = 0;
    for (int i = 0; i < 100_000; i++) {
      now += r.nextInt(1000);
      apic.write(r.nextInt(0x400) & ~15, r.nextBoolean() ? r.nextInt() : r.nextInt(256), now);
      apic.read(r.nextInt(0x1000), now);
      apic.advance(now);
      assertThat(apic.nextEvent()).isGreaterThan(now);
      if (apic.requesting()) {
        assertThat(apic.acknowledge()).isBetween(16, 255);
      }
    }
  }

  @Test
  void x2ModeHasItsRegistersInMsrs() {
    LocalApic a =
        new LocalApic(0x23, false, (from, c, d) -> sent.add((long) d << 32 | c & 0xFFFF_FFFFL));
    assertThat(a.readMsr(0x802, 0)).as("before x2APIC mode").isEmpty();
    a.enterX2Mode();
    assertThat(a.readMsr(0x802, 0)).hasValue(0x23);
    assertThat(a.readMsr(0x80D, 0)).as("LDR").hasValue(0x2_0008);
    assertThat(a.readMsr(0x80E, 0)).as("there is no DFR").isEmpty();
    assertThat(a.writeMsr(0x80F, 0x1FF, 0)).isTrue();
    assertThat(a.writeMsr(0x830, 0xFFFF_FFFF_0000_4041L, 0)).isTrue();
    assertThat(sent).containsExactly(0xFFFF_FFFF_0000_4041L);
    assertThat(a.writeMsr(0x83F, 0x55, 0)).isTrue();
    assertThat(a.requesting()).isTrue();
    assertThat(a.acknowledge()).isEqualTo(0x55);
    assertThat(a.writeMsr(0x80B, 1, 0)).as("EOI takes zero only").isFalse();
    assertThat(a.writeMsr(0x80B, 0, 0)).isTrue();
    assertThat(a.writeMsr(0x802, 0, 0)).as("read-only").isFalse();
    assertThat(a.writeMsr(0x808, 1L << 32, 0)).as("reserved bits").isFalse();
    assertThat(a.addressedBy(0x2_0008, true)).isTrue();
    assertThat(a.addressedBy(0x1_0008, true)).isFalse();
    assertThat(a.addressedBy(-1, true)).isTrue();
    assertThat(a.addressedBy(0x23, false)).isTrue();
  }
}
