package dev.vesper.machine.cpu;

import dev.vesper.machine.memory.RmpEntry;

/**
 * What PVALIDATE, RMPADJUST or RMPQUERY is about, for observers.
 *
 * @param linear address, as RAX says it
 * @param gpa guest physical address, or -1 if it was refused before it was translated
 * @param large 2 MiB are asked for
 * @param entry the table's of the page; that of a hypervisor's page if there is no address
 */
public record RmpOperand(long linear, long gpa, boolean large, RmpEntry entry) {}
