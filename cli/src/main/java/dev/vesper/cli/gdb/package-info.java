/**
 * gdb's remote serial protocol (GDB manual, appendix E): {@link dev.vesper.cli.gdb.PacketReader}
 * and {@link dev.vesper.cli.gdb.Packets} are its bytes, {@link dev.vesper.cli.gdb.Client} is who
 * has connected, {@link dev.vesper.cli.gdb.RegisterSet} and {@link
 * dev.vesper.cli.gdb.TargetDescription} what gdb is told of the processor, {@link
 * dev.vesper.cli.gdb.Points} its breakpoints and watchpoints, {@link
 * dev.vesper.cli.gdb.AgentExpression} their conditions, {@link dev.vesper.cli.gdb.Stub} answers
 * packets, {@link dev.vesper.cli.gdb.MemorySearch} those that look for something in memory, {@link
 * dev.vesper.cli.gdb.Monitor} what is typed behind {@code monitor}, {@link
 * dev.vesper.cli.gdb.StopOn} and {@link dev.vesper.cli.gdb.BreachStop} events that are stopped at,
 * {@code vesper.py} gdb's own commands, which monitors answer too, and {@link
 * dev.vesper.cli.gdb.GdbServer} runs a machine as a client says.
 *
 * <p>Packets are a stranger's: none throws out of here, and none makes the machine do what it would
 * not do without. Nothing here writes for people or knows the command line.
 */
@org.jspecify.annotations.NullMarked
package dev.vesper.cli.gdb;
