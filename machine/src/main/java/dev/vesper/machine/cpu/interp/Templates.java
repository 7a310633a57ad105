package dev.vesper.machine.cpu.interp;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.lang.constant.ConstantDescs;
import java.lang.invoke.MethodHandles;
import java.util.Arrays;
import java.util.HashMap;
import java.util.Map;
import java.util.concurrent.ConcurrentHashMap;
import org.jspecify.annotations.Nullable;

/**
 * Makes specialised classes from template classes.
 *
 * <p>A template has a {@code static final int} that it gets from {@link #key}. Defining its class
 * file again as a hidden class with other class data gives a class whose key is another constant:
 * the JIT compiler folds every switch over it, and each class has its own profile and its own entry
 * at the interpreter's call site. Measured against one shared class this is worth about a third.
 */
final class Templates {
  private static final MethodHandles.Lookup LOOKUP = MethodHandles.lookup();
  private static final Map<Class<?>, byte[]> FILES = new HashMap<>();

  /** Specialisations by key; an array is replaced, never changed, so that it is read unlocked. */
  private static final Map<Class<?>, @Nullable TemplateOp[]> MADE = new ConcurrentHashMap<>();

  private Templates() {}

  /** {@return the specialisation that the calling class stands for; 0 for the template itself} */
  static int key(MethodHandles.Lookup lookup) {
    try {
      Integer k = MethodHandles.classData(lookup, ConstantDescs.DEFAULT_NAME, Integer.class);
      return k == null ? 0 : k;
    } catch (IllegalAccessException e) {
      throw new AssertionError(e);
    }
  }

  /**
   * {@return a new operation of a specialised class}
   *
   * @param template the class to specialise
   * @param key its specialisation
   */
  static TemplateOp make(Class<? extends TemplateOp> template, int key) {
    @Nullable TemplateOp[] made = MADE.get(template);
    TemplateOp prototype = made == null || key >= made.length ? null : made[key];
    return (prototype == null ? first(template, key) : prototype).fresh();
  }

  private static synchronized TemplateOp first(Class<? extends TemplateOp> template, int key) {
    @Nullable TemplateOp[] made = MADE.getOrDefault(template, new TemplateOp[0]);
    TemplateOp prototype = key < made.length ? made[key] : null;
    if (prototype == null) {
      prototype = define(template, key);
      @Nullable TemplateOp[] more = Arrays.copyOf(made, Math.max(made.length, key + 1));
      more[key] = prototype;
      MADE.put(template, more);
    }
    return prototype;
  }

  private static TemplateOp define(Class<?> template, int key) {
    byte[] file =
        FILES.computeIfAbsent(
            template,
            t -> {
              try (var in = t.getResourceAsStream(t.getSimpleName() + ".class")) {
                if (in == null) {
                  throw new AssertionError("no class file of " + t);
                }
                return in.readAllBytes();
              } catch (IOException e) {
                throw new UncheckedIOException(e);
              }
            });
    try {
      MethodHandles.Lookup made = LOOKUP.defineHiddenClassWithClassData(file, key, true);
      return (TemplateOp) made.lookupClass().getDeclaredConstructor().newInstance();
    } catch (ReflectiveOperationException e) {
      throw new AssertionError("cannot specialise " + template, e);
    }
  }
}
