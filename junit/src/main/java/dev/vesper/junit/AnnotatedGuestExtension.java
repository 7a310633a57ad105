package dev.vesper.junit;

import dev.vesper.machine.spec.MachineSpec;
import java.util.List;
import org.junit.jupiter.api.extension.ExtensionContext;
import org.junit.jupiter.api.extension.ExtensionContext.Namespace;

/** What {@link SevGuest} registers; there is nothing to call. */
public final class AnnotatedGuestExtension extends GuestExtension {
  private static final GuestSetup NOTHING = new GuestSetup() {};

  /** For JUnit. */
  public AnnotatedGuestExtension() {
    super(Namespace.create(AnnotatedGuestExtension.class));
  }

  @Override
  boolean supports(List<SevGuest> layers) {
    return !layers.isEmpty();
  }

  @Override
  String subject() {
    return "@SevGuest";
  }

  @Override
  GuestPlan.Held make(List<SevGuest> layers, ExtensionContext context) {
    AnnotatedGuest a = new AnnotatedGuest(layers, context);
    MachineSpec.Builder b = MachineSpec.builder();
    try {
      a.describe(b);
    } catch (Misuse e) {
      GuestPlan.close(b.build());
      throw e;
    }
    return hold(a.plan(), b, NOTHING, context);
  }
}
