package dev.vesper.cli;

import static org.assertj.core.api.Assertions.assertThat;

import dev.vesper.fixtures.DebianPackages;
import dev.vesper.fixtures.Tools;
import dev.vesper.guest.FlatGuest;
import dev.vesper.guest.Locore;
import dev.vesper.machine.LaunchPlan;
import dev.vesper.machine.Machine;
import dev.vesper.machine.launch.GuestPolicy;
import dev.vesper.machine.launch.LaunchSecret;
import dev.vesper.machine.launch.Owner;
import dev.vesper.machine.launch.PlatformKeys;
import dev.vesper.machine.launch.SnpPolicy;
import dev.vesper.machine.observe.format.JsonTree;
import dev.vesper.machine.spec.BootException;
import dev.vesper.machine.spec.KernelHashing;
import dev.vesper.machine.spec.MachineSpec;
import dev.vesper.machine.spec.ResetState;
import dev.vesper.machine.spec.SevMode;
import dev.vesper.machine.spec.SnpLaunch;
import java.io.IOException;
import java.io.InputStream;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Base64;
import java.util.HexFormat;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Random;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.EnumSource;
import org.junit.jupiter.params.provider.ValueSource;

/** {@code measure}, {@code session} and what {@code run} does with a launch. */
final class MeasureTest {
  private static final Path SNP_VECTORS =
      Path.of(System.getProperty("vesper.root", ".."))
          .resolve("machine/src/test/resources/dev/vesper/machine/launch/snp");

  @TempDir Path dir;

  private static CommandResult vesper(String... args) {
    List<String> all = new ArrayList<>(List.of(args));
    if (args[0].equals("run")) {
      // The console would be this process's own.
      all.addAll(List.of("-serial", "none"));
    }
    return CommandResult.of(all.toArray(new String[0]));
  }

  /** {@return the words of a line, where $name is a file of the directory} */
  private String[] words(String line) {
    return line.isBlank()
        ? new String[0]
        : Arrays.stream(line.trim().split("\\s+"))
            .map(w -> w.replace("$", dir + "/"))
            .toArray(String[]::new);
  }

  private CommandResult measure(String line, String... more) {
    List<String> args = new ArrayList<>(List.of("measure"));
    args.addAll(List.of(words(line)));
    args.addAll(List.of(more));
    return vesper(args.toArray(new String[0]));
  }

  private void file(String name, byte[] bytes) throws IOException {
    Files.write(dir.resolve(name), bytes);
  }

  /** The firmware of the recomputed vectors: 8 KiB with a reset block at 0x80B004. */
  private static byte[] small() {
    byte[] b = new byte[8192];
    for (int i = 0; i < b.length; i++) {
      b[i] = (byte) (7 * i + 3);
    }
    byte[] table =
        HexFormat.of()
            .parseHex(
                "04b080001600de71f7007e1acb4f890e68c77e2fb44e2800de82b596b21ff745baeaa366c55a082d");
    System.arraycopy(table, 0, b, 8120, table.length);
    return b;
  }

  /** Firmware whose table has places for secrets and hashes too. */
  private static byte[] hashing() {
    byte[] b = new byte[16384];
    for (int i = 0; i < b.length; i++) {
      b[i] = (byte) (5 * i + 1);
    }
    byte[] table =
        HexFormat.of()
            .parseHex(
                "000c8100000400001a001f3755723b3a044b927b1da6efa8d454"
                    + "00008100000c00001a0061b32e4c9b7dc34c8081127c90d3d294"
                    + "04b080001600de71f7007e1acb4f890e68c77e2fb44e"
                    + "5c00de82b596b21ff745baeaa366c55a082d");
    System.arraycopy(table, 0, b, b.length - 32 - table.length, table.length);
    return b;
  }

  private void files() throws IOException {
    file("small.fd", small());
    file("hashing.fd", hashing());
    file("empty", new byte[0]);
    file("k", "kernel".getBytes(StandardCharsets.US_ASCII));
    file("k2", "kernel2".getBytes(StandardCharsets.US_ASCII));
    file("i", "initrd".getBytes(StandardCharsets.US_ASCII));
    file("flat", FlatGuest.image("hlt\n"));
    file("flat2", FlatGuest.image("nop\nhlt\n"));
    file("locore", Locore.image());
  }

  // ---- vectors

  @ParameterizedTest
  @CsvSource({
    "--mode sev, 208e4c01a65d227b480a2f81002c009b496c32c66f34c2a0e82601285c7e3986",
    "--mode seves --vcpu-type EPYC-v4,"
        + " b899fe34089fdb0f8ac2fbc35db0bb29ad7cc0fd3d271d70136719fc454017dc",
    "--mode seves --vcpus 2 --vcpu-type EPYC-v4,"
        + " 0df6c44ba8e9e87524e44b663618f60e57c37eb14df0773aad465e0dc2bbd316",
    "--mode seves --vcpus 2 --vcpu-sig 0x800f12,"
        + " 0df6c44ba8e9e87524e44b663618f60e57c37eb14df0773aad465e0dc2bbd316",
    "--mode seves --vcpus 2 --vcpu-family 23 --vcpu-model 1 --vcpu-stepping 2,"
        + " 0df6c44ba8e9e87524e44b663618f60e57c37eb14df0773aad465e0dc2bbd316",
    "--mode seves --vcpus 1 --vcpu-type EPYC-Milan,"
        + " 9ca8d82de69c76d2574de512df189d276517c89af2edd015e3840826b5d3b9a8",
    "--sev es -smp 2 -cpu EPYC-Milan-v2,"
        + " 1cad2d6e58a8245f52e3953960038a2402364eb41a672c49c3c604699332c134"
  })
  void digestsOfSyntheticFirmware(String options, String digest) throws IOException {
    files();
    CommandResult r = measure(options + " --ovmf $small.fd");

    assertThat(r.err()).isEmpty();
    assertThat(r.out().trim()).isEqualTo(digest);
    CommandResult base64 = measure(options + " --ovmf $small.fd --output-format base64");
    assertThat(Base64.getDecoder().decode(base64.out().trim()))
        .isEqualTo(HexFormat.of().parseHex(digest));
  }

