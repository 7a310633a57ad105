package dev.vesper.machine.observe.format;

import dev.vesper.machine.observe.EventSink;
import java.io.Closeable;

/** Writes events to a file; closing it completes the file. */
public interface TraceWriter extends EventSink, Closeable {}
