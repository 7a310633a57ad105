package dev.vesper.machine.cpu.emit;

import java.util.concurrent.atomic.AtomicLong;
import org.junit.jupiter.api.extension.AfterAllCallback;
import org.junit.jupiter.api.extension.BeforeAllCallback;
import org.junit.jupiter.api.extension.ExtensionContext;

/** Has {@link EmissionVerifier} look at all native code that the tests of a class make. */
public final class VerifiedEmission implements BeforeAllCallback, AfterAllCallback {
  private static final AtomicLong COUNT = new AtomicLong();

  /** {@return blocks that were verified so far} */
  public static long count() {
    return COUNT.get();
  }

  @Override
  public void beforeAll(ExtensionContext context) {
    NativeCode.inspector = EmissionVerifier.inspector(COUNT::incrementAndGet);
  }

  @Override
  public void afterAll(ExtensionContext context) {
    NativeCode.inspector = null;
  }
}
