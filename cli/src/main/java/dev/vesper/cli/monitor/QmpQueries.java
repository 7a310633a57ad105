package dev.vesper.cli.monitor;

import dev.vesper.machine.Machine;
import dev.vesper.machine.VcpuView;
import dev.vesper.machine.launch.ApiVersion;
import dev.vesper.machine.launch.Measurement;
import dev.vesper.machine.launch.PlatformKeys;
import dev.vesper.machine.spec.Hardware;
import dev.vesper.machine.spec.MachineSpec;
import dev.vesper.machine.spec.SevMode;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Base64;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/** Commands of QMP that only ask. */
final class QmpQueries {
  static final List<QmpCommand> ALL =
      List.of(
          QmpCommand.of("query-status", "", (s, a) -> status(s.control())),
          QmpCommand.of("query-version", "", (s, a) -> QmpCommands.version()),
          QmpCommand.of("query-name", "", (s, a) -> name(s.control())),
          QmpCommand.of(
              "query-uuid",
              "",
              (s, a) -> Map.of("UUID", StateCommands.uuid(s.machine()).toString())),
          QmpCommand.of(
              "query-kvm", "", (s, a) -> object("enabled", StateCommands.KVM, "present", false)),
          QmpCommand.of("query-target", "", (s, a) -> Map.of("arch", "x86_64")),
          QmpCommand.of("query-cpus-fast", "", (s, a) -> cpus(s.machine())),
          QmpCommand.of("query-block", "", (s, a) -> block(s.machine())),
          QmpCommand.of("query-chardev", "", (s, a) -> characters(s.control())),
          QmpCommand.of("query-iothreads", "", (s, a) -> List.of()),
          QmpCommand.of(
              "query-memory-size-summary",
              "",
              (s, a) ->
                  object("base-memory", s.machine().spec().memoryBytes(), "plugged-memory", 0)),
          QmpCommand.of("query-machines", "", (s, a) -> machines()),
          QmpCommand.of("query-cpu-definitions", "", (s, a) -> models()),
          QmpCommand.of("query-sev", "", (s, a) -> sev(s.machine())),
          QmpCommand.of("query-sev-launch-measure", "", (s, a) -> measure(s.machine())),
          QmpCommand.of("query-sev-capabilities", "", (s, a) -> capabilities(s.machine())));

  /** What GET_ID gives: a processor that there is many times has none of its own. */
  private static final int CHIP_ID_BYTES = 64;

  private QmpQueries() {}

  /** {@return an object with members in their order} */
  private static Map<String, Object> object(Object... keysAndValues) {
    Map<String, Object> m = new LinkedHashMap<>();
    for (int i = 0; i < keysAndValues.length; i += 2) {
      m.put((String) keysAndValues[i], keysAndValues[i + 1]);
    }
    return m;
  }

  private static Object status(Control c) {
    return object("status", c.status(), "singlestep", false, "running", c.isRunning());
  }

  private static Object name(Control c) {
    String n = c.facts().name();
    return n.isEmpty() ? Map.of() : Map.of("name", n);
  }

  private static Object cpus(Machine m) {
    List<Object> all = new ArrayList<>();
    for (VcpuView v : m.observer().vcpus()) {
      all.add(
          object(
              "thread-id",
              ProcessHandle.current().pid() + v.id(),
              "props",
              object("core-id", 0, "thread-id", 0, "socket-id", v.id()),
              "qom-path",
              "/machine/unattached/device[" + v.id() + "]",
              "cpu-index",
              v.id(),
              "target",
              "x86_64"));
    }
    return all;
  }

  private static Object block(Machine m) {
    List<Object> all = new ArrayList<>();
    List<Hardware.Drive> drives = m.spec().hardware().drives();
    for (int i = 0; i < drives.size(); i++) {
      Hardware.Drive d = drives.get(i);
      String name = DeviceCommands.driveName(d, i);
      Map<String, Object> image =
          object("filename", name, "format", "raw", "virtual-size", d.disk().sectors() * 512);
      Map<String, Object> inserted =
          object(
              "file", name,
              "drv", "raw",
              "ro", d.disk().readOnly(),
              "encrypted", false,
              "backing_file_depth", 0,
              "detect_zeroes", "off",
              "write_threshold", 0,
              "bps", 0,
              "bps_rd", 0,
              "bps_wr", 0,
              "iops", 0,
              "iops_rd", 0,
              "iops_wr", 0,
              "cache", object("writeback", true, "direct", false, "no-flush", false),
              "image", image);
      all.add(
          object(
              "device",
              name,
              "qdev",
              "/machine/peripheral-anon/device[" + i + "]",
              "locked",
              false,
              "removable",
              d.cdRom(),
              "type",
              "unknown",
              "io-status",
              "ok",
              "inserted",
              inserted));
    }
    return all;
  }

  private static Object characters(Control c) {
    List<Object> all = new ArrayList<>();
    c.facts()
        .consoles()
        .forEach(
            (label, place) ->
                all.add(object("frontend-open", true, "filename", place, "label", label)));
    return all;
  }

  private static Object machines() {
    List<Object> all = new ArrayList<>();
    for (String n : List.of("pc", "q35")) {
      all.add(
          object(
              "name",
              n,
              "is-default",
              n.equals("pc"),
              "cpu-max",
              255,
              "hotpluggable-cpus",
              false,
              "numa-mem-supported",
              false,
              "deprecated",
              false));
    }
    return all;
  }

  private static Object models() {
    return MachineSpec.cpuModels().stream()
        .map(
            n ->
                object(
                    "name",
                    n,
                    "typename",
                    n + "-x86_64-cpu",
                    "unavailable-features",
                    List.of(),
                    "static",
                    false,
                    "migration-safe",
                    true,
                    "deprecated",
                    false))
        .toList();
  }

  // ---- SEV

  private static Object sev(Machine m) {
    SevMode mode = m.spec().mode();
    boolean on = mode != SevMode.OFF;
    Map<String, Object> all =
        object(
            "enabled",
            on,
            "api-major",
            on ? ApiVersion.CURRENT.major() : 0,
            "api-minor",
            on ? ApiVersion.CURRENT.minor() : 0,
            "build-id",
            on ? ApiVersion.CURRENT.build() : 0,
            "state",
            on ? SevCommands.state(m) : "uninit",
            "sev-type",
            mode == SevMode.SNP ? "sev-snp" : "sev");
    if (mode == SevMode.SNP) {
      all.put("snp-policy", m.policyBits());
    } else {
      all.put("policy", m.policyBits() & 0xFFFF_FFFFL);
      all.put("handle", m.handle());
    }
    return all;
  }

  private static Object measure(Machine m) throws QmpError {
    Measurement s = m.measurement();
    if (s == null) {
      throw new QmpError("SEV launch measurement is not available");
    }
    return Map.of("data", Base64.getEncoder().encodeToString(s.encode()));
  }

  private static Object capabilities(Machine m) throws QmpError {
    if (m.spec().mode() == SevMode.OFF) {
      throw new QmpError("SEV is not enabled: --sev sev, es or snp");
    }
    PlatformKeys keys = new PlatformKeys(m.spec().seed());
    byte[] pdh = keys.certificate().encode();
    byte[] chain = keys.chain();
    Base64.Encoder text = Base64.getEncoder();
    return object(
        "pdh",
        text.encodeToString(pdh),
        "cert-chain",
        text.encodeToString(Arrays.copyOfRange(chain, pdh.length, chain.length)),
        "cpu0-id",
        text.encodeToString(new byte[CHIP_ID_BYTES]),
        "cbitpos",
        m.cBit(),
        "reduced-phys-bits",
        1);
  }
}
