package dev.vesper.machine;

import dev.vesper.machine.device.VirtioBlock;
import dev.vesper.machine.sev.SevMode;
import dev.vesper.machine.vmm.ConsoleInput;
import java.util.Arrays;
import java.util.HexFormat;
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
   * A flash that ends at 4 GiB.
   *
   * @param code its end, where the processor starts; part of the launch
   * @param variables what lies before it, which stays unencrypted; may be empty
   */
  public record Firmware(byte[] code, byte[] variables) {
    /** GUID of EFI_SYSTEM_NV_DATA_FV, as it lies in a volume's header. */
    private static final byte[] VARIABLE_STORE =
        HexFormat.of().parseHex("8d2bf1ff96768b4ca9852747075b4f50");

    private static final int GUID_OFFSET = 16;
    private static final int LENGTH_OFFSET = 32;

    /**
     * {@return the parts of a flash image} One that begins with a variable store is code from
     * behind it on: firmware maps the store shared, so a launch must leave it unencrypted.
     */
    public static Firmware of(byte[] image) {
      int end = GUID_OFFSET + VARIABLE_STORE.length;
      if (image.length > LENGTH_OFFSET + 8
          && Arrays.equals(image, GUID_OFFSET, end, VARIABLE_STORE, 0, VARIABLE_STORE.length)) {
        long length = 0;
        for (int i = 7; i >= 0; i--) {
          length = length << 8 | image[LENGTH_OFFSET + i] & 0xFF;
        }
        if (length > 0 && length < image.length) {
          return new Firmware(
              Arrays.copyOfRange(image, (int) length, image.length),
              Arrays.copyOf(image, (int) length));
        }
      }
      return new Firmware(image, new byte[0]);
    }
  }

  /**
   * The outside of the machine.
   *
   * @param console takes what COM1 writes
   * @param debug takes what the debug consoles write
   * @param virtioConsole takes what a virtio console writes
   * @param input what COM1 reads
   * @param disk behind a virtio block device
   */
  public record Ports(
      IntConsumer console,
      IntConsumer debug,
      IntConsumer virtioConsole,
      ConsoleInput input,
      VirtioBlock.Disk disk) {}

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
        new Ports(console, b -> {}, b -> {}, ConsoleInput.NONE, VirtioBlock.Disk.NONE));
  }

  private MachineOptions copy(long bytes, Boot b, Ports p) {
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
        p);
  }

  /** {@return a copy with another command line and initrd} */
  public MachineOptions with(String line, byte @Nullable [] disk) {
    return copy(
        memoryBytes,
        new Boot(boot.image, boot.name, disk, line, boot.entry32, boot.firmware),
        ports);
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
    return copy(
        memoryBytes,
        boot,
        new Ports(ports.console, ports.debug, ports.virtioConsole, in, ports.disk));
  }

  /** {@return a copy with devices of the virtio kind connected} */
  public MachineOptions withVirtio(IntConsumer virtioConsole, VirtioBlock.Disk disk) {
    return copy(
        memoryBytes, boot, new Ports(ports.console, ports.debug, virtioConsole, ports.input, disk));
  }

  private MachineOptions host(
      String newProfile, int n, String model, boolean xo, List<String> more) {
    return new MachineOptions(
        mode, newProfile, n, memoryBytes, boot, model, seed, xo, more, hostFaults, ports);
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
    return new MachineOptions(
        mode,
        profile,
        processors,
        memoryBytes,
        boot,
        cpuModel,
        seed,
        executeOnly,
        intercepts,
        List.of(names),
        ports);
  }
}