  /** The vectors of sev-snp-measure's own tests; its files are described beside them. */
  @ParameterizedTest
  @CsvSource({
    "--mode seves --vcpus 1 --vcpu-type EPYC-v4 --ovmf $AmdSev --kernel $empty --initrd $empty, '',"
        + " 13810ae661ea11e2bb205621f582fee268f0367c8f97bc297b7fadef3e12002c",
    "--mode seves --vcpus 4 --vcpu-type EPYC-v4 --ovmf $AmdSev --kernel $empty --initrd $empty, '',"
        + " 0dccbcaba8e90b261bd0d2e1863a2f9da714768b7b2a19363cd6ae35aa90de91",
    "--mode sev --ovmf $AmdSev --kernel $empty --initrd $empty, console=ttyS0 loglevel=7,"
        + " 82a3ee5d537c3620628270c292ae30cb40c3c878666a7890ee7ef2a08fb535ff",
    "--mode sev --ovmf $AmdSev --kernel $empty,,"
        + " 77f613d7bbcdf12a73782ea9e88b0172aeda50d1a54201cb903594ff52846898",
    "--mode sev --ovmf $OvmfX64,, b4c021e085fb83ceffe6571a3d357b4a98773c83c474e47f76c876708fe316da"
  })
  void digestsOfPublicVectors(String options, @Nullable String append, String digest)
      throws IOException {
    publicFirmware();
    CommandResult r = append == null ? measure(options) : measure(options, "--append", append);

    assertThat(r.err()).isEmpty();
    assertThat(r.out().trim()).isEqualTo(digest);
  }

  @ParameterizedTest
  @ValueSource(strings = {"--mode sev", "--mode seves --vcpus 1 --vcpu-type EPYC-v4"})
  void publicFirmwareWithoutPlaceForHashesRefusesAKernel(String mode) throws IOException {
    publicFirmware();
    CommandResult r = measure(mode + " --ovmf $OvmfX64 --kernel $empty --initrd $empty");

    assertThat(r.status()).isEqualTo(2);
    assertThat(r.out()).isEmpty();
    assertThat(r.err()).contains("no place for hashes of the kernel").hasLineCount(1);
  }

  /** SNP digests of sev-snp-measure's own tests (spec: snp 10). */
  @ParameterizedTest
  @CsvSource({
    "--ovmf $AmdSev, 19358ba9a7615534a9a1e2f0dfc29384dcd4dcb7062ff9c6013b26869a5fc6ec"
        + "abe033c48dd6f6db5d6d76e7c5df632d",
    "--ovmf $AmdSev --guest-features 0x21,"
        + " e1e1ca029dd7973ab9513295be68198472dcd4fc834bd9af9b63f6e8a1674dbf"
        + "281a9278a4a2ebe0eed9f22adbcd0e2b",
    "--ovmf $AmdSev --kernel $empty --initrd $empty --append CONSOLE,"
        + " 6d287813eb5222d770f75005c664e34c204f385ce832cc2ce7d0d6f354454362"
        + "f390ef83a92046c042e706363b4b08fa",
    "--ovmf $AmdSev --kernel $empty --initrd $empty --append CONSOLE --guest-features 21,"
        + " 803f691094946e42068aaa3a8f9e26a5c89f36f7b73ecfb28c653360fe4b3aba"
        + "7e534442e7e1e17895dfe778d0228977",
    "--ovmf $AmdSev --kernel $empty --initrd $empty --vcpus 4,"
        + " 5061fffb019493a903613d56d54b94912a1a2f9e4502385f5c194616753720a9"
        + "2441310ba6c4933de877c36e23046ad5",
    "--ovmf $AmdSev --kernel $empty --initrd $empty --vcpus 4 --guest-features 0x21,"
        + " 4953b1fb416fa874980e8442b3706d345926d5f38879134e00813c5d7abcbe78"
        + "eafe7b422907be0b4698e2414a631942",
    "--ovmf $AmdSev --kernel $empty --initrd $empty --vmm-type ec2,"
        + " 0883bd0eeb716e65b7b977a321c278d1e51b33b5c655fab985443bbcc65c086b"
        + "9c15e8a0bd8811050dec7e24964e5056",
    "--ovmf $AmdSev --kernel $empty --initrd $empty --vmm-type ec2 --guest-features 0x21,"
        + " 0ce9ccc06bab55eebe8abc234f3df6514883977a68a591b71052498ab52b2f1a"
        + "a415db338033946ef93aa8278c0d67fb",
    "--ovmf $AmdSev --kernel $empty --initrd $empty --vmm-type gce,"
        + " 5da7106cf14cf46b1725ebab123eb9e53bd46a1e9f400cd0c08e7827b04b688e"
        + "a8b4e403c8404efed4397ea5d5d0722e",
    "--ovmf $AmdSev --kernel $empty --initrd $empty --vmm-type gce --vcpus 4,"
        + " 5c5debf100fc339f90276e761ee1f1658d08922c3b20e2a2e6c7a6c3370b2452"
        + "a15a00eae11886a93d6fd1e7ab81e29d",
    "--ovmf $OvmfX64, da0296de8193586a5512078dcd719eccecbd87e2b825ad4148c44f665dc87df2"
        + "1e5b49e21523a9ad993afdb6a30b4005",
    "--ovmf $OvmfX64 --guest-features 0x21,"
        + " 28797ae0afaba4005a81e629acebfb59e6687949d6be44007cd5506823b0dd66"
        + "f146aaae26ff291eed7b493d8a64c385"
  })
  void snpDigestsOfPublicVectors(String options, String digest) throws IOException {
    publicFirmware();
    String line = "--mode snp --vcpu-type EPYC-v4 " + options.replace("--append CONSOLE", "");
    CommandResult r =
        options.contains("CONSOLE")
            ? measure(line, "--append", "console=ttyS0 loglevel=7")
            : measure(line);

    assertThat(r.err()).isEmpty();
    assertThat(r.out().trim()).isEqualTo(digest);
  }

