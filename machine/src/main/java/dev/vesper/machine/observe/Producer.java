package dev.vesper.machine.observe;

/** Who writes traces and reports, as these say it. */
public final class Producer {
  public static final String NAME = "Vesper";

  /** That of the build. */
  public static final String VERSION = "0.2-SNAPSHOT";

  /** Where there is more about it. */
  public static final String HOME = "https://vesper.dev";

  private Producer() {}
}
