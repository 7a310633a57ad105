package dev.vesper.junit;

import java.lang.annotation.Annotation;
import java.lang.reflect.AnnotatedElement;
import java.lang.reflect.Method;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Set;
import org.junit.jupiter.api.extension.ExtensionContext;
import org.junit.jupiter.api.extension.ParameterContext;

/** Where {@link SevGuest} is said, the nearest first. */
final class Layers {
  private final List<SevGuest> found = new ArrayList<>();
  private final Set<Class<?>> seen = new HashSet<>();

  private Layers() {}

  /** {@return what is said of a parameter} */
  static List<SevGuest> of(ParameterContext parameter, ExtensionContext context) {
    Layers l = new Layers();
    l.add(parameter.getAnnotatedElement());
    Method test = context.getTestMethod().orElse(null);
    if (parameter.getDeclaringExecutable() instanceof Method m && !m.equals(test)) {
      l.add(m);
    }
    if (test != null) {
      l.add(test);
    }
    for (Class<?> c = context.getTestClass().orElse(null); c != null; c = c.getEnclosingClass()) {
      for (Class<?> s = c; s != null; s = s.getSuperclass()) {
        l.add(s);
      }
    }
    return l.found;
  }

  /** What stands at an element itself goes before what its other annotations stand for. */
  private void add(AnnotatedElement e) {
    SevGuest own = e.getDeclaredAnnotation(SevGuest.class);
    if (own != null) {
      found.add(own);
    }
    seen.clear();
    addBehind(e);
  }

  private void addBehind(AnnotatedElement e) {
    for (Annotation a : e.getDeclaredAnnotations()) {
      Class<? extends Annotation> type = a.annotationType();
      if (a instanceof SevGuest || !seen.add(type)) {
        continue;
      }
      SevGuest g = type.getDeclaredAnnotation(SevGuest.class);
      if (g != null) {
        found.add(g);
      }
      addBehind(type);
    }
  }
}