  private static Map<String, Object> snpVectors(String file) throws IOException {
    return JsonTree.object(JsonTree.parse(Files.readString(SNP_VECTORS.resolve(file))));
  }

  private static String text(Object object, String key) {
    return String.valueOf(JsonTree.object(object).get(key));
  }

  /** {@return the firmware S8 of the vectors} */
  private static byte[] snpCode() throws IOException {
    Object s8 = snpVectors("snp_digests.json").get("synthetic_firmware");
    return Base64.getDecoder().decode(text(Objects.requireNonNull(s8), "firmware_b64"));
  }

  private static MachineSpec snpFirmware(byte[] code) {
    return MachineSpec.of(SevMode.SNP, new byte[0], b -> {}).toBuilder()
        .firmware(MachineSpec.Firmware.of(code))
        .memoryBytes(16 << 20)
        .processors(2)
        .build();
  }

  /** Writes the firmware S8 and the kernel that is hashed with it; {@return its vectors} */
  private Map<String, Object> syntheticFirmware() throws IOException {
    Map<String, Object> s8 =
        JsonTree.object(snpVectors("snp_digests.json").get("synthetic_firmware"));
    file("s8.fd", snpCode());
    byte[] kernel = new byte[256];
    for (int i = 0; i < 256; i++) {
      kernel[i] = (byte) i;
    }
    file("k256", kernel);
    return s8;
  }

  /** The synthetic firmware S8: sections of every type, with and without hashes of a kernel. */
  @Test
  void snpDigestsOfSyntheticFirmware() throws IOException {
    files();
    Map<String, Object> s8 = syntheticFirmware();
    List<Object> runs = JsonTree.array(s8.get("runs"));
    for (Object run : runs) {
      String line =
          "--mode snp --ovmf $s8.fd --vcpus %s --guest-features %s --vcpu-type %s %s"
              .formatted(
                  text(run, "vcpus"),
                  text(run, "features"),
                  text(run, "cpu"),
                  text(run, "kernel_hashes").equals("true")
                      ? "--kernel $k256 --initrd $i --append console=ttyS0"
                      : "");
      CommandResult r = measure(line);
      assertThat(r.err()).isEmpty();
      assertThat(r.out().trim()).isEqualTo(text(run, "digest"));
      CommandResult firmware = measure(line.replace("snp ", "snp:ovmf-hash "));
      assertThat(firmware.out().trim()).isEqualTo(text(run, "ld_after_firmware"));
      CommandResult on = measure(line + " --snp-ovmf-hash " + text(run, "ld_after_firmware"));
      assertThat(on.out().trim()).isEqualTo(text(run, "digest"));
      CommandResult explained = measure(line + " --explain");
      assertThat(explained.out())
          .contains("digest so far " + text(run, "ld_before_vmsa"))
          .contains("  SEV_FEATURES 0x" + text(run, "features"));
    }
    assertThat(runs).hasSize(6);
  }

  /** Each image of Debian 12's package, for one, two and four processors, with DebugSwap too. */
  @Test
  void snpDigestsOfDebiansFirmware() throws IOException, InterruptedException {
    Path share = DebianPackages.unpacked("ovmf").resolve("usr/share");
    List<Object> images = JsonTree.array(snpVectors("ovmf_images.json").get("images"));
    for (Object image : images) {
      Path f = share.resolve(text(image, "file"));
      Tools.available(
          Manifest.sha256(Files.readAllBytes(f)).equals(text(image, "sha256")),
          f + " is not the one whose digests are known: Debian has another version");
      Object runs = JsonTree.object(image).get("runs");
      if (runs == null) {
        assertThat(measure("--mode snp --vcpu-type EPYC-v4 --ovmf " + f).err())
            .contains("no SNP metadata")
            .hasLineCount(1);
        continue;
      }
      assertThat(JsonTree.array(runs)).hasSize(6);
      for (Object run : JsonTree.array(runs)) {
        String line =
            "snp --vcpu-type EPYC-v4 --vcpus %s --guest-features %s --ovmf %s"
                .formatted(text(run, "vcpus"), text(run, "features"), f);
        assertThat(measure("--mode " + line).out().trim()).isEqualTo(text(run, "digest"));
      }
    }
    assertThat(images).hasSize(8);
  }

  @Test
  void idBlocksForAnOwner() throws IOException {
    files();
    Map<String, Object> vector = snpVectors("id_block.json");
    syntheticFirmware();
    file("id.pem", pem(text(Objects.requireNonNull(vector.get("id_key")), "d")));
    file("author.pem", pem(text(Objects.requireNonNull(vector.get("author_key")), "d")));
    CommandResult r =
        measure(
            "--mode snp --ovmf $s8.fd --vcpus 2 --vcpu-type EPYC-v4 --kernel $k256 --initrd $i"
                + " --append console=ttyS0 --idkey $id.pem --authorkey $author.pem --svn 7"
                + " --familyid 101112131415161718191a1b1c1d1e1f"
                + " --imageid 202122232425262728292a2b2c2d2e2f");
    assertThat(r.err()).isEmpty();
    String block =
        Base64.getEncoder().encodeToString(HexFormat.of().parseHex(text(vector, "id_block")));
    assertThat(r.out().lines().toList())
        .containsSequence("id-block=" + block, "id-auth=" + text(vector, "id_auth_page_b64"));
  }

