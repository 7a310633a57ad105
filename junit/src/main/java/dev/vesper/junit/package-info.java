/** Runs guests inside JUnit tests and keeps what they did for assertions and failure messages. */
@NullMarked
package dev.vesper.junit;

import org.jspecify.annotations.NullMarked;
