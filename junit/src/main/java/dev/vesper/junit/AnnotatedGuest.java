package dev.vesper.junit;

import dev.vesper.machine.HardwareOptions;
import dev.vesper.machine.Machine;
import dev.vesper.machine.device.net.Network;
import dev.vesper.machine.hostile.Script;
import dev.vesper.machine.hostile.ScriptException;
import dev.vesper.machine.hostile.ScriptParser;
import dev.vesper.machine.launch.GuestPolicy;
import dev.vesper.machine.observe.check.Rule;
import dev.vesper.machine.spec.BootException;
import dev.vesper.machine.spec.Hardware;
import dev.vesper.machine.spec.KernelHashing;
import dev.vesper.machine.spec.MachineSpec;
import dev.vesper.machine.spec.ResetState;
import dev.vesper.machine.spec.SevMode;
import dev.vesper.machine.spec.Translator;
import java.io.IOException;
import java.io.InputStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.InvalidPathException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Objects;
import java.util.Optional;
import java.util.function.Function;
import java.util.function.IntConsumer;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.extension.ExtensionContext;
import org.junit.platform.commons.support.ReflectionSupport;

/** What annotations say of a guest, the nearest first. All methods throw {@link Misuse}. */
final class AnnotatedGuest {
  private static final Pattern PLACEHOLDER = Pattern.compile("\\$\\{([^:}]+)(?::([^}]*))?}");
  private static final String RESOURCE = "classpath:";
  private static final String ROM = "std,romfile=";

  private final List<SevGuest> layers;
  private final ExtensionContext context;
  private final GuestPlan plan = new GuestPlan();

  AnnotatedGuest(List<SevGuest> layers, ExtensionContext context) {
    this.layers = layers;
    this.context = context;
  }

  // ---- what is said

  private Optional<String> text(String name, Function<SevGuest, String> member) {
    return layers.stream()
        .map(member)
        .filter(s -> !s.isEmpty())
        .findFirst()
        .map(s -> replaced(name, s));
  }

  private Optional<Integer> number(Function<SevGuest, Integer> member) {
    return layers.stream().map(member).filter(n -> n != 0).findFirst();
  }

  private <T> List<T> all(Function<SevGuest, T[]> member) {
    return layers.stream()
        .map(member)
        .filter(a -> a.length > 0)
        .findFirst()
        .map(List::of)
        .orElse(List.of());
  }

  private List<String> texts(String name, Function<SevGuest, String[]> member) {
    return all(member).stream().map(s -> replaced(name, s)).toList();
  }

  private static <T> Optional<T> one(String name, List<T> values) {
    if (values.size() > 1) {
      String several = name.equals("sev") ? ": @SevModes runs a test with several" : "";
      throw new Misuse(name + " takes one value, not " + values.size() + several);
    }
    return values.stream().findFirst();
  }

  private Optional<Boolean> flag(String name, Function<SevGuest, boolean[]> member) {
    return one(
        name,
        all(
            g -> {
              boolean[] a = member.apply(g);
              Boolean[] b = new Boolean[a.length];
              for (int i = 0; i < a.length; i++) {
                b[i] = a[i];
              }
              return b;
            }));
  }

  private Optional<Long> count(String name, Function<SevGuest, long[]> member) {
    return one(name, all(g -> Arrays.stream(member.apply(g)).boxed().toArray(Long[]::new)));
  }

  private String replaced(String name, String text) {
    Matcher m = PLACEHOLDER.matcher(text);
    StringBuilder b = new StringBuilder();
    while (m.find()) {
      String key = m.group(1);
      String value =
          context
              .getConfigurationParameter(key)
              .or(() -> Optional.ofNullable(System.getenv(key)))
              .orElse(m.group(2));
      if (value == null) {
        throw new Misuse(
            name
                + " is '"
                + text
                + "', but no configuration parameter, system property or environment variable is"
                + " called "
                + key
                + ": set it, as with -D"
                + key
                + "=...");
      }
      m.appendReplacement(b, Matcher.quoteReplacement(value));
    }
    return m.appendTail(b).toString();
  }

  // ---- files

  private byte[] read(String what, String file) {
    try {
      if (file.startsWith(RESOURCE)) {
        return resource(what, file.substring(RESOURCE.length()));
      }
      Path p = Path.of(file);
      if (Files.isDirectory(p)) {
        throw new Misuse("the " + what + " " + file + " is a directory: name a file");
      }
      return Files.readAllBytes(p);
    } catch (IOException e) {
      throw new Misuse("cannot read the " + what + " " + file + ": " + HardwareOptions.reason(e));
    } catch (InvalidPathException e) {
      throw new Misuse("the " + what + " '" + file + "' is no name of a file");
    }
  }

  private byte[] resource(String what, String name) throws IOException {
    Class<?> test = context.getRequiredTestClass();
    try (InputStream in = test.getResourceAsStream(name)) {
      if (in == null) {
        throw new Misuse(
            "the " + what + " " + name + " is not on the class path as seen by " + test.getName());
      }
      return in.readAllBytes();
    }
  }

