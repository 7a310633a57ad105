package dev.vesper.machine.guests;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.vesper.guest.FlatGuest;
import dev.vesper.guest.Locore;
import dev.vesper.machine.Checkpoint;
import dev.vesper.machine.Machine;
import dev.vesper.machine.Timeline;
import dev.vesper.machine.Until;
import dev.vesper.machine.VcpuView;
import dev.vesper.machine.cpu.Execution;
import dev.vesper.machine.device.disk.OverlayDisk;
import dev.vesper.machine.spec.Hardware;
import dev.vesper.machine.spec.MachineSpec;
import dev.vesper.machine.spec.SevMode;
import dev.vesper.x86.Assembler;
import java.io.IOException;
import java.io.OutputStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.Random;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/**
 * Guests in which something happens behind a checkpoint that is not just a store of a processor's:
 * however often they are taken back, they come to what they come to without.
 */
final class CheckpointTest {
  private static final int ROM = 0x1000;

  @TempDir Path folder;

  /** What happens. */
  enum Guest {
    /** Devices are made anew, and the guest begins again with the memory that it has. */
    RESET {
      @Override
      Machine machine() throws Exception {
        String code =
            """
                inc word [0x500]
                cmp word [0x500], 5
                je done
                mov al, 0x11
                out 0x20, al
                mov cx, 3000
            again:
                inc bx
                add [0x504], bx
                dec cx
                jnz again
                mov al, 6
                mov dx, 0xcf9
                out dx, al
            stay:
                jmp stay
            done:
                mov al, 0x10
                out 0xf4, al
            """;
        byte[] rom = new byte[ROM];
        byte[] c = Assembler.assemble(16, code);
        System.arraycopy(c, 0, rom, 0, c.length);
        byte[] jump = Assembler.assemble(16, "skip 0xff0\nstart:\njmp start-0xff0");
        System.arraycopy(jump, ROM - 16, rom, ROM - 16, jump.length - ROM + 16);
        return new Machine(
            MachineSpec.builder(SevMode.OFF, new byte[0], b -> {})
                .memoryBytes(16 << 20)
                .board(Hardware.Board.PC)
                .firmware(MachineSpec.Firmware.of(rom))
                .resets(r -> null)
                .build());
      }
    },

    /** A disk's controller reads and writes memory, and the disk is written to. */
    DISK {
      @Override
      Machine machine() throws Exception {
        return SnapshotRow.OPENBSD_DISK.machine(e -> {});
      }
    },

    /** Pages become private and shared, by PVALIDATE and requests. */
    PAGE_STATES {
      @Override
      Machine machine() throws Exception {
        return new Machine(
            MachineSpec.builder(SevMode.SNP, Locore.image(), b -> {})
                .memoryBytes(64L << 20)
                .processors(2)
                .cpuModel("EPYC-Milan")
                .build());
      }
    },

    /** The guest changes an instruction that it executes. */
    OWN_CODE {
      @Override
      Machine machine() throws Exception {
        return flat(
            """
                mov esp, 0x80000
                call here
            here:
                pop rsi
                mov ecx, 20000
            again:
                mov eax, 0x11111111
                add ebx, eax
                inc dword [rsi + 7]
                dec ecx
                jnz again
                mov edx, 0xf4
                out dx, al
            """);
      }
    },

    /** A mapping is changed, and the one that the processor has is used on. */
    STALE_MAPPING {
      @Override
      Machine machine() throws Exception {
        return flat(
            """
                xor esi, esi
                mov rax, cr3
                and rax, -4096
                mov rax, [rax]
                and rax, -4096
                mov rax, [rax]
                and rax, -4096
                mov ebx, 0x400000
                mov edi, 0x600000
                mov dword [rbx], 111
                mov dword [rdi], 222
                add qword [rax + 16], 0x200000
                mov ecx, 5000
            again:
                add esi, [rbx]
                inc dword [rdi]
                dec ecx
                jnz again
                invlpg [rbx]
                add esi, [rbx]
                mov edx, 0xf4
                out dx, al
            """);
      }
    };

    abstract Machine machine() throws Exception;

    private static Machine flat(String source) throws Exception {
      return new Machine(
          MachineSpec.builder(SevMode.OFF, FlatGuest.image(source), b -> {})
              .memoryBytes(16 << 20)
              .build());
    }
  }

  private static Machine machine(Guest g, int execution) throws Exception {
    Machine m = g.machine();
    Execution.choose(m, execution);
    return m;
  }

  private static String state(Machine m) throws IOException {
    StringBuilder b = new StringBuilder();
    for (VcpuView v : m.observer().vcpus()) {
      b.append(v.registers()).append(v.instructions()).append('\n');
    }
    byte[] disk = {};
    for (Hardware.Drive d : m.spec().hardware().drives()) {
      if (d.disk() instanceof OverlayDisk o) {
        disk = new byte[256 * 4096];
        o.read(0, disk, disk.length);
      }
    }
    return b.append(m.instructions()).append(' ').append(Arrays.hashCode(disk)).toString();
  }

  private static String end(Machine m) throws IOException {
    return m.run().status() + " " + m.stateHash() + " " + state(m);
  }

