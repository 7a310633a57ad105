package dev.vesper.machine;

import dev.vesper.machine.boot.LaunchChoices;
import dev.vesper.machine.launch.GuestPolicy;
import dev.vesper.machine.launch.LaunchSecret;
import dev.vesper.machine.launch.LaunchSession;
import dev.vesper.machine.launch.Measurement;
import dev.vesper.machine.launch.SevCertificate;
import dev.vesper.machine.sev.ResetState;
import dev.vesper.machine.sev.SevMode;
import dev.vesper.machine.vmm.ConsoleInput;
import dev.vesper.machine.vmm.Hardware;
import java.util.List;
import java.util.function.IntConsumer;
import org.jspecify.annotations.Nullable;

/**
 * What a machine is made of.
 *
 * @param mode protection of the guest
 * @param profile hypervisor to behave as: see {@link dev.vesper.machine.vmm.Profile#named}
 * @param processors vCPUs
 * @param memoryBytes guest RAM: a multiple of 1 MiB, at most 3 GiB
 * @param boot what is booted
 * @param cpuModel CPU model with features added or taken away, as in {@code vesper-min,+xsave}
 * @param seed decides keys and RDRAND
 * @param executeOnly data reads of the image's text fault while paging is on
 * @param intercepts names of instructions that the host intercepts besides those of its profile
 * @param hostFaults names of breaches that the hypervisor commits: see {@link
 *     dev.vesper.machine.vmm.HostFaults}
 * @param launch how the guest is launched
 * @param hardware the board and what hangs on it
 * @param ports where what the guest says goes
 */
