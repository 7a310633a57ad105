package dev.vesper.machine.observe.html;

import java.io.IOException;
import java.io.Writer;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;

/**
 * Text that waits in a temporary file, which has no name any more, until it is asked for. What is
 * in it is ASCII.
 */
final class Spool {
  private static final int PIECE = 1 << 16;

  private final FileChannel file;
  private long length;

  Spool() throws IOException {
    Path p = Files.createTempFile("vesper-report", null);
    // Where that can be, the name goes at once and the file with the last who has it open.
    file =
        FileChannel.open(
            p,
            StandardOpenOption.READ,
            StandardOpenOption.WRITE,
            StandardOpenOption.DELETE_ON_CLOSE);
  }

  void add(String ascii) throws IOException {
    ByteBuffer b = ByteBuffer.wrap(ascii.getBytes(StandardCharsets.US_ASCII));
    while (b.hasRemaining()) {
      length += file.write(b, length);
    }
  }

  void writeTo(Writer to) throws IOException {
    ByteBuffer b = ByteBuffer.allocate(PIECE);
    for (long at = 0; at < length; at += b.position()) {
      b.clear();
      if (file.read(b, at) < 0) {
        throw new IOException("a temporary file is shorter than what was written to it");
      }
      to.write(new String(b.array(), 0, b.position(), StandardCharsets.US_ASCII));
    }
  }
}
