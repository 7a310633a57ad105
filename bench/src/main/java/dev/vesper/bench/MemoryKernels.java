package dev.vesper.bench;

import java.util.LinkedHashMap;
import java.util.Map;

/** Guest kernels that are about memory: much of it, and repeated instructions. */
final class MemoryKernels {
  private MemoryKernels() {}

  /** {@return sources by name} */
  static Map<String, String> all() {
    Map<String, String> s = new LinkedHashMap<>();
    s.put(
        "read",
        "mov edx, 10\nO: mov rsi, 0x1000000\nmov ecx, 4194304\nL: add rax, [rsi]\nadd rsi, 8\ndec ecx\njne L\ndec edx\njne O");
    s.put(
        "write",
        "mov edx, 10\nO: mov rdi, 0x1000000\nmov ecx, 4194304\nL: mov [rdi], rdx\nadd rdi, 8\ndec ecx\njne L\ndec edx\njne O");
    s.put(
        "pages",
        "mov edx, 5000\nO: mov rsi, 0x1000000\nmov ecx, 8192\nL: add rax, [rsi]\nadd rsi, 4096\ndec ecx\njne L\ndec edx\njne O");
    s.put(
        "random",
        "mov ecx, 20000000\nmov eax, 12345\nL: imul eax, eax, 1664525\nadd eax, 1013904223\nmov edx, eax\nshr edx, 10\nadd rbx, [rdx*8+0x1000000]\ndec ecx\njne L");
    s.put(
        "unaligned",
        "mov edx, 20\nO: mov rsi, 0x1000003\nmov ecx, 2097152\nL: add rax, [rsi]\nadd rsi, 8\ndec ecx\njne L\ndec edx\njne O");
    s.put(
        "movs",
        "mov edx, 40000\nO: mov rsi, 0x1000000\nmov rdi, 0x2040000\nmov ecx, 8192\nrep movsq\ndec edx\njne O");
    s.put(
        "stos", "mov edx, 40000\nO: mov rdi, 0x1000000\nmov ecx, 8192\nrep stosq\ndec edx\njne O");
    s.put(
        "flush",
        "mov edx, 20000\nO: mov rax, cr3\nmov cr3, rax\nmov rsi, 0x1000000\nmov ecx, 64\nL: add rax, [rsi]\nadd rsi, 4096\ndec ecx\njne L\ndec edx\njne O");
    s.replaceAll((name, text) -> text + "\n" + Kernels.NOTHING);
    return s;
  }
}
