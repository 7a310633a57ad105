package dev.vesper.junit;

import dev.vesper.machine.Machine;
import dev.vesper.machine.spec.MachineSpec;
import java.nio.file.Path;
import java.util.List;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.extension.AfterAllCallback;
import org.junit.jupiter.api.extension.AfterTestExecutionCallback;
import org.junit.jupiter.api.extension.ExtensionContext;
import org.junit.jupiter.api.extension.ExtensionContext.Namespace;
import org.junit.jupiter.api.extension.LifecycleMethodExecutionExceptionHandler;
import org.junit.jupiter.api.extension.ParameterContext;
import org.junit.jupiter.api.extension.ParameterResolutionException;
import org.junit.jupiter.api.extension.ParameterResolver;
import org.junit.jupiter.api.extension.TestExecutionExceptionHandler;

/**
 * What guests by annotation and guests of a field have in common: who gets them, what is said when
 * a test fails, and that they are closed.
 */
abstract sealed class GuestExtension
    implements ParameterResolver,
        AfterTestExecutionCallback,
        AfterAllCallback,
        TestExecutionExceptionHandler,
        LifecycleMethodExecutionExceptionHandler
    permits AnnotatedGuestExtension, SevGuestExtension {
  /** Which guest it is: what it was described by. */
  private record Key(Class<?> type, List<SevGuest> layers, @Nullable Object mode) {}

  /** A guest; the store would close a machine itself, in another order. */
  private record Value(Object it) {}

  private final Namespace space;

  /**
   * @param space where guests are kept
   */
  GuestExtension(Namespace space) {
    this.space = space;
  }

  /** {@return whether a parameter with these annotations is one of this extension} */
  abstract boolean supports(List<SevGuest> layers);

  /** {@return a guest by annotations} */
  abstract GuestPlan.Held make(List<SevGuest> layers, ExtensionContext context);

  /** {@return what it is called in messages} */
  abstract String subject();

  // ---- parameters

  @Override
  public ExtensionContextScope getTestInstantiationExtensionContextScope(ExtensionContext root) {
    return ExtensionContextScope.TEST_METHOD;
  }

  @Override
  public boolean supportsParameter(ParameterContext parameter, ExtensionContext context) {
    Class<?> type = parameter.getParameter().getType();
    return (type == Machine.class || type == GuestRun.class)
        && supports(Layers.of(parameter, context));
  }

  @Override
  public Object resolveParameter(ParameterContext parameter, ExtensionContext context) {
    List<SevGuest> layers = Layers.of(parameter, context);
    Class<?> type = parameter.getParameter().getType();
    Key key = new Key(type, layers, SevModesExtension.of(context));
    try {
      return context
          .getStore(space)
          .computeIfAbsent(
              key,
              k -> {
                GuestPlan.Held h = make(layers, context);
                return new Value(type == Machine.class ? h.machine() : GuestPlan.run(h));
              },
              Value.class)
          .it;
    } catch (Misuse e) {
      String message = message(e, context);
      Throwable cause = e.getCause();
      throw Misuse.bare(
          cause == null
              ? new ParameterResolutionException(message)
              : new ParameterResolutionException(message, cause));
    }
  }

  /** {@return a guest that belongs to a test or class} */
  final GuestPlan.Held hold(
      GuestPlan p, MachineSpec.Builder spec, GuestSetup more, ExtensionContext context) {
    Path page = Pages.next(context);
    GuestPlan.Held h = p.hold(spec, more, SevModesExtension.of(context), page);
    h.recording().page(page);
    Guests.of(context, space).add(h, p.check);
    return h;
  }

  /** {@return a message that names the test} */
  final String message(Misuse e, ExtensionContext context) {
    return subject()
        + " of "
        + context.getRequiredTestClass().getSimpleName()
        + context.getTestMethod().map(m -> "." + m.getName()).orElse("")
        + ": "
        + e.getMessage();
  }

  // ---- the life of a test

  @Override
  public void afterTestExecution(ExtensionContext context) {
    if (context.getExecutionException().isEmpty()) {
      Guests.judge(context, space);
    }
  }

  @Override
  public void afterAll(ExtensionContext context) {
    if (context.getExecutionException().isEmpty()) {
      Guests.judge(context, space);
    }
  }

  private void explain(ExtensionContext context, Throwable failure) throws Throwable {
    Guests.explain(failure, context, space);
    throw failure;
  }

  @Override
  public void handleTestExecutionException(ExtensionContext context, Throwable failure)
      throws Throwable {
    explain(context, failure);
  }

  @Override
  public void handleBeforeAllMethodExecutionException(ExtensionContext context, Throwable failure)
      throws Throwable {
    explain(context, failure);
  }

  @Override
  public void handleBeforeEachMethodExecutionException(ExtensionContext context, Throwable failure)
      throws Throwable {
    explain(context, failure);
  }

  @Override
  public void handleAfterEachMethodExecutionException(ExtensionContext context, Throwable failure)
      throws Throwable {
    explain(context, failure);
  }

  @Override
  public void handleAfterAllMethodExecutionException(ExtensionContext context, Throwable failure)
      throws Throwable {
    explain(context, failure);
  }
}
