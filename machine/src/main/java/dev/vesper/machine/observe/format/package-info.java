/**
 * Ways to write events down: text, JSON Lines, Perfetto, pcapng, HTML; and to read JSON Lines back.
 * Judging what they mean lives in {@code check}.
 */
@NullMarked
package dev.vesper.machine.observe.format;

import org.jspecify.annotations.NullMarked;
