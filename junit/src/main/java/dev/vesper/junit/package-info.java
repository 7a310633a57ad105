/**
 * Tests of guests with JUnit: {@link dev.vesper.junit.SevGuest} or {@link
 * dev.vesper.junit.SevGuestExtension} make the guest, {@link dev.vesper.junit.GuestAssertions} say
 * what is expected of it, and a test that fails shows what the guest has done. Guests are described
 * by {@link dev.vesper.machine.spec.MachineSpec} and driven by {@link dev.vesper.machine.Machine};
 * nothing here knows how a machine works.
 */
@NullMarked
package dev.vesper.junit;

import org.jspecify.annotations.NullMarked;