  /** A private key as {@code openssl ecparam -genkey} writes it. */
  static byte[] pem(String d) {
    byte[] der =
        HexFormat.of()
            .parseHex("303e0201010430" + "0".repeat(96 - d.length()) + d + "a00706052b81040022");
    return ("-----BEGIN EC PRIVATE KEY-----\n"
            + Base64.getMimeEncoder().encodeToString(der)
            + "\n-----END EC PRIVATE KEY-----\n")
        .getBytes(StandardCharsets.US_ASCII);
  }

  private void publicFirmware() throws IOException {
    files();
    for (String build : List.of("AmdSev", "OvmfX64")) {
      try (InputStream in = getClass().getResourceAsStream("ovmf/ovmf_" + build + "_suffix.bin")) {
        file(build, Objects.requireNonNull(in).readAllBytes());
      }
    }
  }

  @Test
  void theMeasurementOfTwoProcessors() throws IOException {
    files();
    byte[] tik = new byte[16];
    for (int i = 0; i < 16; i++) {
      tik[i] = (byte) i;
    }
    file("tik", tik);
    CommandResult r =
        measure(
            "--mode seves --vcpus 2 --vcpu-type EPYC-v4 --ovmf $small.fd --policy 7 --json"
                + " --tik $tik --nonce 101112131415161718191a1b1c1d1e1f");

    assertThat(r.err()).isEmpty();
    assertThat(r.out())
        .contains(
            "\"measurement\":\"dab3fa12f062ad18cc8066b22296c3e935f5071b3a06d89a45208895a5835176\"");
  }

  private static MachineSpec firmware(byte[] code, ResetState reset, int signature) {
    MachineSpec o = MachineSpec.of(SevMode.ES, new byte[0], b -> {});
    return o.toBuilder()
        .firmware(MachineSpec.Firmware.of(code))
        .memoryBytes(16 << 20)
        .processors(2)
        .launch(
            new MachineSpec.Launch(
                null,
                reset,
                signature,
                KernelHashing.AUTO,
                null,
                MachineSpec.Launch.DEFAULT.secret()))
        .build();
  }

  @ParameterizedTest
  @CsvSource({
    "QEMU, 8295cef559b57130391d59605890ef93297720b48bef9a8c3c985b9c3fb0788c,"
        + " 7ff723da33f39dedbe8336bb697e0a2f76471690074d5902e1a8177cd5312c95",
    "EC2, 68f77db70cd037d5048ca3d14facee1da86e4185d8c5670d354e3cd5fe957ed8,"
        + " 42f5f188f830ef836d79fdf9a776c78d2c467f9dc312ae2eaa902a2dc1aa9bbc",
    "GCE, 97a01e73978dc93d41aab8371d448e620bc039be764b8209cb618f56fef86906,"
        + " 87472bb391954a445c49a9db4a694488622e302e00f73d8cd05f9fe9400ea422"
  })
  void saveAreasOfHypervisors(ResetState reset, String bsp, String ap) throws BootException {
    List<LaunchPlan.Item> items = LaunchPlan.of(firmware(small(), reset, 0x800F12)).items();
    List<String> pages =
        items.stream()
            .filter(i -> i instanceof LaunchPlan.Vmsa)
            .map(i -> Manifest.sha256(i.bytes()))
            .toList();
    assertThat(pages).containsExactly(bsp, ap);
  }

  @ParameterizedTest
  @CsvSource({
    "EPYC-v4, 0x800f12",
    "EPYC-Milan, 0xa00f11",
    "EPYC-Genoa, 0xa10f10",
    "EPYC-Turin, 0xb00f00"
  })
  void saveAreasFieldByField(String type, String signature) throws IOException {
    files();
    CommandResult r =
        measure("--mode seves --vcpus 2 --vcpu-type " + type + " --ovmf $small.fd --explain");

    String common =
        "ES.attributes 0x93|ES.limit 0xffff|CS.selector 0xf000|CS.attributes 0x9b|CS.limit 0xffff|"
            + "CS.base %s|SS.attributes 0x93|SS.limit 0xffff|DS.attributes 0x93|DS.limit 0xffff|"
            + "FS.attributes 0x93|FS.limit 0xffff|GS.attributes 0x93|GS.limit 0xffff|"
            + "GDTR.limit 0xffff|LDTR.attributes 0x82|LDTR.limit 0xffff|IDTR.limit 0xffff|"
            + "TR.attributes 0x8b|TR.limit 0xffff|EFER 0x1000|CR4 0x40|CR0 0x10|DR7 0x400|"
            + "DR6 0xffff0ff0|RFLAGS 0x2|RIP %s|G_PAT 0x7040600070406|RDX "
            + signature
            + "|XCR0 0x1|MXCSR 0x1f80|X87_FCW 0x37f";
    List<String> fields =
        r.out().lines().filter(l -> l.startsWith("  ")).map(String::strip).toList();
    List<String> expected = new ArrayList<>();
    expected.addAll(List.of(String.format(common, "0xffff0000", "0xfff0").split("\\|")));
    expected.addAll(List.of(String.format(common, "0x800000", "0xb004").split("\\|")));
    assertThat(fields).isEqualTo(expected);
  }

  @Test
  void hashesOfAnEmptyKernel() throws IOException {
    files();
    CommandResult r =
        measure("--mode sev --ovmf $hashing.fd --kernel $empty --initrd $empty --explain");

    assertThat(r.out())
        .contains(
            "0x810c00      176 bytes "
                + " 6e725681a17ae9f186635cbc1be742508b61e0e550918894f1a5363ac86b5a1a")
        .contains("kernel hashes");
    CommandResult off =
        measure("--mode sev --ovmf $hashing.fd --kernel $empty --kernel-hashes off");
    assertThat(off.out().trim()).isEqualTo(Manifest.sha256(hashing()));
  }

