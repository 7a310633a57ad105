package dev.vesper.machine;

import static org.assertj.core.api.Assertions.assertThat;

import dev.vesper.guest.FlatGuest;
import dev.vesper.machine.device.disk.Disk;
import dev.vesper.machine.spec.ConsoleInput;
import dev.vesper.machine.spec.Hardware;
import dev.vesper.machine.spec.MachineSpec;
import dev.vesper.machine.spec.Outcome;
import dev.vesper.machine.spec.SevMode;
import java.util.List;
import java.util.concurrent.locks.LockSupport;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** Runs end where real time says so, whatever the guest has the machine do. */
final class RealTimeTest {
  private static final long MILLISECOND = 1_000_000L;
  private static final long GIVEN = 300 * MILLISECOND;

  /** What a run may take over its time; a computer may have something else to do as well. */
  private static final long GRACE = 1_500 * MILLISECOND;

  /** The second 2 MiB page of two at 32 MiB is the first again, but shared. */
  private static final String ALIAS =
      """
      mov eax, 0x72088
      mov dword [rax], 0x2000083
      mov dword [rax + 4], 0
      mov rax, cr3
      mov cr3, rax
      mov esi, 0x2000000
      mov edi, 0x2200000
      """;

  private static final String X87 = "fninit\nfldl2t\nfld1\n";

  private static MachineSpec.Builder flat(SevMode mode, String code) {
    return MachineSpec.builder(mode, FlatGuest.image(code), b -> {}).memoryBytes(64L << 20);
  }

  private static void endsInTime(MachineSpec spec, int translateAfter) throws Exception {
    Machine m = new Machine(spec);
    if (translateAfter >= 0) {
      m.translateAfter(translateAfter);
    }
    long end = System.nanoTime() + GIVEN;
    m.limit(Long.MAX_VALUE, end);
    Outcome o = m.run();
    assertThat(o).isEqualTo(new Outcome(Outcome.LIMIT, "time limit reached"));
    assertThat(System.nanoTime() - end).isBetween(0L, GRACE);
  }

  @ParameterizedTest
  @CsvSource(
      delimiter = '|',
      value = {
        // A page that is private and shared in turn: byte by byte, by string instructions, as code.
        "ES | L: mov dword [rsi], 1; mov dword [rdi], 2; jmp short L",
        "ES | L: mov ecx, 0x10000; lea rsi, [rdi - 0x200000]; mov edi, 0x2200001; rep movsb; mov"
            + " edi, 0x2200000; jmp short L",
        "ES | L: mov ecx, 0x10000; mov edi, 0x2000ffc; M: mov [rdi], rcx; add edi, 0x200000; mov"
            + " [rdi], rcx; sub edi, 0x200000; loop M; jmp short L",
        "ES | mov esp, 0x180000; mov byte [rsi], 0xc3; L: call rsi; mov byte [rdi + 64], 1; jmp"
            + " short L",
        // Work for the page walker.
        "OFF | L: mov rax, cr3; mov cr3, rax; mov ebx, [rsi]; jmp short L",
        "OFF | L: invlpg [rsi]; mov ebx, [rsi]; jmp short L",
        // Strings: one longer than memory, and one that begins again when a fast computer is done.
        "OFF | L: mov rcx, -1; mov edi, 0x2000000; M: mov edi, 0x2000000; rep stosb; jmp short M",
        "OFF | L: mov ecx, 0x1800000; mov esi, 0x2000000; std; rep lodsb; jmp short L",
        // Exits and nothing else.
        "OFF | L: cpuid; jmp short L",
        "OFF | L: in al, 0x60; jmp short L",
        "ES | mov eax, 0xfffff000; mov edx, -1; mov ecx, 0xc0010130; wrmsr; L: vmgexit; jmp short L"
      })
  void whateverTheGuestDoes(SevMode mode, String code) throws Exception {
    endsInTime(flat(mode, ALIAS + code.replace("; ", "\n")).build(), -1);
  }

  @ParameterizedTest
  @CsvSource({
    "fsin, 0",
    "fsin, 1",
    "fsincos, 1",
    "fptan, 1",
    "fcos, -1",
    "f2xm1, 1",
    "fyl2x, 1",
    "fyl2xp1, 0",
    "fpatan, -1",
    "fsqrt, 1",
    "fprem, 1"
  })
  void slowInstructions(String mnemonic, int translateAfter) throws Exception {
    String operands = "fld1\nfldpi\n";
    endsInTime(
        flat(SevMode.OFF, X87 + "L: fninit\n" + operands + mnemonic + "\njmp short L").build(),
        translateAfter);
    endsInTime(flat(SevMode.OFF, X87 + "L: " + mnemonic + "\njmp short L").build(), translateAfter);
  }

