/**
 * Folders of the computer that a guest can reach, and the file system protocol by which it does:
 * names are resolved here, one by one, and no symbolic link is ever followed.
 */
@NullMarked
package dev.vesper.machine.device.share;

import org.jspecify.annotations.NullMarked;
