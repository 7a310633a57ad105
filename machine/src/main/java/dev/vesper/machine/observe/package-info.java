/**
 * What observers are told and how it is written down. Used by every layer, uses none; observers see
 * everything and change nothing.
 */
@NullMarked
package dev.vesper.machine.observe;

import org.jspecify.annotations.NullMarked;