  @Test
  void aKernelThatIsNotMeasuredIsSaidToBe() throws IOException {
    files();
    CommandResult r = measure("--mode sev --ovmf $small.fd --kernel $k");
    assertThat(r.out().trim()).isEqualTo(Manifest.sha256(small()));
    assertThat(r.err()).contains("kernel, initrd and command line are not measured");
    assertThat(measure("--mode sev --ovmf $hashing.fd --kernel $k").err()).isEmpty();
  }

  // ---- the machine agrees

  private static List<MachineSpec> launches() {
    MachineSpec fw = firmware(small(), ResetState.QEMU, 0x800F12);
    MachineSpec hashed = firmware(hashing(), ResetState.QEMU_INIT, 0xA00F11);
    byte[] kernel = {1, 2, 3};
    MachineSpec.Boot b =
        new MachineSpec.Boot(kernel, "k", new byte[] {4}, "quiet", false, hashed.boot().firmware());
    MachineSpec flat = MachineSpec.of(SevMode.ES, FlatGuest.image("hlt\n"), c -> {});
    MachineSpec locore = MachineSpec.of(SevMode.ES, Locore.image(), c -> {});
    return List.of(
        fw,
        fw.toBuilder().processors(1).build(),
        firmware(small(), ResetState.EC2, 1),
        firmware(small(), ResetState.GCE, 1).toBuilder().processors(64).build(),
        hashed,
        hashed.toBuilder().boot(b).build(),
        flat,
        flat.toBuilder().mode(SevMode.SEV).build(),
        flat.toBuilder().append("a command line").initrd(new byte[] {1, 2, 3}).build(),
        locore,
        locore.toBuilder().processors(4).build(),
        locore.toBuilder().mode(SevMode.SNP).processors(2).memoryBytes(32L << 20).build(),
        flat.toBuilder().mode(SevMode.SNP).memoryBytes(32L << 20).build(),
        locore.toBuilder().profile("openbsd:2025-06").processors(1).build(),
        locore.toBuilder().profile("openbsd:2026").processors(1).build(),
        locore.toBuilder().profile("openbsd:2026").processors(1).mode(SevMode.SEV).build());
  }

  /** The synthetic firmware, which has a section for hashes, and direct kernels. */
  private static List<MachineSpec> snpLaunches() throws IOException {
    MachineSpec fw = snpFirmware(snpCode());
    MachineSpec.Boot hashed =
        new MachineSpec.Boot(
            new byte[] {1, 2, 3}, "k", new byte[] {4}, "quiet", false, fw.boot().firmware());
    MachineSpec flat = MachineSpec.of(SevMode.SNP, FlatGuest.image("hlt\n"), c -> {});
    return List.of(
        fw,
        fw.toBuilder().processors(1).build(),
        fw.toBuilder().processors(64).build(),
        fw.toBuilder().cpuModel("EPYC-Genoa").build(),
        fw.toBuilder().snp(SnpLaunch.DEFAULT.withFeatures(0x21)).build(),
        fw.toBuilder().boot(hashed).build(),
        fw.toBuilder().boot(hashed).processors(4).cpuModel("EPYC-Genoa,-avx512f").build(),
        flat,
        flat.toBuilder().processors(4).build(),
        flat.toBuilder().append("a command line").initrd(new byte[] {1, 2, 3}).build(),
        flat.toBuilder().snp(SnpLaunch.DEFAULT.withFeatures(0x29)).build(),
        flat.toBuilder().memoryBytes(64 << 20).build());
  }

  @Test
  void theMachineMeasuresWhatWasComputed() throws BootException, IOException {
    List<String> digests = new ArrayList<>();
    List<MachineSpec> all = new ArrayList<>(launches());
    all.addAll(snpLaunches());
    for (MachineSpec o : all) {
      String expected = HexFormat.of().formatHex(LaunchPlan.of(o).digest());
      assertThat(new Machine(o).launchDigest()).as("%s", o).isEqualTo(expected);
      digests.add(expected);
    }
    assertThat(digests).hasSize(28).doesNotHaveDuplicates();
  }

  /** What the owner asks of the firmware is in the report, not in the digest. */
  @Test
  void policyCpuidAndHostDataAreNotMeasuredUnderSnp() throws BootException, IOException {
    MachineSpec fw = snpFirmware(snpCode());
    SnpLaunch other = SnpLaunch.DEFAULT.withPolicy(new SnpPolicy(0xB_0000));
    byte[] digest = LaunchPlan.of(fw).digest();
    assertThat(LaunchPlan.of(fw.toBuilder().snp(other).build()).digest()).isEqualTo(digest);
    assertThat(LaunchPlan.of(fw.toBuilder().cpuModel("EPYC-Milan,-pku").build()).digest())
        .isEqualTo(digest);
  }

  private static byte[] flipped(byte[] b, Random r) {
    byte[] c = b.clone();
    int bit = r.nextInt(8 * b.length);
    c[bit >> 3] ^= (byte) (1 << (bit & 7));
    return c;
  }

  /** One bit of any input, wherever it is, gives another digest, or no launch at all. */
  @ParameterizedTest
  @EnumSource(
      value = SevMode.class,
      names = {"ES", "SNP"})
  void everyBitCounts(SevMode mode) throws BootException, IOException {
    Random r = new Random(5);
    byte[] firmware = mode == SevMode.SNP ? snpCode() : hashing();
    byte[] kernel = new byte[5000];
    byte[] initrd = new byte[3000];
    r.nextBytes(kernel);
    r.nextBytes(initrd);
    MachineSpec base = firmware(firmware, ResetState.QEMU, 0x800F12).toBuilder().mode(mode).build();
    byte[] line = "console=ttyS0".getBytes(StandardCharsets.US_ASCII);
    byte[] digest =
        LaunchPlan.of(base.toBuilder().boot(boot(kernel, initrd, line, firmware)).build()).digest();
    int changed = 0;
    for (int i = 0; i < 400; i++) {
      byte[] code = i % 5 == 0 ? flipped(firmware, r) : firmware;
      byte[] k = i % 5 == 1 ? flipped(kernel, r) : kernel;
      byte[] d = i % 5 == 2 ? flipped(initrd, r) : initrd;
      byte[] l = i % 5 == 3 ? flipped(line, r) : line;
      int signature = i % 5 == 4 ? 0x800F12 ^ 1 << r.nextInt(32) : 0x800F12;
      try {
        LaunchPlan p =
            LaunchPlan.of(
                firmware(code, ResetState.QEMU, signature).toBuilder()
                    .mode(mode)
                    .boot(boot(k, d, l, code))
                    .build());
        assertThat(p.digest()).as("round %d", i).isNotEqualTo(digest);
        changed++;
      } catch (BootException e) {
        assertThat(e.getMessage()).containsAnyOf("-m", "firmware");
      }
    }
    assertThat(changed).isGreaterThan(380);
  }

