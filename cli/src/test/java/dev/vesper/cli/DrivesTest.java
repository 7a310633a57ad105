package dev.vesper.cli;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.io.IOException;
import java.nio.channels.FileChannel;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.List;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Who may use a disk image at the same time: several readers, or one writer. */
final class DrivesTest {
  @TempDir Path folder;
  private String image;

  @BeforeEach
  void image() throws IOException {
    Path p = folder.resolve("image");
    Files.write(p, new byte[4096]);
    image = "file=" + p;
  }

  /** Another program that has an image open until its input ends. */
  static final class Holder {
    private Holder() {}

    /** Opens an image and says so: {@code FILE read|write}. */
    public static void main(String[] args) throws IOException {
      boolean writes = args[1].equals("write");
      String option = "file=" + args[0] + (writes ? "" : ",snapshot=on");
      try (Drives d = new Drives(List.of(option), false, false)) {
        System.out.write(d.list().size());
        System.out.flush();
        System.in.read();
      }
    }
  }

  private Process holder(String how) throws IOException {
    Process p =
        new ProcessBuilder(
                Path.of(System.getProperty("java.home"), "bin", "java").toString(),
                "-cp",
                System.getProperty("java.class.path"),
                Holder.class.getName(),
                image.substring("file=".length()),
                how)
            .redirectError(ProcessBuilder.Redirect.INHERIT)
            .start();
    assertThat(p.getInputStream().read()).as("it has the image open").isEqualTo(1);
    return p;
  }

  private static void end(Process p) throws IOException, InterruptedException {
    p.getOutputStream().close();
    assertThat(p.waitFor(20, TimeUnit.SECONDS)).isTrue();
  }

  private void open(String more) throws IOException {
    new Drives(List.of(image + more), false, false).close();
  }

  @Test
  void nobodyReadsWhatAnotherProgramWrites() throws IOException, InterruptedException {
    Process p = holder("write");
    try {
      for (String how : List.of(",snapshot=on", ",readonly=on")) {
        assertThatThrownBy(() -> open(how))
            .isInstanceOf(UserError.class)
            .hasMessageContaining("another program writes it");
      }
      assertThatThrownBy(() -> open("")).hasMessageContaining("another program uses it");
    } finally {
      end(p);
    }
    open(",snapshot=on");
  }

  @Test
  void readersShareAnImageAndKeepWritersOut() throws IOException, InterruptedException {
    Process p = holder("read");
    try {
      open(",snapshot=on");
      open(",readonly=on");
      assertThatThrownBy(() -> open(""))
          .isInstanceOf(UserError.class)
          .hasMessageContaining("another program uses it");
    } finally {
      end(p);
    }
    open("");
  }

  @Test
  void oneProgramMayReadAnImageTwiceButNotWriteIt() throws IOException {
    try (Drives d =
        new Drives(List.of(image + ",readonly=on", image + ",snapshot=on"), false, false)) {
      assertThat(d.list()).hasSize(2);
    }
    assertThatThrownBy(() -> new Drives(List.of(image, image + ",snapshot=on"), false, false))
        .isInstanceOf(UserError.class)
        .hasMessageContaining("named twice");
  }

  @Test
  void anImageIsFreeAgainAfterwards() throws IOException {
    open("");
    try (FileChannel c =
        FileChannel.open(
            folder.resolve("image"), StandardOpenOption.READ, StandardOpenOption.WRITE)) {
      assertThat(c.tryLock()).isNotNull();
    }
  }
}
