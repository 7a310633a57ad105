package dev.vesper.fuzz;

/**
 * Shared memory that a guest has read: a host can have written something else before.
 *
 * @param site the last question before
 * @param nth at which time it was asked
 * @param gpa guest physical address
 * @param bytes 1, 2, 4 or 8
 * @param value what the guest has read
 */
record SharedRead(Site site, int nth, long gpa, int bytes, long value) {}