  /** Code that writes what it is about to execute: the same byte, or another one each time. */
  @ParameterizedTest
  @CsvSource({"0, 0", "1, 0", "-1, 0", "0, 1", "1, 1", "-1, 1"})
  void codeThatChangesItself(int translateAfter, int step) throws Exception {
    String code =
        "lea rsi, [E + 1]\nL: add byte [rsi], "
            + step
            + "\n"
            + "add rbx, 1\n".repeat(55)
            + "E: mov al, 1\njmp L\n";
    endsInTime(flat(SevMode.OFF, code).build(), translateAfter);
  }

  /** An input on which nobody ever types. */
  private static final class Silence implements ConsoleInput {
    @Override
    public int poll() {
      return -1;
    }

    @Override
    public boolean closed() {
      return false;
    }

    @Override
    public void await(long nanos) {
      try {
        Thread.sleep(nanos / MILLISECOND);
      } catch (InterruptedException e) {
        Thread.currentThread().interrupt();
      }
    }
  }

  private static MachineSpec idle() {
    return flat(SevMode.OFF, "L: sti\nhlt\njmp short L")
        .ports(new MachineSpec.Ports(b -> {}, b -> {}, b -> {}, new Silence()))
        .build();
  }

  @Test
  void aGuestThatWaits() throws Exception {
    endsInTime(idle(), -1);
  }

  @Test
  void aGuestThatWaitsIsStoppedFromOutside() throws Exception {
    Machine m = new Machine(idle());
    Thread t =
        new Thread(
            () -> {
              try {
                Thread.sleep(GIVEN / MILLISECOND);
              } catch (InterruptedException e) {
                Thread.currentThread().interrupt();
              }
              m.stop();
            });
    long start = System.nanoTime();
    t.start();
    assertThat(m.run(Until.end())).isEqualTo(new Stop.Requested());
    assertThat(System.nanoTime() - start).isLessThan(GIVEN + GRACE);
    t.join();
  }

  /** A disk of zeros that takes a fifth of a millisecond for 64 KiB. */
  private static final class SlowDisk implements Disk {
    @Override
    public long sectors() {
      return 1 << 20;
    }

    @Override
    public boolean readOnly() {
      return true;
    }

    @Override
    public void read(long sector, byte[] to, int bytes) {
      LockSupport.parkNanos(MILLISECOND / 5);
    }

    @Override
    public void write(long sector, byte[] from, int bytes) {
      throw new AssertionError("a write");
    }

    @Override
    public void flush() {}
  }

  /** One write that asks for a gigabyte: 32 commands of 32 MiB each. */
  @Test
  void aDiskThatHasMuchToDo() throws Exception {
    String code =
        """
            mov ebx, 0x80000000
        find:
            mov eax, ebx
            mov edx, 0xcf8
            out dx, eax
            mov edx, 0xcfc
            in eax, dx
            add ebx, 0x800
            cmp eax, 0x29228086
            jne find
            lea eax, [rbx - 0x7dc]
            mov edx, 0xcf8
            out dx, eax
            mov edx, 0xcfc
            in eax, dx
            and eax, -16
            mov edi, eax
            mov esi, 0x300000
            mov ecx, 32
        header:
            mov dword [rsi], 0x80005
            mov dword [rsi + 8], 0x310000
            add esi, 32
            dec ecx
            jne header
            mov esi, 0x310000
            mov dword [rsi], 0x258027
            mov dword [rsi + 4], 0x40000000
            mov ecx, 8
        region:
            mov dword [rsi + 0x80], 0x1000000
            mov dword [rsi + 0x8c], 0x3fffff
            add esi, 16
            dec ecx
            jne region
            mov dword [rdi + 0x100], 0x300000
            mov dword [rdi + 0x108], 0x308000
            mov dword [rdi + 0x118], 0x11
            mov dword [rdi + 0x138], -1
        L:  cmp dword [rdi + 0x138], 0
            jne L
            mov edx, 0xf4
            out dx, al
        """;
    endsInTime(
        flat(SevMode.OFF, code)
            .hardware(
                new Hardware(Hardware.Board.PC, List.of(new Hardware.Drive(new SlowDisk(), false))))
            .build(),
        -1);
  }
}
