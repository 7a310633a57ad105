package dev.vesper.machine;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.ArrayList;
import java.util.List;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;

/**
 * Which model-specific registers a guest of profile kvm has, what they start with, and what can be
 * written to them. The values are those of KVM and QEMU, as docs/msrs.md lists them.
 */
final class KvmMsrsTest {
  /** What RDMSR or WRMSR came to. */
  private record Answer(boolean fault, long value) {
    @Override
    public String toString() {
      return fault ? "#GP" : "0x" + Long.toHexString(value);
    }
  }

  /** Instead of what is read: the write is #GP. */
  private static final long FAULTS = Long.MIN_VALUE;

  private static final Answer GP = new Answer(true, 0);

  /** Reads registers one after another; those with a value are written first. */
  private static List<Answer> ask(String cpu, List<long[]> requests) throws Exception {
    StringBuilder s = new StringBuilder();
    for (int i = 0; i < requests.size(); i++) {
      long[] r = requests.get(i);
      s.append(
          """
          mov dword [FAULTED], 0
          mov dword [RESUME], next%d
          mov ecx, %d
          """
              .formatted(i, (int) r[0]));
      if (r.length > 1) {
        s.append("mov eax, %d\nmov edx, %d\nwrmsr\n".formatted((int) r[1], (int) (r[1] >>> 32)));
      } else {
        s.append("rdmsr\nmov [edi + 4], eax\nmov [edi + 8], edx\n");
      }
      s.append("next%d:\nmov eax, [FAULTED]\nmov [edi], eax\nadd edi, 12\n".formatted(i));
    }
    KernelGuest g = KernelGuest.run(s + "jmp end", o -> o.toBuilder().cpuModel(cpu).build());
    List<Answer> answers = new ArrayList<>();
    for (int i = 0; i < requests.size(); i++) {
      long value = g.result(3 * i + 1) & 0xFFFF_FFFFL | (long) g.result(3 * i + 2) << 32;
      answers.add(g.result(3 * i) != 0 ? GP : new Answer(false, value));
    }
    return answers;
  }

  private static Answer read(String cpu, long msr) throws Exception {
    return ask(cpu, List.of(new long[] {msr})).get(0);
  }

  private static void reads(String cpu, long[][] expected) throws Exception {
    List<long[]> requests = Stream.of(expected).map(e -> new long[] {e[0]}).toList();
    List<Answer> answers = ask(cpu, requests);
    for (int i = 0; i < expected.length; i++) {
      assertThat(answers.get(i))
          .as("RDMSR 0x%x", (int) expected[i][0])
          .isEqualTo(new Answer(false, expected[i][1]));
    }
  }

  @Test
  void theyStartWithWhatKvmAndQemuGiveThem() throws Exception {
    reads(
        "EPYC-Genoa",
        new long[][] {
          {0x1B, 0xFEE0_0900L},
          {0x17, 0},
          {0x2A, 0},
          {0x2C, 1 << 24},
          {0x34, 0},
          {0x3B, 0},
          {0x8B, 0x0100_0065},
          {0xC1, 0},
          {0xCD, 3},
          {0xCE, 1L << 31},
          {0xFE, 0x508},
          {0x11E, 0xBE70_2111L},
          {0x140, 0},
          {0x179, 0x0100_010A},
          {0x17A, 0},
          {0x17B, -1},
          {0x186, 0},
          {0x198, 1000 | 4L << 40},
          {0x199, 0},
          {0x1A0, 1},
          {0x1D9, 0},
          {0x1DB, 0},
          {0x1DE, 0},
          {0x1FC, 0},
          {0x200, 0},
          {0x20F, 0},
          {0x250, 0},
          {0x26F, 0},
          {0x277, 0x0007_0406_0007_0406L},
          {0x2FF, 0x806},
          {0x400, -1},
          {0x424, -1},
          {0x425, 0},
          {0x606, 0},
          {0x641, 0},
          {0x6E0, 0},
          {0xDA0, 0},
          {0x4B56_4D00L, 0},
          {0x4B56_4D01L, 0},
          {0x4B56_4D02L, 0},
          {0x4B56_4D03L, 0},
          {0x4B56_4D04L, 0},
          {0x4B56_4D05L, 1},
          {0x4B56_4D06L, 0},
          {0x4B56_4D07L, 0},
          {0xC001_0000L, 0},
          {0xC001_0007L, 0},
          {0xC001_0010L, 0},
          {0xC001_0015L, 0},
          {0xC001_001BL, 0x2000_0000},
          {0xC001_001FL, 0},
          {0xC001_0055L, 0},
          {0xC001_0058L, 0},
          {0xC001_0112L, 0},
          {0xC001_0114L, 0},
          {0xC001_0117L, 0},
          {0xC001_0140L, 3},
          {0xC001_0141L, 0},
          {0xC001_0200L, 0},
          {0xC001_020BL, 0},
          {0xC001_1021L, 0},
          {0xC001_1022L, 0},
          {0xC001_1029L, 2},
          {0xC001_102AL, 0},
          {0xC001_102CL, 0}
        });
  }

