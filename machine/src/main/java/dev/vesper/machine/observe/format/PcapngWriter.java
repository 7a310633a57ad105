package dev.vesper.machine.observe.format;

import dev.vesper.ghcb.GhcbField;
import dev.vesper.ghcb.GhcbPage;
import dev.vesper.machine.observe.Event;
import java.io.IOException;
import java.io.OutputStream;
import java.io.UncheckedIOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.util.HexFormat;

/**
 * Writes the exchanges as packets of a pcapng file (link type USER0), a request and an answer each;
 * {@link GhcbDissector} has the Wireshark side.
 *
 * <p>A packet, little-endian: version 1 (1 byte), type (1: 1 GHCB request, 2 GHCB answer, 3 MSR
 * request, 4 MSR response, 5 #VC, 6 return from #VC), vCPU (2), CPL (1), state (1: 1 the page is
 * private), code width (1), reserved (1), number of the #VC in service (4), error code (4), RIP
 * (8), GHCB address or MSR value (8), and three texts, each with a length of 2 bytes before it:
 * place, instruction, action. After them a GHCB packet has the first 0x408 bytes of the page, usage
 * (4), version (2), and the used part of the shared buffer with a length of 2 bytes before it.
 */
public final class PcapngWriter implements TraceWriter {
  private static final int SECTION_HEADER = 0x0A0D_0D0A;
  private static final int BYTE_ORDER = 0x1A2B_3C4D;
  private static final int INTERFACE = 1;
  private static final int ENHANCED_PACKET = 6;
  private static final int LINKTYPE_USER0 = 147;
  private static final int SAVE_AREA = 0x408;
  private static final int MOST_TEXT = 512;
  private static final int SNAP_LENGTH = 1 << 16;

  private final OutputStream out;

  /** Begins the file. */
  public PcapngWriter(OutputStream out) {
    this.out = out;
    ByteBuffer section = buffer(16);
    section.putInt(BYTE_ORDER).putShort((short) 1).putShort((short) 0).putLong(-1);
    block(SECTION_HEADER, section);
    ByteBuffer face = buffer(64);
    face.putShort((short) LINKTYPE_USER0).putShort((short) 0).putInt(SNAP_LENGTH);
    option(face, 2, "vesper".getBytes(StandardCharsets.UTF_8));
    // if_tsresol: nanoseconds.
    option(face, 9, new byte[] {9});
    face.putInt(0);
    block(INTERFACE, face);
  }

  private static ByteBuffer buffer(int size) {
    return ByteBuffer.allocate(size).order(ByteOrder.LITTLE_ENDIAN);
  }

  private static void option(ByteBuffer b, int code, byte[] value) {
    b.putShort((short) code).putShort((short) value.length).put(value);
    b.position(b.position() + 3 & ~3);
  }

  private void block(int type, ByteBuffer body) {
    int length = (body.position() + 3 & ~3) + 12;
    ByteBuffer b = buffer(length);
    b.putInt(type).putInt(length).put(body.flip());
    b.position(length - 4);
    b.putInt(length);
    try {
      out.write(b.array());
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }

  private void packet(Event e, byte[] data) {
    ByteBuffer b = buffer(data.length + 64);
    b.putInt(0).putInt((int) (e.time() >>> 32)).putInt((int) e.time());
    b.putInt(data.length).putInt(data.length).put(data);
    b.position(b.position() + 3 & ~3);
    block(ENHANCED_PACKET, b);
  }

  private static void text(ByteBuffer b, String s) {
    byte[] t = s.getBytes(StandardCharsets.UTF_8);
    int n = Math.min(t.length, MOST_TEXT);
    b.putShort((short) n).put(t, 0, n);
  }

  private static ByteBuffer header(Event e, int type, long value, String action) {
    ByteBuffer b = buffer(8192);
    b.put((byte) 1).put((byte) type).putShort((short) e.vcpu()).put((byte) e.cpl());
    b.put((byte) (e.text("page_state").equals("private") ? 1 : 0)).put((byte) e.bits());
    b.put((byte) 0).putInt((int) e.number("vc")).putInt((int) e.number("error_code"));
    b.putLong(e.rip()).putLong(value);
    text(b, e.place());
    text(b, e.instruction());
    text(b, action);
    return b;
  }

  private static byte[] bytes(ByteBuffer b) {
    byte[] d = new byte[b.position()];
    b.flip().get(d);
    return d;
  }

  private static void page(ByteBuffer b, Event e, String which) {
    byte[] save = new byte[GhcbPage.SIZE];
    GhcbPage p = new GhcbPage(save);
    fields(p, e.text(which));
    fields(p, e.text(which + "_unmarked"));
    hex(e.text(which + "_valid"), save, GhcbPage.VALID_BITMAP);
    b.put(save, 0, SAVE_AREA);
    b.putInt((int) e.number("usage")).putShort((short) e.number("version"));
    String data = e.text(which.equals("request") ? "buffer" : "answer_buffer");
    byte[] buffer = new byte[Math.min(data.length() / 2, GhcbPage.SHARED_BUFFER_SIZE)];
    hex(data, buffer, 0);
    b.putShort((short) buffer.length).put(buffer);
  }

  private static void fields(GhcbPage p, String text) {
    for (String t : text.split(" ")) {
      int at = t.indexOf('=');
      for (GhcbField f : GhcbField.values()) {
        if (at > 0 && f.name().contentEquals(t.subSequence(0, at))) {
          p.put(f, Event.parse(t.substring(at + 1)));
        }
      }
    }
  }

  private static void hex(String s, byte[] to, int at) {
    for (int i = 0; i + 2 <= s.length() && at + i / 2 < to.length; i += 2) {
      if (HexFormat.isHexDigit(s.charAt(i)) && HexFormat.isHexDigit(s.charAt(i + 1))) {
        to[at + i / 2] = (byte) HexFormat.fromHexDigits(s, i, i + 2);
      }
    }
  }

  @Override
  public void accept(Event e) {
    switch (e.kind()) {
      case "ghcb" -> {
        ByteBuffer request = header(e, 1, e.number("ghcb"), e.name());
        page(request, e, "request");
        packet(e, bytes(request));
        ByteBuffer answer = header(e, 2, e.number("ghcb"), e.text("action"));
        page(answer, e, "answer");
        packet(e, bytes(answer));
      }
      case "msr_protocol" -> {
        packet(e, bytes(header(e, 3, e.number("request_msr"), e.text("request"))));
        packet(e, bytes(header(e, 4, e.number("response_msr"), e.text("response"))));
      }
      case "vc" -> packet(e, bytes(header(e, 5, e.number("error_code"), e.name())));
      case "vc_return" -> packet(e, bytes(header(e, 6, e.number("error_code"), e.name())));
      default -> {
        // no exchange
      }
    }
  }

  @Override
  public void close() throws IOException {
    out.close();
  }
}
