package dev.vesper.machine.cpu.emit;

import org.junit.jupiter.api.extension.AfterAllCallback;
import org.junit.jupiter.api.extension.BeforeAllCallback;
import org.junit.jupiter.api.extension.ExtensionContext;

/** Has {@link EmissionVerifier} look at all native code that the tests of a class make. */
public final class VerifiedEmission implements BeforeAllCallback, AfterAllCallback {
  @Override
  public void beforeAll(ExtensionContext context) {
    NativeCode.inspector = EmissionVerifier.inspector(() -> {});
  }

  @Override
  public void afterAll(ExtensionContext context) {
    NativeCode.inspector = null;
  }
}
