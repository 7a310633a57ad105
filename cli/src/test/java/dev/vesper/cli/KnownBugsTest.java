package dev.vesper.cli;

import static org.assertj.core.api.Assertions.assertThat;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import java.io.IOException;
import java.io.InputStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Objects;
import java.util.stream.Stream;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

/**
 * Defects of an unmodified kernel of Debian that are known and mended elsewhere: campaigns find
 * them from nothing, and what they have found happens again. docs/known-bugs.md has the figures.
 */
final class KnownBugsTest {
  private static final boolean LONG = Boolean.getBoolean("long");

  /** What a campaign has to find, and how it is recognized in a finding. */
  enum Bug {
    /** A driver believes the descriptors that it shares with its device: 72b5e8958738. */
    VIRTIO_RING("virtio", "virtio-ring", "# title: kernel BUG at drivers/virtio/virtio_ring.c"),
    /** How much was bounced is not compared with what was mapped: daf9514fd5eb. */
    SWIOTLB("virtio", "swiotlb", "# stack: swiotlb_tbl_unmap_single < detach_buf_split"),
    /** The gate of system calls takes interrupts: 55617fb991df. */
    INT80("irq", "int80", " irq=128\n"),
    /** The handler of #VC believes the code that it is given: e3ef461af35a. */
    FORGED_VC("inject", "forged-vc", "# stack: sev_es_ghcb_hv_call");

    private final String only;
    private final String file;
    private final String sign;

    Bug(String only, String file, String sign) {
      this.only = only;
      this.file = file;
      this.sign = sign;
    }

    private byte[] finding() throws IOException {
      try (InputStream in =
          KnownBugsTest.class.getResourceAsStream("known-bugs/" + file + ".hostile")) {
        return Objects.requireNonNull(in).readAllBytes();
      }
    }
  }

  @TempDir Path dir;

  private void happensAgain(Bug bug) throws IOException, InterruptedException {
    OldGuest.write(dir);
    Path campaign = Files.createDirectories(dir.resolve("campaign"));
    Files.writeString(
        campaign.resolve("cmdline"), String.join("\n", OldGuest.words(dir, bug.only)));
    Path f = Files.createDirectories(campaign.resolve("crashes")).resolve(bug.file);
    Files.write(f, bug.finding());
    assertThat(Files.readString(f, StandardCharsets.US_ASCII)).contains(bug.sign);
    CommandResult r = CommandResult.of("fuzz", "show", f.toString());
    assertThat(r.status()).as(r.out() + r.err()).isZero();
    assertThat(r.out()).contains("now: the same\n");
  }

  @Test
  @Tag("slow")
  void aRingsDescriptorsAreBelievedByAnOldKernel() throws IOException, InterruptedException {
    happensAgain(Bug.VIRTIO_RING);
  }

  @ParameterizedTest
  @EnumSource
  void whatCampaignsHaveFoundHappensAgain(Bug bug) throws IOException, InterruptedException {
    assumeTrue(LONG, "four boots of a kernel: -Dlong=true");
    happensAgain(bug);
  }

  @ParameterizedTest
  @EnumSource
  void aCampaignFindsItFromNothing(Bug bug) throws IOException, InterruptedException {
    assumeTrue(LONG, "up to 15 minutes each: -Dlong=true");
    OldGuest.write(dir);
    Path campaign = dir.resolve("campaign");
    List<String> line = new ArrayList<>(List.of("fuzz"));
    line.addAll(OldGuest.words(dir, bug.only));
    // In steps, so that what is found soon does not take as long as what is not.
    line.addAll(List.of("--workers", "2", "--seconds", "45", "-o", campaign.toString()));
    for (int left = 20; left > 0 && !isFound(bug, campaign); left--) {
      CommandResult r = CommandResult.of(line.toArray(new String[0]));
      assertThat(r.status()).as(r.err()).isZero();
      line.remove("--resume");
      line.add("--resume");
    }
    assertThat(isFound(bug, campaign)).as("%s", bug).isTrue();
  }

  private static boolean isFound(Bug bug, Path campaign) throws IOException {
    Path crashes = campaign.resolve("crashes");
    if (!Files.isDirectory(crashes)) {
      return false;
    }
    try (Stream<Path> all = Files.list(crashes)) {
      for (Path p : all.toList()) {
        if (new String(Files.readAllBytes(p), StandardCharsets.US_ASCII).contains(bug.sign)) {
          return true;
        }
      }
    }
    return false;
  }

  @Test
  void everyKnownBugIsInThePage() throws IOException {
    String page = Files.readString(Path.of("../docs/known-bugs.md"));
    Arrays.stream(Bug.values())
        .forEach(b -> assertThat(page).contains("--only " + b.only).contains(b.file));
  }
}
