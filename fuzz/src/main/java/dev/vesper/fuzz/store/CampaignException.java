package dev.vesper.fuzz.store;

/** A campaign cannot be joined, or its files are not what they should be. */
public final class CampaignException extends Exception {
  private static final long serialVersionUID = 1;

  /**
   * Makes one.
   *
   * @param message a line that says what, where and how to mend it
   */
  public CampaignException(String message) {
    super(message);
  }
}
