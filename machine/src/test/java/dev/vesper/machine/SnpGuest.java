package dev.vesper.machine;

import dev.vesper.guest.FlatGuest;
import dev.vesper.machine.cpu.Execution;
import dev.vesper.machine.spec.MachineSpec;
import dev.vesper.machine.spec.Outcome;
import dev.vesper.machine.spec.SevMode;
import dev.vesper.machine.spec.SnpLaunch;
import dev.vesper.x86.Assembler;
import java.util.Map;
import java.util.function.UnaryOperator;

/**
 * A guest under SEV-SNP made of some 64-bit instructions, which begin at {@code begin} and end with
 * {@code jmp end}. All memory is mapped privately to itself and, from {@code SHARED} on, a second
 * time with the C-bit clear. Pages {@code GHCB}, {@code BELL} and {@code RESULTS} are shared, and
 * the GHCB is registered. What the guest leaves from {@code RESULTS} on the test reads.
 *
 * <p>Calls:
 *
 * <ul>
 *   <li>{@code share}: makes page RDI shared;
 *   <li>{@code protocol}: sends RAX by the MSR protocol, and has the answer in RAX;
 *   <li>{@code event}: sends SW_EXITCODE R8 with the infos R9 and R10 and RAX to RDX from RBX, RSI
 *       and RDI by the GHCB at RBP; has the infos in RAX and RDX, the answer's RAX in RCX;
 *   <li>{@code wrhost} and {@code outb}: write RBX to MSR ESI of the host, or to port ESI.
 * </ul>
 *
 * <p>#HV leads to {@code hv}, #VC to {@code vc}; other exceptions end the guest with their vectors
 * and 0x40.
 */
public final class SnpGuest {
  /** Where results lie. */
  public static final long RESULTS = 0x30_2000;

  private static final int MEMORY = 16 << 20;
  private static final long MOST_INSTRUCTIONS = 20_000_000;

  private static final String PRELUDE =
      """
      equ SHARED 0x100000000
      equ GHCB 0x300000
      equ BELL 0x301000
      equ RESULTS 0x302000
      equ SHARED_TABLE 0x203000
      equ IDT 0x204000
          mov rsp, 0x180000
          mov rax, cr3
          mov rax, [rax]
          and rax, -4096
          mov ebx, SHARED_TABLE
          or ebx, 3
          mov [rax+32], rbx
          mov edi, SHARED_TABLE
          mov eax, 0x83
          mov ecx, 8
      map:
          mov [rdi], rax
          add rax, 0x200000
          add rdi, 8
          dec ecx
          jne map
          lgdt [rel gdtr]
          mov edi, IDT
          lea rsi, [rel gates]
          mov ecx, 32
      gate:
          mov rax, rsi
          and eax, 0xffff
          or eax, 0x100000
          mov [rdi], eax
          mov rax, rsi
          and eax, 0xffff0000
          or eax, 0x8e00
          mov [rdi+4], eax
          mov qword [rdi+8], 0
          add rdi, 16
          add rsi, 16
          dec ecx
          jne gate
          lidt [rel idtr]
          mov edi, GHCB
          call share
          mov edi, BELL
          call share
          mov edi, RESULTS
          call share
          mov eax, GHCB
          or eax, 0x12
          call protocol
          mov ebp, GHCB
          jmp begin
      share:
          mov rax, rdi
          xor ecx, ecx
          xor edx, edx
          pvalidate
          mov rax, 0x0020000000000014
          or rax, rdi
      protocol:
          mov rdx, rax
          shr rdx, 32
          mov ecx, 0xc0010130
          wrmsr
          vmgexit
          mov ecx, 0xc0010130
          rdmsr
          shl rdx, 32
          mov eax, eax
          or rax, rdx
          ret
      wrhost:
          mov r8d, 0x7c
          mov r9d, 1
          mov rdi, rbx
          shr rdi, 32
          jmp event
      outb:
          mov r8d, 0x7b
          mov r9d, esi
          shl r9d, 16
          or r9d, 0x10
      event:
          mov r12, SHARED
          add r12, rbp
          mov [r12+0x390], r8
          mov [r12+0x398], r9
          mov [r12+0x3a0], r10
          mov [r12+0x1f8], rbx
          mov [r12+0x308], rsi
          mov [r12+0x310], rdi
          mov [r12+0x318], rbx
          mov rax, 0x8000000000000000
          mov [r12+0x3f0], rax
          mov rax, 0x3c000e00000000
          mov [r12+0x3f8], rax
          lea rax, [rbp+0x800]
          mov [r12+0x3a8], rax
          mov eax, ebp
          xor edx, edx
          mov ecx, 0xc0010130
          wrmsr
          vmgexit
          mov rax, [r12+0x398]
          mov rdx, [r12+0x3a0]
          mov rcx, [r12+0x1f8]
          ret
      end:
          mov ebx, 0
      ended:
          mov esi, 0xf4
          call outb
      stop:
          hlt
          jmp stop
      gdtr:
          dw 31
          dq gdt
      idtr:
          dw 511
          dq IDT
      align 8
      gdt:
          dq 0, 0, 0x00af9b000000ffff, 0x00cf93000000ffff
      align 16
      gates:
      """;

