package dev.vesper.campaign;

import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.time.Instant;
import java.time.temporal.ChronoUnit;
import java.util.function.Consumer;

/**
 * Lines of what came to pass, in a member's folder: who came and went, who was turned away, what
 * was damaged. The terminal is the campaign's. A stranger can make lines, so that there is an end
 * to them.
 */
final class MemberLog implements Consumer<String> {
  private static final long LONGEST = 1 << 20;

  private final Path file;

  MemberLog(Path file) {
    this.file = file;
  }

  @Override
  public synchronized void accept(String line) {
    String stamped = Instant.now().truncatedTo(ChronoUnit.SECONDS) + " " + line + "\n";
    try {
      if (Files.notExists(file) || Files.size(file) < LONGEST) {
        Files.writeString(
            file,
            stamped,
            StandardCharsets.UTF_8,
            StandardOpenOption.CREATE,
            StandardOpenOption.APPEND);
      }
    } catch (IOException e) {
      // The campaign is worth more than what is said of it.
      return;
    }
  }
}
