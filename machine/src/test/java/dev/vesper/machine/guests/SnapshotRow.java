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
import dev.vesper.x86.Assembler;
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
          mov esp, 0x2f0000
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
          lea eax, [ebx - 0x7f0]
          mov edx, 0xcf8
          out dx, eax
          mov edx, 0xcfc
          in eax, dx
          and eax, 0xfffc
          mov ebp, eax
          lea edx, [ebp + 0x12]
          mov al, 3
          out dx, al
          lea edx, [ebp + 4]
          xor eax, eax
          out dx, eax
          lea edx, [ebp + 0x0e]
          out dx, ax
          lea edx, [ebp + 0x0c]
          in ax, dx
          movzx ecx, ax
          mov esi, ecx
          shl esi, 4
          add esi, 0x300000
          lea edi, [esi + ecx*2 + 4101]
          and edi, -4096
          dec ecx
          mov [0x312010], ecx
          lea edx, [ebp + 8]
          mov eax, 0x300
          out dx, eax
          lea edx, [ebp + 0x12]
          mov al, 7
          out dx, al
          mov ebx, 0x300000
          mov dword [ebx], 0x310000
          mov dword [ebx + 8], 16
          mov dword [ebx + 12], 0x10001
          mov dword [ebx + 16], 0x311000
          mov dword [ebx + 24], 4096
          mov dword [ebx + 32], 0x310010
          mov dword [ebx + 40], 1
          mov dword [ebx + 44], 2
          mov dword [0x312000], 0
      again:
          inc dword [0x312000]
          mov eax, [0x312000]
          mov ecx, 1024
          mov ebx, 0x311000
      fill:
          mov [ebx], eax
          add ebx, 4
          dec ecx
          jnz fill
          mov dword [0x310000], 1
          mov dword [0x30001c], 0x20001
          mov eax, [0x312000]
          call request
          mov dword [0x310000], 0
          mov dword [0x30001c], 0x20003
          mov eax, [0x312000]
          sub eax, 5
          call request
          mov eax, [0x311000]
          add [0x312008], eax
          jmp again
      request:
          and eax, 255
          shl eax, 3
          mov [0x310008], eax
          mov byte [0x310010], 9
          movzx ecx, word [esi + 2]
          mov eax, ecx
          and eax, [0x312010]
          mov word [esi + eax*2 + 4], 0
          inc ecx
          mov [esi + 2], cx
          lea edx, [ebp + 0x10]
          xor eax, eax
          out dx, ax
      wait:
          cmp [edi + 2], cx
          jne wait
          ret
      """;

  /** vmd has processors begin in 32-bit mode. */
  private static byte[] writes() {
    Assembler a = new Assembler(FlatGuest.BASE, 32);
    a.add(WRITES);
    StringBuilder bytes = new StringBuilder("db ");
    for (byte b : a.finish()) {
      bytes.append(b & 0xFF).append(", ");
    }
    return FlatGuest.image(bytes.substring(0, bytes.length() - 2));
  }

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
          case OPENBSD_DISK -> onVmd(builder(writes(), 16));
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
