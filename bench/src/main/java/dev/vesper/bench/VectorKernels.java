package dev.vesper.bench;

import java.util.LinkedHashMap;
import java.util.Map;

/** Guest kernels of vector instructions, SSE2 to AVX2, in 64-bit code. */
final class VectorKernels {
  /** OSXSAVE with what SSE needs, and x87, SSE and AVX in XCR0. */
  private static final String ENABLE =
      "mov rax, cr4\nor eax, 0x40600\nmov cr4, rax\nxor ecx, ecx\nxor edx, edx\nmov eax, 7\nxsetbv\n";

  /** Eight doubles that stay near one, four times each. */
  private static final String DOUBLES =
      "mov rax, 0x3ff0000000000001\nmov [0x2000000], rax\nmov rax, 0x3fefffffffffffff\n"
          + "mov [0x2000020], rax\nvbroadcastsd ymm1, [0x2000000]\nvbroadcastsd ymm2, [0x2000020]\n"
          + "vmovapd ymm3, ymm1\nvmovapd ymm4, ymm2\nvmovapd ymm5, ymm1\n";

  private VectorKernels() {}

  /** {@return sources by name} */
  static Map<String, String> all() {
    Map<String, String> s = new LinkedHashMap<>();
    s.put(
        "copy",
        "mov edx, 1200\nO: mov rsi, 0x2000000\nmov rdi, 0x2420000\nmov ecx, 4096\nL: vmovdqu ymm0, [rsi]\nvmovdqu [rdi], ymm0\nadd rsi, 32\nadd rdi, 32\ndec ecx\njne L\ndec edx\njne O");
    s.put(
        "strlen",
        "mov edx, 1200\nO: mov rsi, 0x2000000\nmov ecx, 4096\nvpcmpeqd ymm2, ymm2, ymm2\nL: vpcmpeqb ymm1, ymm2, [rsi]\nvpmovmskb eax, ymm1\nadd rsi, 32\ntest eax, eax\njne E\ndec ecx\njne L\nE: dec edx\njne O");
    s.put(
        "sse-int",
        "mov ecx, 8000000\nmovd xmm0, ecx\npshufd xmm0, xmm0, 0x1b\nL: paddd xmm1, xmm0\npxor xmm2, xmm1\nmovdqa xmm3, xmm2\npslld xmm3, 7\npaddq xmm0, xmm3\npshufd xmm4, xmm0, 0x39\npmullw xmm4, xmm1\npsubd xmm2, xmm4\ndec ecx\njne L");
    s.put(
        "avx2-int",
        "mov ecx, 8000000\nvmovd xmm0, ecx\nvpbroadcastd ymm0, xmm0\nL: vpaddd ymm1, ymm1, ymm0\nvpxor ymm2, ymm2, ymm1\nvpslld ymm3, ymm2, 7\nvpaddq ymm0, ymm0, ymm3\nvpshufd ymm4, ymm0, 0x39\nvpmulld ymm4, ymm4, ymm1\nvpsubd ymm2, ymm2, ymm4\ndec ecx\njne L");
    s.put(
        "scalar-double",
        DOUBLES
            + "mov ecx, 5000000\nL: mulsd xmm3, xmm1\naddsd xmm4, xmm3\nsubsd xmm4, xmm2\nmulsd xmm5, xmm2\ndivsd xmm3, xmm5\nmaxsd xmm4, xmm1\ndec ecx\njne L");
    s.put(
        "packed-double",
        DOUBLES
            + "mov ecx, 5000000\nL: vmulpd ymm3, ymm3, ymm1\nvaddpd ymm4, ymm4, ymm3\nvsubpd ymm4, ymm4, ymm2\nvmulpd ymm5, ymm5, ymm2\nvmaxpd ymm4, ymm4, ymm1\nvminpd ymm4, ymm4, ymm3\ndec ecx\njne L");
    s.put(
        "aes",
        "mov ecx, 3000000\nmovd xmm1, ecx\nL: aesenc xmm0, xmm1\naesenc xmm0, xmm1\naesenc xmm0, xmm1\naesenc xmm0, xmm1\naesenclast xmm0, xmm1\ndec ecx\njne L");
    s.put(
        "checksum",
        "mov edx, 1200\nO: mov rsi, 0x2000000\nmov ecx, 4096\nvpxor xmm3, xmm3, xmm3\nL: vpmovzxbw ymm0, [rsi]\nvpmaddwd ymm1, ymm0, ymm0\nvpaddd ymm2, ymm2, ymm1\nvpsadbw ymm4, ymm3, [rsi]\nvpaddq ymm5, ymm5, ymm4\nadd rsi, 32\ndec ecx\njne L\ndec edx\njne O");
    s.replaceAll((name, text) -> ENABLE + text + "\n" + Kernels.NOTHING);
    return s;
  }
}
