package dev.vesper.junit;

/**
 * What a guest's console and last events were when a test failed: suppressed in the failure, so
 * that it is shown behind it.
 */
public final class GuestReport extends Exception {
  private static final long serialVersionUID = 1;

  GuestReport(String text) {
    super(text, null, false, false);
  }
}
