package dev.vesper.cli;

import java.io.IOException;
import java.nio.charset.CharacterCodingException;
import java.nio.file.AccessDeniedException;
import java.nio.file.NoSuchFileException;

/** A mistake of the user: one line that says what, where and how to mend it. */
final class UserError extends RuntimeException {
  private static final long serialVersionUID = 1;

  UserError(String message) {
    super(message, null, false, false);
  }

  /** {@return why a file could not be read or written, in words} */
  static String reason(IOException e) {
    return switch (e) {
      case NoSuchFileException n -> "no such file or directory";
      case AccessDeniedException a -> "permission denied";
      case CharacterCodingException c -> "it is not text in UTF-8";
      default -> String.valueOf(e.getMessage());
    };
  }
}
