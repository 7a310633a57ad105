/**
 * The hypervisor: run loop, exit handlers, GHCB service, MSR protocol, CPUID and MSR emulation, by
 * profile. It touches guests through VMCB, GHCB and host view alone; an exit handler is named by
 * its exit.
 */
@NullMarked
package dev.vesper.machine.vmm;

import org.jspecify.annotations.NullMarked;
