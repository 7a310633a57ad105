/**
 * Confinement of the process by the system, a second wall behind the machine's own checks: Landlock
 * for files and ports, seccomp for system calls. Knows nothing of machines; only {@code run} uses
 * it, because what is given up here does not come back.
 */
@NullMarked
package dev.vesper.cli.confine;

import org.jspecify.annotations.NullMarked;
