package dev.vesper.junit;

import dev.vesper.machine.Machine;
import dev.vesper.machine.observe.Event;
import dev.vesper.machine.observe.check.Rule;
import dev.vesper.machine.spec.BootException;
import dev.vesper.machine.spec.MachineSpec;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayDeque;
import java.util.Deque;
import java.util.List;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.extension.AfterAllCallback;
import org.junit.jupiter.api.extension.AfterEachCallback;
import org.junit.jupiter.api.extension.AfterTestExecutionCallback;
import org.junit.jupiter.api.extension.BeforeAllCallback;
import org.junit.jupiter.api.extension.BeforeEachCallback;
import org.junit.jupiter.api.extension.ExtensionConfigurationException;
import org.junit.jupiter.api.extension.ExtensionContext;
import org.junit.jupiter.api.extension.ExtensionContext.Namespace;
import org.junit.jupiter.api.extension.LifecycleMethodExecutionExceptionHandler;
import org.junit.jupiter.api.extension.ParameterContext;
import org.junit.jupiter.api.extension.ParameterResolutionException;
import org.junit.jupiter.api.extension.ParameterResolver;
import org.junit.jupiter.api.extension.TestExecutionExceptionHandler;

/**
 * Guests for tests: by {@link SevGuest}, or in a field by anything that a {@link
 * MachineSpec.Builder} can say.
 *
 * {@snippet :
 * class BootTest {
 *   @RegisterExtension
 *   static final SevGuestExtension guest =
 *       SevGuestExtension.of(spec -> spec.kernel(KERNEL).append("console=ttyS0"));
 *
 *   @ParameterizedTest
 *   @ValueSource(ints = {1, 2, 4})
 *   void startsAllProcessors(int n) {
 *     GuestRun run = guest.run(spec -> spec.processors(n));
 *     assertThat(run).printed("smp: Brought up 1 node, " + n + " CPU");
 *   }
 * }
 * }
 *
 * <p>The guest of a field is also what a parameter of type {@link Machine} or {@link GuestRun} gets
 * where no annotation says otherwise. How tests fail and machines are closed is as with the
 * annotation.
 */
