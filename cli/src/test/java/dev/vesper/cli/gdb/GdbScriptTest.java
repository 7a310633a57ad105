package dev.vesper.cli.gdb;

import static org.assertj.core.api.Assertions.assertThat;

import dev.vesper.guest.FlatGuest;
import dev.vesper.guest.Locore;
import dev.vesper.machine.spec.MachineSpec;
import dev.vesper.machine.spec.Outcome;
import dev.vesper.machine.spec.SevMode;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

/** Debian's gdb with our commands at small guests, and its vector registers. */
@Timeout(value = 2, unit = TimeUnit.MINUTES)
final class GdbScriptTest {
  @TempDir Path dir;

  @ParameterizedTest
  @EnumSource(
      value = SevMode.class,
      names = {"ES", "SNP"})
  void theCommandsShowWhatGoesBetweenGuestAndHost(SevMode mode) throws Exception {
    Path script = Files.writeString(dir.resolve("vesper.py"), GdbScript.text());
    Outcome[] ended = new Outcome[1];
    String said =
        RealGdb.session(
            dir,
            MachineSpec.builder(mode, Locore.image(), b -> {}).memoryBytes(64 << 20).build(),
            """
            source %s
            exchange 3
            set $third = $icount
            exchange 7
            exchange 3
            print $icount - $third
            ghcb
            ghcb $ghcb_msr & ~0xfff
            exchange
            ghcb-diff
            vc-list 2
            pagestate $rip
            pagestate 0x123456789000
            vmsa
            python
            for line in ("exchange 0", "exchange x", "ghcb 0x4000000000000", "vmsa 1", "pagestate"):
                try:
                    gdb.execute(line)
                except gdb.error as e:
                    print("refused:", e)
            end
            kill
            """
                .formatted(script),
            ended);
    assertThat(said)
        .containsPattern("\nexchange 3 cpu 0 insn [0-9]+ ghcb 0x[0-9a-f]+000 exit 0x7b ")
        .containsPattern("\nGHCB at 0x[0-9a-f]+000, protocol version [0-2], usage 0\n")
        .containsPattern("\n  \\* 398 SW_EXITINFO1 +0x0\n")
        .containsPattern("\n    390 SW_EXITCODE +0x7b\n")
        .containsPattern("\n- exchange 3 .*\n\\+ exchange 4 .*\n")
        .containsPattern("\n  request SW_EXITINFO1 +0x[0-9a-f]+ -> 0x[0-9a-f]+\n")
        .containsPattern("\n[0-9]+ exceptions\nvc [0-9]+ cpu 0 .*\nvc [0-9]+ cpu 0 .*\n")
        .containsPattern(
            "\ngpa 0x[0-9a-f]+ mapped private, touched private"
                + (mode == SevMode.SNP ? ", table: private, valid\n" : "\n"))
        .contains("\nUnmapped\n")
        .containsPattern("\n  RIP +ffffffff81[0-9a-f]{6}\n")
        .contains("$1 = 0\n")
        .containsPattern("\nexchange 7 cpu 0 insn [0-9]+ ghcb ")
        .contains("refused: exchanges are counted from 1")
        .contains("refused: exchange takes a number")
        .contains("refused: there is no memory at guest physical address 0x4000000000000")
        .contains("refused: vmsa takes no arguments")
        .contains("refused: pagestate takes an address")
        .doesNotContain("Traceback");
    assertThat(ended[0].status()).isEqualTo(Outcome.QUIT);
  }

