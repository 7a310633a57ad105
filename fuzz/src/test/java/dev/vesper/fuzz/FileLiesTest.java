package dev.vesper.fuzz;

import static org.assertj.core.api.Assertions.assertThat;

import dev.vesper.guest.Locore;
import dev.vesper.machine.Machine;
import dev.vesper.machine.Until;
import dev.vesper.machine.spec.Hardware;
import dev.vesper.machine.spec.MachineSpec;
import dev.vesper.machine.spec.SevMode;
import java.io.ByteArrayOutputStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** What fw_cfg was told to say in one execution is said in no other one. */
final class FileLiesTest {
  private static final String NAME = "opt/a";

  /** Looks for a file that begins with "lied", and ends with its key, or that behind the last. */
  private static final String MAIN =
      """
        mov eax, 0x40000001
        cpuid
        mov r12d, 0x20
      files_next:
        mov eax, r12d
        mov dx, 0x510
        out dx, ax
        mov dx, 0x511
        mov ecx, 4
        xor r13d, r13d
      files_byte:
        in al, dx
        movzx eax, al
        shl r13d, 8
        or r13d, eax
        dec ecx
        jne files_byte
        cmp r13d, 0x6c696564
        je files_lied
        inc r12d
        cmp r12d, 0x40
        jne files_next
      files_lied:
        mov eax, r12d
        mov dx, 0xf4
        out dx, al
        hlt
      """;

  private static final byte[] LIE = "lied".getBytes(StandardCharsets.US_ASCII);

  @TempDir private Path folder;

  private static MachineSpec spec() {
    Hardware.ConfigItem item =
        new Hardware.ConfigItem(NAME, "true".getBytes(StandardCharsets.US_ASCII));
    return MachineSpec.builder(SevMode.ES, Locore.withMain(MAIN), c -> {})
        .memoryBytes(64L << 20)
        .cpuModel("vesper-min,+xsave")
        .hardware(Hardware.NONE.withBoard(Hardware.Board.PC).withItems(List.of(item)))
        .build();
  }

  @Test
  void aLieIsForgottenBeforeTheNextExecution() throws Exception {
    Harness h =
        new Harness(
            FileLiesTest::spec,
            Until.symbol("main"),
            null,
            1_000_000,
            SiteFilter.of("cpuid", ""),
            null);
    Input lie =
        InputReader.read(
            ("cpuid:0x40000001@1 file:" + NAME + "+0=6c696564\n")
                .getBytes(StandardCharsets.US_ASCII));
    try (Executor x = new Executor(h)) {
      Execution first = x.run(Input.HONEST);
      byte[] honest = first.edges().clone();
      byte[] lied = x.run(lie).edges().clone();
      assertThat(Arrays.equals(lied, honest)).isFalse();
      Execution again = x.run(Input.HONEST);
      assertThat(again.instructions()).isEqualTo(first.instructions());
      assertThat(Arrays.equals(again.edges(), honest)).isTrue();
      assertThat(Arrays.equals(x.run(lie).edges(), lied)).isTrue();
    }
  }

  /** What a machine was told before it was saved, the one that goes on says too. */
  @Test
  void aLieIsInASnapshot() throws Exception {
    ByteArrayOutputStream file = new ByteArrayOutputStream();
    String lied;
    try (Machine m = new Machine(spec())) {
      assertThat(m.hypervisor().platform().file(NAME, 0, LIE)).isTrue();
      m.run(Until.symbol("main"));
      m.save(file);
      lied = m.run().reason();
    }
    Path saved = Files.write(folder.resolve("s"), file.toByteArray());
    try (Machine m = new Machine(spec());
        Machine honest = new Machine(spec())) {
      m.load(saved);
      assertThat(m.run().reason()).isEqualTo(lied).isNotEqualTo(honest.run().reason());
    }
  }
}
