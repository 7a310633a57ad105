package dev.vesper.machine;

import dev.vesper.machine.cpu.Execution;
import dev.vesper.machine.spec.Hardware;
import dev.vesper.machine.spec.MachineSpec;
import dev.vesper.machine.spec.Outcome;
import dev.vesper.machine.spec.SevMode;
import dev.vesper.x86.Assembler;
import java.util.List;
import java.util.function.UnaryOperator;

/**
 * A 32-bit multiboot kernel made of some instructions. They find a flat address space, a stack, a
 * #GP or #UD that leads to the address in {@code [RESUME]} with 1 in {@code [FAULTED]}, and an
 * interrupt handler that counts in {@code [COUNT + 4 * vector]} and writes EOI in xAPIC mode. They
 * leave what they find from {@link #RESULTS} on and end with {@code jmp end}.
 */
final class KernelGuest {
  static final long RESULTS = 0x1_0000;
  private static final long RESUME = 0x6_0000;
  private static final long FAULTED = 0x6_0004;
  private static final long COUNT = 0x6_1000;
  private static final long LOAD = 0x10_0000;
  private static final long MOST_INSTRUCTIONS = 50_000_000;

  private static final String PRELUDE =
      """
      equ RESULTS %d
      equ RESUME %d
      equ FAULTED %d
      equ COUNT %d
          mov esp, 0x50000
          lgdt [gdtr]
          jmpf 8:flat
      flat:
          mov eax, 16
          mov ds, ax
          mov es, ax
          mov ss, ax
          mov edi, 0x62000
          mov eax, vectors
          mov ecx, 256
      gate:
          mov ebx, eax
          and ebx, 0xffff
          or ebx, 0x80000
          mov [edi], ebx
          mov ebx, eax
          and ebx, 0xffff0000
          or ebx, 0x8e00
          mov [edi + 4], ebx
          add edi, 8
          add eax, 16
          dec ecx
          jne gate
          lidt [idtr]
          mov edi, RESULTS
          jmp begin
      gdtr:
          dw 23
          dd gdt
      idtr:
          dw 2047
          dd 0x62000
      align 8
      gdt:
          dq 0
          dq 0x00cf9b000000ffff
          dq 0x00cf93000000ffff
      fault:
          mov esp, 0x50000
          mov dword [FAULTED], 1
          jmp dword [RESUME]
      interrupt:
          push eax
          mov eax, [esp + 4]
          inc dword [eax * 4 + COUNT]
          mov dword [0xfee000b0], 0
          pop eax
          add esp, 4
          iretd
      end:
          mov eax, 0
          out 0xf4, al
      stop:
          hlt
          jmp stop
      """
          .formatted(RESULTS, RESUME, FAULTED, COUNT);

  private final Machine machine;

  private KernelGuest(Machine machine) {
    this.machine = machine;
  }

  /** {@return the kernel as an image} */
  static byte[] image(String source) {
    StringBuilder vectors = new StringBuilder("align 16\nvectors:\n");
    for (int v = 0; v < 256; v++) {
      vectors.append("align 16\n");
      vectors.append(v == 6 || v == 13 ? "jmp fault\n" : "push dword " + v + "\njmp interrupt\n");
    }
    int flags = 0x1_0000;
    String header =
        "dd 0x1BADB002, %d, %d, %d, %d, 0, 0, %d\n"
            .formatted(flags, -(0x1BAD_B002 + flags), LOAD, LOAD, LOAD + 32);
    return new Assembler(LOAD, 32).add(header + PRELUDE + vectors + "begin:\n" + source).finish();
  }

  /** Runs instructions on a PC with 64 MiB. */
  static KernelGuest run(String source, UnaryOperator<MachineSpec> more) throws Exception {
    return run(source, more, 0);
  }

  /**
   * The same.
   *
   * @param execution see {@link Execution}
   */
  static KernelGuest run(String source, UnaryOperator<MachineSpec> more, int execution)
      throws Exception {
    MachineSpec o =
        MachineSpec.builder(SevMode.OFF, image(source), c -> {})
            .memoryBytes(64L << 20)
            .cpuModel("EPYC-Genoa")
            .hardware(new Hardware(Hardware.Board.PC, List.of()))
            .build();
    Machine m = new Machine(more.apply(o));
    Execution.choose(m, execution);
    m.limit(MOST_INSTRUCTIONS, Long.MAX_VALUE);
    Outcome end = m.run();
    if (end.status() != 1) {
      throw new AssertionError("the guest ended with " + end);
    }
    return new KernelGuest(m);
  }

  static KernelGuest run(String source) throws Exception {
    return run(source, o -> o);
  }

  /** {@return the n-th dword of the results} */
  int result(int n) {
    return (int) machine.hostView().read(RESULTS + 4L * n, 4);
  }

  /** {@return how often a vector has interrupted} */
  int interrupts(int vector) {
    return (int) machine.hostView().read(COUNT + 4L * vector, 4);
  }
}