  @ParameterizedTest
  @CsvSource({
    "RESET, 0",
    "RESET, 2",
    "RESET, -1",
    "DISK, 0",
    "DISK, 2",
    "DISK, -1",
    "PAGE_STATES, 2",
    "PAGE_STATES, -1",
    "OWN_CODE, 0",
    "OWN_CODE, 2",
    "OWN_CODE, -1",
    "STALE_MAPPING, 0",
    "STALE_MAPPING, 2",
    "STALE_MAPPING, -1"
  })
  void aGuestThatIsTakenBackComesToTheSame(Guest g, int execution) throws Exception {
    String end;
    long all;
    try (Machine whole = machine(g, execution)) {
      end = end(whole);
      all = whole.instructions();
    }
    Random random = new Random(g.ordinal() * 8L + execution);
    try (Machine m = machine(g, execution)) {
      long first = 1 + random.nextLong(all / 2);
      long second = first + random.nextLong(all - first - 1) + 1;
      m.run(Until.instructions(first));
      Checkpoint one = m.checkpoint();
      String atFirst = state(m);
      m.run(Until.instructions(second));
      Checkpoint two = m.checkpoint();
      String atSecond = state(m);
      assertThat(end(m)).isEqualTo(end);
      for (int i = 0; i < 3; i++) {
        m.restore(two);
        assertThat(state(m)).isEqualTo(atSecond);
        m.run(Until.instructions(second + random.nextLong(all - second)));
        m.restore(two);
        assertThat(end(m)).as("from %d on", second).isEqualTo(end);
      }
      m.restore(one);
      assertThat(state(m)).isEqualTo(atFirst);
      assertThatThrownBy(() -> m.restore(two)).isInstanceOf(IllegalArgumentException.class);
      m.run(Until.instructions(second));
      assertThat(state(m)).isEqualTo(atSecond);
      m.restore(one);
      assertThat(end(m)).as("from %d on", first).isEqualTo(end);
    }
  }

  @ParameterizedTest
  @CsvSource({"RESET, -1", "DISK, 2", "STALE_MAPPING, -1"})
  void eachPlaceOfATimeLineIsWhatItWas(Guest g, int execution) throws Exception {
    try (Machine m = machine(g, execution);
        Timeline t = new Timeline(m)) {
      Random random = new Random(g.ordinal());
      t.run(Until.instructions(SnapshotRow.OPENBSD_DISK.limit() / 2));
      String there = state(m);
      long end = t.now();
      for (int i = 0; i < 6; i++) {
        long place = random.nextLong(end);
        t.seek(place);
        String here = state(m);
        t.seek(place / 2);
        t.seek(place);
        assertThat(state(m)).as("at %d", place).isEqualTo(here);
        t.seek(end);
        assertThat(state(m)).isEqualTo(there);
      }
    }
  }

  /** Twice over: what was read from a file is written to one again. */
  @ParameterizedTest
  @CsvSource({"RESET, 0, -1", "DISK, -1, 2", "OWN_CODE, 2, -1", "STALE_MAPPING, -1, 2"})
  void aSnapshotOfOneThatWentOnFromASnapshotIsOne(Guest g, int execution, int then)
      throws Exception {
    String end;
    long all;
    try (Machine whole = machine(g, execution)) {
      end = end(whole);
      all = whole.instructions();
    }
    Random random = new Random(g.ordinal() + 100L);
    for (int i = 0; i < 4; i++) {
      long first = 1 + random.nextLong(all - 2);
      long second = first + random.nextLong(all - first);
      Path file = folder.resolve("snapshot");
      try (Machine m = machine(g, execution)) {
        m.run(Until.instructions(first));
        save(m, file);
      }
      try (Machine m = machine(g, then)) {
        m.load(file);
        m.run(Until.instructions(second));
        save(m, file);
      }
      try (Machine m = machine(g, execution)) {
        m.load(file);
        assertThat(end(m)).as("from %d and %d on", first, second).isEqualTo(end);
      }
    }
  }

  private static void save(Machine m, Path to) throws Exception {
    try (OutputStream out = Files.newOutputStream(to)) {
      m.save(out);
    }
  }

  /** The guests do what they are here for. */
  @Test
  void theGuestsDoWhatTheyAreHereFor() throws Exception {
    try (Machine m = machine(Guest.RESET, 0)) {
      assertThat(m.run().status()).isEqualTo(0x10 << 1 | 1);
      assertThat(m.observer().readPrivate(0x500, 1)).containsExactly(5);
    }
    try (Machine m = machine(Guest.STALE_MAPPING, 0)) {
      m.run();
      assertThat(m.observer().vcpu(0).gpr(6)).isEqualTo(5000 * 111 + 222 + 5000);
    }
    try (Machine m = machine(Guest.OWN_CODE, 0)) {
      m.run();
      long n = 20_000;
      assertThat(m.observer().vcpu(0).gpr(3) & 0xFFFF_FFFFL)
          .isEqualTo(n * 0x1111_1111L + n * (n - 1) / 2 & 0xFFFF_FFFFL);
    }
  }
}
