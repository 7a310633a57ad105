package dev.vesper.machine;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.vesper.fixtures.IgvmBuilder;
import dev.vesper.machine.cpu.Execution;
import dev.vesper.machine.launch.CommandFailed;
import dev.vesper.machine.launch.IdAuthentication;
import dev.vesper.machine.launch.IdBlock;
import dev.vesper.machine.launch.IdKey;
import dev.vesper.machine.launch.SnpPolicy;
import dev.vesper.machine.spec.BootException;
import dev.vesper.machine.spec.MachineSpec;
import dev.vesper.machine.spec.Outcome;
import dev.vesper.machine.spec.SevMode;
import dev.vesper.machine.spec.SnpLaunch;
import dev.vesper.x86.Assembler;
import java.math.BigInteger;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.util.HexFormat;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

/** Guests that are launched from IGVM files (spec: snp 4.4). */
final class IgvmLaunchTest {
  private static final int PARAMETERS = 0x40_0000;

  /** Copies what begins at RSI, RCX quadwords, to the results, and ends. */
  private static final String COPY =
      """
          mov rdi, SHARED
          add rdi, RESULTS
          cld
          rep movsq
          jmp end
      """;

  private static MachineSpec.Builder spec(byte[] file) {
    return MachineSpec.builder()
        .mode(SevMode.SNP)
        .memoryBytes(16 << 20)
        .firmware(MachineSpec.Firmware.of(file));
  }

  private static byte[] file(String source) {
    return IgvmBuilder.flat(SnpGuest.code(source), 1).build();
  }

  private static SnpGuest run(IgvmBuilder file) throws Exception {
    return SnpGuest.run(spec(file.build()).build(), Execution.STANDARD);
  }

  private static String planned(MachineSpec o) throws BootException {
    return HexFormat.of().formatHex(LaunchPlan.of(o).digest());
  }

  @Test
  void itsGuestComesToItsEndWithTheDigestThatWasComputed() throws Exception {
    MachineSpec o = spec(file("begin: jmp end")).build();
    SnpGuest g = SnpGuest.run(o, Execution.STANDARD).ended();
    assertThat(g.machine().launchDigest()).isEqualTo(planned(o)).hasSize(96);
    assertThat(g.machine().format()).isEqualTo("IGVM");
  }

  /**
   * The digest that igvmmeasure's way comes to (coconut-svsm, tools/igvmmeasure: pages without
   * contents are normal zeros), reckoned with Python's hashlib.
   */
  @Test
  void theDigestIsIgvmmeasures() throws Exception {
    byte[] page = new byte[4096];
    for (int i = 0; i < page.length; i++) {
      page[i] = (byte) i;
    }
    byte[] none = new byte[0];
    for (int version = 1; version <= 2; version++) {
      byte[] f =
          new IgvmBuilder(version)
              .platform(4, 0, 3)
              .platform(1, 0, 2)
              .page(0x1000, 5, 0, 0, page)
              .page(0x2000, 1, 0, 0, none)
              .page(0x2000, 4, 0, 0, page)
              .page(0x3000, 1, 2, 0, page)
              .page(0x4000, 1, 0, 1, none)
              .page(0x5000, 1, 0, 2, none)
              .page(0x6000, 1, 4, 0, page)
              .area(0, 4096, none)
              .insert(0x7000, 0)
              .page(0x20_0000, 1, 1, 0, none)
              .context(0, IgvmBuilder.area(IgvmBuilder.CODE, 1))
              .build();
      assertThat(planned(spec(f).build()))
          .isEqualTo(
              "5f4de818417cbdc83f8dedc5645d1de6d49d1c53b89f645d1ca3769a955eaf9c9773db2d9c7235233d7f3b8d0933fb5a");
    }
  }

