/**
 * Snapshots on disk: the file, what it says of the machine that it is of, and how one is refused.
 *
 * <p>Here lives the container: sections with checksums, and the description of a machine that
 * another one is compared with. What the state is of is known to {@code state} and {@code memory};
 * where a file lies, and what a user is told, to the command. Files are hostile input: all is
 * verified before anything is believed, and nothing but bytes is read from them.
 */
@NullMarked
package dev.vesper.machine.snapshot;

import org.jspecify.annotations.NullMarked;
