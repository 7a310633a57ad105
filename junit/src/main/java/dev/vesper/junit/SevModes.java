package dev.vesper.junit;

import dev.vesper.machine.spec.SevMode;
import java.lang.annotation.Documented;
import java.lang.annotation.ElementType;
import java.lang.annotation.Inherited;
import java.lang.annotation.Retention;
import java.lang.annotation.RetentionPolicy;
import java.lang.annotation.Target;
import org.junit.jupiter.api.ClassTemplate;
import org.junit.jupiter.api.TestTemplate;
import org.junit.jupiter.api.extension.ExtendWith;

/**
 * Runs a test, or all tests of a class, once with each of several protections of the guest. On a
 * method it takes the place of {@code @Test}. A parameter of type {@link SevMode} is told which.
 *
 * {@snippet :
 * @SevModes
 * @SevGuest(kernel = "guest.elf")
 * void ends(SevMode mode, GuestRun run) {
 *   assertThat(run).exited(33);
 * }
 * }
 */
@Target({ElementType.TYPE, ElementType.METHOD})
@Retention(RetentionPolicy.RUNTIME)
@Inherited
@Documented
@TestTemplate
@ClassTemplate
@ExtendWith(SevModesExtension.class)
public @interface SevModes {
  /** {@return the protections, in order} */
  SevMode[] value() default {SevMode.OFF, SevMode.SEV, SevMode.ES};
}
