package dev.vesper.machine;

import dev.vesper.machine.sev.SevMode;
import dev.vesper.machine.vmm.ConsoleInput;
import java.util.function.IntConsumer;
import org.jspecify.annotations.Nullable;

/**
 * What a machine is made of.
 *
 * @param mode protection of the guest
 * @param memoryBytes guest RAM: a multiple of 1 MiB, at most 3 GiB
 * @param image the image's bytes
 * @param imageName its name for messages
 * @param initrd initial RAM disk, or null
 * @param commandLine kernel command line
 * @param entry32 bzImage: take the 32-bit entry
 * @param cpuModel name of a CPU model
 * @param seed decides keys and RDRAND
 * @param console takes what COM1 writes
 * @param debug takes what the debug consoles write
 * @param input what COM1 reads
 */
public record MachineOptions(
    SevMode mode,
    long memoryBytes,
    byte[] image,
    String imageName,
    byte @Nullable [] initrd,
    String commandLine,
    boolean entry32,
    String cpuModel,
    long seed,
    IntConsumer console,
    IntConsumer debug,
    ConsoleInput input) {
  /** Most guest RAM: the hole below 4 GiB starts there. */
  public static final long MAX_MEMORY = 3L << 30;

  /** {@return options with defaults for tests and tools: 512 MiB, vesper-min, seed 1, no input} */
  public static MachineOptions of(SevMode mode, byte[] image, IntConsumer console) {
    return new MachineOptions(
        mode,
        512L << 20,
        image,
        "image",
        null,
        "",
        false,
        "vesper-min",
        1,
        console,
        b -> {},
        ConsoleInput.NONE);
  }

  private MachineOptions copy(
      long bytes, byte @Nullable [] disk, String line, boolean is32, ConsoleInput in) {
    return new MachineOptions(
        mode, bytes, image, imageName, disk, line, is32, cpuModel, seed, console, debug, in);
  }

  /** {@return a copy with another command line and initrd} */
  public MachineOptions with(String line, byte @Nullable [] disk) {
    return copy(memoryBytes, disk, line, entry32, input);
  }

  /** {@return a copy with other memory} */
  public MachineOptions withMemory(long bytes) {
    return copy(bytes, initrd, commandLine, entry32, input);
  }

  /** {@return a copy that takes the 32-bit entry} */
  public MachineOptions with32BitEntry() {
    return copy(memoryBytes, initrd, commandLine, true, input);
  }

  /** {@return a copy with console input} */
  public MachineOptions withInput(ConsoleInput in) {
    return copy(memoryBytes, initrd, commandLine, entry32, in);
  }
}
