package dev.vesper.cli;

import static org.assertj.core.api.Assertions.assertThat;

import dev.vesper.guest.FlatGuest;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Base64;
import java.util.HexFormat;
import java.util.List;
import java.util.Random;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

/**
 * ID blocks, their authentication and the keys for both that strangers have damaged: 1,000s of them
 * with -Dlong=true.
 */
final class IdBlockHostileTest {
  private static final int MUTATIONS = Boolean.getBoolean("long") ? 2000 : 60;

  @TempDir Path dir;
  private byte[] block = {};
  private byte[] authentication = {};
  private byte[] key = {};

  private CommandResult vesper(String... more) {
    List<String> line = new ArrayList<>(List.of(more));
    line.addAll(List.of("-m", "16M", "-kernel", dir.resolve("kernel").toString()));
    return CommandResult.of(line.toArray(String[]::new));
  }

  private CommandResult measured(byte[] pem) throws IOException {
    Files.write(dir.resolve("id.pem"), pem);
    String file = dir.resolve("id.pem").toString();
    return vesper("measure", "--mode", "snp", "--idkey", file);
  }

  @BeforeEach
  void make() throws IOException {
    Files.write(dir.resolve("kernel"), FlatGuest.image("at: jmp at"));
    byte[] der =
        HexFormat.of().parseHex("303e0201010430" + "00".repeat(47) + "4da00706052b81040022");
    key =
        ("-----BEGIN EC PRIVATE KEY-----\n"
                + Base64.getMimeEncoder().encodeToString(der)
                + "\n-----END EC PRIVATE KEY-----\n")
            .getBytes(StandardCharsets.US_ASCII);
    CommandResult r = measured(key);
    assertThat(r.status()).as(r.err()).isZero();
    for (String l : r.out().lines().toList()) {
      if (l.startsWith("id-block=")) {
        block = Base64.getDecoder().decode(l.substring("id-block=".length()));
      } else if (l.startsWith("id-auth=")) {
        authentication = Base64.getDecoder().decode(l.substring("id-auth=".length()));
      }
    }
  }

  private static String text(byte[] b) {
    return Base64.getEncoder().encodeToString(b);
  }

  private CommandResult launched(String id, String by) {
    return vesper("run", "--sev", "snp", "--measure-only", "--id-block", id, "--id-auth", by);
  }

  @Test
  @Timeout(value = 20, unit = TimeUnit.MINUTES)
  void anythingIsALineAndAStatus() throws IOException {
    assertThat(launched(text(block), text(authentication)).status()).isZero();
    Random random = new Random(31);
    for (int i = 0; i < MUTATIONS; i++) {
      byte[] m =
          AttestHostileTest.mutated(
              switch (i % 4) {
                case 0 -> block;
                case 1 -> authentication;
                case 2 -> key;
                default -> text(block).getBytes(StandardCharsets.US_ASCII);
              },
              random);
      CommandResult r =
          switch (i % 4) {
            case 0 -> launched(text(m), text(authentication));
            case 1 -> launched(text(block), text(m));
            case 2 -> measured(m);
            default -> launched(new String(m, StandardCharsets.ISO_8859_1), text(authentication));
          };
      AttestHostileTest.assertWords(r, m);
    }
  }
}
