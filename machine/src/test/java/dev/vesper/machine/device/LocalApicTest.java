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
    apic.request(0x41, false);
    apic.request(0x62, false);
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
    apic.request(0x41, false);
    assertThat(apic.requesting()).isFalse();
    enable();
    apic.request(5, false);
    assertThat(apic.read(0x280, 0)).as("ESR before it is written").isZero();
    apic.write(0x280, 0, 0);
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
    assertThat(apic.addressedBy(1, false, false)).isTrue();
    assertThat(apic.addressedBy(2, false, false)).isFalse();
    apic.write(0x20, 0x0700_0000, 0);
    assertThat(apic.addressedBy(1, false, false)).as("its number before").isFalse();
    assertThat(apic.addressedBy(7, false, false)).isTrue();
    assertThat(apic.addressedBy(0xFF, false, false)).as("all").isTrue();
    assertThat(apic.addressedBy(0xFF, true, false)).as("all, with a logical number of 0").isTrue();
  }

  @Test
  void logicalDestinationsAreFlatOrClusters() {
    apic.write(0xD0, 0x2400_0000, 0);
    assertThat(apic.addressedBy(0x04, true, false)).as("flat: one bit").isTrue();
    assertThat(apic.addressedBy(0x20, true, false)).as("flat: the other").isTrue();
    assertThat(apic.addressedBy(0x11, true, false)).isFalse();
    apic.write(0xE0, 0, 0);
    assertThat(apic.addressedBy(0x26, true, false)).as("its cluster, its bit").isTrue();
    assertThat(apic.addressedBy(0x23, true, false)).as("its cluster").isFalse();
    assertThat(apic.addressedBy(0x34, true, false)).as("another cluster").isFalse();
    apic.write(0xE0, 0x5000_0000, 0);
    assertThat(apic.addressedBy(0x24, true, false)).as("a model that is none").isFalse();
  }

  @Test
  void theOneThatHasLeastToDoIsTold() {
    enable();
    assertThat(apic.arbitrationPriority()).isZero();
    apic.write(0x80, 0x35, 0);
    assertThat(apic.arbitrationPriority()).as("task").isEqualTo(0x35);
    apic.request(0x62, false);
    assertThat(apic.arbitrationPriority()).as("request").isEqualTo(0x60);
    apic.acknowledge();
    assertThat(apic.read(0x90, 0)).as("in service").isEqualTo(0x60);
  }

  @Test
  void anExpiredCountStaysAtZeroUntilItIsStartedAgain() {
    enable();
    apic.write(0x3E0, 0xB, 0);
    apic.write(0x320, 0x50, 0);
    apic.write(0x380, 1000, 0);
    apic.advance(1000);
    assertThat(apic.acknowledge()).isEqualTo(0x50);
    apic.write(0xB0, 0, 1000);
    apic.write(0x320, 0x2_0050, 1500);
    assertThat(apic.read(0x390, 1700)).as("periodic now").isZero();
    assertThat(apic.nextEvent()).isEqualTo(Timed.NEVER);
    apic.write(0x3E0, 0, 1800);
    assertThat(apic.nextEvent()).as("another divisor").isEqualTo(Timed.NEVER);
    assertThat(apic.read(0x380, 1800)).as("initial count").isEqualTo(1000);
    apic.write(0x380, 1000, 2000);
    assertThat(apic.nextEvent()).isEqualTo(4000);
  }

  @Test
  void aRunningCountGoesOnWhenItsModeOrDivisorChanges() {
    enable();
    apic.write(0x3E0, 0xB, 0);
    apic.write(0x320, 0x50, 0);
    apic.write(0x380, 1000, 0);
    apic.write(0x320, 0x2_0050, 600);
    assertThat(apic.read(0x390, 600)).isEqualTo(400);
    apic.write(0x3E0, 0, 800);
    assertThat(apic.read(0x390, 800)).isEqualTo(200);
    assertThat(apic.nextEvent()).isEqualTo(1200);
    apic.advance(1200);
    assertThat(apic.nextEvent()).as("the next period").isEqualTo(3200);
    apic.write(0x320, 0x50, 2000);
    apic.advance(3200);
    assertThat(apic.nextEvent()).as("one count again").isEqualTo(Timed.NEVER);
  }

  @Test
  void deadlineModeForgetsCountsAndTheyForgetIt() {
    enable();
    apic.write(0x320, 0x4_0050, 0);
    assertThat(apic.read(0x320, 0)).as("not offered").isEqualTo(0x50);
    apic.offerDeadlines(true);
    apic.write(0x380, 1000, 0);
    apic.write(0x320, 0x4_0050, 0);
    assertThat(apic.read(0x380, 0)).as("initial count").isZero();
    apic.write(0x380, 77, 0);
    assertThat(apic.read(0x380, 0)).as("ignored").isZero();
    apic.setDeadline(500, 0);
    assertThat(apic.deadline()).isEqualTo(500);
    apic.write(0x320, 0x50, 100);
    assertThat(apic.nextEvent()).isEqualTo(Timed.NEVER);
    assertThat(apic.deadline()).isZero();
    apic.write(0x320, 0x4_0050, 200);
    assertThat(apic.deadline()).as("forgotten").isZero();
    apic.setDeadline(100, 300);
    apic.advance(300);
    assertThat(apic.acknowledge()).as("one in the past is due at once").isEqualTo(0x50);
    assertThat(apic.deadline()).isZero();
  }

  @Test
  void localSourcesDoWhatTheirEntriesSay() {
    List<Integer> nmis = new ArrayList<>();
    LocalApic a =
        new LocalApic(
            3,
            false,
            new LocalApic.Commands() {
              @Override
              public void send(int from, int command, int destination) {}

              @Override
              public void nmi(int to) {
                nmis.add(to);
              }
            });
    a.write(0xF0, 0x1FF, 0);
    a.write(0x340, 0x461, 0);
    a.performanceCounter();
    assertThat(nmis).containsExactly(3);
    a.write(0x340, 0x61, 0);
    a.performanceCounter();
    assertThat(a.acknowledge()).isEqualTo(0x61);
    a.write(0x350, 0x71, 0);
    a.externalRises();
    assertThat(a.acknowledge()).isEqualTo(0x71);
    a.write(0x350, 0x700, 0);
    a.externalRises();
    assertThat(a.acceptsExternal()).isTrue();
    assertThat(a.read(0x270, 0) | a.read(0x230, 0)).as("nothing requested").isZero();
    a.write(0xF0, 0xFF, 0);
    assertThat(a.read(0x350, 0)).as("masked by software disable").isEqualTo(0x1_0700);
    a.externalRises();
    assertThat(nmis).hasSize(1);
  }

  @Test
  void whatWaitsWhenSoftwareDisablesItIsStillTaken() {
    enable();
    apic.request(0x41, false);
    apic.write(0xF0, 0xFF, 0);
    apic.request(0x51, false);
    assertThat(apic.requesting()).isTrue();
    assertThat(apic.acknowledge()).isEqualTo(0x41);
  }

  @Test
  void initKeepsModeAndIdentity() {
    long x2 = LocalApic.BASE | LocalApic.ENABLE | LocalApic.EXTENDED;
    assertThat(apic.setBase(x2, 0)).isTrue();
    apic.init();
    assertThat(apic.x2Mode()).isTrue();
    assertThat(apic.readMsr(0x80F, 0)).hasValue(0xFF);
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
    long x2 = LocalApic.BASE | LocalApic.ENABLE | LocalApic.EXTENDED;
    assertThat(a.setBase(x2, LocalApic.EXTENDED)).as("not offered").isFalse();
    assertThat(a.setBase(x2, 0)).isTrue();
    assertThat(a.setBase(x2 & ~LocalApic.EXTENDED, 0)).as("back").isFalse();
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
    assertThat(a.writeMsr(0x808, 0x100, 0)).as("reserved bits").isFalse();
    assertThat(a.writeMsr(0x80F, 0x3FF, 0)).isTrue();
    assertThat(a.writeMsr(0x80F, 1 << 14, 0)).as("reserved bits").isFalse();
    assertThat(a.writeMsr(0x830, 1 << 20, 0)).as("reserved bits").isFalse();
    assertThat(a.writeMsr(0x832, 1 << 20, 0)).as("reserved bits").isFalse();
    assertThat(a.writeMsr(0x828, 1, 0)).as("ESR takes zero only").isFalse();
    assertThat(a.writeMsr(0x83F, 0x100, 0)).as("reserved bits").isFalse();
    assertThat(a.readMsr(0x83F, 0)).as("write-only").isEmpty();
    assertThat(a.readMsr(0x809, 0)).as("no arbitration priority").isEmpty();
    assertThat(a.addressedBy(0x2_0008, true, false)).isTrue();
    assertThat(a.addressedBy(0x1_0008, true, false)).isFalse();
    assertThat(a.addressedBy(-1, true, false)).isTrue();
    assertThat(a.addressedBy(0xFF, false, false)).as("a number").isFalse();
    assertThat(a.addressedBy(0xFF, false, true)).as("a message to all").isTrue();
    assertThat(a.addressedBy(0x23, false, false)).isTrue();
    assertThat(a.setBase(LocalApic.BASE, 0)).isTrue();
    assertThat(a.addressedBy(0x23, false, false)).as("disabled").isFalse();
  }
}
