package dev.vesper.bench;

import dev.vesper.guest.FlatGuest;
import java.io.IOException;
import java.io.RandomAccessFile;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;

/**
 * CPU time of whole runs whose guest reads a raw virtio disk of zeros, eight times from its
 * beginning to its end in requests of 128 KiB, less that of a guest that ends at once.
 */
final class DiskBench {
  private static final long DISK = 512L << 20;
  private static final int ROUNDS = 8;

  /** Rings and the header from 3 MiB on, 128 KiB of data at 16 MiB; no interrupts, it polls. */
  private static final String READER =
      """
      mov ebx, 0x80000000
      F: mov eax, ebx
      mov edx, 0xcf8
      out dx, eax
      mov edx, 0xcfc
      in eax, dx
      add ebx, 0x800
      cmp eax, 0x10421af4
      jne F
      lea eax, [rbx - 0x7e0]
      mov edx, 0xcf8
      out dx, eax
      mov edx, 0xcfc
      in eax, dx
      and eax, -16
      mov edi, eax
      mov byte [rdi + 0x14], 3
      mov dword [rdi + 8], 1
      mov dword [rdi + 0xc], 1
      mov byte [rdi + 0x14], 11
      mov dword [rdi + 0x20], 0x300000
      mov dword [rdi + 0x28], 0x301000
      mov dword [rdi + 0x30], 0x302000
      mov word [rdi + 0x1c], 1
      mov byte [rdi + 0x14], 15
      mov esi, 0x300000
      mov dword [rsi], 0x310000
      mov dword [rsi + 8], 16
      mov dword [rsi + 12], 0x10001
      mov dword [rsi + 16], 0x1000000
      mov dword [rsi + 24], 0x20000
      mov dword [rsi + 28], 0x20003
      mov dword [rsi + 32], 0x310010
      mov dword [rsi + 40], 1
      mov dword [rsi + 44], 2
      mov r8d, ROUNDS
      xor ecx, ecx
      R: xor r9d, r9d
      N: mov [rsi + 0x10008], r9
      mov byte [rsi + 0x10010], 255
      inc ecx
      mov [rsi + 0x1002], cx
      mov dword [rdi + 0x3000], 0
      W: cmp [rsi + 0x2002], cx
      jne W
      cmp byte [rsi + 0x10010], 0
      jne E
      add r9d, 256
      cmp r9d, SECTORS
      jne N
      dec r8d
      jne R
      mov al, 0
      out 0xf4, al
      hlt
      E: mov al, 1
      out 0xf4, al
      hlt
      """
          .replace("ROUNDS", Integer.toString(ROUNDS))
          .replace("SECTORS", Long.toString(DISK / 512));

  private DiskBench() {}

  static void run() throws IOException {
    Path folder = Files.createTempDirectory("vesper-bench");
    try {
      Path disk = folder.resolve("disk");
      try (RandomAccessFile f = new RandomAccessFile(disk.toFile(), "rw")) {
        f.setLength(DISK);
      }
      Path reader = Files.write(folder.resolve("reader"), FlatGuest.image(READER));
      Path nothing = Files.write(folder.resolve("nothing"), FlatGuest.image(Kernels.NOTHING));
      double[] reads = new double[Bench.PASSES];
      double[] starts = new double[Bench.PASSES];
      for (int p = 0; p < reads.length; p++) {
        starts[p] = seconds(disk, nothing);
        reads[p] = seconds(disk, reader) - starts[p];
      }
      double s = Bench.median(reads);
      System.out.printf(
          "virtio disk, %d MiB in reads of 128 KiB: %.2f CPU s, %.0f MB/s (a run: %.2f CPU s)%n",
          ROUNDS * DISK >> 20, s, ROUNDS * DISK / 1e6 / s, Bench.median(starts));
    } finally {
      try (var files = Files.list(folder)) {
        for (Path p : files.toList()) {
          Files.delete(p);
        }
      }
      Files.delete(folder);
    }
  }

  /** {@return CPU seconds of a run, of all its threads} */
  private static double seconds(Path disk, Path image) throws IOException {
    List<String> command =
        new ArrayList<>(Children.java("dev.vesper.cli", "dev.vesper.cli.Main", "run"));
    command.addAll(List.of("--sev", "off", "-M", "pc", "-drive"));
    command.addAll(List.of("file=" + disk + ",format=raw,readonly=on", image.toString()));
    double before = Children.cpuSeconds();
    int status = Children.status(command);
    if (status != 1) {
      throw new IOException("the guest ended with status " + status);
    }
    return Children.cpuSeconds() - before;
  }
}
