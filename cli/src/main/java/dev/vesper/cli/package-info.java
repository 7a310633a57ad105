/** The command line: options, files, console, exit status. Nothing of the machine lives here. */
@NullMarked
package dev.vesper.cli;

import org.jspecify.annotations.NullMarked;