  @Test
  void othersAreNotThere() throws Exception {
    long[] msrs = {
      0x79,
      0x9E,
      0x10A,
      0x10B,
      0x1C4,
      0x210,
      0x24F,
      0x270,
      0x280,
      0x345,
      0x428,
      0x47C,
      0x800,
      0x8FF,
      0x4000_0000L,
      0x4B56_4D08L,
      0xC000_0104L,
      0xC000_0300L,
      0xC001_0020L,
      0xC001_0030L,
      0xC001_0062L,
      0xC001_0064L,
      0xC001_0115L,
      0xC001_011FL,
      0xC001_0299L,
      0xC001_1020L
    };
    List<Answer> answers =
        ask("EPYC-Genoa", java.util.Arrays.stream(msrs).mapToObj(m -> new long[] {m}).toList());
    for (int i = 0; i < msrs.length; i++) {
      assertThat(answers.get(i)).as("RDMSR 0x%x", (int) msrs[i]).isEqualTo(GP);
    }
  }

  /** Writes each value and reads it back: {msr, value, what is read}. */
  private static void writes(String cpu, long[][] expected) throws Exception {
    List<long[]> requests = new ArrayList<>();
    for (long[] e : expected) {
      requests.add(new long[] {e[0], e[1]});
      requests.add(new long[] {e[0]});
    }
    List<Answer> answers = ask(cpu, requests);
    for (int i = 0; i < expected.length; i++) {
      long[] e = expected[i];
      if (e[2] == FAULTS) {
        assertThat(answers.get(2 * i)).as("WRMSR 0x%x, 0x%x", (int) e[0], e[1]).isEqualTo(GP);
      } else {
        assertThat(answers.get(2 * i).fault()).as("WRMSR 0x%x, 0x%x", (int) e[0], e[1]).isFalse();
        assertThat(answers.get(2 * i + 1))
            .as("RDMSR 0x%x after 0x%x", (int) e[0], e[1])
            .isEqualTo(new Answer(false, e[2]));
      }
    }
  }

