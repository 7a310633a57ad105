/**
 * Guests that mean harm, made from numbers: what they are, where they run and what must not come of
 * it.
 */
@NullMarked
package dev.vesper.cli.hostile;

import org.jspecify.annotations.NullMarked;