  /** As Linux's scripts/gdb, GEF and pwndbg tell by Python what they are connected to. */
  @Test
  void scriptsTakeTheTargetForQemu() throws Exception {
    Outcome[] ended = new Outcome[1];
    String said =
        RealGdb.session(
            dir,
            MachineSpec.builder(SevMode.ES, FlatGuest.image("on: jmp on"), b -> {})
                .memoryBytes(64 << 20)
                .processors(2)
                .build(),
            """
            python
            def ask(line):
                return gdb.execute(line, to_string=True)
            print("probe_qemu:", ask("monitor info version") != "")
            print("probe_kgdb:", "shadowCPU" in ask("info thread 1"))
            print("cpu:", gdb.selected_thread().num - 1)
            ask("thread 2")
            print("cpu:", gdb.selected_thread().num - 1)
            print("sstepbits:", "ENABLE=" in ask("maintenance packet Qqemu.sstepbits"))
            print("offsets:", 'received: ""' in ask("maintenance packet qOffsets"))
            print("kvm:", "enabled" in ask("monitor info kvm"))
            print("vmware:", "Dump hidden register" in ask("monitor help r"))
            end
            kill
            """,
            ended);
    assertThat(said)
        .contains("probe_qemu: True", "probe_kgdb: False", "cpu: 0\n", "cpu: 1\n")
        .contains("sstepbits: True", "offsets: True", "kvm: False", "vmware: False");
    assertThat(ended[0].status()).isEqualTo(Outcome.QUIT);
  }

  /** Loads bytes 0 to 63, says so at 300200, stores what it finds then, and says so at 300208. */
  private static final String VECTORS =
      """
          mov rax, cr4
          or eax, 0x40600
          mov cr4, rax
          xor ecx, ecx
          xor edx, edx
          mov eax, 0xe7
          xsetbv
          mov ebx, 0x300000
      fill:
          mov [rbx+rcx], cl
          inc ecx
          cmp ecx, 64
          jne fill
          vmovdqu64 zmm1, [rbx]
          vmovdqu64 zmm17, [rbx]
          vmovdqu ymm2, [rbx]
          kmovq k1, [rbx]
          mov [rbx+0x200], ecx
          nop
          vmovdqu64 [rbx+64], zmm1
          vmovdqu64 [rbx+128], zmm17
          kmovq [rbx+192], k1
          vmovdqu [rbx+256], ymm2
          mov [rbx+0x208], ecx
      on:
          jmp on
      """;

  @Test
  void vectorRegistersAreReadAndWritten() throws Exception {
    Outcome[] ended = new Outcome[1];
    String said =
        RealGdb.session(
            dir,
            MachineSpec.builder(SevMode.OFF, FlatGuest.image(VECTORS), b -> {})
                .memoryBytes(64 << 20)
                .cpuModel("EPYC-Genoa")
                .build(),
            """
            awatch *(int *) 0x300200
            continue
            print/x $zmm1.v8_int64[7]
            print/x $ymm1.v4_int64[3]
            print/x $xmm1.v2_int64[1]
            print/x $zmm17.v8_int64[0]
            print/x $k1
            set $zmm1.v8_int64[7] = 0x1111
            set $ymm2.v4_int64[2] = 0x2222
            set $zmm17.v8_int64[5] = 0x3333
            set $k1 = 0x4444
            print/x $zmm1.v8_int64[7]
            delete
            awatch *(int *) 0x300208
            continue
            print/x *(long *) 0x300078
            print/x *(long *) 0x300110
            print/x *(long *) 0x3000a8
            print/x *(long *) 0x3000c0
            print/x *(long *) 0x300070
            kill
            """,
            ended);
    assertThat(said)
        .contains(
            "$1 = 0x3f3e3d3c3b3a3938\n",
            "$2 = 0x1f1e1d1c1b1a1918\n",
            "$3 = 0xf0e0d0c0b0a0908\n",
            "$4 = 0x706050403020100\n",
            "$5 = 0x706050403020100\n",
            "$6 = 0x1111\n",
            "$7 = 0x1111\n",
            "$8 = 0x2222\n",
            "$9 = 0x3333\n",
            "$10 = 0x4444\n",
            "$11 = 0x3736353433323130\n");
    assertThat(ended[0].status()).isEqualTo(Outcome.QUIT);
  }
}
