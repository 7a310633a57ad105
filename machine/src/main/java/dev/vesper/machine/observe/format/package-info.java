/**
 * Ways to write events down: text, JSON Lines, Perfetto, pcapng; and to read JSON Lines back.
 * {@link dev.vesper.machine.observe.format.EventCodec} alone knows what kinds and details are
 * called, and with it {@code Grammar} how their values are spelled: events themselves hold numbers.
 * Judging what they mean lives in {@code check}, the report for people in {@code html}.
 */
@NullMarked
package dev.vesper.machine.observe.format;

import org.jspecify.annotations.NullMarked;