  @Test
  void writesKeepWhatKvmKeepsAndFaultWhereKvmFaults() throws Exception {
    long gp = FAULTS;
    writes(
        "EPYC-Genoa",
        new long[][] {
          {0x8B, 0x123, 0x0100_0065},
          {0x1A0, 0x4_00C5_0809L, gp},
          {0x1A0, 0x4_00C5_0001L, 0x4_00C5_0001L},
          {0x1A0, 0x81, 1},
          {0x140, 1, 1},
          {0x140, 2, gp},
          {0x140, 0, 0},
          {0x1FC, 7, 7},
          {0xC1, 5, 0},
          {0x11E, 1 << 19, 0xBE70_2111L},
          {0xCE, 0, gp},
          {0xCD, 3, gp},
          {0x17, 0, gp},
          {0x198, 0, gp},
          {0x199, 0, gp},
          {0x1DB, 0, gp},
          {0x34, 0, gp},
          {0x606, 0, gp},
          {0x3B, 99, 0},
          {0xFE, 0, gp},
          {0x200, 6, 6},
          {0x200, 0x100, gp},
          {0x200, 2, gp},
          {0x200, 1L << 48, gp},
          {0x201, 0xFFFF_8000_0800L, 0xFFFF_8000_0800L},
          {0x201, 0x400, gp},
          {0x250, 0x0606_0606_0606_0606L, 0x0606_0606_0606_0606L},
          {0x250, 3, gp},
          {0x2FF, 0xC06, 0xC06},
          {0x2FF, 0x1000, gp},
          {0x17B, 5, gp},
          {0x17B, 0, 0},
          {0x400, -2, -2},
          {0x400, ~(1L << 10), ~(1L << 10)},
          {0x400, 4, gp},
          {0x401, 1, gp},
          {0x402, 0x1234, 0x1234},
          {0xC001_0010L, 0, gp},
          {0xC001_0015L, 1, gp},
          {0xC001_0015L, 0x148, 0},
          {0xC001_0015L, 1 << 24 | 1 << 18, 1 << 24 | 1 << 18},
          {0x401, 0x77, 0x77},
          {0xC001_001BL, 0, 0x2000_0000},
          {0xC001_001FL, -1, 0},
          {0xC001_0055L, 0, gp},
          {0xC001_0058L, 1, gp},
          {0xC001_0058L, 0, 0},
          {0xC001_0112L, 0, gp},
          {0xC001_0114L, 0x20, gp},
          {0xC001_0114L, 0x10, 0x10},
          {0xC001_0114L, 0x0F, 0x17},
          {0xC001_0117L, 0x1001, gp},
          {0xC001_0117L, 0x5000, 0x5000},
          {0xC001_0140L, 4, 4},
          {0xC001_1029L, 0, 0},
          {0xC001_1029L, 0x200, gp},
          {0xC001_1021L, 0, gp},
          {0xC001_1022L, 7, 0},
          {0xC001_102CL, 7, 0},
          {0x4B56_4D02L, 0x10, gp},
          {0x4B56_4D02L, 0x8000, 0x8000},
          {0x4B56_4D03L, 2, gp},
          {0x4B56_4D03L, 0x9000, 0x9000},
          {0x4B56_4D04L, 2, gp},
          {0x4B56_4D05L, 2, gp},
          {0x4B56_4D05L, 0, 0},
          {0x4B56_4D06L, 0x100, gp},
          {0x4B56_4D06L, 0x31, 0x31},
          {0xC001_0200L, -1, 0xF_FFD7_FFFFL & ~0x40_0000L | 0x40_0000L},
          {0xC001_0200L, 0, 0},
          {0xC001_0201L, -1, 0xFFFF_FFFF_FFFFL},
          {0xC001_0004L, 5, 5},
          {0xC001_0201L, 6, 6},
        });
  }

  @Test
  void aProcessorWithoutAFeatureLacksItsRegisters() throws Exception {
    assertThat(read("vesper-min", 0xC001_0140L)).as("OSVW").isEqualTo(GP);
    assertThat(read("vesper-min", 0xC001_0200L)).as("core counters").isEqualTo(GP);
    assertThat(read("vesper-min", 0xC001_0000L)).isEqualTo(new Answer(false, 0));
    assertThat(read("vesper-min", 0x179)).as("banks not set up").isEqualTo(new Answer(false, 32));
    assertThat(read("vesper-min", 0x17B)).as("MCG_CTL").isEqualTo(GP);
    assertThat(read("EPYC-Genoa,+perfmon-v2", 0xC000_0301L)).isEqualTo(new Answer(false, 0x3F));
    writes("EPYC-Genoa,+tsc-adjust", new long[][] {{0x3B, 0x100, 0x100}});
  }

  @Test
  void theLocalApicsBaseRegisterGoesFromModeToMode() throws Exception {
    long base = 0xFEE0_0100L;
    writes(
        "EPYC-Genoa",
        new long[][] {
          {0x1B, base, base},
          {0x1B, base | 0xC00, FAULTS},
          {0x1B, base | 0x400, FAULTS},
          {0x1B, base | 0x800, base | 0x800},
          {0x1B, base | 0x801, FAULTS},
          {0x1B, base | 0x800 | 1L << 48, FAULTS},
          {0x1B, 0xFED4_0900L, 0xFED4_0900L},
          {0x1B, base | 0xC00, base | 0xC00},
          {0x1B, base | 0x800, FAULTS},
          {0x1B, base, base},
          {0x1B, base | 0x800, base | 0x800}
        });
    writes("EPYC-Genoa,-x2apic", new long[][] {{0x1B, base | 0xC00, FAULTS}});
  }
}