  private static MachineSpec.Boot boot(byte[] kernel, byte[] initrd, byte[] line, byte[] code) {
    return new MachineSpec.Boot(
        kernel,
        "k",
        initrd,
        new String(line, StandardCharsets.ISO_8859_1),
        false,
        MachineSpec.Firmware.of(code));
  }

  /** A kernel that is entered directly lies in pages of its own, each of which is measured. */
  @Test
  void everyBitOfADirectKernelCountsUnderSnp() throws BootException {
    Random r = new Random(7);
    byte[] image = FlatGuest.image("hlt\n" + "nop\n".repeat(9000));
    byte[] initrd = new byte[10_000];
    r.nextBytes(initrd);
    byte[] line = "console=ttyS0 quiet".getBytes(StandardCharsets.US_ASCII);
    MachineSpec base =
        MachineSpec.of(SevMode.SNP, image, c -> {}).toBuilder().memoryBytes(8 << 20).build();
    byte[] digest = direct(base, image, initrd, line, 1);
    // Code alone, where every image is loaded as it is: behind the headers and before the symbols.
    int from = 4096;
    for (int i = 0; i < 40; i++) {
      byte[] k = image.clone();
      int bit = 8 * from + r.nextInt(8 * 8000);
      k[bit >> 3] ^= (byte) (1 << (bit & 7));
      assertThat(direct(base, k, initrd, line, 1)).as("bit %d", bit).isNotEqualTo(digest);
      assertThat(direct(base, image, flipped(initrd, r), line, 1)).isNotEqualTo(digest);
      assertThat(direct(base, image, initrd, flipped(line, r), 1)).isNotEqualTo(digest);
    }
    for (long features : new long[] {3, 5, 9, 0x21, 0x41, 0x81, 0x401, 0x8001}) {
      assertThat(direct(base, image, initrd, line, features)).isNotEqualTo(digest);
    }
  }

  private static byte[] direct(
      MachineSpec base, byte[] kernel, byte[] initrd, byte[] line, long features)
      throws BootException {
    return LaunchPlan.of(
            base.toBuilder()
                .snp(SnpLaunch.DEFAULT.withFeatures(features))
                .boot(
                    new MachineSpec.Boot(
                        kernel,
                        "k",
                        initrd,
                        new String(line, StandardCharsets.ISO_8859_1),
                        false,
                        null))
                .build())
        .digest();
  }

  // ---- what differs

  @ParameterizedTest
  @CsvSource(
      delimiter = ';',
      value = {
        "--ovmf $small.fd;--mode sev --ovmf $small.fd;mode: 'seves' in A, 'sev' in B",
        "--ovmf $small.fd;--ovmf $hashing.fd;page 0xffffe000 (firmware) differs",
        "--ovmf $small.fd;--ovmf $small.fd -smp 2;VMSA of vCPU 1 is only in B",
        "--ovmf $small.fd -smp 4;--ovmf $small.fd;VMSA of vCPU 1 to 3 are only in A",
        "--ovmf $small.fd;--ovmf $small.fd --vcpu-type EPYC-Milan;VMSA field RDX of vCPU 0:",
        "--ovmf $small.fd;--ovmf $small.fd --fpu-reset init;VMSA field MXCSR of vCPU 0: 0x1f80",
        "--ovmf $small.fd;--ovmf $small.fd --vmm-type ec2;VMSA field CS.attributes of vCPU 0: 0x9b"
            + " in A, 0x9a in B",
        "--ovmf $small.fd;--ovmf $small.fd --vmm-type gce;VMSA field G_PAT of vCPU 0:",
        "--ovmf $small.fd --vcpu-sig 1;--ovmf $small.fd --vcpu-sig 2;VMSA field RDX of vCPU 0: 0x1"
            + " in A, 0x2 in B",
        "--ovmf $small.fd -smp 2;--ovmf $hashing.fd -smp 2;firmware: '8192 bytes",
        "--ovmf $hashing.fd --kernel $k;--ovmf $hashing.fd --kernel $k2;kernel: '6 bytes",
        "--ovmf $hashing.fd --kernel $k;--ovmf $hashing.fd --kernel $k --append quiet;kernel"
            + " command line: '' in A, 'quiet' in B",
        "--ovmf $hashing.fd --kernel $k;--ovmf $hashing.fd --kernel $k --initrd $i;initrd: 'none'"
            + " in A, '6 bytes",
        "--ovmf $hashing.fd --kernel $k;--ovmf $hashing.fd;page 0x810c00 (kernel hashes) is only in"
            + " A",
        "--ovmf $hashing.fd --kernel $k;--ovmf $hashing.fd --kernel $k --kernel-hashes off;kernel"
            + " hashes: 'auto' in A, 'off' in B",
        "--ovmf $small.fd;--ovmf $small.fd --policy 7;policy: '0x5 (NODBG ES)' in A, '0x7 (NODBG"
            + " NOKS ES)' in B",
        "$flat;$flat2;kernel: '",
        "--mode snp $flat;--mode snp $flat2;kernel: '",
        "--mode snp $flat;--mode snp $flat --guest-features 0x21;VMSA field SEV_FEATURES of vCPU 0:"
            + " 0x1 in A, 0x21 in B",
        "--mode snp $flat;--mode snp $flat --policy 0xb0000;policy: '0x30000 (SMT RESERVED_1)' in"
            + " A, '0xb0000 (SMT RESERVED_1 DEBUG)' in B",
        "--mode snp $flat;--mode snp $flat -m 256M;(memory) has 535818240 bytes in A, 267382784"
            + " bytes in B",
        "$flat;$flat --append single;the command line) differs",
        "$flat;$flat -m 256M;memory: '512 MiB' in A, '256 MiB' in B",
        "$locore;$locore --profile openbsd;hypervisor: 'kvm' in A, 'openbsd' in B",
        "$locore --profile openbsd:2025-09;$locore --profile openbsd:2026;VMSA field CR0 of vCPU 0:"
            + " 0x80000011 in A, 0x11 in B",
        "$locore -smp 1;$locore -smp 2;(firmware remains) is only in B",
        "$locore --profile openbsd;$locore --profile openbsd -m 256M;(boot arguments) differs",
      })
  void theCauseIsNamed(String one, String other, String words) throws IOException {
    files();
    CommandResult a = measure("--explain --json " + one);
    CommandResult b = measure("--explain --json " + other);
    assertThat(a.err() + b.err()).isEmpty();
    file("a.json", a.out().getBytes(StandardCharsets.UTF_8));
    file("b.json", b.out().getBytes(StandardCharsets.UTF_8));

    CommandResult r = vesper("measure", "--diff", dir + "/a.json", dir + "/b.json");

    assertThat(r.out()).contains(words);
    assertThat(r.status()).isEqualTo(MeasureCommand.DIFFERENT);
    CommandResult same = vesper("measure", "--diff", dir + "/a.json", dir + "/a.json");
    assertThat(same.status()).isZero();
    assertThat(same.out()).startsWith("the launch digests are equal");
  }

