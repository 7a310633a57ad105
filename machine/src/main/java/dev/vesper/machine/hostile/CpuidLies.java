package dev.vesper.machine.hostile;

import dev.vesper.ghcb.GhcbField;
import dev.vesper.ghcb.MsrRequest;
import dev.vesper.machine.host.Exit;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.function.ToLongFunction;

/** What a host says of CPUID instead of what its profile does. */
final class CpuidLies {
  private static final List<GhcbField> REGISTERS =
      List.of(GhcbField.RAX, GhcbField.RBX, GhcbField.RCX, GhcbField.RDX);

  private record Lie(int leaf, int subleaf, Map<GhcbField, Long> registers) {}

  private final List<Lie> lies = new ArrayList<>();

  /** Adds one, which counts before those that were given earlier. */
  String add(LawfulAction.CpuidAnswer a, ToLongFunction<HostValue> values) {
    Map<GhcbField, Long> registers = new LinkedHashMap<>();
    StringBuilder said = new StringBuilder("CPUID 0x" + Integer.toHexString(a.leaf()));
    for (GhcbField f : REGISTERS) {
      HostValue v = a.registers().get(f);
      if (v != null) {
        long n = values.applyAsLong(v) & 0xFFFF_FFFFL;
        registers.put(f, n);
        said.append(' ').append(f).append(" = 0x").append(Long.toHexString(n));
      }
    }
    // The same again takes the earlier one's place, however often it comes.
    lies.removeIf(
        l ->
            l.leaf == a.leaf()
                && l.subleaf == a.subleaf()
                && registers.keySet().containsAll(l.registers.keySet()));
    lies.add(new Lie(a.leaf(), a.subleaf(), registers));
    return said.toString();
  }

  /** Changes the answer to a CPUID event. */
  void answered(Exit.Event e) {
    int leaf = (int) e.request(GhcbField.RAX);
    int subleaf = (int) e.request(GhcbField.RCX);
    for (Lie l : lies) {
      if (l.leaf == leaf && (l.subleaf == -1 || l.subleaf == subleaf)) {
        l.registers.forEach(e::set);
      }
    }
  }

  /** Changes the answer to a CPUID request of the MSR protocol. */
  void answered(Exit.Msr e) {
    if (MsrRequest.info(e.request()) != MsrRequest.CPUID_REQ) {
      return;
    }
    int leaf = (int) (e.request() >>> 32);
    GhcbField f = REGISTERS.get((int) (e.request() >>> 30) & 3);
    for (Lie l : lies) {
      Long n = l.registers.get(f);
      if (l.leaf == leaf && l.subleaf <= 0 && n != null) {
        e.respond(e.response() & 0xFFFF_FFFFL | n << 32);
      }
    }
  }
}