  private static String last(String file) {
    return file.substring(file.lastIndexOf('/') + 1);
  }

  // ---- what is made

  /** {@return how the guest is run} {@link #describe} comes before. */
  GuestPlan plan() {
    return plan;
  }

  /** Describes the guest; what is open then is in the description, whatever comes of it. */
  void describe(MachineSpec.Builder b) {
    try {
      rest();
      boot(b);
      machine(b);
      launch(b);
      hardware(b);
    } catch (IllegalArgumentException e) {
      throw new Misuse(String.valueOf(e.getMessage()));
    }
    validate(b.build());
  }

  /** Refuses what the machine would leave out or do without. */
  private void validate(MachineSpec s) {
    Hardware h = s.hardware();
    MachineSpec.Launch l = s.launch();
    boolean firmware = s.boot().firmware() != null;
    if (s.profile().startsWith("openbsd")) {
      refuse(h.board() != Hardware.Board.AUTO, "machine: profile openbsd has vmd's board");
      refuse(firmware, "bios: profile openbsd starts kernels without firmware");
      refuse(!h.shares().isEmpty(), "share: profile openbsd has no shared folders");
      refuse(h.screen() != null, "vga: profile openbsd has no screen");
      refuse(h.testDevice(), "testDevice is for profile kvm");
    }
    refuse(
        firmware && h.board() == Hardware.Board.MINIMAL,
        "machine = MINIMAL: firmware needs PC or Q35");
    refuse(
        l.hashes() == KernelHashing.ON && (!firmware || s.boot().image().length == 0),
        "kernelHashes = ON: name the firmware with bios and the kernel with kernel");
    GuestPolicy policy = l.policy();
    if (policy != null) {
      refuse(
          s.mode() == SevMode.OFF || s.mode() == SevMode.SNP,
          "policy is that of a launch with sev = SEV or ES");
      refuse(
          policy.has(GuestPolicy.ES) != (s.mode() == SevMode.ES),
          "policy " + policy + ": the bit ES (4) is set if, and only if, the guest has sev = ES");
    }
  }

  private static void refuse(boolean wrong, String why) {
    if (wrong) {
      throw new Misuse(why);
    }
  }

  private void boot(MachineSpec.Builder b) {
    text("kernel", SevGuest::kernel).ifPresent(f -> b.kernel(read("kernel", f), last(f)));
    text("initrd", SevGuest::initrd).ifPresent(f -> b.initrd(read("initrd", f)));
    text("append", SevGuest::append).ifPresent(b::append);
    number(SevGuest::entry)
        .ifPresent(
            n -> {
              if (n != 32 && n != 64) {
                throw new Misuse("entry takes 32 or 64, not " + n);
              }
              if (n == 32) {
                b.entry32();
              }
            });
    Optional<String> bios = text("bios", SevGuest::bios);
    Optional<String> nvram = text("nvram", SevGuest::nvram);
    if (bios.isEmpty() && nvram.isPresent()) {
      throw new Misuse("nvram: name the firmware that uses it with bios");
    }
    bios.ifPresent(
        f ->
            b.firmware(
                new MachineSpec.Firmware(
                    read("firmware", f),
                    nvram.map(v -> read("variable store", v)).orElse(new byte[0]))));
  }

  private void machine(MachineSpec.Builder b) {
    one("sev", all(SevGuest::sev)).ifPresent(b::mode);
    text("profile", SevGuest::profile).ifPresent(b::profile);
    text("cpu", SevGuest::cpu).ifPresent(b::cpuModel);
    number(SevGuest::smp).ifPresent(b::processors);
    text("memory", SevGuest::memory)
        .ifPresent(m -> b.memoryBytes(HardwareOptions.memory("memory", m)));
    b.intercepts(texts("intercept", SevGuest::intercept).toArray(String[]::new));
    b.hostFaults(texts("hostFault", SevGuest::hostFault).toArray(String[]::new));
    text("hostile", SevGuest::hostile).ifPresent(t -> b.hostile(script(t)));
    flag("executeOnly", SevGuest::executeOnly).ifPresent(b::executeOnly);
    List<SevGuest.Answer> answers = all(SevGuest::answers);
    if (!answers.isEmpty()) {
      Answers a = new Answers(answers);
      b.console((IntConsumer) a).input(a);
    }
  }

  private static Script script(String text) {
    try {
      return ScriptParser.parse(text);
    } catch (ScriptException e) {
      throw new Misuse("hostile: " + e.getMessage());
    }
  }

  private void launch(MachineSpec.Builder b) {
    count("seed", SevGuest::seed).ifPresent(b::seed);
    MachineSpec.Launch d = MachineSpec.Launch.DEFAULT;
    GuestPolicy policy = count("policy", SevGuest::policy).map(AnnotatedGuest::policy).orElse(null);
    ResetState reset = one("fpuReset", all(SevGuest::fpuReset)).orElse(d.reset());
    b.launch(
        new MachineSpec.Launch(
            policy,
            reset,
            null,
            one("kernelHashes", all(SevGuest::kernelHashes)).orElse(d.hashes()),
            null,
            d.secret()));
  }

