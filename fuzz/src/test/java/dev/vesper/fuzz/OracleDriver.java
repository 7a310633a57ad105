package dev.vesper.fuzz;

import dev.vesper.fuzz.store.CampaignException;
import dev.vesper.guest.Locore;
import dev.vesper.machine.Until;
import dev.vesper.machine.observe.flow.FlowOptions;
import dev.vesper.machine.spec.MachineSpec;
import dev.vesper.machine.spec.SevMode;
import dev.vesper.machine.spec.Translator;
import java.nio.charset.StandardCharsets;
import java.util.List;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/**
 * Drivers on top of the reference guest that believe one answer of their host and go on: that
 * something was wrong only an oracle tells. Each has a twin that does the same with the check.
 */
enum OracleDriver {
  LEAK("leak", Finding.Kind.LEAK, "leak: oracle_key -> GHCB RAX", "vc_exchange"),
  TAINT("taint", Finding.Kind.TAINT, "address: ", "oracle_entry"),
  CBIT_SHARES("cbit_shares", Finding.Kind.CBIT, "read: ", "oracle_reads"),
  CBIT_EXECUTES("cbit_executes", Finding.Kind.CBIT, "fetch: ", "oracle_calls"),
  RIP("rip", Finding.Kind.RIP, "jump: ", "oracle_acts");

  /** Without it, all of the kernel can be executed. */
  private static final String HAS_NX = "    mov dword [pg_nx+4-KERNBASE], 0x80000000\n";

  private final String source;
  final Finding.Kind kind;

  /** How the title begins, and a function that is in the stack. */
  final String what;

  final String function;

  OracleDriver(String source, Finding.Kind kind, String what, String function) {
    this.source = source;
    this.kind = kind;
    this.what = what;
    this.function = function;
  }

  Oracles oracles() {
    return switch (kind) {
      case CBIT -> new Oracles(true, false, null);
      case RIP -> new Oracles(false, true, null);
      case LEAK -> new Oracles(false, false, new FlowOptions(true, false, List.of()));
      default -> new Oracles(false, false, new FlowOptions(false, true, List.of()));
    };
  }

  /** {@return a lie that the driver without the check believes} */
  Input lie() throws CampaignException {
    String lie =
        switch (this) {
          case CBIT_SHARES -> "msr:0x1b@* rax=0xfee00910\n";
          case RIP -> "cpuid:0x40000001@1 rbx=0x8000\n";
          default -> "cpuid:0x40000001@1 rbx=0x90\n";
        };
    return InputReader.read(lie.getBytes(StandardCharsets.US_ASCII));
  }

  private byte[] image(boolean mended) {
    String driver = SmallDriver.read(source);
    driver = mended ? driver.replace("\n;fix|", "\n") : driver;
    return Locore.variant(driver + SmallDriver.read("oracle"), Map.of(HAS_NX, ""));
  }

  private static MachineSpec spec(SevMode mode, byte[] image) {
    MachineSpec.Builder b = MachineSpec.builder(mode, image, c -> {}).memoryBytes(64L << 20);
    return mode == SevMode.SNP ? b.build() : b.cpuModel("vesper-min,+xsave").build();
  }

  /**
   * {@return executions of it, from {@code main} on}
   *
   * @param mended with the check
   */
  Harness harness(SevMode mode, boolean mended, @Nullable Translator t) throws CampaignException {
    byte[] image = image(mended);
    return new Harness(
        () -> spec(mode, image),
        Until.symbol("main"),
        null,
        20_000,
        SiteFilter.of("cpuid:0x40000001,msr:0x1b", ""),
        t,
        oracles());
  }
}
