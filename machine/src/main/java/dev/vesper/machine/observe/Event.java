package dev.vesper.machine.observe;

import java.util.Map;

/**
 * One observed event.
 *
 * @param kind vc, exit, write_trap, msr_protocol, ghcb or inject
 * @param time virtual nanoseconds
 * @param instructions executed before it
 * @param vcpu number of the vCPU
 * @param bits code width: 16, 32 or 64
 * @param cpl privilege level
 * @param rip address of the instruction, or of the next one after an exit that advanced it
 * @param symbol name of the place with an offset, or empty
 * @param instruction disassembly at {@code rip}
 * @param name name of the exit
 * @param details what crossed, in the order to print it
 */
public record Event(
    String kind,
    long time,
    long instructions,
    int vcpu,
    int bits,
    int cpl,
    long rip,
    String symbol,
    String instruction,
    String name,
    Map<String, String> details) {}
