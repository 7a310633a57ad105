package dev.vesper.junit;

import dev.vesper.machine.spec.SevMode;
import java.lang.reflect.AnnotatedElement;
import java.util.Arrays;
import java.util.List;
import java.util.Locale;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.extension.ClassTemplateInvocationContext;
import org.junit.jupiter.api.extension.ClassTemplateInvocationContextProvider;
import org.junit.jupiter.api.extension.Extension;
import org.junit.jupiter.api.extension.ExtensionContext;
import org.junit.jupiter.api.extension.ExtensionContext.Namespace;
import org.junit.jupiter.api.extension.ParameterContext;
import org.junit.jupiter.api.extension.ParameterResolver;
import org.junit.jupiter.api.extension.TestTemplateInvocationContext;
import org.junit.jupiter.api.extension.TestTemplateInvocationContextProvider;
import org.junit.platform.commons.support.AnnotationSupport;

/** Runs what {@link SevModes} stands on once for each mode; there is nothing to call. */
public final class SevModesExtension
    implements TestTemplateInvocationContextProvider,
        ClassTemplateInvocationContextProvider,
        ParameterResolver {
  private static final Namespace SPACE = Namespace.create(SevModesExtension.class);

  /** For JUnit. */
  public SevModesExtension() {}

  /** {@return the mode of the invocation that a context belongs to, or null} */
  static @Nullable SevMode of(ExtensionContext context) {
    return context.getStore(SPACE).get(SevMode.class, SevMode.class);
  }

  private record Invocation(SevMode mode)
      implements TestTemplateInvocationContext, ClassTemplateInvocationContext {
    @Override
    public String getDisplayName(int number) {
      return mode.name().toLowerCase(Locale.ROOT);
    }

    @Override
    public List<Extension> getAdditionalExtensions() {
      return List.of();
    }

    @Override
    public void prepareInvocation(ExtensionContext context) {
      context.getStore(SPACE).put(SevMode.class, mode);
    }
  }

  private static boolean annotated(@Nullable AnnotatedElement e) {
    return AnnotationSupport.isAnnotated(e, SevModes.class);
  }

  private static Stream<Invocation> invocations(@Nullable AnnotatedElement e) {
    return AnnotationSupport.findAnnotation(e, SevModes.class).stream()
        .flatMap(m -> Arrays.stream(m.value()))
        .map(Invocation::new);
  }

  @Override
  public boolean supportsTestTemplate(ExtensionContext context) {
    return annotated(context.getRequiredTestMethod());
  }

  @Override
  public Stream<? extends TestTemplateInvocationContext> provideTestTemplateInvocationContexts(
      ExtensionContext context) {
    return invocations(context.getRequiredTestMethod());
  }

  @Override
  public boolean supportsClassTemplate(ExtensionContext context) {
    return annotated(context.getRequiredTestClass());
  }

  @Override
  public Stream<? extends ClassTemplateInvocationContext> provideClassTemplateInvocationContexts(
      ExtensionContext context) {
    return invocations(context.getRequiredTestClass());
  }

  @Override
  public boolean supportsParameter(ParameterContext parameter, ExtensionContext context) {
    return parameter.getParameter().getType() == SevMode.class && of(context) != null;
  }

  @Override
  public @Nullable Object resolveParameter(ParameterContext parameter, ExtensionContext context) {
    return of(context);
  }
}
