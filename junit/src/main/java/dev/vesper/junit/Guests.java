package dev.vesper.junit;

import java.io.IOException;
import java.util.ArrayList;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Optional;
import java.util.Set;
import org.junit.jupiter.api.extension.ExtensionContext;
import org.junit.jupiter.api.extension.ExtensionContext.Namespace;
import org.opentest4j.TestAbortedException;

/** The guests of a test, or of a class: who tells of them when it fails and closes them. */
final class Guests implements AutoCloseable {
  private record One(GuestPlan.Held held, boolean check) {}

  private final List<One> all = new ArrayList<>();

  /** {@return those that belong to a context itself} */
  static Guests of(ExtensionContext context, Namespace space) {
    // A store hands out what its parents have: the key says whose it is.
    return context.getStore(space).computeIfAbsent(key(context), k -> new Guests(), Guests.class);
  }

  private static String key(ExtensionContext context) {
    return "guests of " + context.getUniqueId();
  }

  private static Optional<Guests> existing(ExtensionContext context, Namespace space) {
    return Optional.ofNullable(context.getStore(space).get(key(context), Guests.class));
  }

  void add(GuestPlan.Held guest, boolean check) {
    all.add(new One(guest, check));
  }

  /**
   * Adds to a failure what has become of the guests of a context and those around it.
   *
   * @param failure of a test, which may be that it was given up
   */
  static void explain(Throwable failure, ExtensionContext context, Namespace space) {
    if (failure instanceof TestAbortedException) {
      return;
    }
    Set<One> guests = new LinkedHashSet<>();
    for (Optional<ExtensionContext> c = Optional.of(context);
        c.isPresent();
        c = c.get().getParent()) {
      existing(c.get(), space).ifPresent(g -> guests.addAll(g.all));
    }
    for (One g : guests) {
      explain(failure, g.held.recording());
    }
  }

  private static void explain(Throwable failure, Recording r) {
    try {
      r.keep();
    } catch (IOException e) {
      failure.addSuppressed(e);
    }
    boolean told = r.isIn(failure.getMessage());
    for (Throwable s : failure.getSuppressed()) {
      told |= s instanceof GuestReport && r.isIn(s.getMessage());
    }
    if (!told) {
      failure.addSuppressed(new GuestReport(r.describe()));
    }
  }

  /**
   * Judges guests that are to be judged.
   *
   * @throws AssertionError if one of them or its hypervisor has broken the protocol
   */
  static void judge(ExtensionContext context, Namespace space) {
    existing(context, space)
        .ifPresent(
            guests -> {
              for (One g : guests.all) {
                if (g.check) {
                  try {
                    GuestAssertions.assertThat(g.held.machine()).hasNoFindings();
                  } catch (AssertionError e) {
                    explain(e, context, space);
                    throw e;
                  }
                }
              }
            });
  }

  @Override
  public void close() throws IOException {
    IOException first = null;
    for (One g : all) {
      try {
        g.held.machine().close();
      } catch (IOException e) {
        first = first == null ? e : first;
      }
    }
    all.clear();
    if (first != null) {
      throw first;
    }
  }
}
