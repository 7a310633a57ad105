package dev.vesper.fuzz;

import dev.vesper.fuzz.store.CampaignException;
import dev.vesper.guest.Locore;
import dev.vesper.guest.ServiceModule;
import dev.vesper.machine.Until;
import dev.vesper.machine.device.disk.Disk;
import dev.vesper.machine.spec.Hardware;
import dev.vesper.machine.spec.MachineSpec;
import dev.vesper.machine.spec.SevMode;
import dev.vesper.machine.spec.SnpLaunch;
import java.io.IOException;
import java.io.InputStream;
import java.io.UncheckedIOException;
import java.nio.charset.StandardCharsets;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/**
 * Drivers on top of the reference guest, each with a mistake that a real guest has made, and each
 * with the check that the real one has got since.
 */
enum SmallDriver {
  USED_ID("used_id", "openbsd"),
  USED_LENGTH("used_length", "openbsd"),
  MAX_NR_PORTS("max_nr_ports", "openbsd"),
  NUM_QUEUES("num_queues", "openbsd"),
  BOUNCE_SIZE("bounce_size", "openbsd"),
  DESCRIPTOR("descriptor", "openbsd"),
  E820("e820", "kvm"),
  OPCODE("opcode", "kvm"),
  MESSAGE_NUMBER("message_number", "kvm");

  /** The check that a handler of #VC without it has not: the opcode of CPUID. */
  private static final String OPCODE_CHECK = "    cmp word [rbx], 0xa20f\n    jne vc_mismatch\n";

  /** Behind it a source has data, which lie before all others of the kernel's. */
  private static final String DATA = "; data\n";

  private static final String FIRST_DATA = "boothowto: dd 0\n";

  /**
   * What the service module does with a key whose message may have been answered: it forgets it.
   */
  private static final String FORGETS =
      """
      .report_lost:
          mov rdi, SVSM+SVSM_SECRETS+SECRETS_VMPCK
          xor eax, eax
          mov ecx, 4
          rep stosq
      """;

  private static final long LIMIT = 8_000_000;

  private final String source;
  private final String profile;

  SmallDriver(String source, String profile) {
    this.source = source;
    this.profile = profile;
  }

  static String read(String name) {
    try (InputStream in = SmallDriver.class.getResourceAsStream("planted/" + name + ".s")) {
      if (in == null) {
        throw new AssertionError(name + ".s is missing");
      }
      return new String(in.readAllBytes(), StandardCharsets.UTF_8);
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }

  /**
   * {@return the kernel}
   *
   * @param mended with the check
   */
  byte[] image(boolean mended) {
    String driver = read(source);
    boolean opcode = this == OPCODE && !mended;
    return image(
        mended ? driver.replace("\n;fix|", "\n") : driver,
        opcode ? Map.of(OPCODE_CHECK, "") : Map.of());
  }

  /** {@return a kernel with a driver that is a file among those} */
  static byte[] image(String name) {
    return image(read(name), Map.of());
  }

  private static byte[] image(String driver, Map<String, String> more) {
    int data = driver.indexOf(DATA);
    String main = (data < 0 ? driver : driver.substring(0, data)) + read("virtio");
    Map<String, String> pieces = new LinkedHashMap<>(more);
    if (data >= 0) {
      pieces.put(FIRST_DATA, driver.substring(data) + "\n" + FIRST_DATA);
    }
    return Locore.variant(main, pieces);
  }

  /**
   * {@return a machine with it}
   *
   * @param mended with the check
   */
  MachineSpec spec(boolean mended) {
    return spec(image(mended), mended);
  }

  private MachineSpec spec(byte[] image, boolean mended) {
    if (this == MESSAGE_NUMBER) {
      Map<String, String> pieces = mended ? Map.of() : Map.of(FORGETS, ".report_lost:\n");
      return MachineSpec.builder(SevMode.SNP, image, c -> {})
          .memoryBytes(64L << 20)
          .snp(SnpLaunch.DEFAULT.withService(ServiceModule.image(pieces)))
          .build();
    }
    MachineSpec.Builder b =
        MachineSpec.builder(SevMode.ES, image, c -> {})
            .profile(profile)
            .memoryBytes(64L << 20)
            .cpuModel("vesper-min,+xsave");
    if (this == MAX_NR_PORTS) {
      b.hardware(new Hardware(Hardware.Board.AUTO, List.of(), List.of(), true, List.of(), null));
    }
    return this == NUM_QUEUES ? b.drive(new EmptyDisk(), true).build() : b.build();
  }

  /** {@return executions of it, from {@code main} on} */
  Harness harness(boolean mended) throws CampaignException {
    byte[] image = image(mended);
    return new Harness(
        () -> spec(image, mended),
        Until.symbol("main"),
        null,
        LIMIT,
        SiteFilter.of("", "irq,time"),
        null);
  }

  private static final class EmptyDisk implements Disk {
    @Override
    public long sectors() {
      return 64;
    }

    @Override
    public boolean readOnly() {
      return true;
    }

    @Override
    public void read(long sector, byte[] to, int bytes) {
      java.util.Arrays.fill(to, 0, bytes, (byte) 0);
    }

    @Override
    public void write(long sector, byte[] from, int bytes) throws IOException {
      throw new IOException("the disk is read only");
    }

    @Override
    public void flush() {}
  }
}
