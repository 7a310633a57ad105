package dev.vesper.machine.memory;

/**
 * What a hostile or broken host can do to a guest's page by the reverse map table, so that the
 * guest's next private access ends in #NPF: one for each row of the table of checks that does not
 * come about by itself (AMD APM volume 2, table 15-39; spec: snp 1.3).
 */
public enum RmpFault {
  /** RMPUPDATE gives the page to another guest. */
  FOREIGN_ASID,
  /** RMPUPDATE says that the page has another guest physical address: it was moved. */
  MOVED,
  /** RMPUPDATE gives the page to the firmware, as one to be launched. */
  IMMUTABLE,
  /** Nested paging maps the page with the other size than its entry's. */
  MAPPING_SIZE,
  /** The firmware takes the permissions of all privilege levels. */
  NO_PERMISSIONS
}
