package dev.vesper.ghcb;

import static org.assertj.core.api.Assertions.assertThat;

import java.lang.reflect.Field;
import java.util.Set;
import java.util.stream.IntStream;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/** Constants, names and the way back from a name are one table. */
class ExitCodeTest {
  /** The one constant that is shorter than its name in the standard. */
  private static final Set<String> SHORTER = Set.of("HV_FEATURES");

  static Stream<Field> constants() {
    return Stream.of(ExitCode.class.getFields()).filter(f -> !SHORTER.contains(f.getName()));
  }

  @ParameterizedTest
  @MethodSource("constants")
  void aConstantIsCalledAsItsCodeIsNamed(Field constant) throws IllegalAccessException {
    int code = constant.getInt(null);
    String kind = code < 0x8000_0000 + 0x1_0000 ? "SVM_VMGEXIT_" : "SVM_VMEXIT_";
    assertThat(ExitCode.name(code)).isEqualTo(kind + constant.getName());
  }

  @Test
  void everyNameLeadsBackToItsCode() {
    IntStream.range(-0x10, 0x500)
        .forEach(code -> assertThat(ExitCode.of(ExitCode.name(code))).hasValue(code));
  }
}
