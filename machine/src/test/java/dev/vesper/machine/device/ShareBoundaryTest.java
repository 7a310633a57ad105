package dev.vesper.machine.device;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import dev.vesper.machine.device.share.FuseServer;
import dev.vesper.machine.device.share.ShareBoundary;
import dev.vesper.machine.spec.Hardware;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Shares keep apart from each other and from the files of who runs the guest. */
final class ShareBoundaryTest {
  @TempDir Path temporary;
  private Path in;
  private Path out;
  private final List<FuseServer> servers = new ArrayList<>();

  @BeforeEach
  void makeFolders() throws IOException {
    in = Files.createDirectory(temporary.resolve("in"));
    Files.createDirectory(in.resolve("sub"));
    out = Files.createDirectory(temporary.resolve("out"));
  }

  @AfterEach
  void close() {
    servers.forEach(FuseServer::close);
  }

  private FuseServer share(Path p, boolean readOnly) throws IOException {
    FuseServer s = new FuseServer(p, readOnly);
    servers.add(s);
    return s;
  }

  private void overlap(Path... folders) throws IOException {
    List<FuseServer> all = new ArrayList<>();
    for (Path p : folders) {
      all.add(share(p, false));
    }
    assertThatThrownBy(() -> new ShareBoundary(all))
        .isInstanceOf(IllegalArgumentException.class)
        .hasMessageStartingWith("cannot share ")
        .hasMessageNotContaining("\n");
  }

  @Test
  void sharesDoNotOverlapHoweverTheyAreNamed() throws IOException {
    overlap(in, in);
    overlap(in, in.resolve("sub"));
    overlap(in.resolve("sub"), in);
    overlap(in, out.resolve("../in/sub"));
    Path link = Files.createSymbolicLink(out.resolve("link"), in.resolve("sub"));
    overlap(in, link);
    overlap(in.resolve("sub"), link);
    // The way there leads through the other one.
    Path through = Files.createSymbolicLink(in.resolve("through"), out);
    overlap(in, through);
    overlap(through, in);
    overlap(in, in.resolve("sub/../../out"));
    Path chain = Files.createSymbolicLink(temporary.resolve("chain"), through);
    overlap(chain, in);
    new ShareBoundary(List.of(share(in, false), share(out, false)));
    Path beside = Files.createDirectory(temporary.resolve("in2"));
    new ShareBoundary(List.of(share(in, false), share(beside, false)));
  }

  @Test
  void hardwareHasNoSharesThatOverlap() throws IOException {
    List<Hardware.Share> two =
        List.of(
            new Hardware.Share("x", share(in, false)),
            new Hardware.Share("y", share(in.resolve("sub"), true)));
    assertThatThrownBy(() -> Hardware.NONE.withShares(two)).hasMessageContaining("overlaps");
  }

  /** A folder that is mounted at a second place is the same folder. */
  @Test
  void aMountLeadsNowhereElse() throws IOException, InterruptedException {
    Path twin = Files.createDirectory(out.resolve("twin"));
    Process p =
        new ProcessBuilder("mount", "--bind", in.resolve("sub").toString(), twin.toString())
            .redirectErrorStream(true)
            .start();
    assumeTrue(p.waitFor() == 0, "only root can mount");
    try {
      overlap(in, twin);
      overlap(twin, in);
      // What is mounted in a share is part of it.
      overlap(in, out);
      overlap(out, in.resolve("sub"));
      for (Path shared : List.of(twin, out)) {
        ShareBoundary b = new ShareBoundary(List.of(share(shared, false)));
        assertThatThrownBy(() -> b.requireWritable(in.resolve("sub/f")))
            .hasMessageContaining("lies in");
        b.requireWritable(in.resolve("f"));
      }
      ShareBoundary c = new ShareBoundary(List.of(share(in, false)));
      assertThatThrownBy(() -> c.requireWritable(twin.resolve("f")))
          .hasMessageContaining("lies in");
      c.requireWritable(out.resolve("f"));
    } finally {
      servers.forEach(FuseServer::close);
      assertThat(new ProcessBuilder("umount", twin.toString()).start().waitFor()).isZero();
    }
  }

  @Test
  void filesOfTheRunLieOutside() throws IOException {
    Files.writeString(in.resolve("f"), "f");
    Files.writeString(out.resolve("f"), "f");
    Path dangling = Files.createSymbolicLink(out.resolve("dangling"), in.resolve("new"));
    Path back = Files.createSymbolicLink(in.resolve("back"), out.resolve("f"));
    Path folder = Files.createSymbolicLink(out.resolve("folder"), in);
    ShareBoundary b = new ShareBoundary(List.of(share(in, false)));
    List<Path> inside =
        List.of(
            in.resolve("f"),
            in.resolve("new"),
            in.resolve("no/such/folder"),
            in.resolve("sub/../f"),
            out.resolve("../in/f"),
            dangling,
            back,
            folder.resolve("f"),
            folder.resolve("../out/f"));
    for (Path p : inside) {
      assertThatThrownBy(() -> b.requireWritable(p))
          .as("%s", p)
          .isInstanceOf(IllegalArgumentException.class)
          .hasMessageStartingWith("cannot write " + p + ": it lies in ");
      assertThatThrownBy(() -> b.requireReadable(p)).hasMessageStartingWith("cannot read " + p);
    }
    for (Path p :
        List.of(
            out.resolve("f"), out.resolve("new"), temporary.resolve("in2"), Path.of("/dev/null"))) {
      b.requireWritable(p);
      b.requireReadable(p);
    }
    Path loop = out.resolve("loop");
    Files.createSymbolicLink(loop, loop);
    assertThatThrownBy(() -> b.requireWritable(loop)).hasMessageContaining("symbolic links");
  }

  @Test
  void whatIsReadMayLieWhereTheGuestCanOnlyRead() throws IOException {
    Files.writeString(in.resolve("f"), "f");
    ShareBoundary b = new ShareBoundary(List.of(share(in, true)));
    b.requireReadable(in.resolve("f"));
    assertThatThrownBy(() -> b.requireWritable(in.resolve("f")))
        .isInstanceOf(IllegalArgumentException.class);
  }

  @Test
  void anotherNameInAShareCounts() throws IOException {
    Path f = Files.writeString(out.resolve("f"), "f");
    Path g = Files.writeString(out.resolve("g"), "g");
    Files.createLink(in.resolve("sub/twin"), f);
    Files.createLink(out.resolve("twin"), g);
    ShareBoundary b = new ShareBoundary(List.of(share(in, false)));
    assertThatThrownBy(() -> b.requireWritable(f)).hasMessageContaining("another name in");
    assertThatThrownBy(() -> b.requireReadable(f)).hasMessageContaining("another name in");
    b.requireWritable(g);
    b.requireReadable(g);
  }
}
