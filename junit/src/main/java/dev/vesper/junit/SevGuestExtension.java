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
import org.junit.jupiter.api.extension.AfterEachCallback;
import org.junit.jupiter.api.extension.BeforeAllCallback;
import org.junit.jupiter.api.extension.BeforeEachCallback;
import org.junit.jupiter.api.extension.ExtensionConfigurationException;
import org.junit.jupiter.api.extension.ExtensionContext;
import org.junit.jupiter.api.extension.ExtensionContext.Namespace;

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
public final class SevGuestExtension extends GuestExtension
    implements BeforeAllCallback, BeforeEachCallback, AfterEachCallback {
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

  private final GuestPlan plan = new GuestPlan();

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

  private SevGuestExtension() {
    super(Namespace.create(new Object()));
  }

  // ---- in a field

  /** {@return an extension for a field with {@code @RegisterExtension}} */
  public static SevGuestExtension of(Description description) {
    SevGuestExtension e = new SevGuestExtension();
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
    if (context == null) {
      throw Misuse.bare(
          new ExtensionConfigurationException(
              "no test with this extension is under way: it belongs in a field with"
                  + " @RegisterExtension, made by SevGuestExtension.of"));
    }
    try {
      return hold(plan, MachineSpec.builder(), setup(more), context);
    } catch (Misuse e) {
      String message = message(e, context);
      Throwable cause = e.getCause();
      throw Misuse.bare(
          cause == null
              ? new ExtensionConfigurationException(message)
              : new ExtensionConfigurationException(message, cause));
    }
  }

  // ---- what it is asked by tests

  @Override
  boolean supports(List<SevGuest> layers) {
    return layers.isEmpty();
  }

  @Override
  String subject() {
    return "the guest";
  }

  @Override
  GuestPlan.Held make(List<SevGuest> layers, ExtensionContext context) {
    return hold(plan, MachineSpec.builder(), setup(spec -> {}), context);
  }

  @Override
  public void beforeAll(ExtensionContext context) {
    contexts.get().push(context);
  }

  @Override
  public void beforeEach(ExtensionContext context) {
    contexts.get().push(context);
  }

  @Override
  public void afterEach(ExtensionContext context) {
    contexts.get().remove(context);
  }

  @Override
  public void afterAll(ExtensionContext context) {
    contexts.get().remove(context);
    super.afterAll(context);
  }
}
