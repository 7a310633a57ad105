/**
 * How the state of a machine is found, kept and brought back: by reflection over its objects, so
 * that a class that gains a field is kept with it.
 *
 * <p>Here lives what knows of objects, fields and values, and nothing of any particular class. What
 * is state, and what only follows from it, is said where the field is: a {@code transient} field is
 * not kept. No class of this package may know another package of the machine.
 */
@NullMarked
package dev.vesper.machine.state;

import org.jspecify.annotations.NullMarked;
