package dev.vesper.bench;

import java.util.LinkedHashMap;
import java.util.Map;

/** Guest kernels in 64-bit code; each loops over one kind of work and ends through port 0xf4. */
final class Kernels {
  private static final String END = "\nmov al, 0\nout 0xf4, al\nhlt\n";

  private Kernels() {}

  /** A guest that ends at once. */
  static final String NOTHING = "nop" + END;

  /** {@return sources by name} */
  static Map<String, String> all() {
    Map<String, String> s = new LinkedHashMap<>();
    s.put(
        "alu",
        "mov ecx, 288000000\nL: add rax, rcx\nxor rbx, rax\nlea rdx, [rbx+rax*2+5]\nsub rsi, rdx\nimul rdi, rdx, 17\nand r8, rdi\nor r9, rsi\ndec rcx\njne L");
    s.put(
        "alu32",
        "mov ecx, 288000000\nL: add eax, ecx\nxor ebx, eax\nrol ebx, 7\nlea edx, [ebx+eax*2+5]\nsub esi, edx\nmov edi, esi\nshr edi, 3\ndec ecx\njne L");
    s.put(
        "copy",
        "mov edx, 1200\nO: mov rsi, 0x2000000\nmov rdi, 0x2400000\nmov ecx, 16384\nL: mov rax, [rsi]\nmov [rdi], rax\nadd rsi, 8\nadd rdi, 8\ndec ecx\njne L\ndec edx\njne O");
    s.put(
        "sieve",
        "mov r8d, 48\nO: mov rdi, 0x2000000\nmov ecx, 1000000\nmov al, 1\nrep stosb\nmov ecx, 2\nP: cmp byte [rcx+0x2000000], 0\nje N\nmov rax, rcx\nimul rax, rcx\nQ: cmp rax, 1000000\njae N\nmov byte [rax+0x2000000], 0\nadd rax, rcx\njmp short Q\nN: inc rcx\ncmp rcx, 1000\njb P\ndec r8d\njne O");
    s.put(
        "sort",
        "mov r10d, 30\nO: mov ecx, 3000\nmov rdi, 0x2000000\nmov eax, 12345\nF: imul eax, eax, 1103515245\nadd eax, 12345\nmov [rdi+rcx*4], eax\ndec ecx\njne F\nmov r8d, 1\nI: mov eax, [rdi+r8*4]\nmov r9, r8\nJ: mov edx, [rdi+r9*4-4]\ncmp edx, eax\njle K\nmov [rdi+r9*4], edx\ndec r9\njne J\nK: mov [rdi+r9*4], eax\ninc r8\ncmp r8, 3000\njb I\ndec r10d\njne O");
    s.put(
        "crc32",
        "mov r8d, 960\nO: mov rsi, 0x2000000\nmov ecx, 32768\nmov eax, -1\nL: movzx edx, byte [rsi]\ninc rsi\nxor eax, edx\nmov edx, 8\nB: mov ebx, eax\nand ebx, 1\nneg ebx\nand ebx, 0xedb88320\nshr eax, 1\nxor eax, ebx\ndec edx\njne B\ndec ecx\njne L\ndec r8d\njne O");
    s.put(
        "fib",
        "mov rsp, 0x2100000\nmov edi, 36\ncall F\njmp E\nF: cmp edi, 2\njb R\npush rdi\ndec edi\ncall F\npop rdi\npush rax\nlea edi, [rdi-2]\ncall F\npop rdx\nadd rax, rdx\nret\nR: mov eax, edi\nret\nE:");
    s.put(
        "icall",
        "mov rsp, 0x2100000\nmov rax, A\nmov [0x2000000], rax\nmov rax, B\nmov [0x2000008], rax\nmov rax, C\nmov [0x2000010], rax\nmov rax, D\nmov [0x2000018], rax\nmov ecx, 24000000\nL: mov eax, ecx\nand eax, 3\ncall qword [rax*8+0x2000000]\ndec ecx\njne L\njmp X\nA: add rbx, 1\nret\nB: add rbx, 3\nret\nC: xor rbx, rcx\nret\nD: sub rbx, 7\nret\nX:");
    s.put(
        "sha",
        "mov ecx, 144000000\nL: mov eax, r8d\nror eax, 6\nmov edx, r8d\nror edx, 11\nxor eax, edx\nmov edx, r8d\nror edx, 25\nxor eax, edx\nmov edx, r9d\nxor edx, r10d\nand edx, r8d\nxor edx, r10d\nadd eax, edx\nadd eax, r11d\nmov r11d, r10d\nmov r10d, r9d\nmov r9d, r8d\nadd r8d, eax\nmov edx, r12d\nror edx, 2\nadd r8d, edx\nxor r12d, ecx\ndec ecx\njne L");
    s.put(
        "bignum",
        "mov r8d, 600000\nO: mov rsi, 0x2000000\nmov rdi, 0x2010000\nmov ecx, 64\nxor r9d, r9d\nL: mov rax, [rsi+rcx*8]\nmul r8\nadd rax, r9\nadc rdx, 0\nadd [rdi+rcx*8], rax\nadc rdx, 0\nmov r9, rdx\ndec ecx\njne L\ndec r8d\njne O");
    s.put(
        "chase",
        "mov rdi, 0x2000000\nmov ecx, 4096\nxor eax, eax\nF: mov edx, eax\nimul edx, edx, 1021\nadd edx, 7\nand edx, 4095\nlea rbx, [rdx*8+0x2000000]\nmov [rdi+rax*8], rbx\ninc eax\ncmp eax, ecx\njb F\nmov ecx, 100000000\nmov rax, rdi\nL: mov rax, [rax]\ndec ecx\njne L");
    s.put(
        "switch",
        "mov ecx, 32000000\nL: imul eax, eax, 1664525\nadd eax, 1013904223\nmov edx, eax\nshr edx, 29\ncmp edx, 1\nje A\ncmp edx, 3\nje B\ncmp edx, 5\nja C\nadd rbx, 2\njmp short N\nA: sub rbx, 5\njmp short N\nB: xor rbx, rax\njmp short N\nC: test bl, 4\njne N\ninc rbx\nN: dec ecx\njne L");
    s.replaceAll((name, text) -> text + END);
    return s;
  }
}
