package dev.vesper.machine.igvm;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.vesper.fixtures.IgvmBuilder;
import dev.vesper.machine.spec.BootException;
import java.util.Arrays;
import java.util.List;
import org.junit.jupiter.api.Test;

/** What IGVM files are refused for, and what their headers are said to be. */
final class IgvmFileTest {
  private static final byte[] NONE = {};

  private static IgvmBuilder snp() {
    return IgvmBuilder.snp();
  }

  private static void refused(byte[] file, String... words) {
    assertThatThrownBy(() -> IgvmFile.parse(file))
        .isInstanceOf(BootException.class)
        .hasMessageStartingWith("the IGVM file ")
        .hasMessageContainingAll(words);
  }

  private static byte[] changed(int at, int to) {
    byte[] b = snp().build();
    b[at] = (byte) to;
    return b;
  }

  @Test
  void fixedHeadersThatAreWrongAreRefused() {
    refused(NONE, "begin with");
    refused(new byte[100], "begin with");
    refused(changed(4, 3), "version 0x3", "1 and 2");
    refused(changed(8, 4), "headers lie at 0x4");
    refused(changed(13, 9), "lie outside");
    refused(changed(30, 9), "CRC-32");
    refused(Arrays.copyOf(snp().build(), 60), "it has 48 bytes, and has 60");
    byte[] arm = new IgvmBuilder(2).platform(1, 0, 2).build();
    arm[24] = 1;
    refused(arm, "architecture 1");
  }

  @Test
  void headersThatAreNotKnownAreRefusedOrPassedOver() throws BootException {
    refused(snp().header(0x3FE, new byte[8]).build(), "0x3fe", "not known");
    assertThat(IgvmFile.parse(snp().header(0x8000_03FE, new byte[5]).build()).headers())
        .last()
        .isEqualTo(new IgvmHeader.Unknown(0x8000_03FEL, 5));
    refused(snp().header(0x302, new byte[16]).build(), "PAGE_DATA (0x302)", "16 bytes, not 24");
  }

  @Test
  void headersComeInTheirOrder() {
    refused(snp().range(0x305, 0, 0).policy(0).build(), "GUEST_POLICY (0x101)", "come before");
    refused(snp().range(0x305, 0, 0).header(0x104, new byte[16]).build(), "CORIM_DOCUMENT (0x104)");
    refused(snp().policy(0).platform(2, 0, 0).build(), "SUPPORTED_PLATFORM (0x1)");
    refused(new IgvmBuilder(1).policy(0).build(), "no platform");
    refused(snp().platform(2, 0, 2).build(), "SEV_SNP (2) twice");
    refused(new IgvmBuilder(1).platform(3, 0, 2).build(), "mask 0x3");
  }

  @Test
  void areasAreUsedBetweenTheirBeginAndTheirEnd() {
    refused(snp().parameter(0x307, 4, 0).build(), "area 4 before", "VP_COUNT_PARAMETER (0x307)");
    refused(snp().insert(0, 4).build(), "area 4 before", "PARAMETER_INSERT (0x303)");
    IgvmBuilder two = snp().area(4, 4096, NONE).insert(0, 4).insert(0x1000, 4);
    refused(two.build(), "area 4 after");
    refused(snp().area(4, 4096, NONE).area(4, 4096, NONE).build(), "area 4 twice");
    refused(snp().area(4, 100, NONE).build(), "0x64 bytes");
    for (long length : new long[] {0x400_1000, 0x8000_0000L, 0x1_0000_0000L, -4096}) {
      refused(snp().area(4, length, NONE).build(), "0x" + Long.toHexString(length) + " bytes");
    }
  }

  @Test
  void everyHeaderHasALine() throws BootException {
    byte[] area = IgvmBuilder.area(IgvmBuilder.CODE, 1);
    byte[] block = new byte[0x60];
    block[0] = 0x77;
    block[0x50] = 1;
    byte[] file =
        new IgvmBuilder(1)
            .platform(1, 2, 2)
            .platform(2, 0, 77)
            .policy(0x3_0000)
            .relocatable(0x1000, 0x2000)
            .header(0x104, new byte[16])
            .area(3, 8192, new byte[8192])
            .parameter(0x309, 3, 16)
            .insert(0x9000, 3)
            .pages(0x1000, new byte[3 * 4096])
            .page(0x4000, 1, 2, 0, new byte[4096])
            .page(0x5000, 1, 0, 0, NONE)
            .page(0x20_0000, 1, 1, 0, NONE)
            .page(0x6000, 1, 0, 1, NONE)
            .context(0, area)
            .range(0x305, 0x8000, 4096)
            .range(0x30D, 0xA000, 4096)
            .idBlock(block, new byte[4096])
            .header(0x8000_0999, new byte[3])
            .build();
    assertThat(IgvmListing.of(IgvmFile.parse(file)))
        .containsExactlyElementsOf(
            List.of(
                "IGVM format version 1, 20 headers",
                "SUPPORTED_PLATFORM (0x1) for 0x1: SEV_SNP (2) version 1, highest VTL 2",
                "SUPPORTED_PLATFORM (0x1) for 0x2: platform 77 version 1",
                "GUEST_POLICY (0x101) for all: 0x30000 (SMT RESERVED_1)",
                "RELOCATABLE_REGION (0x102) for all: 0x1000 to 0x3000 may be put elsewhere, and is"
                    + " left there",
                "CORIM_DOCUMENT (0x104) for 0x0: says nothing to a loader for AMD's processors",
                "PARAMETER_AREA (0x301) for all: area 3, 8192 bytes, at first what lies at 0x4f8",
                "MADT (0x309) for all: into area 3 at 0x10",
                "PARAMETER_INSERT (0x303) for all: area 3 at 0x9000",
                "PAGE_DATA (0x302) for all: 0x1000 to 0x4000, 3 pages: normal",
                "PAGE_DATA (0x302) for 0x1: 0x4000 to 0x5000, 1 page: normal, unmeasured",
                "PAGE_DATA (0x302) for 0x1: 0x5000 to 0x6000, 1 page: normal, zeros",
                "PAGE_DATA (0x302) for 0x1: 0x200000 to 0x400000, 1 page: normal, 2 MiB, zeros",
                "PAGE_DATA (0x302) for 0x1: 0x6000 to 0x7000, 1 page: secrets",
                "VP_CONTEXT (0x304) for 0x1: registers of processor 0, save area at"
                    + " 0xfffffffff000",
                "REQUIRED_MEMORY (0x305) for all: 0x8000 to 0x9000 must be memory",
                "ERROR_RANGE (0x30d) for all: 0xa000 to 0xb000 is shared, for reports of errors",
                "SNP_ID_BLOCK (0x30b) for 0x1: launch digest 77"
                    + "00".repeat(47)
                    + ", family "
                    + "00".repeat(16)
                    + ", image "
                    + "00".repeat(16)
                    + ", security version 0",
                "header of type 0x80000999, 3 bytes: may be passed over"));
  }
}
