package dev.vesper.machine.observe;

/**
 * A page as page tables map it.
 *
 * @param linear its first linear address
 * @param physical the guest physical address, without the C-bit
 * @param bytes how large it is
 * @param entry the entry that maps it, as it is in the table
 * @param writable all levels let it be written
 * @param user all levels let user code touch it
 * @param executable no level forbids to fetch instructions
 * @param encrypted accesses are to private memory
 */
public record Mapping(
    long linear,
    long physical,
    long bytes,
    long entry,
    boolean writable,
    boolean user,
    boolean executable,
    boolean encrypted) {}