  private static final String NO_HV = "hv: mov ebx, 0x5c\njmp ended\n";
  private static final String NO_VC = "vc: mov ebx, 0x5d\njmp ended\n";

  private final Machine machine;
  private final Outcome end;

  private SnpGuest(Machine machine, Outcome end) {
    this.machine = machine;
    this.end = end;
  }

  /** {@return the guest's image} */
  public static byte[] image(String source) {
    return FlatGuest.image(whole(source));
  }

  /** {@return the same guest for SEV-ES, whose pages are shared by the C-bit alone} */
  public static byte[] esImage(String source) {
    return FlatGuest.image(whole(source).replace("share:\n", "share:\n    ret\n"));
  }

  /** {@return where the labels of {@link #esImage} lie} */
  public static Map<String, Long> esLabels(String source) {
    String all = whole(source).replace("share:\n", "share:\n    ret\n");
    return new Assembler(FlatGuest.BASE, 64).add(all).labels();
  }

  /** {@return the guest's code alone, which is entered at {@link FlatGuest#BASE}} */
  public static byte[] code(String source) {
    return new Assembler(FlatGuest.BASE, 64).add(whole(source)).finish();
  }

  private static String whole(String source) {
    StringBuilder s = new StringBuilder(PRELUDE);
    for (int v = 0; v < 32; v++) {
      s.append("align 16\n");
      s.append(v == 28 ? "jmp hv\n" : v == 29 ? "jmp vc\n" : "mov ebx, " + (v | 64) + "\n");
      s.append(v == 28 || v == 29 ? "" : "jmp ended\n");
    }
    s.append(source.contains("hv:") ? "" : NO_HV).append(source.contains("vc:") ? "" : NO_VC);
    return s.append(source).toString();
  }

  /**
   * Runs a guest to its end.
   *
   * @param execution see {@link Execution}
   */
  public static SnpGuest run(
      String source, SnpLaunch snp, UnaryOperator<MachineSpec.Builder> more, int execution)
      throws Exception {
    MachineSpec.Builder b =
        MachineSpec.builder(SevMode.SNP, image(source), c -> {}).memoryBytes(MEMORY).snp(snp);
    return run(more.apply(b).build(), execution);
  }

  /** Runs a machine of such a guest to its end. */
  public static SnpGuest run(MachineSpec spec, int execution) throws Exception {
    Machine m = new Machine(spec);
    Execution.choose(m, execution);
    m.limit(MOST_INSTRUCTIONS, Long.MAX_VALUE);
    return new SnpGuest(m, m.run());
  }

  /** The same of one processor, by what machines do without a choice. */
  public static SnpGuest run(String source, SnpLaunch snp) throws Exception {
    return run(source, snp, b -> b, Execution.STANDARD);
  }

  /** {@return how the run has ended} */
  public Outcome end() {
    return end;
  }

  /** {@return the guest, if it came to its own end} */
  public SnpGuest ended() {
    if (end.guestValue() == null || end.guestValue() != 0) {
      throw new AssertionError("the guest ended with " + end);
    }
    return this;
  }

  /** {@return the machine} */
  public Machine machine() {
    return machine;
  }

  /** {@return the n-th quadword of the results} */
  public long result(int n) {
    return machine.hostView().read(RESULTS + 8L * n, 8);
  }
}
