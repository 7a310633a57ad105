package dev.vesper.junit;

import static org.assertj.core.api.Assertions.assertThat;

import dev.vesper.junit.Locores.OnEcho;
import dev.vesper.machine.Machine;
import dev.vesper.machine.spec.Hardware;
import dev.vesper.machine.spec.KernelHashing;
import dev.vesper.machine.spec.MachineSpec;
import dev.vesper.machine.spec.SevMode;
import dev.vesper.machine.spec.Translator;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.Map;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.ExtensionConfigurationException;
import org.junit.jupiter.api.extension.ParameterResolutionException;
import org.junit.jupiter.api.extension.RegisterExtension;
import org.junit.jupiter.api.io.TempDir;
import org.junit.platform.engine.TestExecutionResult;
import org.junit.platform.testkit.engine.Event;

/** Mistakes of who writes a test come in one line that says what and where, without a stack. */
final class MisuseTest {
  @TempDir static Path folder;
  private static Locores guests;

  @BeforeAll
  static void images() throws IOException {
    guests = new Locores(folder);
    Files.writeString(folder.resolve("text"), "no image");
  }

  private static Map<String, Throwable> failures(Class<?> tests) {
    Map<String, Throwable> all = new LinkedHashMap<>();
    for (Event e : guests.run(tests).testEvents().failed().list()) {
      all.put(
          e.getTestDescriptor().getDisplayName().replaceAll("\\(.*", ""),
          e.getRequiredPayload(TestExecutionResult.class).getThrowable().orElseThrow());
    }
    return all;
  }

  /** A setup that opens a file that is not there. */
  static final class Opens implements GuestSetup {
    @Override
    public void prepare(Machine machine) throws IOException {
      Files.readAllBytes(Path.of("no-such-table"));
    }
  }

  /** A setup with a fault of its own. */
  static final class Faulty implements GuestSetup {
    @Override
    public void describe(MachineSpec.Builder spec) {
      throw new IllegalStateException("of the setup");
    }
  }

  /** Has no constructor without parameters. */
  record NeedsMore(int more) implements GuestSetup {}

  @OnEcho
  static class Samples {
    @Test
    @SevGuest(kernel = "missing.elf")
    void noKernel(Machine m) {}

    @Test
    @SevGuest(kernel = "${guests}")
    void folder(Machine m) {}

    @Test
    @SevGuest(kernel = "${no.such.property}")
    void property(GuestRun r) {}

    @Test
    @SevGuest(kernel = "classpath:missing.elf")
    void resource(Machine m) {}

    @Test
    @SevGuest(kernel = "${guests}/text")
    void noImage(Machine m) {}

    @Test
    @SevGuest(memory = "a lot")
    void memory(Machine m) {}

    @Test
    @SevGuest(smp = 65)
    void processors(Machine m) {}

    @Test
    @SevGuest(cpu = "Pentium")
    void cpu(Machine m) {}

    @Test
    @SevGuest(profile = "xen")
    void profile(Machine m) {}

    @Test
    @SevGuest(intercept = "cpuidd")
    void intercept(Machine m) {}

    @Test
    @SevGuest(hostFault = "kindness")
    void hostFault(Machine m) {}

    @Test
    @SevGuest(hostile = "when insn 5\n  dance")
    void hostile(Machine m) {}

    @Test
    @SevGuest(drive = "file=missing.img")
    void drive(Machine m) {}

    @Test
    @SevGuest(nic = "tap")
    void nic(Machine m) {}

    @Test
    @SevGuest(share = "path=missing,tag=x")
    void share(Machine m) {}

    @Test
    @SevGuest(share = {"path=target,tag=x", "path=target/../target,tag=y"})
    void overlap(Machine m) {}

    @Test
    @SevGuest(share = "path=${guests},tag=x")
    void sharedPage(Machine m) {}

    @Test
    @SevGuest(rtc = "noon")
    void rtc(Machine m) {}

    @Test
    @SevGuest(vga = "cga")
    void vga(Machine m) {}

    @Test
    @SevGuest(allow = "everything")
    void allow(Machine m) {}

    @Test
    @SevGuest(sev = {SevMode.OFF, SevMode.ES})
    void twoModes(Machine m) {}

    @Test
    @SevGuest(entry = 16)
    void entry(Machine m) {}

    @Test
    @SevGuest(nvram = "${guests}/text")
    void nvram(Machine m) {}

    @Test
    @SevGuest(kernelHashes = KernelHashing.ON)
    void hashes(Machine m) {}

    @Test
    @SevGuest(policy = 1, sev = SevMode.ES)
    void policy(Machine m) {}

    @Test
    @SevGuest(profile = "openbsd", machine = Hardware.Board.Q35)
    void board(Machine m) {}

    @Test
    @SevGuest(limitInsns = -1)
    void limit(Machine m) {}

    @Test
    @SevGuest(translateAfter = -1)
    void translate(Machine m) {}

    @Test
    @SevGuest(translateAfter = 5, translator = Translator.NATIVE)
    void translator(Machine m) {}

    @Test
    @SevGuest(symbols = "${guests}/text")
    void symbols(Machine m) {}

