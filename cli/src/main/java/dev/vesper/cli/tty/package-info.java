/**
 * The terminal that a guest's console is: its modes while the guest has it, and what they were
 * before. Calls the C library, of Linux and macOS; knows nothing of machines.
 */
@NullMarked
package dev.vesper.cli.tty;

import org.jspecify.annotations.NullMarked;
