package dev.vesper.junit;

import java.lang.annotation.ElementType;
import java.lang.annotation.Retention;
import java.lang.annotation.RetentionPolicy;
import java.lang.annotation.Target;
import org.junit.jupiter.api.extension.ExtendWith;

/** Runs an image before the test and hands the {@link GuestRun} to a parameter of that type. */
@Target(ElementType.METHOD)
@Retention(RetentionPolicy.RUNTIME)
@ExtendWith(RunGuestExtension.class)
public @interface RunGuest {
  /** {@return path of the image} */
  String image();

  /** {@return off, sev or es} */
  String sev() default "es";

  /** {@return most instructions to execute} */
  long limit() default 2_000_000_000L;
}
