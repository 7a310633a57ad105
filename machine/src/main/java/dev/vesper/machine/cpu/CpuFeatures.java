package dev.vesper.machine.cpu;

import java.util.Set;

/**
 * What the processor itself does, by the names of the opcode table. What a guest is told comes from
 * the CPU model; a model never claims more than this.
 *
 * @param names lower-case CPUID feature names
 */
public record CpuFeatures(Set<String> names) {
  /** Everything that is implemented. */
  public static final CpuFeatures ALL =
      new CpuFeatures(
          Set.of(
              "sse3",
              "popcnt",
              "cx16",
              "rdrand",
              "fsgsbase",
              "clflushopt",
              "rdtscp",
              "xsave",
              "lzcnt",
              "bmi1",
              "bmi2",
              "ssse3",
              "sse4_1",
              "sse4_2",
              "aes",
              "pclmulqdq",
              "sha_ni",
              "movbe",
              "adx",
              "rdseed",
              "avx",
              "avx2",
              "fma",
              "f16c",
              "vaes",
              "vpclmulqdq",
              "gfni",
              "sse4a",
              "avx512f",
              "avx512dq",
              "avx512bw",
              "avx512cd",
              "avx512ifma",
              "avx512vbmi",
              "avx512_vbmi2",
              "avx512_vnni",
              "avx512_bitalg",
              "avx512_vpopcntdq",
              "avx512_bf16",
              "xsaveopt",
              "xsavec",
              "xgetbv1",
              "xsaves",
              "xsaveerptr",
              "clwb",
              "clzero",
              "wbnoinvd",
              "rdpid",
              "rdpru",
              "invpcid",
              "monitor",
              "monitorx",
              "pcid",
              "pku",
              "pks",
              "smep",
              "smap",
              "umip",
              "la57",
              "cr8legacy",
              "misalignsse",
              "spec-ctrl",
              "ibpb",
              "auto-ibrs",
              "null-sel-clr-base"));

  /** {@return whether a feature is there} */
  public boolean has(String name) {
    return names.contains(name);
  }
}
