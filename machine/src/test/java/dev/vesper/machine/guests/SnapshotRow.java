package dev.vesper.machine.guests;

import static org.assertj.core.api.Assertions.assertThat;

import dev.vesper.fixtures.DebianKernel;
import dev.vesper.fixtures.Tools;
import dev.vesper.guest.FlatGuest;
import dev.vesper.guest.Locore;
import dev.vesper.machine.Machine;
import dev.vesper.machine.device.disk.Disk;
import dev.vesper.machine.device.disk.OverlayDisk;
import dev.vesper.machine.observe.EventSink;
import dev.vesper.machine.spec.Hardware;
import dev.vesper.machine.spec.MachineSpec;
import dev.vesper.machine.spec.Outcome;
import dev.vesper.machine.spec.SevMode;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;

/** Guests that go on from snapshots, each the same in every process. */
enum SnapshotRow {
  LINUX_OFF(SevMode.OFF, 1, 3000),
  LINUX_ES(SevMode.ES, 1, 3000),
  LINUX_SNP(SevMode.SNP, 1, 3000),
  LINUX_ES_SMP4(SevMode.ES, 4, 3000),
  OVMF_ES(SevMode.ES, 1, 800),
  OPENBSD_ES(SevMode.ES, 1, 50),
  OPENBSD_OFF(SevMode.OFF, 1, 50),
  OPENBSD_DISK(SevMode.OFF, 1, 3);

  private static final String INIT =
      """
      #!/bin/busybox sh
      /bin/busybox mount -t proc proc /proc
      /bin/busybox cat /proc/interrupts /proc/meminfo | /bin/busybox md5sum
      /bin/busybox poweroff -f
      """;

  private static final Path OVMF = Path.of("/usr/share/ovmf/OVMF.fd");

  /**
   * A driver of the legacy virtio disk that writes pages of numbers, and reads back what it wrote
   * some pages before, for as long as it may.
   */
  private static final String WRITES =
      """
          mov ebx, 0x80000000
      find:
          mov eax, ebx
          mov edx, 0xcf8
          out dx, eax
          mov edx, 0xcfc
          in eax, dx
          add ebx, 0x800
          cmp eax, 0x10011af4
          jne find
          lea eax, [rbx - 0x7f0]
          mov edx, 0xcf8
          out dx, eax
          mov edx, 0xcfc
          in eax, dx
          and eax, 0xfffc
          mov ebp, eax
          lea edx, [rbp + 0x12]
          mov al, 3
          out dx, al
          lea edx, [rbp + 4]
          xor eax, eax
          out dx, eax
          lea edx, [rbp + 0x0e]
          out dx, ax
          lea edx, [rbp + 0x0c]
          in ax, dx
          movzx ecx, ax
          mov esi, ecx
          shl esi, 4
          add esi, 0x300000
          lea edi, [rsi + rcx*2 + 4101]
          and edi, -4096
          dec ecx
          mov r14d, ecx
          lea edx, [rbp + 8]
          mov eax, 0x300
          out dx, eax
          lea edx, [rbp + 0x12]
          mov al, 7
          out dx, al
          mov ebx, 0x300000
          mov dword [rbx], 0x310000
          mov dword [rbx + 8], 16
          mov dword [rbx + 12], 0x10001
          mov dword [rbx + 16], 0x311000
          mov dword [rbx + 24], 4096
          mov dword [rbx + 32], 0x310010
          mov dword [rbx + 40], 1
          mov dword [rbx + 44], 2
          xor r12d, r12d
      again:
          inc r12d
          mov ecx, 1024
          mov ebx, 0x311000
      fill:
          mov [rbx], r12d
          add ebx, 4
          dec ecx
          jnz fill
          mov dword [0x310000], 1
          mov dword [0x30001c], 0x20001
          mov r8d, r12d
          call request
          mov dword [0x310000], 0
          mov dword [0x30001c], 0x20003
          mov r8d, r12d
          sub r8d, 5
          call request
          mov eax, [0x311000]
          add r13d, eax
          jmp again
      request:
          and r8d, 255
          shl r8d, 3
          mov [0x310008], r8d
          mov byte [0x310010], 9
          movzx ecx, word [rsi + 2]
          mov eax, ecx
          and eax, r14d
          mov word [rsi + rax*2 + 4], 0
          inc ecx
          mov [rsi + 2], cx
          lea edx, [rbp + 0x10]
          xor eax, eax
          out dx, ax
      wait:
          cmp [rdi + 2], cx
          jne wait
          ret
      """;

