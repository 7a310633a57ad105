package dev.vesper.cli;

import dev.vesper.machine.HardwareOptions;
import dev.vesper.machine.device.share.ShareBoundary;
import dev.vesper.machine.spec.Hardware;
import java.io.Closeable;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;

/** The folders of {@code --share} options. */
final class Shares implements Closeable {
  private final List<Hardware.Share> all = new ArrayList<>();
  private final ShareBoundary boundary;

  /**
   * Opens folders.
   *
   * @param read files that the command reads
   * @param written files that the command writes
   * @throws UserError if one cannot be read, if two overlap, or if a guest could reach a file
   */
  Shares(List<String> options, List<Path> read, List<Path> written) {
    try {
      boundary =
          UserError.of(
              () -> {
                for (String o : options) {
                  all.add(HardwareOptions.share("--share", o));
                }
                ShareBoundary b =
                    new ShareBoundary(all.stream().map(Hardware.Share::server).toList());
                written.forEach(b::requireWritable);
                read.forEach(b::requireReadable);
                return b;
              });
    } catch (UserError e) {
      close();
      throw e;
    }
  }

  /** {@return whether a guest could change a file} */
  boolean reach(Path file) {
    try {
      boundary.requireWritable(file);
      return false;
    } catch (IllegalArgumentException e) {
      return true;
    }
  }

  List<Hardware.Share> list() {
    return List.copyOf(all);
  }

  @Override
  public void close() {
    all.forEach(s -> s.server().close());
  }
}
