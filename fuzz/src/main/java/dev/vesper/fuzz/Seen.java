package dev.vesper.fuzz;

import java.util.List;

/**
 * An answer that a guest has got, lies and all: where inputs can be made from it.
 *
 * @param site what was asked for
 * @param nth at which time, counted from 1 since the machine began
 * @param rax the field of the GHCB, or what the guest reads from the GHCB MSR
 * @param rbx the field of the GHCB
 * @param rcx the field of the GHCB
 * @param rdx the field of the GHCB
 * @param buffer how many bytes of the shared buffer belong to the answer, 0 for none
 * @param words what they are, little-endian, eight at a time
 */
record Seen(
    Site site, int nth, long rax, long rbx, long rcx, long rdx, int buffer, List<Long> words) {}
