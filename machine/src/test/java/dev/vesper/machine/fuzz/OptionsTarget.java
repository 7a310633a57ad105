package dev.vesper.machine.fuzz;

import dev.vesper.fixtures.fuzz.FuzzInput;
import dev.vesper.fixtures.fuzz.FuzzTarget;
import dev.vesper.machine.HardwareOptions;
import dev.vesper.machine.device.net.Network;
import dev.vesper.machine.launch.ApiVersion;
import dev.vesper.machine.launch.CommandFailed;
import dev.vesper.machine.launch.GuestPolicy;
import dev.vesper.machine.launch.LaunchSecret;
import dev.vesper.machine.launch.LaunchSession;
import dev.vesper.machine.launch.Measurement;
import dev.vesper.machine.launch.Owner;
import dev.vesper.machine.launch.PlatformKeys;
import dev.vesper.machine.launch.SecretTable;
import dev.vesper.machine.launch.SevCertificate;
import dev.vesper.machine.model.CpuModel;
import dev.vesper.machine.observe.format.JsonTree;
import dev.vesper.machine.vmm.Profile;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.UUID;
import java.util.regex.Pattern;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;

/**
 * What is written on command lines and in files of a launch; the first byte says which. In what
 * names files, {@code @} stands for a folder that has some, and nothing else is opened.
 */
public final class OptionsTarget implements FuzzTarget {
  private static final GuestPolicy POLICY = new GuestPolicy(5);

  /** A door that would be opened to the computer. */
  private static final Pattern DOOR = Pattern.compile("hostfwd=tcp:[^:]*:0*[1-9]\\d{0,4}-");

  private static final PlatformKeys PLATFORM = new PlatformKeys(1);
  private static final Owner OWNER = Owner.seeded(PLATFORM.certificate(), POLICY, 1);
  private static final byte[] SHARED = PLATFORM.agree(OWNER.certificate());
  private static final SevCertificate PEK =
      SevCertificate.parse(
          Arrays.copyOfRange(PLATFORM.chain(), SevCertificate.BYTES, 2 * SevCertificate.BYTES));
  private static final Measurement MEASUREMENT =
      Measurement.of(ApiVersion.CURRENT, POLICY, new byte[32], new byte[16], OWNER.keys().tik());

  /** Kinds of input. */
  private static final int MEMORY = 0;

  private static final int CLOCK = 1;
  private static final int MODEL = 2;
  private static final int PROFILE = 3;
  private static final int NIC = 4;
  private static final int CERTIFICATE = 5;
  private static final int SESSION = 6;
  private static final int JSON = 7;
  private static final int DRIVE = 8;
  private static final int SHARE = 9;
  private static final int SECRET = 10;
  private static final int KINDS = 11;

  private @Nullable Path folder;

  @Override
  public String name() {
    return "options";
  }

  /** Of the profiles only their names: what they do is not decided here. */
  @Override
  public List<String> covers() {
    return Stream.of(
            "HardwareOptions",
            "launch.GuestPolicy",
            "launch.LaunchSecret",
            "launch.LaunchSession",
            "launch.SecretTable",
            "launch.SevCertificate",
            "model.",
            "observe.format.JsonTree",
            "vmm.Profile")
        .map("dev.vesper.machine."::concat)
        .toList();
  }

  @Override
  public int inputs() {
    return 5000;
  }

  @Override
  public List<String> words() {
    return List.of(
        "",
        "0",
        "-1",
        "65536",
        "999999",
        "9999999999",
        "on",
        "off",
        "raw",
        "qcow2",
        "virtio",
        "ide",
        "none",
        "user",
        "readonly",
        "snapshot",
        "format",
        "file",
        "path",
        "tag",
        "base",
        "utc",
        "true",
        "null",
        "\\u0000",
        "@/raw",
        "@/qcow2",
        "@/none",
        "@/folder",
        "+",
        "-",
        "xsave");
  }

  private static byte[] seed(int kind, String text) {
    return new Words().u8(kind).bytes(text.getBytes(StandardCharsets.UTF_8)).done();
  }

