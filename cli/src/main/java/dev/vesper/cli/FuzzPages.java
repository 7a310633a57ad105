package dev.vesper.cli;

import dev.vesper.fuzz.CampaignPage;
import dev.vesper.fuzz.store.CampaignException;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;

/** {@code vesper fuzz html DIR}. */
final class FuzzPages {
  private static final String PAGE = "index.html";

  private FuzzPages() {}

  /** Draws a campaign's page into its directory; {@return the exit status} */
  static int write(Path directory) throws CampaignException {
    byte[] page = CampaignPage.of(directory);
    Path p = directory.resolve(PAGE);
    try {
      Files.write(p, page);
    } catch (IOException e) {
      throw new UserError("cannot write " + p + ": " + UserError.reason(e));
    }
    Terminal.out(p.toString());
    return 0;
  }
}
