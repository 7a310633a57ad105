/**
 * Descriptions of processors as data: CPU models with their CPUID leaves and features, and the
 * layout of the state that CPUID describes. Nothing here runs, and nothing else of the machine is
 * used.
 */
@NullMarked
package dev.vesper.machine.model;

import org.jspecify.annotations.NullMarked;
