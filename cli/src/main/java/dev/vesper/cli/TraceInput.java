package dev.vesper.cli;

import java.io.BufferedReader;
import java.io.ByteArrayInputStream;
import java.io.Closeable;
import java.io.EOFException;
import java.io.FilterInputStream;
import java.io.IOException;
import java.io.InputStream;
import java.io.InputStreamReader;
import java.io.Reader;
import java.io.SequenceInputStream;
import java.nio.charset.CodingErrorAction;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.zip.GZIPInputStream;
import org.jspecify.annotations.Nullable;

/**
 * A trace that is read from a file or a pipe, which may be packed by gzip: its first bytes say so,
 * whatever its name is.
 */
final class TraceInput implements Closeable {
  /** ID1 and ID2 of a gzip member (RFC 1952, 2.3.1). */
  private static final byte[] GZIP = {0x1F, (byte) 0x8B};

  /** Bytes that tell a form. */
  private static final int HEAD = 256;

  private final InputStream file;
  private byte[] head = {};
  private boolean cut;

  /** Opens a trace; nothing of it is read yet. */
  TraceInput(Path p) throws IOException {
    InputStream in = Files.newInputStream(p);
    file =
        Terminal.isSeen()
            ? new Progress(
                in, "vesper: the trace " + p, Files.size(p), Terminal::progress, System::nanoTime)
            : in;
  }

  /** {@return the text of the trace, once} */
  Reader reader() throws IOException {
    byte[] first = file.readNBytes(GZIP.length);
    InputStream all = new SequenceInputStream(new ByteArrayInputStream(first), file);
    InputStream plain = Arrays.equals(first, GZIP) ? unpacked(all) : all;
    head = plain.readNBytes(HEAD);
    // It may be cut in the middle of a character: who reads lines says where.
    return new BufferedReader(
        new InputStreamReader(
            new SequenceInputStream(new ByteArrayInputStream(head), plain),
            StandardCharsets.UTF_8
                .newDecoder()
                .onMalformedInput(CodingErrorAction.REPLACE)
                .onUnmappableCharacter(CodingErrorAction.REPLACE)));
  }

  private InputStream unpacked(InputStream packed) throws IOException {
    InputStream whole;
    try {
      whole = new GZIPInputStream(packed, 1 << 16);
    } catch (EOFException e) {
      cut = true;
      return InputStream.nullInputStream();
    }
    return new FilterInputStream(whole) {
      @Override
      public int read() throws IOException {
        byte[] b = new byte[1];
        return read(b, 0, 1) < 0 ? -1 : b[0] & 0xFF;
      }

      @Override
      public int read(byte[] b, int off, int len) throws IOException {
        try {
          return cut ? -1 : super.read(b, off, len);
        } catch (EOFException e) {
          cut = true;
          return -1;
        }
      }
    };
  }

  /** {@return whether a packed trace has ended before gzip says that it does} */
  boolean isCut() {
    return cut;
  }

  /** {@return the other form of a trace that the beginning looks like, or null} */
  @Nullable String otherForm() {
    String text = new String(head, StandardCharsets.ISO_8859_1);
    if (text.startsWith("<!DOCTYPE html") || text.startsWith("<html")) {
      return "HTML (.html)";
    }
    // A section header block (pcapng, 4.1) begins with this; a Perfetto trace with packet field 1.
    if (text.startsWith("\n\r\r\n")) {
      return "pcapng (.pcapng)";
    }
    if (text.startsWith("\n") && head.length > 1) {
      return "Perfetto's packets (.perfetto)";
    }
    return text.matches("(?s)\\[\\d+[nu]?s\\] cpu\\d+ .*") ? "text (.txt)" : null;
  }

  @Override
  public void close() throws IOException {
    file.close();
  }
}
