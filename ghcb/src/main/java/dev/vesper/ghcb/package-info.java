/**
 * The Guest-Hypervisor Communication Block: layout and valid bitmap ({@link
 * dev.vesper.ghcb.GhcbField}, {@link dev.vesper.ghcb.GhcbPage}), the MSR protocol ({@link
 * dev.vesper.ghcb.MsrRequest}), exit codes ({@link dev.vesper.ghcb.ExitCode}) and termination
 * reasons.
 *
 * <p>Encoding, decoding and explaining live here; serving and sending do not. Source: the GHCB
 * standard (AMD publication 56421).
 */
@NullMarked
package dev.vesper.ghcb;

import org.jspecify.annotations.NullMarked;