  @Override
  public List<byte[]> seeds() {
    List<byte[]> all = new ArrayList<>();
    texts(MEMORY, all, "512M", "2G", "64", "0", "1T");
    texts(
        CLOCK,
        all,
        "base=2026-06-17T16:01:21,clock=vm,driftfix=none",
        "base=2026-06-17",
        "base=utc",
        "base=localtime",
        "clock=host",
        "driftfix=slew",
        "base=1969-01-01",
        "base=never",
        "");
    texts(
        MODEL,
        all,
        "vesper-min,+xsave,-popcnt",
        "EPYC-Genoa,phys-bits=48,+avx2",
        "EPYC-Milan,-xsave,xsaves=on,pku=off",
        "EPYC,enforce",
        "EPYC-Rome,phys-bits=99",
        "vesper-min,+none");
    texts(PROFILE, all, "kvm", "openbsd:2025-06", "openbsd,cr8=trap", "openbsd:2026,cr8=native");
    texts(
        NIC,
        all,
        "user",
        "none",
        "tap",
        "user,guestfwd=tcp:10.0.2.2:80-tcp:127.0.0.1:8080",
        "user,guestfwd=tcp:10.0.2.3:80-tcp:127.0.0.1:8080",
        "user,hostfwd=tcp:127.0.0.1:70000-10.0.2.15:22",
        "user,hostfwd=tcp::0-:22",
        "user,hostfwd=tcp:10.0.0.1:70000-:22",
        "user,hostfwd=tcp::70000-1.2.3.4.5:22");
    texts(
        DRIVE,
        all,
        "file=@/raw,format=raw,if=ide,readonly=on,snapshot=off",
        "file=@/qcow2,if=virtio",
        "file=@/raw,snapshot=on",
        "file=@/none",
        "file=@/folder",
        "file=@/raw,format=qcow2",
        "file=@/raw,format=vdi",
        "file=@/raw,if=scsi",
        "file=@/raw,readonly=maybe",
        "file=@/raw,cache=none",
        "format=raw");
    texts(
        SHARE,
        all,
        "path=@/folder,tag=shared,readonly=on",
        "path=@/raw,tag=t",
        "path=@/none,tag=t,readonly=off",
        "path=@,tag=",
        "path=@,name=x");
    texts(
        JSON,
        all,
        "{\"schema\":\"x\",\"pages\":[{\"bytes\":-4096,\"a\":\"\\u0041\\n\"},[]],\"b\":true}",
        "[\"\\t\\r\\b\\f\\/\\\\\\\"\",false,null,12,{}]",
        "{\"a\":{\"b\":{\"c\":[[[[]]]]}}}");
    all.add(new Words().u8(CERTIFICATE).bytes(OWNER.certificate().encode()).done());
    all.add(new Words().u8(CERTIFICATE).bytes(PLATFORM.certificate().encode()).done());
    all.add(new Words().u8(SESSION).bytes(OWNER.session().encode()).done());
    byte[] table = SecretTable.of(Map.of(new UUID(1, 2), new byte[] {1, 2, 3}));
    LaunchSecret s = LaunchSecret.seal(OWNER.keys(), new byte[16], table, MEASUREMENT);
    all.add(new Words().u8(SECRET).bytes(s.header()).bytes(s.payload()).done());
    all.add(new Words().u8(SECRET).bytes(table).done());
    return all;
  }

  private static void texts(int kind, List<byte[]> to, String... texts) {
    for (String t : texts) {
      to.add(seed(kind, t));
    }
  }

  @Override
  public void take(byte[] input) throws IOException {
    FuzzInput in = new FuzzInput(input);
    int kind = in.u8() % KINDS;
    byte[] b = in.rest();
    String text = new String(b, StandardCharsets.UTF_8);
    try {
      switch (kind) {
        case MEMORY -> HardwareOptions.memory("-m", text);
        case CLOCK -> HardwareOptions.clock("-rtc", text);
        case MODEL -> model(text);
        case PROFILE -> Profile.named(text);
        case NIC -> {
          if (!DOOR.matcher(text).find()) {
            Network n = HardwareOptions.nic("-nic", text);
            if (n != null) {
              n.close();
            }
          }
        }
        case CERTIFICATE -> {
          SevCertificate c = SevCertificate.parse(b);
          if (c.isDiffieHellman() && !c.signedBy(PEK)) {
            PLATFORM.agree(c);
          }
        }
        case SESSION -> LaunchSession.parse(b).open(SHARED, POLICY);
        case JSON -> json(text);
        case DRIVE, SHARE -> files(kind, text);
        default -> {
          SecretTable.isTable(b);
          int header = Math.min(b.length, LaunchSecret.HEADER_BYTES);
          new LaunchSecret(Arrays.copyOf(b, header), Arrays.copyOfRange(b, header, b.length))
              .open(OWNER.keys(), MEASUREMENT);
          GuestPolicy p = new GuestPolicy(Arrays.hashCode(b));
          p.accepts(ApiVersion.CURRENT);
          p.defined();
          throw new IllegalArgumentException(p.toString());
        }
      }
    } catch (IllegalArgumentException | CommandFailed e) {
      if (String.valueOf(e.getMessage()).isBlank()) {
        throw new IllegalStateException(e);
      }
    }
  }

  private static void model(String text) {
    CpuModel m = CpuModel.named(text);
    for (int leaf : new int[] {0, 1, 7, 0xD, 0x8000_0001, 0x8000_0008}) {
      m.leaf(leaf, 0);
    }
    m.xsaveSize(7);
    m.xsaveCompactSize(-1);
    m.features();
  }

  private static void json(String text) {
    if (text.startsWith("[")) {
      JsonTree.array(JsonTree.parse(text));
    } else {
      JsonTree.object(JsonTree.parse(text));
    }
  }

  /** What a path leads to beside the folder is not for a fuzzer to open. */
  private void files(int kind, String text) throws IOException {
    if (text.replace("@/", "").contains("/") || text.contains("..")) {
      return;
    }
    String named = text.replace("@", folder().toString());
    if (kind == SHARE) {
      HardwareOptions.share("--share", named).server().close();
    } else {
      HardwareOptions.driveFile("-drive", named);
      HardwareOptions.driveIsWritten("-drive", named, false);
      HardwareOptions.drive("-drive", named, false).disk().close();
    }
  }

  private Path folder() throws IOException {
    Path p = folder;
    if (p == null) {
      p = Files.createTempDirectory("vesper-fuzz");
      folder = p;
      Files.write(p.resolve("raw"), new byte[1024]);
      Files.write(p.resolve("qcow2"), Qcow2Target.image(3, false));
      Files.createDirectory(p.resolve("folder"));
      // In the order in which they can go, which is backwards.
      for (String n : List.of("", "raw", "qcow2", "folder")) {
        p.resolve(n).toFile().deleteOnExit();
      }
    }
    return p;
  }
}
