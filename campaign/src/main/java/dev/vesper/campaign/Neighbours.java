package dev.vesper.campaign;

import dev.vesper.fuzz.store.CampaignException;
import java.io.IOException;
import java.net.InetSocketAddress;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Collection;
import java.util.List;
import java.util.TreeSet;

/**
 * Where the others were when a member last saw them, in a file: who comes back finds them though
 * the one that it once asked is gone.
 */
final class Neighbours {
  private static final int MOST = 256;

  private final Path file;

  Neighbours(Path file) {
    this.file = file;
  }

  /** {@return the addresses; those that cannot be read are left out} */
  List<InetSocketAddress> read() throws IOException {
    List<InetSocketAddress> all = new ArrayList<>();
    if (Files.isRegularFile(file)) {
      for (String line : Files.readAllLines(file, StandardCharsets.US_ASCII)) {
        try {
          if (all.size() < MOST) {
            all.add(MemberSettings.place("neighbours", line));
          }
        } catch (CampaignException e) {
          // One that has another name now is not looked for.
          continue;
        }
      }
    }
    return all;
  }

  /** Keeps addresses. */
  void write(Collection<InetSocketAddress> all) throws IOException {
    TreeSet<String> lines = new TreeSet<>();
    all.stream().limit(MOST).map(MemberSettings::show).forEach(lines::add);
    Journal.replace(file, (String.join("\n", lines) + "\n").getBytes(StandardCharsets.US_ASCII));
  }
}
