package dev.vesper.cli.confine;

import java.util.Locale;
import org.jspecify.annotations.Nullable;

/** A computer whose system calls are known. */
enum Architecture {
  X86_64(0xC000_003E),
  AARCH64(0xC000_00B7);

  /** What a filter is told of where a call comes from: AUDIT_ARCH_* of linux/audit.h. */
  final int audit;

  Architecture(int audit) {
    this.audit = audit;
  }

  /** {@return the one that the JVM runs on, or null if that is another one, or not Linux} */
  static @Nullable Architecture here() {
    if (!System.getProperty("os.name", "").equals("Linux")) {
      return null;
    }
    return switch (System.getProperty("os.arch", "").toLowerCase(Locale.ROOT)) {
      case "amd64", "x86_64" -> X86_64;
      case "aarch64" -> AARCH64;
      default -> null;
    };
  }
}
