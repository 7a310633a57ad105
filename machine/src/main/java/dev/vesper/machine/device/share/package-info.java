/**
 * Folders of the computer that a guest can reach, and the file system protocol by which it does.
 * Files are reached by descriptors, name by name, and no symbolic link is ever followed: no path
 * below a share is opened anywhere else. {@code FrozenFolder} is a folder in memory, for machines
 * that go back to a moment again and again. {@code ShareBoundary} keeps shares apart from each
 * other and from the files of who runs the guest.
 */
@NullMarked
package dev.vesper.machine.device.share;

import org.jspecify.annotations.NullMarked;
