package dev.vesper.cli;

import dev.vesper.machine.device.share.FuseServer;
import dev.vesper.machine.spec.Hardware;
import java.io.Closeable;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;

/** The folders of {@code --share} options. */
final class Shares implements Closeable {
  private static final String USAGE = "--share takes path=DIR,tag=TAG[,readonly=on]";
  private static final int LONGEST_TAG = 36;

  private final List<Hardware.Share> all = new ArrayList<>();

  /**
   * Opens folders.
   *
   * @throws UserError if one cannot be read
   */
  Shares(List<String> options) {
    options.forEach(o -> all.add(one(o)));
  }

  List<Hardware.Share> list() {
    return List.copyOf(all);
  }

  private static Hardware.Share one(String option) {
    String path = "";
    String tag = "";
    boolean readOnly = false;
    for (String part : option.split(",")) {
      if (part.startsWith("path=")) {
        path = part.substring(5);
      } else if (part.startsWith("tag=")) {
        tag = part.substring(4);
      } else if (part.equals("readonly=on") || part.equals("readonly=off")) {
        readOnly = part.endsWith("on");
      } else {
        throw new UserError(USAGE + ", not '" + part + "'");
      }
    }
    int length = tag.getBytes(StandardCharsets.UTF_8).length;
    if (path.isEmpty() || length == 0 || length > LONGEST_TAG) {
      throw new UserError(USAGE + " with a tag of 1 to 36 bytes, not '" + option + "'");
    }
    try {
      return new Hardware.Share(tag, new FuseServer(Path.of(path), readOnly));
    } catch (IOException e) {
      throw new UserError("cannot share " + path + ": " + UserError.reason(e));
    }
  }

  @Override
  public void close() throws IOException {
    for (Hardware.Share s : all) {
      s.server().close();
    }
  }
}
