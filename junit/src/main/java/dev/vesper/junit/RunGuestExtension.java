package dev.vesper.junit;

import dev.vesper.machine.spec.BootException;
import dev.vesper.machine.spec.SevMode;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Locale;
import org.junit.jupiter.api.extension.ExtensionContext;
import org.junit.jupiter.api.extension.ParameterContext;
import org.junit.jupiter.api.extension.ParameterResolutionException;
import org.junit.jupiter.api.extension.ParameterResolver;

/** Resolves {@link GuestRun} parameters of methods annotated with {@link RunGuest}. */
public final class RunGuestExtension implements ParameterResolver {
  @Override
  public boolean supportsParameter(ParameterContext parameter, ExtensionContext context) {
    return parameter.getParameter().getType() == GuestRun.class;
  }

  @Override
  public Object resolveParameter(ParameterContext parameter, ExtensionContext context) {
    RunGuest r = context.getRequiredTestMethod().getAnnotation(RunGuest.class);
    try {
      SevMode mode = SevMode.valueOf(r.sev().toUpperCase(Locale.ROOT));
      return GuestRun.of(mode, Files.readAllBytes(Path.of(r.image())), r.limit());
    } catch (IOException | BootException e) {
      throw new ParameterResolutionException("cannot run " + r.image(), e);
    }
  }
}