    @Test
    @SevGuest(setup = NeedsMore.class)
    void constructor(Machine m) {}

    @Test
    @SevGuest(setup = Opens.class)
    void opens(Machine m) {}

    @Test
    @SevGuest(setup = Faulty.class)
    void setup(Machine m) {}
  }

  private static final Map<String, String> MESSAGES =
      Map.ofEntries(
          Map.entry("noKernel", "cannot read the kernel missing.elf: no such file or directory"),
          Map.entry("folder", "is a directory: name a file"),
          Map.entry("property", "is called no.such.property: set it, as with -Dno.such.property="),
          Map.entry("resource", "the kernel missing.elf is not on the class path as seen by dev."),
          Map.entry("noImage", "text"),
          Map.entry("memory", "memory takes a size such as 512M or 2G, not 'a lot'"),
          Map.entry("translator", "translateAfter is for translator REGIONS, not NATIVE"),
          Map.entry("processors", "1 to 64 processors, not 65"),
          Map.entry("cpu", "Pentium"),
          Map.entry("profile", "xen"),
          Map.entry("intercept", "cpuidd"),
          Map.entry("hostFault", "kindness"),
          Map.entry("hostile", "hostile: line 2, column 3: there is no action 'dance'"),
          Map.entry("drive", "the disk missing.img is no file"),
          Map.entry("nic", "nic takes none or user"),
          Map.entry("share", "cannot share missing"),
          Map.entry("overlap", "which is shared as well"),
          Map.entry("sharedPage", ".html: it lies in "),
          Map.entry("rtc", "rtc takes base=utc"),
          Map.entry("vga", "vga takes none, std or std,romfile=F, not 'cga'"),
          Map.entry("allow", "allow: there is no rule everything"),
          Map.entry("twoModes", "sev takes one value, not 2: @SevModes runs a test with several"),
          Map.entry("entry", "entry takes 32 or 64, not 16"),
          Map.entry("nvram", "nvram: name the firmware"),
          Map.entry("hashes", "kernelHashes = ON: name the firmware"),
          Map.entry("policy", "the bit ES (4) is set if, and only if,"),
          Map.entry("board", "machine: profile openbsd has vmd's board"),
          Map.entry("limit", "limitInsns and timeout must not be negative"),
          Map.entry("translate", "a number of times is not negative, as -1 is"),
          Map.entry("symbols", "symbols: "),
          Map.entry("constructor", "setup: cannot make a "),
          Map.entry("opens", "cannot read no-such-table: no such file or directory"),
          Map.entry("setup", "its setup failed: java.lang.IllegalStateException: of the setup"));

  @Test
  void aMistakeIsOneLineThatNamesTheTest() {
    Map<String, Throwable> all = failures(Samples.class);
    assertThat(all.keySet()).containsExactlyInAnyOrderElementsOf(MESSAGES.keySet());
    all.forEach(
        (test, t) -> {
          assertThat(t).as(test).isExactlyInstanceOf(ParameterResolutionException.class);
          assertThat(t.getMessage())
              .startsWith("@SevGuest of Samples." + test + ": ")
              .contains(MESSAGES.get(test));
          assertThat(t.getMessage()).as(test).doesNotContain("\n");
          assertThat(t.getStackTrace()).as(test).isEmpty();
          if (test.equals("setup")) {
            assertThat(t).hasCauseInstanceOf(IllegalStateException.class);
          } else {
            assertThat(t).as(test).hasNoCause();
          }
          assertThat(t.getSuppressed()).as(test).isEmpty();
        });
  }

  static class Empty {
    @Test
    @SevGuest
    void nothing(Machine m) {}
  }

  @Test
  void aGuestOfNothingIsRefused() {
    assertThat(failures(Empty.class).get("nothing"))
        .hasMessage(
            "@SevGuest of Empty.nothing: there is nothing to boot: name a kernel, or firmware with"
                + " bios");
  }

  static class InAField {
    private static final SevGuestExtension NOT_REGISTERED = SevGuestExtension.of(spec -> {});

    @RegisterExtension
    static final SevGuestExtension guest =
        SevGuestExtension.of(spec -> spec.kernel(Path.of("missing.elf")));

    @Test
    void parameter(Machine m) {}

    @Test
    void call() {
      guest.machine(MachineSpec.Builder::executeOnlyText);
    }

    @Test
    void notRegistered() {
      NOT_REGISTERED.machine();
    }
  }

  @Test
  void anExtensionInAFieldSaysTheSame() {
    Map<String, Throwable> all = failures(InAField.class);
    assertThat(all.get("parameter"))
        .isExactlyInstanceOf(ParameterResolutionException.class)
        .hasMessage(
            "the guest of InAField.parameter: cannot read missing.elf: no such file or directory");
    assertThat(all.get("call"))
        .isExactlyInstanceOf(ExtensionConfigurationException.class)
        .hasMessage(
            "the guest of InAField.call: cannot read missing.elf: no such file or directory");
    assertThat(all.get("notRegistered"))
        .isExactlyInstanceOf(ExtensionConfigurationException.class)
        .hasMessageContaining("belongs in a field with @RegisterExtension");
  }
}
