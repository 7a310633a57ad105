package dev.vesper.cli;

import dev.vesper.machine.spec.Hardware;
import java.time.Instant;
import java.time.LocalDate;
import java.time.LocalDateTime;
import java.time.ZoneId;
import java.time.ZoneOffset;
import java.time.format.DateTimeParseException;

/** What {@code -rtc} says of the guest's clock, in QEMU's words. */
final class Clock {
  private static final String USAGE = "-rtc takes base=utc, base=localtime or base=DATE";

  private Clock() {}

  /**
   * {@return what the clock says at virtual time 0, in seconds since 1970}
   *
   * @param option what follows -rtc, or empty
   */
  static long start(String option) {
    return start(option, Instant.now(), ZoneId.systemDefault());
  }

  /** The same at a time and place. */
  static long start(String option, Instant now, ZoneId zone) {
    long start = Hardware.START_SECONDS;
    for (String part : option.isEmpty() ? new String[0] : option.split(",")) {
      switch (part) {
        case "base=utc" -> start = now.getEpochSecond();
        case "base=localtime" ->
            start = now.atZone(zone).toLocalDateTime().toEpochSecond(ZoneOffset.UTC);
        case "clock=vm", "driftfix=none" -> {
          // what is done anyway
        }
        case "clock=host", "clock=rt" ->
            throw new UserError("-rtc " + part + ": the clock goes with virtual time, as clock=vm");
        case "driftfix=slew" ->
            throw new UserError("-rtc " + part + ": no tick is lost that could be made up for");
        default -> {
          if (!part.startsWith("base=")) {
            throw new UserError(USAGE + ", not '" + part + "'");
          }
          start = date(part);
        }
      }
    }
    return start;
  }

  private static long date(String part) {
    String text = part.substring("base=".length());
    try {
      LocalDateTime t =
          text.contains("T") ? LocalDateTime.parse(text) : LocalDate.parse(text).atStartOfDay();
      if (t.getYear() >= 1970 && t.getYear() <= 9999) {
        return t.toEpochSecond(ZoneOffset.UTC);
      }
    } catch (DateTimeParseException e) {
      // said below
    }
    throw new UserError(
        "-rtc " + part + ": a date is 2026-06-17 or 2026-06-17T16:01:21, from 1970 to 9999");
  }
}