  // ---- mistakes

  @ParameterizedTest
  @CsvSource(
      delimiter = ';',
      value = {
        "--sev off;no measurement",
        "--mode snp:svsm;an SVSM is launched by its IGVM file",
        "--mode snp --profile openbsd $flat;profile openbsd launches SEV-ES guests",
        "--mode snp --policy 5 --ovmf $small.fd;a policy of SNP has bits 0 to 25",
        "--mode snp --ovmf $small.fd;no SNP metadata",
        "--mode snp --guest-features 2 --ovmf $small.fd;bit 0 (SNPActive) is always set",
        "--mode snp --guest-features x --ovmf $small.fd;takes a number in hex, not 'x'",
        "--mode snp --snp-ovmf-hash 12 --ovmf $small.fd;takes 48 bytes in hex, not '12'",
        "--mode snp --svn 1 --ovmf $small.fd;give its key with --idkey",
        "--mode snp --idkey $k --ovmf $small.fd;it holds no private key in PEM form",
        "--mode snp:ovmf-hash $flat;name the firmware with --ovmf",
        "--guest-features 1 --ovmf $small.fd;--guest-features is for --mode snp",
        "--mode sev --dump-vmsa --ovmf $small.fd;has no save areas",
        "--ovmf $none;no such file",
        "--ovmf $k;4 KiB to 16 MiB",
        "--ovmf $small.fd --kernel $k --kernel-hashes on;no place for hashes",
        "--ovmf $small.fd --kernel-hashes on;name the firmware with -bios and the kernel",
        "--ovmf $small.fd --kernel-hashes maybe;auto, on or off",
        "--ovmf $hashing.fd --kernel $k -m 1M;give it more with -m",
        "--ovmf $small.fd --vmm-type xen;QEMU, ec2 or gce",
        "--ovmf $small.fd --vcpu-type pentium;no CPU model",
        "--ovmf $small.fd --vcpu-family 23;belong together",
        "--ovmf $small.fd --vcpu-family 271 --vcpu-model 1;family 0 to 270",
        "--ovmf $small.fd --fpu-reset 3;init2 or init",
        "--ovmf $small.fd --output-format xml;hex or base64",
        "--ovmf $small.fd --tik $k;--tik and --nonce belong together",
        "--ovmf $small.fd --tik $k --nonce 00;16 bytes in hex or base64",
        "--ovmf $small.fd --tik $k --nonce 101112131415161718191a1b1c1d1e1f;has 6 bytes, not 16",
        "--ovmf $small.fd --policy 1;ES, 4 is missing",
        "--mode sev --ovmf $small.fd --policy 4;asks for encrypted state",
        "--ovmf $small.fd --policy 0x100000000;32 bits",
        "--ovmf $small.fd --session-file $k;belong together",
        "--ovmf $small.fd --session-file $k --dh-cert-file $k;not 2084 bytes",
        "--ovmf $small.fd --profile openbsd;profile openbsd",
        "--diff $k;takes two files",
        "--diff $k $k2;is damaged",
        "$k $k2;give one image",
      })
  void mistakesAreNamed(String options, String words) throws IOException {
    files();
    CommandResult r = measure(options);

    assertThat(r.status()).isEqualTo(2);
    assertThat(r.err()).startsWith("vesper: ").contains(words);
    assertThat(r.err().lines()).hasSize(1);
  }

  // ---- run

  @Test
  void aRunHasTheDigestThatWasComputed() throws IOException {
    files();
    String digest = measure("$locore").out().trim();
    CommandResult only = vesper("run", "--measure-only", dir + "/locore");
    assertThat(only.out()).startsWith("launch digest " + digest).contains("measurement ");
    assertThat(only.status()).isZero();

    Path trace = dir.resolve("t.jsonl");
    vesper("run", dir + "/flat", "--trace", trace.toString());
    String first = Files.readAllLines(trace).get(0);
    assertThat(first)
        .contains("\"kind\":\"launch\"", "\"digest\":\"" + measure("$flat").out().trim() + "\"");
  }

