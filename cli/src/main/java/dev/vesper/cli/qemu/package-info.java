/**
 * QEMU's command line in Vesper's words. {@link dev.vesper.cli.qemu.QemuLine} reads a line of
 * either, or of both mixed, by the table of {@link dev.vesper.cli.qemu.QemuOptions}, and gives a
 * {@link dev.vesper.cli.qemu.Translation}: words that {@code vesper run} takes, what was left out
 * because it changes nothing, and what cannot be had, with the way that Vesper has for it.
 *
 * <p>The meaning of QEMU's words is that of its manual page, qemu-system-x86_64(1). Nothing here
 * opens or reads a file, and nothing knows what an option of Vesper's does: values are judged where
 * they are used. What needs a file, a machine or a process belongs elsewhere.
 */
@org.jspecify.annotations.NullMarked
package dev.vesper.cli.qemu;