  /** The digest is the file's: neither memory nor processors without registers change it. */
  @Test
  void theDigestIsTheFiles() throws Exception {
    byte[] f = file("begin: jmp end");
    String one = planned(spec(f).build());
    assertThat(planned(spec(f).processors(4).memoryBytes(64 << 20).append("x").build()))
        .isEqualTo(one);
    try (Machine m = new Machine(spec(f).processors(4).build())) {
      assertThat(m.launchDigest()).isEqualTo(one);
    }
  }

  /** The second processor has registers in the file, and starts with them when it is woken. */
  @ParameterizedTest
  @ValueSource(longs = {IgvmBuilder.SAVE_AREA, 0x40_0000})
  void aSecondProcessorStartsWithItsRegisters(long area) throws Exception {
    String source =
        """
        begin:
            mov esi, 0x1b
            mov ebx, 0xfee00d00
            call wrhost
            mov esi, 0x830
            mov rbx, 0x100004500
            call wrhost
            mov esi, 0x830
            mov rbx, 0x100004608
            call wrhost
        wait:
            mov rax, [0x160000]
            cmp rax, 0x77
            jne wait
            jmp end
            align 4096
        second:
            mov [0x160000], rbx
        stay:
            jmp stay
        """;
    byte[] code = SnpGuest.code(source);
    ByteBuffer second = ByteBuffer.wrap(IgvmBuilder.area(IgvmBuilder.CODE + 0x1000, 1));
    second.order(ByteOrder.LITTLE_ENDIAN).putLong(0x318, 0x77);
    IgvmBuilder b = IgvmBuilder.flat(code, 1).context(area, 1, 1, second.array());
    MachineSpec o = spec(b.build()).processors(2).build();
    SnpGuest g = SnpGuest.run(o, Execution.STANDARD).ended();
    assertThat(g.machine().launchDigest()).isEqualTo(planned(o));
    assertThatThrownBy(() -> new Machine(spec(b.build()).build()))
        .isInstanceOf(BootException.class)
        .hasMessageContaining("processor 1", "-smp");
  }

  @Test
  void parametersTellOfTheMachine() throws Exception {
    IgvmBuilder b =
        IgvmBuilder.flat(
                SnpGuest.code("begin:\nmov esi, " + PARAMETERS + "\nmov ecx, 0x1c0\n" + COPY), 1)
            .area(7, 4096, new byte[0])
            .parameter(0x307, 7, 0)
            .parameter(0x313, 7, 4)
            .parameter(0x30E, 7, 8)
            .parameter(0x30C, 7, 0x40)
            .parameter(0x30A, 7, 0x80)
            .parameter(0x309, 7, 0x100)
            .parameter(0x310, 7, 0x180)
            .parameter(0x308, 7, 0x200)
            .parameter(0x30F, 7, 0x340)
            .parameter(0x312, 7, 0x400)
            .insert(PARAMETERS, 7);
    MachineSpec o = spec(b.build()).processors(3).append("a=b c").build();
    SnpGuest g = SnpGuest.run(o, Execution.STANDARD).ended();
    assertThat(g.machine().launchDigest()).isEqualTo(planned(o));
    ByteBuffer p = ByteBuffer.allocate(0xE00).order(ByteOrder.LITTLE_ENDIAN);
    for (int i = 0; i < p.capacity() / 8; i++) {
      p.putLong(8 * i, g.result(i));
    }
    assertThat(p.getInt(0)).as("processors").isEqualTo(3);
    assertThat(p.getInt(4)).as("memory is the host's").isEqualTo(1);
    assertThat(text(p, 8, 6)).isEqualTo("a=b c\0");
    assertThat(p.getLong(0x40)).as("first page of RAM").isZero();
    assertThat(p.getLong(0x48)).as("pages of RAM").isEqualTo(4096);
    assertThat(p.getLong(0x50)).as("type").isZero();
    assertThat(p.getLong(0x60)).as("end of the map").isZero();
    assertThat(p.getLong(0x80)).as("window below 4 GiB").isEqualTo(0x8_0000);
    assertThat(p.getLong(0x88)).isEqualTo(0x7_EC00);
    assertTable(p, 0x100, "APIC", 106);
    assertTable(p, 0x180, "PPTT", 36 + 4 * 20);
    assertThat(p.getInt(0x180 + 36 + 4)).as("flags of the package").isEqualTo(1);
    assertThat(p.getInt(0x180 + 36 + 3 * 20 + 8)).as("whose the last one is").isEqualTo(36);
    assertThat(p.getInt(0x180 + 36 + 3 * 20 + 12)).as("the last processor").isEqualTo(2);
    assertTable(p, 0x200, "SRAT", 48 + 3 * 16 + 40);
    assertThat(p.getLong(0x200 + 48 + 3 * 16 + 16)).as("memory").isEqualTo(16 << 20);
    assertTable(p, 0x340, "SLIT", 45);
    assertThat(p.getLong(0x340 + 36)).as("localities").isEqualTo(1);
    assertThat(p.get(0x340 + 44)).as("distance").isEqualTo((byte) 10);
    ByteBuffer tree = p.slice(0x400, 0xA00).order(ByteOrder.BIG_ENDIAN);
    assertThat(tree.getInt(0)).isEqualTo(0xD00D_FEED);
    int total = tree.getInt(4);
    String words = text(p, 0x400, total);
    assertThat(words).contains("bootargs", "a=b c", "cpu@2", "memory@0").doesNotContain("cpu@3");
    assertThat(tree.getInt(tree.getInt(8) + tree.getInt(36) - 4)).as("FDT_END").isEqualTo(9);
  }

