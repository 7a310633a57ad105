package dev.vesper.machine.spec;

import dev.vesper.machine.device.disk.Disk;
import dev.vesper.machine.device.net.Network;
import dev.vesper.machine.device.share.FuseServer;
import dev.vesper.machine.hostile.Script;
import dev.vesper.machine.input.InputLog;
import dev.vesper.machine.launch.GuestPolicy;
import dev.vesper.machine.launch.LaunchSecret;
import dev.vesper.machine.launch.LaunchSession;
import dev.vesper.machine.launch.Measurement;
import dev.vesper.machine.launch.SevCertificate;
import dev.vesper.machine.model.CpuModel;
import java.io.IOException;
import java.io.OutputStream;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.function.IntConsumer;
import org.jspecify.annotations.Nullable;

/**
 * What a machine is made of. Made by a {@link Builder}; what it does not say is profile kvm under
 * SEV-ES with one vCPU, 512 MiB, CPU model vesper-min (EPYC-Milan under SEV-SNP), seed 1, QEMU's
 * board {@code pc}, no input and a console that nobody reads; a reset ends the run.
 *
 * {@snippet :
 * MachineSpec spec =
 *     MachineSpec.builder()
 *         .kernel(Path.of("vmlinuz"))
 *         .initrd(Path.of("initrd.cpio"))
 *         .append("console=ttyS0")
 *         .processors(2)
 *         .console(System.out)
 *         .build();
 * }
 */
public final class MachineSpec {
  /** Most guest RAM, in bytes. */
  public static final long MAX_MEMORY = 64L << 30;

  private final Builder b;

  private MachineSpec(Builder b) {
    this.b = b;
  }

  /** {@return a builder of a machine that boots nothing yet} */
  public static Builder builder() {
    return new Builder();
  }

  /** {@return a builder of a machine with an image and a console} */
  public static Builder builder(SevMode mode, byte[] image, IntConsumer console) {
    return builder().mode(mode).kernel(image, "image").console(console);
  }

  /** {@return a machine with an image and a console, and nothing else said} */
  public static MachineSpec of(SevMode mode, byte[] image, IntConsumer console) {
    return builder(mode, image, console).build();
  }

  /** {@return a builder that starts from this} */
  public Builder toBuilder() {
    return b.copy();
  }

  /** {@return protection of the guest} */
  public SevMode mode() {
    return b.mode;
  }

  /** {@return hypervisor to behave as: kvm, openbsd, openbsd:2025-06, ...} */
  public String profile() {
    return b.profile;
  }

  /** {@return number of vCPUs} */
  public int processors() {
    return b.processors;
  }

  /** {@return guest RAM: a multiple of 1 MiB, at most {@link #MAX_MEMORY}} */
  public long memoryBytes() {
    return b.memoryBytes;
  }

  /** {@return what is booted} */
  public Boot boot() {
    return b.boot;
  }

  /** {@return CPU model with features added or taken away, as in {@code vesper-min,+xsave}} */
  public String cpuModel() {
    String named = b.cpuModel;
    return named != null ? named : mode() == SevMode.SNP ? "EPYC-Milan" : "vesper-min";
  }

  /** {@return names of the CPU models that {@link #cpuModel} may begin with, the smallest first} */
  public static List<String> cpuModels() {
    return CpuModel.names();
  }

  /** {@return what decides keys and RDRAND} */
  public long seed() {
    return b.seed;
  }

  /** {@return whether data reads of the image's text fault while paging is on} */
  public boolean executeOnly() {
    return b.executeOnly;
  }

  /** {@return names of instructions that the host intercepts besides those of its profile} */
  public List<String> intercepts() {
    return b.intercepts;
  }

  /** {@return names of breaches of the protocol that the hypervisor commits} */
  public List<String> hostFaults() {
    return b.hostFaults;
  }

  /** {@return what a host does that means harm, or null for one that does not} */
  public @Nullable Script hostile() {
    return b.hostile;
  }

  /** {@return how the guest is launched} */
  public Launch launch() {
    return b.launch;
  }

  /**
   * {@return whether a launch under SEV or SEV-ES stays open until the machine first runs, so that
   * {@link dev.vesper.machine.Machine#injectSecret} may put secrets into it}
   */
  public boolean holdsLaunch() {
    return b.holdsLaunch;
  }

  /** {@return how the guest is launched under SEV-SNP} */
  public SnpLaunch snp() {
    return b.snp;
  }

  /** {@return the board and what hangs on it} */
  public Hardware hardware() {
    return b.hardware;
  }

