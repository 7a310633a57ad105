/**
 * The monitor, QEMU's and ours, and QMP. {@link dev.vesper.cli.monitor.Control} is the run as
 * whoever talks to it has it: it stands still, goes on or ends, on the thread that runs the
 * machine. {@link dev.vesper.cli.monitor.Commands} is the one table of commands, each family of
 * which has a file, and {@link dev.vesper.cli.monitor.Session} somebody who types them: at a {@link
 * dev.vesper.cli.monitor.LineMonitor}, behind gdb's {@code monitor}, or as QMP's {@code
 * human-monitor-command}. {@link dev.vesper.cli.monitor.QmpMonitor} speaks QMP, whose commands are
 * in {@link dev.vesper.cli.monitor.QmpCommands}. {@link dev.vesper.cli.monitor.Visitors} lets
 * clients in.
 *
 * <p>What clients say is a stranger's: none throws out of here, none holds up the run, and no file
 * is written but in a folder that was named. To look changes nothing of the guest; what does is
 * noted. Nothing here knows the command line.
 */
@org.jspecify.annotations.NullMarked
package dev.vesper.cli.monitor;
