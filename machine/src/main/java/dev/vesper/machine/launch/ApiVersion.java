package dev.vesper.machine.launch;

/**
 * The SEV API that a platform implements, and the build of its firmware. All three enter every
 * measurement.
 */
public record ApiVersion(int major, int minor, int build) {
  /** What this machine's secure processor says of itself: API 1.55, build 15. */
  public static final ApiVersion CURRENT = new ApiVersion(1, 0x37, 0x0F);

  public ApiVersion {
    if (((major | minor | build) & ~0xFF) != 0) {
      throw new IllegalArgumentException("API version and build are bytes");
    }
  }

  @Override
  public String toString() {
    return major + "." + minor + " build " + build;
  }
}
