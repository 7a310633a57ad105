/**
 * What a machine is made of and what becomes of it, as values: a program that wants a machine says
 * it here. Everything below the face may use these types. Nothing here does anything.
 */
@NullMarked
package dev.vesper.machine.spec;

import org.jspecify.annotations.NullMarked;