  @Test
  void anOwnersSessionVerifiesTheRun() throws IOException {
    files();
    Path owner = dir.resolve("vm");
    assertThat(vesper("session", "--name", owner.toString(), "--policy", "5").status()).isZero();
    String[] run = {
      "run",
      "--measure-only",
      "-bios",
      dir + "/small.fd",
      "--dh-cert-file",
      owner + "_godh.b64",
      "--session-file",
      owner + "_session.b64",
      "--policy",
      "5"
    };
    CommandResult r = vesper(run);
    assertThat(r.err()).isEmpty();
    String line = r.out().lines().filter(l -> l.startsWith("measurement")).findFirst().orElse("");
    byte[] measured = Base64.getDecoder().decode(line.substring("measurement".length()).trim());
    String nonce = HexFormat.of().formatHex(Arrays.copyOfRange(measured, 32, 48));

    CommandResult computed =
        vesper(
            "measure",
            "--ovmf",
            dir + "/small.fd",
            "--policy",
            "5",
            "--tik",
            owner + "_tik.bin",
            "--nonce",
            nonce);
    assertThat(computed.out()).contains(Base64.getEncoder().encodeToString(measured));

    run[run.length - 1] = "7";
    CommandResult wrong = vesper(run);
    assertThat(wrong.status()).isEqualTo(2);
    assertThat(wrong.err()).contains("BAD_MEASUREMENT").contains("POLICY_MAC");
    CommandResult elsewhere =
        vesper(
            "run",
            "--measure-only",
            "-bios",
            dir + "/small.fd",
            "--seed",
            "2",
            "--dh-cert-file",
            owner + "_godh.b64",
            "--session-file",
            owner + "_session.b64");
    assertThat(elsewhere.err()).contains("WRAP_MAC");
  }

  @Test
  void aSessionThatNoPlatformTakesIsNotMade() {
    for (String policy : new String[] {"0x45", "0x020005", "-1", "0x100000000"}) {
      CommandResult r = vesper("session", "--name", dir + "/no", "--policy", policy);
      assertThat(r.status()).as(policy).isEqualTo(2);
      assertThat(r.err()).contains("--policy");
    }
    assertThat(dir.resolve("no_tik.bin")).doesNotExist();
  }

  @Test
  void secretsNeedAPlace() throws IOException {
    files();
    CommandResult r = vesper("run", dir + "/flat", "--secret", dir + "/k");
    assertThat(r.status()).isEqualTo(2);
    assertThat(r.err()).contains("no place for a launch secret");
    file("large", new byte[0xC01]);
    CommandResult large =
        vesper("run", "-bios", dir + "/hashing.fd", "--secret", dir + "/large", "--measure-only");
    assertThat(large.err()).contains("the firmware has room for 3072");
    CommandResult fits =
        vesper("run", "-bios", dir + "/hashing.fd", "--secret", dir + "/k", "--measure-only");
    assertThat(fits.status()).as(fits.err()).isZero();
  }

  /** Behind RAM, in the flash, and over its end lie places that a firmware's table may name. */
  @Test
  void secretsAndHashesGoIntoTheGuestsMemoryAlone() throws IOException {
    files();
    file("secret", new byte[0x30]);
    long ram = 512L << 20;
    long[] places = {0xFFFF_FFF0L, 0xFFFF_C000L, ram, ram - 0x20, 0xC000_0000L, 0x81_0008L};
    for (long place : places) {
      byte[] b = hashing();
      int table = b.length - 32 - 92;
      for (int entry : new int[] {table, table + 26}) {
        ByteBuffer.wrap(b).order(ByteOrder.LITTLE_ENDIAN).putInt(entry, (int) place);
        ByteBuffer.wrap(b).order(ByteOrder.LITTLE_ENDIAN).putInt(entry + 4, 0x1000);
      }
      file("odd.fd", b);
      String hex = "0x" + Long.toHexString(place);
      for (String mode : List.of("sev", "es")) {
        CommandResult secret =
            vesper(
                words(
                    "run -m 512M --measure-only --sev "
                        + mode
                        + " -bios $odd.fd --secret $secret"));
        assertThat(secret.status()).as(hex).isEqualTo(2);
        assertThat(secret.err()).contains("launch secret at " + hex);
        assertThat(secret.err().lines()).hasSize(1);
        CommandResult hashes =
            vesper(words("run -m 512M --measure-only --sev " + mode + " -bios $odd.fd -kernel $k"));
        if (place + 176 > ram || place % 16 != 0) {
          assertThat(hashes.status()).as(hex).isEqualTo(2);
          assertThat(hashes.err()).contains("hashes of the kernel at " + hex);
          assertThat(hashes.err().lines()).hasSize(1);
        }
      }
    }
  }

  /** The guest reads its secret in plaintext; the host sees none of it. */
  @Test
  void aSecretArrivesInPrivateMemory() throws BootException {
    byte[] text = "a secret".getBytes(StandardCharsets.US_ASCII);
    MachineSpec o = firmware(hashing(), ResetState.QEMU, 1);
    Owner owner = Owner.seeded(new PlatformKeys(o.seed()).certificate(), new GuestPolicy(5), 9);
    Machine m =
        new Machine(
            o.toBuilder()
                .owner(
                    new MachineSpec.Session(owner.certificate(), owner.session()),
                    measured -> LaunchSecret.seal(owner.keys(), new byte[16], text, measured))
                .build());
    assertThat(m.observer().readPrivate(0x81_0000, text.length)).isEqualTo(text);
    byte[] bus = new byte[text.length];
    m.hostView().read(0x81_0000, bus, 0, bus.length);
    assertThat(bus).isNotEqualTo(text);
    assertThat(m.launchCommands()).contains("LAUNCH_SECRET 0x810000 length 0x10");
  }
}
