package dev.vesper.machine.model;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

/** Descriptions of processors. */
final class CpuModelTest {
  @Test
  void aModelHasTheAddressesThatItIsGiven() {
    assertThat(CpuModel.named("EPYC-Milan").leaf(0x8000_0008, 0).eax()).isEqualTo(0x3030);
    CpuModel m = CpuModel.named("EPYC-Milan,phys-bits=40,-pku");
    assertThat(m.leaf(0x8000_0008, 0).eax()).isEqualTo(0x3028);
    assertThat(m.has("pku")).isFalse();
  }

  @ParameterizedTest
  @ValueSource(strings = {"phys-bits=", "phys-bits=35", "phys-bits=53", "phys-bits=0x28"})
  void otherWidthsAreRefused(String option) {
    assertThatThrownBy(() -> CpuModel.named("vesper-min," + option))
        .isInstanceOf(IllegalArgumentException.class)
        .hasMessage(option + ": physical addresses have 36 to 52 bits");
  }

  /**
   * Leaf 0xD: subleaf, size and offset. Milan and Genoa as firmware 1.55 wants them in a CPUID page
   * (spec: snp 5.1), which are what a Zen 5 answers where a Genoa has the component.
   */
  @ParameterizedTest
  @CsvSource({
    "EPYC-v4, 0, 7, 340", "EPYC-v4, 2, 100, 240", "EPYC-v4, 9, 0, 0",
    "EPYC-Milan, 0, 207, 988", "EPYC-Milan, 2, 100, 240", "EPYC-Milan, 9, 8, 980",
    "EPYC-Genoa, 0, 2e7, 988", "EPYC-Genoa, 2, 100, 240", "EPYC-Genoa, 5, 40, 340",
    "EPYC-Genoa, 6, 200, 380", "EPYC-Genoa, 7, 400, 580", "EPYC-Genoa, 9, 8, 980",
    "EPYC-Turin, 0, 2e7, 988", "EPYC-Turin, 2, 100, 240", "EPYC-Turin, 5, 40, 340",
    "EPYC-Turin, 6, 200, 380", "EPYC-Turin, 7, 400, 580", "EPYC-Turin, 9, 8, 980"
  })
  void componentsOfXsaveAreThoseOfTheProcessor(String model, int subleaf, String eax, String ebx) {
    CpuModel.Leaf l = CpuModel.named(model).leaf(0xD, subleaf);
    assertThat(Integer.toHexString(l.eax())).isEqualTo(eax);
    assertThat(Integer.toHexString(l.ebx())).isEqualTo(ebx);
  }

  @Test
  void anUnknownFeatureIsNamed() {
    assertThatThrownBy(() -> CpuModel.named("vesper-min,xsave"))
        .isInstanceOf(IllegalArgumentException.class)
        .hasMessageContaining("no CPU feature 'xsave'");
  }
}
