package dev.vesper.machine.guests;

import static org.assertj.core.api.Assertions.assertThat;

import dev.vesper.fixtures.DebianKernel;
import dev.vesper.machine.TestMachine;
import dev.vesper.machine.spec.BootException;
import dev.vesper.machine.spec.MachineSpec;
import dev.vesper.machine.spec.Outcome;
import dev.vesper.machine.spec.SevMode;
import java.nio.charset.StandardCharsets;
import java.util.LinkedHashMap;
import java.util.Map;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/**
 * Debian's kernel on the EPYC models: its accelerated ciphers, hashes and checksums test themselves
 * against C code, and user space runs glibc's AVX2 string functions.
 */
@Tag("slow")
final class LinuxCryptoTest {
  private static final String INIT =
      """
      #!/bin/busybox sh
      /bin/busybox mount -t proc proc /proc
      /bin/busybox mount -t devtmpfs dev /dev
      /bin/busybox --install -s /bin
      export PATH=/bin
      echo MARK-INIT $(grep -m1 'model name' /proc/cpuinfo)
      for f in $(cat /order); do insmod /m/$f || echo NOT-LOADED $f; done
      awk '/^driver/{d=$3} /^selftest/{print "SELFTEST", d, $3}' /proc/crypto
      seq 1 20000 | sort -r | sha256sum
      seq 1 20000 | sort -r | sort -n | md5sum
      echo MARK-DONE
      poweroff -f
      """;

  private static String boot(String model) throws BootException {
    Map<String, byte[]> modules =
        DebianKernel.modules(
            "arch/x86/crypto/[^/]*|lib/raid6/raid6_pq|lib/(crypto|zlib_deflate)/[^/]*|"
                + "crypto/(xor|cryptd|crypto_simd|gf128mul|nhpoly1305|aegis128|[a-z0-9]*_common|"
                + "(blake2b|blowfish|camellia|cast5|cast6|chacha|des|ghash|poly1305|serpent|sha512|"
                + "twofish)[-_]generic)");
    assertThat(modules).hasSizeGreaterThan(40);
    Map<String, byte[]> files = new LinkedHashMap<>();
    files.put("order", String.join("\n", modules.keySet()).getBytes(StandardCharsets.UTF_8));
    modules.forEach((name, data) -> files.put("m/" + name, data));
    TestMachine m =
        TestMachine.of(
            MachineSpec.builder(SevMode.ES, DebianKernel.image(), b -> {})
                .append("console=ttyS0")
                .initrd(DebianKernel.initramfs(INIT, files))
                .cpuModel(model));
    assertThat(m.run(20_000_000_000L)).isEqualTo(new Outcome(0, "guest powered off"));
    return m.console();
  }

  @ParameterizedTest
  @CsvSource({"EPYC-Genoa, avx512", "EPYC-v4, avx2"})
  void acceleratedCryptographyPassesItsSelfTests(String model, String raid) throws BootException {
    String text = boot(model);
    assertThat(text)
        .contains("MARK-INIT model name : AMD " + model + " Processor")
        .contains("raid6: using algorithm " + raid)
        .containsPattern("xor: automatically using best checksumming function +avx")
        // Sums of the same lines made by coreutils.
        .contains("32e8bfc1888e4abc71c499baefe2efcad2ecc01d1c18f4a453d5d62b502a2c3e")
        .contains("e071f707df7bbeee2a6a1eb48011ddd0")
        .contains("MARK-DONE")
        .doesNotContain("NOT-LOADED");
    assertThat(text.lines().filter(l -> l.startsWith("SELFTEST")))
        .hasSizeGreaterThan(120)
        .allMatch(l -> l.endsWith(" passed"));
    for (String driver :
        new String[] {
          "xts-aes-aesni", "generic-gcm-aesni", "ghash-clmulni", "sha1-ni", "sha256-ni",
          "sha512-avx2", "sha256-avx2", "chacha20-simd", "poly1305-simd", "crc32c-intel",
          "crct10dif-pclmul", "cbc-camellia-aesni-avx2", "ecb-serpent-avx2", "curve25519-x86"
        }) {
      assertThat(text).contains("SELFTEST " + driver + " passed");
    }
  }
}
