package dev.vesper.machine.model;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
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

  @Test
  void anUnknownFeatureIsNamed() {
    assertThatThrownBy(() -> CpuModel.named("vesper-min,xsave"))
        .isInstanceOf(IllegalArgumentException.class)
        .hasMessageContaining("no CPU feature 'xsave'");
  }
}