  private static void assertTable(ByteBuffer p, int at, String signature, int length) {
    assertThat(text(p, at, 4)).isEqualTo(signature);
    assertThat(p.getInt(at + 4)).as(signature).isEqualTo(length);
    byte sum = 0;
    for (int i = 0; i < length; i++) {
      sum = (byte) (sum + p.get(at + i));
    }
    assertThat(sum).as("sum of the " + signature).isZero();
  }

  private static String text(ByteBuffer b, int at, int n) {
    return new String(b.array(), at, n, StandardCharsets.ISO_8859_1);
  }

  /** Secrets and CPUID page are the firmware's and the host's; a shared page is the host's. */
  @Test
  void pagesOfEveryKindAreWhatTheyAreCalled() throws Exception {
    byte[] shared = new byte[4096];
    shared[0] = 0x5A;
    String source =
        """
        begin:
            mov rbx, SHARED
            mov eax, [0x400000]
            mov [rbx+RESULTS], rax
            mov rax, [0x400020]
            mov [rbx+RESULTS+8], rax
            mov eax, [0x401000]
            mov [rbx+RESULTS+16], rax
            mov rax, [rbx+0x402000]
            mov [rbx+RESULTS+24], rax
            mov rax, [0x403000]
            mov [rbx+RESULTS+32], rax
            jmp end
        """;
    byte[] unmeasured = new byte[4096];
    unmeasured[1] = 1;
    IgvmBuilder b =
        IgvmBuilder.flat(SnpGuest.code(source), 1)
            .page(0x40_0000, 1, 0, 1, new byte[0])
            .page(0x40_1000, 1, 0, 2, new byte[4096])
            .page(0x40_2000, 1, 4, 0, shared)
            .page(0x40_3000, 1, 2, 0, unmeasured)
            .page(0x40_4000, 2, 0, 9, new byte[0]);
    MachineSpec o = spec(b.build()).build();
    SnpGuest g = SnpGuest.run(o, Execution.STANDARD).ended();
    assertThat(g.machine().launchDigest()).isEqualTo(planned(o));
    assertThat(g.result(0)).as("version of the secrets page").isEqualTo(3);
    assertThat(g.result(1)).as("VMPCK0").isNotZero();
    assertThat(g.result(2)).as("leaves of the CPUID page").isBetween(1L, 64L);
    assertThat(g.result(3)).as("shared").isEqualTo(0x5A);
    assertThat(g.result(4)).as("unmeasured").isEqualTo(0x100);
    unmeasured[1] = 2;
    IgvmBuilder other =
        IgvmBuilder.flat(SnpGuest.code(source), 1)
            .page(0x40_0000, 1, 0, 1, new byte[0])
            .page(0x40_1000, 1, 0, 2, new byte[4096])
            .page(0x40_3000, 1, 2, 0, unmeasured);
    assertThat(planned(spec(other.build()).build()))
        .as("what is not measured")
        .isEqualTo(planned(o));
  }

