/**
 * Scripts of a host that means harm: when something happens, do so. They are data, made by a
 * program or read from a text ({@code docs/hostile.md}); no code is run from them.
 *
 * <p>Two kinds of rule are apart by type. A {@link LawfulAction} uses what a host has: VMCBs,
 * nested page tables, memory on the bus, answers, devices, scheduling; guest software is to
 * withstand it. A {@link SiliconAction} has the processor itself break a rule, and no guest can be
 * expected to. Which of them took part in a run is in its report and in its trace.
 *
 * <p>What lawful rules do is computed from {@link HostValue}s, which have nothing but what a host
 * sees. Some triggers name what no host sees, as an instruction's address: they stand for the
 * single steps and page faults by which an attacker finds it, and a rule that has one is told to be
 * {@link Trigger#aided() aided}. Nothing here may use processors, plaintext or a profile but
 * through {@link Watcher} and {@link Silicon}, which lawful actions are not given.
 *
 * {@snippet :
 * Script s =
 *     Script.builder()
 *         .lawful(new Trigger.Fetch(Place.gpa(0x10_0000)))
 *         .perform(LawfulAction.Inject.vc(0x81))
 *         .build();
 * Machine m = new Machine(spec.toBuilder().hostile(s).build());
 * m.run();
 * System.out.println(m.hostile().firings());
 * }
 */
@NullMarked
package dev.vesper.machine.hostile;

import org.jspecify.annotations.NullMarked;
