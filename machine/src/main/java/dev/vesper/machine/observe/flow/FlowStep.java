package dev.vesper.machine.observe.flow;

/**
 * An instruction that a value has passed.
 *
 * @param rip its address
 * @param symbol name and offset, or empty
 * @param text its disassembly, or empty where it cannot be read any more
 */
public record FlowStep(long rip, String symbol, String text) {}