  /** Pages may lie where firmware does, and are memory there. */
  @Test
  void pagesBelow4GigabytesAreMemory() throws Exception {
    String source =
        """
        begin:
            mov rdi, 0x80000ffe00083
            mov [0x12ff8], rdi
            mov rdi, cr3
            mov cr3, rdi
            mov edi, 0x3ffff000
            mov rax, [rdi]
            mov rbx, SHARED
            mov [rbx+RESULTS], rax
            inc qword [rdi]
            mov rax, [rdi]
            mov [rbx+RESULTS+8], rax
            jmp end
        """;
    byte[] top = new byte[4096];
    top[0] = 0x21;
    IgvmBuilder b = IgvmBuilder.flat(SnpGuest.code(source), 1).page(0xFFFF_F000L, 1, 0, 0, top);
    SnpGuest g = run(b).ended();
    assertThat(g.result(0)).isEqualTo(0x21);
    assertThat(g.result(1)).isEqualTo(0x22);
  }

  @Test
  void policyFeaturesAndIdBlockAreTheFiles() throws Exception {
    byte[] code = SnpGuest.code("begin: jmp end");
    IdKey key = IdKey.of(BigInteger.valueOf(77));
    MachineSpec plain = spec(IgvmBuilder.flat(code, 0x21).build()).build();
    byte[] digest = LaunchPlan.of(plain).digest();
    IdBlock block = new IdBlock(digest, new byte[16], new byte[16], 1, 5, SnpPolicy.DEFAULT);
    byte[] by = IdAuthentication.of(block, key, null).encode();
    byte[] whole = IgvmBuilder.flat(code, 0x21).idBlock(block.encode(), by).build();
    SnpGuest g = SnpGuest.run(spec(whole).build(), Execution.STANDARD).ended();
    SnpLaunch l = g.machine().spec().snp();
    assertThat(l.features()).isEqualTo(0x21);
    assertThat(l.policy().bits()).isEqualTo(0x3_0000);
    assertThat(l.idBlock()).isNotNull();
    digest[0] ^= 1;
    byte[] wrong =
        IgvmBuilder.flat(code, 0x21)
            .idBlock(
                new IdBlock(digest, new byte[16], new byte[16], 1, 5, SnpPolicy.DEFAULT).encode(),
                by)
            .build();
    assertThatThrownBy(() -> new Machine(spec(wrong).build()))
        .isInstanceOf(CommandFailed.class)
        .hasMessageContaining("BAD_MEASUREMENT");
    SnpLaunch other = SnpLaunch.DEFAULT.withPolicy(new SnpPolicy(0xB_0000));
    assertThatThrownBy(() -> new Machine(spec(whole).snp(other).build()))
        .hasMessageContaining("--policy");
    assertThatThrownBy(() -> new Machine(spec(whole).snp(l.withFeatures(9)).build()))
        .hasMessageContaining("--guest-features");
  }

