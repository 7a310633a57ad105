package dev.vesper.machine.device;

import static org.assertj.core.api.Assertions.assertThat;

import dev.vesper.machine.memory.PhysicalMemory;
import java.nio.charset.StandardCharsets;
import org.junit.jupiter.api.Test;

/** Files of the firmware configuration device that a host replaces. */
final class FwCfgTest {
  private static final int FILE = 0x20;
  private static final int DIRECTORY = 0x19;

  private final FwCfg cfg = new FwCfg(new PhysicalMemory(1 << 20, 0).hostView(), new DeviceWork());

  private String read(int key, int bytes) {
    cfg.write(0x510, 2, key);
    StringBuilder b = new StringBuilder();
    for (int i = 0; i < bytes; i++) {
      b.append((char) cfg.read(0x511, 1));
    }
    return b.toString();
  }

  private static byte[] ascii(String s) {
    return s.getBytes(StandardCharsets.US_ASCII);
  }

  @Test
  void bytesAreReplacedAndTheFileGrows() {
    cfg.file("b", ascii("abcdef"));
    cfg.file("a", ascii("first"));
    assertThat(cfg.replace("b", 2, ascii("XY"))).isTrue();
    assertThat(cfg.replace("b", 6, ascii("!!"))).isTrue();
    assertThat(cfg.replace("b", 8, ascii("?"))).isTrue();
    assertThat(cfg.replace("b", 2, ascii("Z"))).as("the last one counts").isTrue();
    assertThat(read(FILE + 1, 10)).isEqualTo("abZdef!!?\0");
    assertThat(read(FILE, 5)).isEqualTo("first");
    // Two files; the second one's entry begins with its length.
    assertThat(read(DIRECTORY, 4 + 64 + 4).substring(4 + 64)).isEqualTo("\0\0\0\u0009");
  }

  @Test
  void whatWouldNotFollowIsRefused() {
    cfg.file("b", ascii("abc"));
    assertThat(cfg.replace("b", 4, ascii("x"))).isFalse();
    assertThat(cfg.replace("b", -1, ascii("x"))).isFalse();
    assertThat(cfg.replace("c", 0, ascii("x"))).isFalse();
    for (int i = 0; i < 50_000; i++) {
      assertThat(cfg.replace("b", 0, ascii("x"))).isTrue();
    }
    assertThat(read(FILE, 3)).isEqualTo("xbc");
  }
}