  private static GuestPolicy policy(long bits) {
    if (bits < 0 || bits > 0xFFFF_FFFFL) {
      throw new Misuse("policy takes 32 bits, not " + bits);
    }
    return new GuestPolicy((int) bits);
  }

  private void hardware(MachineSpec.Builder b) {
    Hardware h =
        new Hardware(
                one("machine", all(SevGuest::machine)).orElse(Hardware.Board.AUTO),
                List.of(),
                List.of(),
                flag("virtioConsole", SevGuest::virtioConsole).orElse(false),
                List.of(),
                screen())
            .withItems(
                texts("fwCfg", SevGuest::fwCfg).stream()
                    .map(o -> HardwareOptions.item("fwCfg", o))
                    .toList())
            .withTestDevice(flag("testDevice", SevGuest::testDevice).orElse(false))
            .withClock(HardwareOptions.clock("rtc", text("rtc", SevGuest::rtc).orElse("")));
    boolean snapshot = flag("snapshot", SevGuest::snapshot).orElse(true);
    List<Hardware.Drive> drives = new ArrayList<>();
    List<Network> networks = new ArrayList<>();
    List<Hardware.Share> shares = new ArrayList<>();
    try {
      texts("drive", SevGuest::drive)
          .forEach(o -> drives.add(HardwareOptions.drive("drive", o, snapshot)));
      texts("share", SevGuest::share).forEach(o -> shares.add(HardwareOptions.share("share", o)));
      texts("nic", SevGuest::nic).stream()
          .map(o -> HardwareOptions.nic("nic", o))
          .filter(Objects::nonNull)
          .forEach(networks::add);
    } finally {
      b.hardware(h.withDrives(drives).withNetworks(networks));
      b.hardware(withShares(h.withDrives(drives).withNetworks(networks), shares));
    }
  }

  private static Hardware withShares(Hardware h, List<Hardware.Share> shares) {
    try {
      return h.withShares(shares);
    } catch (IllegalArgumentException e) {
      // They overlap; what has no machine is closed by nobody else.
      shares.forEach(s -> s.server().close());
      throw e;
    }
  }

  private Hardware.@Nullable Screen screen() {
    String vga = text("vga", SevGuest::vga).orElse("none");
    if (vga.equals("none")) {
      return null;
    }
    if (!vga.equals("std") && !vga.startsWith(ROM)) {
      throw new Misuse("vga takes none, std or std,romfile=F, not '" + vga + "'");
    }
    return new Hardware.Screen(
        vga.equals("std") ? new byte[0] : read("VGA BIOS", vga.substring(ROM.length())));
  }

  private void rest() {
    plan.limitInsns = count("limitInsns", SevGuest::limitInsns).orElse(GuestPlan.LIMIT);
    plan.timeout =
        one("timeout", all(g -> Arrays.stream(g.timeout()).boxed().toArray(Double[]::new)))
            .orElse(0.0);
    if (plan.limitInsns < 0 || !(plan.timeout >= 0)) {
      throw new Misuse("limitInsns and timeout must not be negative");
    }
    plan.translateAfter =
        one(
                "translateAfter",
                all(g -> Arrays.stream(g.translateAfter()).boxed().toArray(Integer[]::new)))
            .orElse(null);
    plan.translator = one("translator", all(SevGuest::translator)).orElse(null);
    boolean other = plan.translator != null && plan.translator != Translator.REGIONS;
    if (plan.translateAfter != null && other) {
      throw new Misuse("translateAfter is for translator REGIONS, not " + plan.translator);
    }
    plan.check = flag("check", SevGuest::check).orElse(false);
    plan.echo = flag("echo", SevGuest::echo).orElse(false);
    for (String rule : texts("allow", SevGuest::allow)) {
      if (Rule.of(rule) == null) {
        throw new Misuse("allow: there is no rule " + rule + "; 'vesper check --rules' lists them");
      }
      plan.allowed.add(rule);
    }
    text("baseline", SevGuest::baseline)
        .ifPresent(
            f ->
                new String(read("baseline", f), StandardCharsets.UTF_8)
                    .lines()
                    .filter(l -> !l.isBlank() && !l.startsWith("#"))
                    .forEach(l -> plan.baseline.add(l.strip())));
    plan.keep.addAll(all(SevGuest::keep));
    for (Class<? extends GuestSetup> c : all(SevGuest::setup)) {
      try {
        plan.setups.add(ReflectionSupport.newInstance(c));
      } catch (Exception e) {
        // JUnit throws on whatever the constructor, or its lack, has thrown.
        throw new Misuse("setup: cannot make a " + c.getName() + ": " + e);
      }
    }
    text("symbols", SevGuest::symbols)
        .ifPresent(
            f -> {
              try {
                plan.symbols = Machine.readSymbols(f, read("symbol file", f));
              } catch (BootException e) {
                throw new Misuse("symbols: " + e.getMessage());
              }
            });
  }
}