  /** Without SEV the registers are those of IgvmNativeVpContextX64. */
  @Test
  void aNativeGuestRuns() throws Exception {
    byte[] code =
        new Assembler(IgvmBuilder.CODE, 32)
            .add("mov dx, 0xf4\nmov eax, ebx\nout dx, al\nstay: jmp stay")
            .finish();
    ByteBuffer r = ByteBuffer.allocate(4096).order(ByteOrder.LITTLE_ENDIAN);
    r.putLong(0x18, 0x15).putLong(0x80, IgvmBuilder.CODE).putLong(0x88, 2);
    r.putShort(0xA8, (short) 8).putShort(0xAA, (short) 0xC09B).putInt(0xB0, -1);
    r.putShort(0xB4, (short) 16).putShort(0xB6, (short) 0xC093).putInt(0xBC, -1);
    r.putLong(0xC8, 0x31);
    byte[] file =
        new IgvmBuilder(2)
            .platform(2, 0, 0)
            .platform(1, 0, 2)
            .pages(IgvmBuilder.CODE, code)
            .context(0, 2, 0, r.array())
            .build();
    try (Machine m = new Machine(spec(file).mode(SevMode.OFF).build())) {
      m.limit(100_000, Long.MAX_VALUE);
      assertThat(m.run().guestValue()).isEqualTo(0x15);
    }
    assertThatThrownBy(() -> new Machine(spec(file).mode(SevMode.ES).build()))
        .hasMessageContaining("SEV_ES (5)", "NATIVE (0), SEV_SNP (2)");
  }

  /** SEV-ES takes a save area, SEV registers as a native guest's; unmeasured pages stay shared. */
  @ParameterizedTest
  @CsvSource({"SEV, 4", "ES, 5"})
  void guestsOfTheOlderKindsRun(SevMode mode, int number) throws Exception {
    byte[] code =
        new Assembler(IgvmBuilder.CODE, 64)
            .add(
                """
                    mov rbx, 0x8000000000083
                    mov [0x12ff8], rbx
                    btr qword [0x12ff8], 51
                    mov rcx, cr3
                    mov cr3, rcx
                    mov eax, 0x3fe00000+0x40000
                    mov eax, [rax]
                    mov ebx, eax
                    %s
                stay:
                    jmp stay
                """
                    .formatted(
                        mode == SevMode.SEV
                            ? "mov dx, 0xf4\nmov eax, ebx\nout dx, al"
                            : "mov eax, ebx\nshl eax, 16\nor eax, 0x100\nxor edx, edx\nmov ecx, 0xc0010130\nwrmsr\nvmgexit"))
            .finish();
    ByteBuffer r = ByteBuffer.allocate(4096).order(ByteOrder.LITTLE_ENDIAN);
    r.putLong(0x80, IgvmBuilder.CODE).putLong(0x88, 2);
    r.putShort(0xA8, (short) 16).putShort(0xAA, (short) 0xA09B).putInt(0xB0, -1);
    r.putShort(0xB4, (short) 24).putShort(0xB6, (short) 0xC093).putInt(0xBC, -1);
    r.putLong(0xC8, 0x8000_0031L).putLong(0xD0, 0x1_0000).putLong(0xD8, 0x20).putLong(0xE0, 0x500);
    byte[] told = new byte[4096];
    told[0] = 0x23;
    byte[] registers = mode == SevMode.SEV ? r.array() : IgvmBuilder.area(IgvmBuilder.CODE, 0);
    byte[] file =
        new IgvmBuilder(2)
            .platform(1, 0, number)
            .page(0x4_0000, 1, 2, 0, told)
            .pages(IgvmBuilder.CODE, code)
            .pages(0x1_0000, IgvmBuilder.tables())
            .context(0, 1, 0, registers)
            .build();
    try (Machine m = new Machine(spec(file).mode(mode).build())) {
      m.limit(100_000, Long.MAX_VALUE);
      Outcome end = m.run();
      assertThat(m.launchDigest()).isEqualTo(planned(spec(file).mode(mode).build()));
      if (mode == SevMode.SEV) {
        assertThat(end.guestValue()).isEqualTo(0x23);
      } else {
        assertThat(end.reason()).contains("code 35");
      }
    }
  }
}
