/**
 * The hypervisor: run loop, exit handlers, GHCB service, MSR protocol, CPUID and MSR emulation, by
 * profile: {@link dev.vesper.machine.vmm.KvmProfile} and {@link
 * dev.vesper.machine.vmm.OpenBsdProfile}. What differs between them is behind {@link
 * dev.vesper.machine.vmm.Profile} and {@code Handlers}. The boards ({@code PcBoard}, {@code
 * VmdBoard}) say which devices a guest finds and where. It touches guests through VMCB, GHCB and
 * host view alone; an exit handler is named by its exit.
 */
@NullMarked
package dev.vesper.machine.vmm;

import org.jspecify.annotations.NullMarked;
