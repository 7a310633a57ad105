package dev.vesper.bench;

import dev.vesper.machine.Machine;
import dev.vesper.machine.spec.BootException;
import dev.vesper.machine.spec.MachineSpec;
import dev.vesper.machine.spec.SevMode;
import java.io.IOException;
import java.lang.management.ManagementFactory;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;

/**
 * The benchmark command (docs/performance.md). What has a counterpart in QEMU is measured beside
 * QEMU's translator and printed as a ratio; without QEMU the ratios are left out.
 */
public final class Bench {
  /** Passes of everything, of which the median is printed. */
  static final int PASSES = 5;

  /** What flat guests run on, here and in QEMU: it has AVX2, AES and SHA. */
  static final String CPU_MODEL = "EPYC-Milan";

  private static final String USAGE =
      """
      usage: vesper bench kernels                         hot guest code
             vesper bench vectors                         the same with SSE and AVX2
             vesper bench memory                          much memory, unaligned, REP MOVS, TLB flushes
             vesper bench vc                              round trips through a #VC handler, page states
             vesper bench exits                           port, MMIO and timer interrupt, without and under es
             vesper bench boot KERNEL INITRD [off|sev|es] a Linux boot, each pass in a new process
             vesper bench firmware OVMF.fd [off|sev|es]   firmware to its shell, the same way
             vesper bench userland NAME [off|sev|es]      Debian's programs: math, hashlib, math-i386,
                                                          hashlib-i386, gzip, openssl, hrtimers, or
                                                          scale (16 GiB, 8 CPUs)
             vesper bench start                           time to the first byte of output
             vesper bench disk                            reads of a virtio disk
             vesper bench reset [KERNEL]                  back to a checkpoint, and on
             vesper bench coverage KERNEL                 what counting edges costs
             vesper bench decode                          the decoder
      """;

  private Bench() {}

  /** Runs the benchmark that the first argument names. */
  public static void main(String[] args) throws BootException, IOException {
    List<String> rest = Arrays.asList(args).subList(Math.min(1, args.length), args.length);
    switch (args.length == 0 ? "" : args[0]) {
      case "kernels" -> KernelBench.run(Kernels.all());
      case "vectors" -> KernelBench.run(VectorKernels.all());
      case "memory" -> KernelBench.run(MemoryKernels.all());
      case "vc" -> RoundTrips.run();
      case "exits" -> ExitBench.run();
      case "decode" -> DecoderBench.run();
      case "start" -> StartBench.run();
      case "disk" -> DiskBench.run();
      case "reset" -> {
        if (rest.size() > 1) {
          usage();
        }
        ResetBench.run(rest.isEmpty() ? null : readable(rest.get(0)));
      }
      case "coverage" -> {
        if (rest.size() != 1) {
          usage();
        }
        CoverageBench.run(readable(rest.get(0)));
      }
      case "boot", BootBench.ONCE -> {
        if (rest.size() < 2 || rest.size() > 3) {
          usage();
        }
        Path kernel = readable(rest.get(0));
        Path initrd = readable(rest.get(1));
        String mode = mode(rest, 2, "es");
        if (args[0].equals("boot")) {
          BootBench.run(kernel, initrd, mode);
        } else {
          BootBench.once(kernel, initrd, mode);
        }
      }
      case "userland" -> {
        Workload w =
            Workload.all().stream()
                .filter(x -> !rest.isEmpty() && rest.size() < 3 && x.name().equals(rest.get(0)))
                .findFirst()
                .orElse(null);
        if (w == null) {
          usage();
        } else {
          userland(w, mode(rest, 1, "off"));
        }
      }
      case "firmware" -> {
        if (rest.isEmpty() || rest.size() > 2) {
          usage();
        }
        FirmwareBench.run(readable(rest.get(0)), mode(rest, 1, "off"));
      }
      default -> usage();
    }
  }

  private static void userland(Workload w, String mode) {
    try {
      UserlandBench.run(w, mode);
    } catch (IOException e) {
      System.err.println("vesper: " + e.getMessage());
      System.exit(2);
    }
  }

  private static void usage() {
    System.err.print(USAGE);
    System.exit(2);
  }

  private static String mode(List<String> arguments, int at, String otherwise) {
    String mode = arguments.size() > at ? arguments.get(at) : otherwise;
    if (!List.of("off", "sev", "es").contains(mode)) {
      System.err.println("vesper: unknown mode " + mode + ": say off, sev or es");
      System.exit(2);
    }
    return mode;
  }

  private static Path readable(String name) {
    Path file = Path.of(name);
    if (!Files.isReadable(file)) {
      System.err.println("vesper: cannot read " + name);
      System.exit(2);
    }
    return file;
  }

  /** {@return CPU time of this thread} */
  static long cpuNanos() {
    return ManagementFactory.getThreadMXBean().getCurrentThreadCpuTime();
  }

  /** {@return a machine with 64 MiB whose output goes nowhere} */
  static Machine machine(SevMode mode, byte[] image) throws BootException {
    return new Machine(
        MachineSpec.builder(mode, image, b -> {})
            .memoryBytes(64L << 20)
            .cpuModel(CPU_MODEL)
            .build());
  }

  static double median(double[] values) {
    double[] v = values.clone();
    Arrays.sort(v);
    return v[v.length / 2];
  }
}
