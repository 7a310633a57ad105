/**
 * What the members of a campaign share: entries, the map of what was reached, and how far each of
 * them is. A store holds bytes and knows nothing of guests or machines; what is read from one was
 * written by somebody else, who may mean harm, and is taken apart by hand.
 */
@NullMarked
package dev.vesper.fuzz.store;

import org.jspecify.annotations.NullMarked;
