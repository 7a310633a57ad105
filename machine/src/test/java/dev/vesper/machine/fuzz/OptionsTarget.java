package dev.vesper.machine.fuzz;

import dev.vesper.fixtures.fuzz.FuzzInput;
import dev.vesper.fixtures.fuzz.FuzzTarget;
import dev.vesper.machine.HardwareOptions;
import dev.vesper.machine.device.net.Network;
import dev.vesper.machine.launch.CommandFailed;
import dev.vesper.machine.launch.GuestPolicy;
import dev.vesper.machine.launch.LaunchSession;
import dev.vesper.machine.launch.Owner;
import dev.vesper.machine.launch.PlatformKeys;
import dev.vesper.machine.launch.SevCertificate;
import dev.vesper.machine.model.CpuModel;
import dev.vesper.machine.observe.format.JsonTree;
import dev.vesper.machine.vmm.Profile;
import java.nio.charset.StandardCharsets;
import java.util.List;

/** What is written on command lines and in files of a launch; the first byte says which. */
public final class OptionsTarget implements FuzzTarget {
  @Override
  public String name() {
    return "options";
  }

  @Override
  public List<String> covers() {
    return List.of(
        "dev.vesper.machine.HardwareOptions",
        "dev.vesper.machine.model.",
        "dev.vesper.machine.observe.format.JsonTree",
        "dev.vesper.machine.vmm.OpenBsdProfile",
        "dev.vesper.machine.launch.SevCertificate",
        "dev.vesper.machine.launch.LaunchSession",
        "dev.vesper.machine.launch.EllipticKey");
  }

  private static byte[] seed(int kind, String text) {
    return new Words().u8(kind).bytes(text.getBytes(StandardCharsets.UTF_8)).done();
  }

  @Override
  public List<byte[]> seeds() {
    Owner owner = Owner.seeded(new PlatformKeys(1).certificate(), new GuestPolicy(5), 1);
    return List.of(
        seed(0, "512M"),
        seed(1, "base=2026-06-17T16:01:21,clock=vm,driftfix=none"),
        seed(1, "base=2026-06-17"),
        seed(2, "vesper-min,+xsave,-popcnt"),
        seed(2, "EPYC-Genoa,phys-bits=48,+avx2"),
        seed(3, "openbsd:2025-06"),
        seed(3, "openbsd,cr8=trap"),
        seed(4, "user"),
        new Words().u8(5).bytes(owner.certificate().encode()).done(),
        new Words().u8(6).bytes(owner.session().encode()).done(),
        seed(
            7,
            "{\"schema\":\"x\",\"pages\":[{\"bytes\":-4096,\"a\":\"\\u0041\\n\"},[]],\"b\":true}"));
  }

  @Override
  public void take(byte[] input) {
    FuzzInput in = new FuzzInput(input);
    int kind = in.u8() % 8;
    byte[] b = in.rest();
    String text = new String(b, StandardCharsets.UTF_8);
    try {
      switch (kind) {
        case 0 -> HardwareOptions.memory("-m", text);
        case 1 -> HardwareOptions.clock("-rtc", text);
        case 2 -> CpuModel.named(text);
        case 3 -> Profile.named(text);
        case 4 -> {
          // Forwards would open ports of this computer.
          if (!text.contains("fwd=")) {
            Network n = HardwareOptions.nic("-nic", text);
            if (n != null) {
              n.close();
            }
          }
        }
        case 5 -> SevCertificate.parse(b);
        case 6 -> LaunchSession.parse(b);
        default -> JsonTree.parse(text);
      }
    } catch (IllegalArgumentException | CommandFailed e) {
      if (String.valueOf(e.getMessage()).isBlank()) {
        throw new IllegalStateException(e);
      }
    }
  }
}
