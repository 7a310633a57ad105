package dev.vesper.machine.boot;

import dev.vesper.machine.launch.Guids;
import dev.vesper.machine.spec.BootException;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.UUID;
import org.jspecify.annotations.Nullable;

/**
 * The table in which OVMF says what a hypervisor must know before it runs (spec: launch, section
 * 4). It ends 32 bytes before the end of the image and is read backwards: each entry is its data, a
 * 16-bit length of all of it, and a GUID. Older images have the reset block alone in that place.
 */
public final class FirmwareTable {
  /** A guest physical area that the table names; both numbers have 32 bits. */
  public record Area(long address, long length) {}

  private static final UUID FOOTER = UUID.fromString("96b582de-1fb2-45f7-baea-a366c55a082d");
  private static final UUID RESET_BLOCK = UUID.fromString("00f771de-1a7e-4fcb-890e-68c77e2fb44e");
  private static final UUID SECRETS = UUID.fromString("4c2eb361-7d9b-4cc3-8081-127c90d3d294");
  private static final UUID HASHES = UUID.fromString("7255371f-3a3b-4b04-927b-1da6efa8d454");
  private static final UUID SNP_METADATA = UUID.fromString("dc886566-984a-4798-a75e-5585a7bf67cc");
  private static final int METADATA_HEADER = 16;
  private static final int SECTION = 12;
  private static final int MOST_SECTIONS = 256;
  private static final long ASEV = 0x5645_5341;
  private static final int END = 32;
  private static final int TAIL = 18;

  private final byte[] image;

  /**
   * @param image what ends at 4 GiB
   */
  public FirmwareTable(byte[] image) {
    this.image = image;
  }

  /**
   * {@return where application processors of an SEV-ES guest start: CS base and IP; 0 if unsaid}
   */
  long resetAddress() {
    byte[] data = entry(RESET_BLOCK);
    return data == null ? 0 : Bytes.u32(data, 0);
  }

  /** {@return where secrets go, or null} */
  public @Nullable Area secrets() {
    return area(entry(SECRETS));
  }

  /** {@return where hashes of kernel, initrd and command line are looked for, or null} */
  @Nullable Area hashes() {
    return area(entry(HASHES));
  }

  /**
   * {@return the sections that an SNP launch takes from the image, in its order; null if the image
   * has none}
   *
   * @throws BootException if they are damaged
   */
  @Nullable List<SnpSection> sections() throws BootException {
    byte[] data = entry(SNP_METADATA);
    if (data == null) {
      return null;
    }
    long at = image.length - Bytes.u32(data, 0);
    long count = Bytes.u32(image, at + 12);
    if (at < 0
        || Bytes.u32(image, at) != ASEV
        || Bytes.u32(image, at + 8) != 1
        || count > MOST_SECTIONS
        || at + METADATA_HEADER + count * SECTION > image.length) {
      throw new BootException("the firmware's SNP metadata are damaged: copy or build it anew");
    }
    List<SnpSection> out = new ArrayList<>();
    for (int i = 0; i < count; i++) {
      long s = at + METADATA_HEADER + (long) i * SECTION;
      out.add(
          SnpSection.of(
              Bytes.u32(image, s), Bytes.u32(image, s + 4), (int) Bytes.u32(image, s + 8)));
    }
    return out;
  }

  /** {@return an area; null too if the build left it empty, as OVMF without AmdSev does} */
  private static @Nullable Area area(byte @Nullable [] data) {
    long length = data == null ? 0 : Bytes.u32(data, 4);
    return data == null || length == 0 ? null : new Area(Bytes.u32(data, 0), length);
  }

  private byte @Nullable [] entry(UUID guid) {
    int end = image.length - END;
    boolean table = at(end, FOOTER);
    int start = table ? end - Bytes.u16(image, end - TAIL) : end - TAIL;
    for (int e = table ? end - TAIL : end; e - TAIL >= Math.max(start, 0); ) {
      int length = Bytes.u16(image, e - TAIL);
      if (length < TAIL || length > e) {
        return null;
      }
      if (at(e, guid)) {
        return Arrays.copyOfRange(image, e - length, e - TAIL);
      }
      e -= length;
    }
    return null;
  }

  /** {@return whether a GUID ends there} */
  private boolean at(int end, UUID guid) {
    return end >= 16 && Arrays.equals(image, end - 16, end, Guids.bytes(guid), 0, 16);
  }
}
