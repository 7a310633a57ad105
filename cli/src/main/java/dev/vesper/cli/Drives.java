package dev.vesper.cli;

import dev.vesper.machine.HardwareOptions;
import dev.vesper.machine.spec.Hardware;
import java.io.Closeable;
import java.io.IOException;
import java.util.ArrayList;
import java.util.List;

/** The disks of {@code -drive} options, open until this is closed. */
final class Drives implements Closeable {
  private final List<Hardware.Drive> open = new ArrayList<>();

  /**
   * Opens disks.
   *
   * @param allSnapshots what is written to any of them is forgotten
   * @param kept what is written is part of the machine, and goes to no image
   * @throws UserError if one cannot be opened, or is in use by somebody else
   */
  Drives(List<String> options, boolean allSnapshots, boolean kept) {
    try {
      for (String o : options) {
        open.add(
            UserError.of(
                () ->
                    kept
                        ? HardwareOptions.keptDrive("-drive", o, Terminal::say)
                        : HardwareOptions.drive("-drive", o, allSnapshots, Terminal::say)));
      }
    } catch (UserError e) {
      closeAll();
      throw e;
    }
  }

  List<Hardware.Drive> list() {
    return List.copyOf(open);
  }

  private void closeAll() {
    for (Hardware.Drive d : open) {
      try {
        d.disk().close();
      } catch (IOException e) {
        // nothing more can be done for it; what was flushed is safe
      }
    }
  }

  @Override
  public void close() throws IOException {
    for (Hardware.Drive d : open) {
      d.disk().flush();
      d.disk().close();
    }
  }
}