public record MachineOptions(
    SevMode mode,
    String profile,
    int processors,
    long memoryBytes,
    Boot boot,
    String cpuModel,
    long seed,
    boolean executeOnly,
    List<String> intercepts,
    List<String> hostFaults,
    Launch launch,
    Hardware hardware,
    Ports ports) {
  /** Most guest RAM: the hole below 4 GiB starts there. */
  public static final long MAX_MEMORY = 3L << 30;

  /**
   * What is booted.
   *
   * @param image the image's bytes; may be empty with firmware, which is else told to boot it
   * @param name its name for messages
   * @param initrd initial RAM disk, or null
   * @param commandLine kernel command line
   * @param entry32 bzImage: take the 32-bit entry
   * @param firmware what the processor starts in, or null to enter the image
   */
  public record Boot(
      byte[] image,
      String name,
      byte @Nullable [] initrd,
      String commandLine,
      boolean entry32,
      @Nullable Firmware firmware) {}

  /**
   * Firmware that ends at 4 GiB.
   *
   * @param code a ROM, where the processor starts; all of it is part of the launch
   * @param variables a flash before it, which stays unencrypted; may be empty
   */
  public record Firmware(byte[] code, byte[] variables) {
    /**
     * {@return firmware without a flash, as with QEMU's -bios} OVMF finds that it cannot write and
     * keeps variables in memory.
     */
    public static Firmware of(byte[] image) {
      return new Firmware(image, new byte[0]);
    }
  }

  /**
   * How a guest is launched.
   *
   * @param policy of LAUNCH_START, or null for the hypervisor's own
   * @param reset save areas of processors that start in firmware
   * @param signature CPUID Fn1 EAX in them, or null for the CPU model's
   * @param hashes whether a kernel that firmware is handed is measured
   * @param owner certificate and session of the guest's owner, or null for keys that the secure
   *     processor makes
   * @param secret what is put into the guest's memory before it runs
   */
  public record Launch(
      @Nullable GuestPolicy policy,
      ResetState reset,
      @Nullable Integer signature,
      LaunchChoices.Hashes hashes,
      @Nullable Session owner,
      Secret secret) {
    /** What hypervisors do when nothing is said. */
    public static final Launch DEFAULT =
        new Launch(
            null, ResetState.QEMU, null, LaunchChoices.Hashes.AUTO, null, measurement -> null);
  }

  /** {@return a copy for an owner with a secret} */
  public MachineOptions withOwner(@Nullable Session owner, Secret secret) {
    return withLaunch(
        new Launch(
            launch.policy,
            launch.reset,
            launch.signature,
            launch.hashes,
            owner == null ? launch.owner : owner,
            secret));
  }

  /** What a guest's owner prepared for LAUNCH_START. */
  public record Session(SevCertificate certificate, LaunchSession session) {}

  /** A guest's owner, who sees a measurement and answers with a secret. */
  public interface Secret {
    /** {@return the packet for LAUNCH_SECRET, or null for none} */
    @Nullable LaunchSecret answer(Measurement measurement);
  }

  /**
   * The outside of the machine.
   *
   * @param console takes what COM1 writes
   * @param debug takes what the debug consoles write
   * @param virtioConsole takes what a virtio console writes
   * @param input what COM1 reads
   */
  public record Ports(
      IntConsumer console, IntConsumer debug, IntConsumer virtioConsole, ConsoleInput input) {}

  /**
   * {@return options with defaults for tests and tools: profile kvm, one vCPU, 512 MiB, vesper-min,
   * seed 1, no input}
   */
  public static MachineOptions of(SevMode mode, byte[] image, IntConsumer console) {
    return new MachineOptions(
        mode,
        "kvm",
        1,
        512L << 20,
        new Boot(image, "image", null, "", false, null),
        "vesper-min",
        1,
        false,
        List.of(),
        List.of(),
        Launch.DEFAULT,
        Hardware.NONE,
        new Ports(console, b -> {}, b -> {}, ConsoleInput.NONE));
  }

  private MachineOptions copy(long bytes, Boot b, Ports p) {
    return copy(bytes, b, hardware, p);
  }

  private MachineOptions copy(long bytes, Boot b, Hardware h, Ports p) {
    return new MachineOptions(
        mode,
        profile,
        processors,
        bytes,
        b,
        cpuModel,
        seed,
        executeOnly,
        intercepts,
        hostFaults,
        launch,
        h,
        p);
  }

  /** {@return a copy of the same guest with all that is around it} */
  private MachineOptions around(
      SevMode m, boolean xo, List<String> more, List<String> faults, Launch l, Ports outside) {
    return new MachineOptions(
        m,
        profile,
        processors,
        memoryBytes,
        boot,
        cpuModel,
        seed,
        xo,
        more,
        faults,
        l,
        hardware,
        outside);
  }

  /** {@return a copy with another command line and initrd} */
  public MachineOptions with(String line, byte @Nullable [] disk) {
    return copy(
        memoryBytes,
        new Boot(boot.image, boot.name, disk, line, boot.entry32, boot.firmware),
        ports);
  }

  /** {@return a copy that boots something else} */
  public MachineOptions withBoot(Boot b) {
    return copy(memoryBytes, b, ports);
  }

  /** {@return a copy with another protection} */
  public MachineOptions withMode(SevMode other) {
    return around(other, executeOnly, intercepts, hostFaults, launch, ports);
  }

  /** {@return a copy with other memory} */
  public MachineOptions withMemory(long bytes) {
    return copy(bytes, boot, ports);
  }

  /** {@return a copy that takes the 32-bit entry} */
  public MachineOptions with32BitEntry() {
    Boot b = new Boot(boot.image, boot.name, boot.initrd, boot.commandLine, true, boot.firmware);
    return copy(memoryBytes, b, ports);
  }

  /** {@return a copy that starts in firmware} */
  public MachineOptions withFirmware(Firmware flash) {
    Boot b = new Boot(boot.image, boot.name, boot.initrd, boot.commandLine, boot.entry32, flash);
    return copy(memoryBytes, b, ports);
  }

  /** {@return a copy with console input} */
  public MachineOptions withInput(ConsoleInput in) {
    return copy(memoryBytes, boot, new Ports(ports.console, ports.debug, ports.virtioConsole, in));
  }

  /** {@return a copy with a virtio console connected} */
  public MachineOptions withVirtioConsole(IntConsumer virtioConsole) {
    return copy(
        memoryBytes, boot, new Ports(ports.console, ports.debug, virtioConsole, ports.input));
  }

  /** {@return a copy with other hardware} */
  public MachineOptions withHardware(Hardware h) {
    return copy(memoryBytes, boot, h, ports);
  }

  private MachineOptions host(
      String newProfile, int n, String model, boolean xo, List<String> more) {
    return new MachineOptions(
        mode,
        newProfile,
        n,
        memoryBytes,
        boot,
        model,
        seed,
        xo,
        more,
        hostFaults,
        launch,
        hardware,
        ports);
  }

  /** {@return a copy for another hypervisor} */
  public MachineOptions withProfile(String name) {
    return host(name, processors, cpuModel, executeOnly, intercepts);
  }

  /** {@return a copy with more vCPUs} */
  public MachineOptions withProcessors(int n) {
    return host(profile, n, cpuModel, executeOnly, intercepts);
  }

  /** {@return a copy with another CPU model} */
  public MachineOptions withCpu(String model) {
    return host(profile, processors, model, executeOnly, intercepts);
  }

  /** {@return a copy whose text data reads cannot see} */
  public MachineOptions withExecuteOnlyText() {
    return host(profile, processors, cpuModel, true, intercepts);
  }

  /** {@return a copy whose host intercepts more} */
  public MachineOptions withIntercepts(String... names) {
    return host(profile, processors, cpuModel, executeOnly, List.of(names));
  }

  /** {@return a copy whose hypervisor breaks the protocol} */
  public MachineOptions withHostFaults(String... names) {
    return around(mode, executeOnly, intercepts, List.of(names), launch, ports);
  }

  /** {@return a copy with a host that watches and errs as told, and with an outside} */
  public MachineOptions withHost(
      boolean xo, List<String> more, List<String> faults, Ports outside) {
    return around(mode, xo, more, faults, launch, outside);
  }

  /** {@return a copy that is launched otherwise} */
  public MachineOptions withLaunch(Launch other) {
    return around(mode, executeOnly, intercepts, hostFaults, other, ports);
  }
}
