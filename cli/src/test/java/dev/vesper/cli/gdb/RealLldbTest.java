package dev.vesper.cli.gdb;

import static org.assertj.core.api.Assertions.assertThat;

import dev.vesper.fixtures.Tools;
import dev.vesper.guest.FlatGuest;
import dev.vesper.machine.spec.MachineSpec;
import dev.vesper.machine.spec.Outcome;
import dev.vesper.machine.spec.SevMode;
import java.net.InetSocketAddress;
import java.nio.channels.ServerSocketChannel;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

/** Debian's LLDB at an encrypted guest. */
@Timeout(value = 2, unit = TimeUnit.MINUTES)
final class RealLldbTest {
  /** Counts in RAX and at 300000. */
  private static final String COUNTS =
      """
          mov ebx, 0x300000
          xor eax, eax
      again:
          inc rax
          mov [rbx], rax
          jmp short again
      """;

  @TempDir Path dir;

  @Test
  void stopsStepsAndReads() throws Exception {
    Tools.need("lldb", "lldb");
    Outcome[] ended = new Outcome[1];
    String said;
    try (ServerSocketChannel s = RealGdb.port()) {
      int port = ((InetSocketAddress) s.getLocalAddress()).getPort();
      Path script =
          Files.writeString(
              dir.resolve("script"),
              """
              gdb-remote 127.0.0.1:%d
              register read rip
              memory read --size 1 --count 5 --format hex 0x100000
              breakpoint set --address 0x10000a
              continue
              register read rip rax
              thread step-inst
              register read rip
              register write rax 0x1233
              breakpoint delete --force
              breakpoint set --address 0x10000a
              continue
              register read rax
              memory read --size 8 --count 1 --format hex 0x300000
              memory write --size 8 0x300000 0x77
              memory read --size 8 --count 1 --format hex 0x300000
              register read xmm0
              thread list
              process kill
              """
                  .formatted(port));
      said =
          RealGdb.serve(
              MachineSpec.builder(SevMode.SNP, FlatGuest.image(COUNTS), b -> {})
                  .memoryBytes(64 << 20)
                  .build(),
              s,
              () -> Tools.run("lldb", "--no-lldbinit", "--batch", "-s", script.toString()),
              ended);
    }
    assertThat(said)
        .contains("rip = 0x0000000000100000")
        .containsPattern("0x00100000: 0xbb 0x00 0x00 0x30 0x00")
        .containsPattern("stop reason = breakpoint 1.1")
        .contains("rax = 0x0000000000000001")
        .contains("stop reason = instruction step into")
        .contains("rip = 0x000000000010000d")
        .contains("rax = 0x0000000000001234")
        .contains("0x00300000: 0x0000000000000001")
        .contains("0x00300000: 0x0000000000000077")
        .contains("xmm0 = {")
        .contains("thread #1: tid = 0x0001");
    assertThat(ended[0].status()).isEqualTo(Outcome.QUIT);
  }
}