public final class SevGuestExtension
    implements ParameterResolver,
        BeforeAllCallback,
        BeforeEachCallback,
        AfterTestExecutionCallback,
        AfterEachCallback,
        AfterAllCallback,
        TestExecutionExceptionHandler,
        LifecycleMethodExecutionExceptionHandler {
  /** Describes a guest. */
  @FunctionalInterface
  public interface Description {
    /**
     * Says what the machine is made of.
     *
     * @throws Exception if it cannot; the test fails with its message
     */
    void describe(MachineSpec.Builder spec) throws Exception;
  }

  /** Does something with a machine that has not run. */
  @FunctionalInterface
  public interface Preparation {
    /**
     * Prepares the machine.
     *
     * @throws Exception if it cannot; the test fails with its message
     */
    void prepare(Machine machine) throws Exception;
  }

  /** Which guest it is: what it was described by. */
  private record Key(Class<?> type, List<SevGuest> layers, @Nullable Object mode) {}

  /** A guest; the store would close a machine itself, in another order. */
  private record Value(Object it) {}

  private final boolean annotated;
  private final GuestPlan plan = new GuestPlan();
  private final Namespace space;

  /**
   * The tests and classes that a thread is in; a test with a timeout may have a thread of its own.
   */
  private final InheritableThreadLocal<Deque<ExtensionContext>> contexts =
      new InheritableThreadLocal<>() {
        @Override
        protected Deque<ExtensionContext> initialValue() {
          return new ArrayDeque<>();
        }

        @Override
        protected Deque<ExtensionContext> childValue(Deque<ExtensionContext> parent) {
          return new ArrayDeque<>(parent);
        }
      };

  /** What {@link SevGuest} registers. */
  public SevGuestExtension() {
    this(true);
  }

  private SevGuestExtension(boolean annotated) {
    this.annotated = annotated;
    space =
        annotated
            ? Namespace.create(SevGuestExtension.class)
            : Namespace.create(SevGuestExtension.class, this);
  }

  // ---- in a field

  /** {@return an extension for a field with {@code @RegisterExtension}} */
  public static SevGuestExtension of(Description description) {
    SevGuestExtension e = new SevGuestExtension(false);
    e.plan.setups.add(setup(description));
    return e;
  }

  private static GuestSetup setup(Description d) {
    return new GuestSetup() {
      @Override
      public void describe(MachineSpec.Builder spec) throws Exception {
        d.describe(spec);
      }
    };
  }

  /** Does something with each machine before it runs, such as to take part in its hypervisor. */
  public SevGuestExtension prepare(Preparation p) {
    plan.setups.add(
        new GuestSetup() {
          @Override
          public void prepare(Machine machine) throws Exception {
            p.prepare(machine);
          }
        });
    return this;
  }

  /** Sets the most instructions; 5,000,000,000 if unsaid. */
  public SevGuestExtension limitInsns(long most) {
    plan.limitInsns = most;
    return this;
  }

  /** Sets the most real time since a machine was made. */
  public SevGuestExtension timeout(Duration most) {
    plan.timeout = most.toNanos() / 1e9;
    return this;
  }

  /** Sets how often code is interpreted before it is translated; 0 for never. */
  public SevGuestExtension translateAfter(int times) {
    plan.translateAfter = times;
    return this;
  }

  /** Names the guest's code by a file: ELF, with DWARF for lines, or System.map. */
  public SevGuestExtension symbols(Path file) {
    plan.setups.addFirst(
        new GuestSetup() {
          @Override
          public void describe(MachineSpec.Builder spec) throws IOException, BootException {
            plan.symbols = Machine.readSymbols(file.toString(), Files.readAllBytes(file));
          }
        });
    return this;
  }

  /**
   * Fails tests whose guest or hypervisor breaks the GHCB protocol.
   *
   * @param allowed rules whose findings are known and do not count
   */
  public SevGuestExtension check(Rule... allowed) {
    plan.check = true;
    for (Rule r : allowed) {
      plan.allowed.add(r.id());
    }
    return this;
  }

  /** Keeps events of a type for {@link GuestRun#events}. */
  public SevGuestExtension keep(Class<? extends Event> type) {
    plan.keep.add(type);
    return this;
  }

  /** Shows the console on stdout too. */
  public SevGuestExtension echo() {
    plan.echo = true;
    return this;
  }

  /**
   * {@return a new machine for the test that is under way, or for the class before its first test}
   *
   * @throws ExtensionConfigurationException if it cannot be made, or no test is under way
   */
  public Machine machine() {
    return machine(spec -> {});
  }

  /**
   * {@return the same with more said of it}
   *
   * @throws ExtensionConfigurationException if it cannot be made, or no test is under way
   */
  public Machine machine(Description more) {
    return held(more).machine();
  }

  /**
   * {@return a new run, finished}
   *
   * @throws ExtensionConfigurationException if the guest cannot be launched, or no test is under
   *     way
   */
  public GuestRun run() {
    return run(spec -> {});
  }

  /**
   * {@return the same with more said of it}
   *
   * @throws ExtensionConfigurationException if the guest cannot be launched, or no test is under
   *     way
   */
  public GuestRun run(Description more) {
    return GuestPlan.run(held(more));
  }

  private GuestPlan.Held held(Description more) {
    ExtensionContext context = contexts.get().peek();
    if (annotated || context == null) {
      throw Misuse.bare(
          new ExtensionConfigurationException(
              "no test with this extension is under way: it belongs in a field with"
                  + " @RegisterExtension, made by SevGuestExtension.of"));
    }
    try {
      return hold(plan, MachineSpec.builder(), more, context);
    } catch (Misuse e) {
      throw Misuse.bare(new ExtensionConfigurationException(message(e, context), cause(e)));
    }
  }

  // ---- parameters

  @Override
  public ExtensionContextScope getTestInstantiationExtensionContextScope(ExtensionContext root) {
    return ExtensionContextScope.TEST_METHOD;
  }

  @Override
  public boolean supportsParameter(ParameterContext parameter, ExtensionContext context) {
    Class<?> type = parameter.getParameter().getType();
    return (type == Machine.class || type == GuestRun.class)
        && annotated == !Layers.of(parameter, context).isEmpty();
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
                GuestPlan.Held h = described(layers, context);
                return new Value(type == Machine.class ? h.machine() : GuestPlan.run(h));
              },
              Value.class)
          .it;
    } catch (Misuse e) {
      throw Misuse.bare(new ParameterResolutionException(message(e, context), cause(e)));
    }
  }

  private GuestPlan.Held described(List<SevGuest> layers, ExtensionContext context) {
    if (!annotated) {
      return hold(plan, MachineSpec.builder(), spec -> {}, context);
    }
    AnnotatedGuest a = new AnnotatedGuest(layers, context);
    MachineSpec.Builder b = MachineSpec.builder();
    try {
      a.describe(b);
    } catch (Misuse e) {
      GuestPlan.close(b.build());
      throw e;
    }
    return hold(a.plan(), b, spec -> {}, context);
  }

  private GuestPlan.Held hold(
      GuestPlan p, MachineSpec.Builder spec, Description more, ExtensionContext context) {
    GuestPlan.Held h = p.hold(spec, setup(more), SevModesExtension.of(context));
    h.recording().page(Pages.next(context));
    Guests.of(context, space).add(h, p.check);
    return h;
  }

  /** {@return a message that names the test} */
  private String message(Misuse e, ExtensionContext context) {
    return (annotated ? "@SevGuest of " : "the guest of ")
        + context.getRequiredTestClass().getSimpleName()
        + context.getTestMethod().map(m -> "." + m.getName()).orElse("")
        + ": "
        + e.getMessage();
  }

  /** {@return what a program of the user's has thrown, or null} */
  private static @Nullable Throwable cause(Misuse e) {
    return e.getSuppressed().length == 0 ? null : e.getSuppressed()[0];
  }

  // ---- the life of a test

  @Override
  public void beforeAll(ExtensionContext context) {
    contexts.get().push(context);
  }

  @Override
  public void beforeEach(ExtensionContext context) {
    contexts.get().push(context);
  }

  @Override
  public void afterTestExecution(ExtensionContext context) {
    if (context.getExecutionException().isEmpty()) {
      Guests.judge(context, space);
    }
  }

  @Override
  public void afterEach(ExtensionContext context) {
    contexts.get().remove(context);
  }

  @Override
  public void afterAll(ExtensionContext context) {
    contexts.get().remove(context);
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
