package dev.vesper.machine.observe.check;

import dev.vesper.ghcb.ExitCode;
import dev.vesper.ghcb.GhcbField;
import dev.vesper.ghcb.MsrRequest;
import dev.vesper.machine.observe.At;
import dev.vesper.machine.observe.Event;
import dev.vesper.machine.observe.Event.GhcbExchange;
import dev.vesper.machine.observe.Event.MsrExchange;
import java.util.Set;

/** The rules for where a guest under SEV-SNP takes CPUID from, and for what the host says. */
final class CpuidRules {
  /**
   * Leaves with something of the processor at hand in them, which no page can have: APIC IDs, and
   * OSXSAVE and OSPKE of CR4.
   */
  private static final Set<Integer> OF_THE_PROCESSOR = Set.of(1, 0xB, 0x1F, 0x8000_001E);

  /**
   * Leaves of which the host's answer may differ: it depends on registers of the guest, or firmware
   * allows fewer bits than the host has.
   */
  private static final Set<Integer> OF_THE_HOST = Set.of(7, 0xD, 0x8000_0008, 0x8000_001D);

  private static final GhcbField[] ANSWER = {
    GhcbField.RAX, GhcbField.RBX, GhcbField.RCX, GhcbField.RDX
  };

  private static final String[] NAMES = {"EAX", "EBX", "ECX", "EDX"};

  private final Findings findings;
  private CpuidTable table = CpuidTable.NONE;

  CpuidRules(Findings findings) {
    this.findings = findings;
  }

  /** The guest was launched with a page. */
  void launched(CpuidTable t) {
    table = t;
  }

  /** {@return the page that the guest was launched with} */
  CpuidTable table() {
    return table;
  }

  /** Judges CPUID by the GHCB. */
  void exchange(GhcbExchange x) {
    if (x.exit() != ExitCode.CPUID) {
      return;
    }
    int leaf = (int) x.request().get(GhcbField.RAX);
    int subleaf = (int) x.request().get(GhcbField.RCX);
    asked(leaf, x.at(), x.vc());
    if (x.status() != 0 || x.ended() != null || !compared(leaf, subleaf)) {
      return;
    }
    for (int r = 0; r < ANSWER.length; r++) {
      answered(leaf, subleaf, r, (int) x.answer().get(ANSWER[r]), x.at(), x.vc());
    }
  }

  /** Judges CPUID by the MSR protocol. */
  void exchange(MsrExchange e) {
    if (MsrRequest.info(e.request()) != MsrRequest.CPUID_REQ) {
      return;
    }
    int leaf = (int) (e.request() >>> 32);
    int register = (int) (e.request() >>> 30) & 3;
    asked(leaf, e.at(), e.vc());
    if (MsrRequest.info(e.response()) == MsrRequest.CPUID_RESP && compared(leaf, 0)) {
      answered(leaf, 0, register, (int) (e.response() >>> 32), e.at(), e.vc());
    }
  }

  private void asked(int leaf, At at, long vc) {
    if (table.has(leaf, null) && !OF_THE_PROCESSOR.contains(leaf)) {
      findings.add(
          Rule.CPUID_FROM_HOST,
          at,
          vc,
          () ->
              "the host is asked for CPUID leaf "
                  + Event.hex(leaf & 0xFFFF_FFFFL)
                  + ", which the CPUID page has");
    }
  }

  private boolean compared(int leaf, int subleaf) {
    return table.has(leaf, subleaf)
        && !OF_THE_PROCESSOR.contains(leaf)
        && !OF_THE_HOST.contains(leaf);
  }

  private void answered(int leaf, int subleaf, int register, int value, At at, long vc) {
    int page = table.answer(leaf, subleaf, register);
    if (page != value) {
      findings.add(
          Rule.HOST_CPUID,
          at,
          vc,
          () ->
              "the host says "
                  + NAMES[register]
                  + " "
                  + Event.hex(value & 0xFFFF_FFFFL)
                  + " for CPUID leaf "
                  + Event.hex(leaf & 0xFFFF_FFFFL)
                  + "; the page that was launched has "
                  + Event.hex(page & 0xFFFF_FFFFL));
    }
  }
}