  private final SevMode mode;
  private final int processors;
  private final long millions;

  SnapshotRow(SevMode mode, int processors, long millions) {
    this.mode = mode;
    this.processors = processors;
    this.millions = millions;
  }

  /** {@return the guest, which has not run, and ends by itself or at a limit} */
  Machine machine(EventSink sink) throws Exception {
    MachineSpec.Builder b =
        switch (this) {
          case LINUX_OFF, LINUX_ES, LINUX_SNP, LINUX_ES_SMP4 ->
              builder(DebianKernel.image(), 256)
                  .append("console=ttyS0 cryptomgr.notests=1")
                  .initrd(DebianKernel.initramfs(INIT));
          case OVMF_ES -> {
            Tools.require(OVMF.toString(), "ovmf");
            yield builder(new byte[0], 256)
                .firmware(MachineSpec.Firmware.of(Files.readAllBytes(OVMF)));
          }
          case OPENBSD_ES, OPENBSD_OFF ->
              onVmd(builder(Locore.image(), 64).cpuModel("vesper-min,+xsave"));
          case OPENBSD_DISK -> onVmd(builder(FlatGuest.image(WRITES), 16));
        };
    Machine m = new Machine(mode == SevMode.SNP ? b.cpuModel("EPYC-Milan").build() : b.build());
    m.trace(sink, true);
    m.limit(limit(), Long.MAX_VALUE);
    return m;
  }

  /** {@return instructions that it may execute} */
  long limit() {
    return millions * 1_000_000L;
  }

  /** A guest that has come to nothing proves nothing. */
  void requireDone(Machine m, int status) {
    assertThat(status)
        .isEqualTo(
            switch (this) {
              case LINUX_OFF, LINUX_ES, LINUX_SNP, LINUX_ES_SMP4 -> Outcome.POWER_OFF;
              case OVMF_ES, OPENBSD_DISK -> Outcome.LIMIT;
              case OPENBSD_ES, OPENBSD_OFF -> Locore.PASS << 1 | 1;
            });
    if (this == OPENBSD_DISK) {
      OverlayDisk disk = (OverlayDisk) m.spec().hardware().drives().get(0).disk();
      assertThat(disk.written()).as("bytes of the disk that are others").isEqualTo(256 * 4096);
    }
  }

  private MachineSpec.Builder builder(byte[] image, int mebibytes) {
    return MachineSpec.builder(mode, image, c -> {})
        .memoryBytes((long) mebibytes << 20)
        .processors(processors);
  }

  private static MachineSpec.Builder onVmd(MachineSpec.Builder b) {
    return b.profile("openbsd")
        .hardware(
            new Hardware(
                Hardware.Board.PC,
                List.of(new Hardware.Drive(new OverlayDisk(new Numbers()), true))));
  }

  /** A disk whose sectors are full of their numbers. */
  private static final class Numbers implements Disk {
    @Override
    public long sectors() {
      return 1 << 14;
    }

    @Override
    public boolean readOnly() {
      return true;
    }

    @Override
    public void read(long sector, byte[] to, int bytes) {
      for (int i = 0; i < bytes; i++) {
        to[i] = (byte) (sector + i / SECTOR);
      }
    }

    @Override
    public void write(long sector, byte[] from, int bytes) {
      throw new UnsupportedOperationException("it is read only");
    }

    @Override
    public void flush() {
      // Nothing is written.
    }
  }
}
