package dev.vesper.cli.monitor;

import java.io.IOException;
import java.nio.channels.ReadableByteChannel;

/** What a client is talked to by. */
interface Front {
  /** Talks to a client until it has gone or the run is over. */
  void talk(ReadableByteChannel in, Mailbox out) throws IOException;
}
