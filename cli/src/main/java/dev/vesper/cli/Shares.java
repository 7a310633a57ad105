package dev.vesper.cli;

import dev.vesper.machine.HardwareOptions;
import dev.vesper.machine.spec.Hardware;
import java.io.Closeable;
import java.io.IOException;
import java.util.ArrayList;
import java.util.List;

/** The folders of {@code --share} options. */
final class Shares implements Closeable {
  private final List<Hardware.Share> all = new ArrayList<>();

  /**
   * Opens folders.
   *
   * @throws UserError if one cannot be read
   */
  Shares(List<String> options) {
    for (String o : options) {
      all.add(UserError.of(() -> HardwareOptions.share("--share", o)));
    }
  }

  List<Hardware.Share> list() {
    return List.copyOf(all);
  }

  @Override
  public void close() throws IOException {
    for (Hardware.Share s : all) {
      s.server().close();
    }
  }
}