  /** {@return what becomes of a guest that resets itself} */
  public ResetPolicy resets() {
    return b.resets;
  }

  /**
   * {@return where the machine asks for what comes from outside, or null if none of it is kept} It
   * is one run's: of two machines from one description the second goes on where the first was.
   */
  public @Nullable InputLog inputs() {
    return b.inputs;
  }

  /** {@return where what the guest says goes} */
  public Ports ports() {
    return b.ports;
  }

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
      KernelHashing hashes,
      @Nullable Session owner,
      Secret secret) {
    /** What hypervisors do when nothing is said. */
    public static final Launch DEFAULT =
        new Launch(null, ResetState.QEMU, null, KernelHashing.AUTO, null, measurement -> null);
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

  /** Says what a machine is made of, one thing at a time. */
  public static final class Builder {
    private SevMode mode = SevMode.ES;
    private String profile = "kvm";
    private int processors = 1;
    private long memoryBytes = 512L << 20;
    private Boot boot = new Boot(new byte[0], "image", null, "", false, null);
    private @Nullable String cpuModel;
    private long seed = 1;
    private boolean executeOnly;
    private List<String> intercepts = List.of();
    private List<String> hostFaults = List.of();
    private @Nullable Script hostile;
    private Launch launch = Launch.DEFAULT;
    private boolean holdsLaunch;
    private SnpLaunch snp = SnpLaunch.DEFAULT;
    private Hardware hardware = Hardware.NONE;
    private ResetPolicy resets = ResetPolicy.END;
    private @Nullable InputLog inputs;
    private Ports ports = new Ports(b -> {}, b -> {}, b -> {}, ConsoleInput.NONE);

    private Builder() {}

    private Builder copy() {
      Builder c = new Builder();
      c.mode = mode;
      c.profile = profile;
      c.processors = processors;
      c.memoryBytes = memoryBytes;
      c.boot = boot;
      c.cpuModel = cpuModel;
      c.seed = seed;
      c.executeOnly = executeOnly;
      c.intercepts = intercepts;
      c.hostFaults = hostFaults;
      c.hostile = hostile;
      c.launch = launch;
      c.holdsLaunch = holdsLaunch;
      c.snp = snp;
      c.hardware = hardware;
      c.resets = resets;
      c.inputs = inputs;
      c.ports = ports;
      return c;
    }

    /** {@return the machine's description} Whether it makes a machine is found when it is made. */
    public MachineSpec build() {
      return new MachineSpec(copy());
    }

    /** Sets the protection of the guest. */
    public Builder mode(SevMode m) {
      mode = m;
      return this;
    }

    /** Sets the hypervisor to behave as. */
    public Builder profile(String name) {
      profile = name;
      return this;
    }

    /** Sets the number of vCPUs. */
    public Builder processors(int n) {
      processors = n;
      return this;
    }

    /** Sets the guest's RAM, a multiple of 1 MiB. */
    public Builder memoryBytes(long bytes) {
      memoryBytes = bytes;
      return this;
    }

    /** Sets all of what is booted. */
    public Builder boot(Boot whole) {
      boot = whole;
      return this;
    }

    /**
     * Sets the kernel or image from a file.
     *
     * @throws IOException if it cannot be read
     */
    public Builder kernel(Path file) throws IOException {
      Path name = file.getFileName();
      return kernel(Files.readAllBytes(file), name == null ? file.toString() : name.toString());
    }

    /**
     * Sets the kernel or image.
     *
     * @param name for messages
     */
    public Builder kernel(byte[] image, String name) {
      boot = new Boot(image, name, boot.initrd, boot.commandLine, boot.entry32, boot.firmware);
      return this;
    }

    /**
     * Sets the initial RAM disk from a file.
     *
     * @throws IOException if it cannot be read
     */
    public Builder initrd(Path file) throws IOException {
      return initrd(Files.readAllBytes(file));
    }

    /** Sets the initial RAM disk, or none with null. */
    public Builder initrd(byte @Nullable [] disk) {
      boot = new Boot(boot.image, boot.name, disk, boot.commandLine, boot.entry32, boot.firmware);
      return this;
    }

    /** Sets the kernel's command line. */
    public Builder append(String line) {
      boot = new Boot(boot.image, boot.name, boot.initrd, line, boot.entry32, boot.firmware);
      return this;
    }

    /** Takes the 32-bit entry of a bzImage. */
    public Builder entry32() {
      boot = new Boot(boot.image, boot.name, boot.initrd, boot.commandLine, true, boot.firmware);
      return this;
    }

    /**
     * Sets firmware without a variable store from a file.
     *
     * @throws IOException if it cannot be read
     */
    public Builder firmware(Path file) throws IOException {
      return firmware(Firmware.of(Files.readAllBytes(file)));
    }

    /** Sets what the processor starts in, or none with null. */
    public Builder firmware(@Nullable Firmware f) {
      boot = new Boot(boot.image, boot.name, boot.initrd, boot.commandLine, boot.entry32, f);
      return this;
    }

    /** Sets the CPU model. */
    public Builder cpuModel(String model) {
      cpuModel = model;
      return this;
    }

    /** Sets what decides keys and RDRAND. */
    public Builder seed(long s) {
      seed = s;
      return this;
    }

    /** Makes data reads of the image's text fault while paging is on. */
    public Builder executeOnlyText() {
      return executeOnly(true);
    }

    /** Decides whether data reads of the image's text fault while paging is on. */
    public Builder executeOnly(boolean on) {
      executeOnly = on;
      return this;
    }

    /** Has the host intercept more instructions than its profile does, by their names. */
    public Builder intercepts(String... names) {
      intercepts = List.of(names);
      return this;
    }

    /** Has the hypervisor break the protocol, by names. */
    public Builder hostFaults(String... names) {
      hostFaults = List.of(names);
      return this;
    }

    /** Has the host follow a script that means harm, or none. */
    public Builder hostile(@Nullable Script script) {
      hostile = script;
      return this;
    }

    /** Has a launch under SEV or SEV-ES stay open until the machine first runs. */
    public Builder holdsLaunch(boolean on) {
      holdsLaunch = on;
      return this;
    }

    /** Sets how the guest is launched. */
    public Builder launch(Launch l) {
      launch = l;
      return this;
    }

    /** Sets how the guest is launched under SEV-SNP. */
    public Builder snp(SnpLaunch l) {
      snp = l;
      return this;
    }

    /** Launches for an owner with a secret. */
    public Builder owner(@Nullable Session owner, Secret secret) {
      launch =
          new Launch(
              launch.policy,
              launch.reset,
              launch.signature,
              launch.hashes,
              owner == null ? launch.owner : owner,
              secret);
      return this;
    }

    /** Sets all of the hardware. */
    public Builder hardware(Hardware h) {
      hardware = h;
      return this;
    }

    /** Sets the board. */
    public Builder board(Hardware.Board board) {
      return hardware(hardware.withBoard(board));
    }

    /** Adds a disk. */
    public Builder drive(Disk disk, boolean virtio) {
      List<Hardware.Drive> drives = new ArrayList<>(hardware.drives());
      drives.add(new Hardware.Drive(disk, virtio));
      return hardware(hardware.withDrives(drives));
    }

    /** Adds a network. */
    public Builder network(Network n) {
      List<Network> networks = new ArrayList<>(hardware.networks());
      networks.add(n);
      return hardware(hardware.withNetworks(networks));
    }

    /** Adds a shared folder. */
    public Builder share(String tag, FuseServer server) {
      List<Hardware.Share> shares = new ArrayList<>(hardware.shares());
      shares.add(new Hardware.Share(tag, server));
      return hardware(hardware.withShares(shares));
    }

    /** Sets what becomes of a guest that resets itself, which ends its run if nothing is said. */
    public Builder resets(ResetPolicy policy) {
      resets = policy;
      return this;
    }

    /** Sets where the machine asks for what comes from outside. */
    public Builder inputs(InputLog log) {
      inputs = log;
      return this;
    }

    /** Sets all of the outside. */
    public Builder ports(Ports p) {
      ports = p;
      return this;
    }

    /** Sets who takes what COM1 writes. */
    public Builder console(IntConsumer to) {
      ports = new Ports(to, ports.debug, ports.virtioConsole, ports.input);
      return this;
    }

    /** Sets the stream that takes what COM1 writes; its failure ends the run. */
    public Builder console(OutputStream to) {
      return console(
          b -> {
            try {
              to.write(b);
              to.flush();
            } catch (IOException e) {
              throw new UncheckedIOException(e);
            }
          });
    }

    /** Sets who takes what a virtio console writes. */
    public Builder virtioConsole(IntConsumer to) {
      ports = new Ports(ports.console, ports.debug, to, ports.input);
      return this;
    }

    /** Sets what COM1 reads. */
    public Builder input(ConsoleInput in) {
      ports = new Ports(ports.console, ports.debug, ports.virtioConsole, in);
      return this;
    }
  }
}
