package dev.vesper.machine.observe.format;

import dev.vesper.ghcb.GhcbPage;
import dev.vesper.machine.observe.At;
import dev.vesper.machine.observe.Event;
import dev.vesper.machine.observe.Event.ApCreationAsked;
import dev.vesper.machine.observe.Event.AutomaticExit;
import dev.vesper.machine.observe.Event.ConsoleLine;
import dev.vesper.machine.observe.Event.CpuidLaunched;
import dev.vesper.machine.observe.Event.DmaNoise;
import dev.vesper.machine.observe.Event.Ended;
import dev.vesper.machine.observe.Event.ExecuteOnlyRead;
import dev.vesper.machine.observe.Event.FlowFound;
import dev.vesper.machine.observe.Event.GhcbExchange;
import dev.vesper.machine.observe.Event.GhcbRegistered;
import dev.vesper.machine.observe.Event.GuestRequestAnswered;
import dev.vesper.machine.observe.Event.HostAccess;
import dev.vesper.machine.observe.Event.HostileRule;
import dev.vesper.machine.observe.Event.Injected;
import dev.vesper.machine.observe.Event.KeyExposed;
import dev.vesper.machine.observe.Event.Launched;
import dev.vesper.machine.observe.Event.MsrExchange;
import dev.vesper.machine.observe.Event.Omission;
import dev.vesper.machine.observe.Event.PageStateChanged;
import dev.vesper.machine.observe.Event.Place;
import dev.vesper.machine.observe.Event.Pvalidate;
import dev.vesper.machine.observe.Event.RmpChanged;
import dev.vesper.machine.observe.Event.RmpViolation;
import dev.vesper.machine.observe.Event.Rmpadjust;
import dev.vesper.machine.observe.Event.Rmpquery;
import dev.vesper.machine.observe.Event.SvsmCalled;
import dev.vesper.machine.observe.Event.VcRaised;
import dev.vesper.machine.observe.Event.VcReturned;
import dev.vesper.machine.observe.Event.VcpuStarted;
import dev.vesper.machine.observe.Event.WriteTrap;
import dev.vesper.machine.observe.GhcbContents;
import dev.vesper.machine.observe.PageState;
import java.io.IOException;
import java.io.OutputStream;
import java.io.UncheckedIOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;

/**
 * Writes the exchanges as packets of a pcapng file (link type USER0), a request and an answer each,
 * and what happens to the reverse map table; {@link GhcbDissector} has the Wireshark side.
 *
 * <p>A packet, little-endian: version 1 (1 byte), type (1: 1 GHCB request, 2 GHCB answer, 3 MSR
 * request, 4 MSR response, 5 #VC, 6 return from #VC, 7 the guest executes PVALIDATE, RMPADJUST or
 * RMPQUERY, 8 the host has changed entries of the reverse map table, 9 the table refuses the guest
 * an access), vCPU (2), CPL (1), state (1: 1 the page is private), code width (1), reserved (1),
 * number of the #VC in service (4), error code (4), RIP (8), GHCB address, MSR value or address of
 * a page (8), and three texts, each with a length of 2 bytes before it: place, instruction, action.
 * After them a GHCB packet has the first 0x408 bytes of the page, usage (4), version (2), and the
 * used part of the shared buffer with a length of 2 bytes before it.
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
    b.putInt(0).putInt((int) (e.at().time() >>> 32)).putInt((int) e.at().time());
    b.putInt(data.length).putInt(data.length).put(data);
    b.position(b.position() + 3 & ~3);
    block(ENHANCED_PACKET, b);
  }

  private static void text(ByteBuffer b, String s) {
    byte[] t = Visible.of(s).getBytes(StandardCharsets.UTF_8);
    int n = Math.min(t.length, MOST_TEXT);
    while (n < t.length && (t[n] & 0xC0) == 0x80) {
      // Not in the middle of a character.
      n--;
    }
    b.putShort((short) n).put(t, 0, n);
  }

  /** The parts of a packet's header that are not where and when. */
  private record Head(int type, boolean isPrivate, long vc, int exit, long value, String action) {}

  private static ByteBuffer header(Event e, Head h) {
    At at = e.at();
    ByteBuffer b = buffer(8192);
    b.put((byte) 1).put((byte) h.type).putShort((short) at.vcpu()).put((byte) at.cpl());
    b.put((byte) (h.isPrivate ? 1 : 0)).put((byte) at.bits());
    b.put((byte) 0).putInt((int) h.vc).putInt(h.exit);
    b.putLong(at.rip()).putLong(h.value);
    text(b, at.place());
    text(b, at.instruction());
    text(b, h.action);
    return b;
  }

  private static byte[] bytes(ByteBuffer b) {
    byte[] d = new byte[b.position()];
    b.flip().get(d);
    return d;
  }

  private static void page(ByteBuffer b, GhcbExchange x, GhcbContents c) {
    byte[] save = new byte[GhcbPage.SIZE];
    GhcbPage p = new GhcbPage(save);
    c.valid().forEach(p::put);
    c.unmarked().forEach(p::put);
    byte[] bitmap = c.bitmap().toArray();
    System.arraycopy(bitmap, 0, save, GhcbPage.VALID_BITMAP, Math.min(bitmap.length, 16));
    b.put(save, 0, SAVE_AREA);
    b.putInt((int) x.usage()).putShort((short) x.version());
    int n = Math.min(c.buffer().length(), GhcbPage.SHARED_BUFFER_SIZE);
    b.putShort((short) n).put(c.buffer().toArray(), 0, n);
  }

  private void vc(Event e, int type, long vc, int exit) {
    Head h = new Head(type, false, vc, exit, exit & 0xFFFF_FFFFL, EventCodec.name(e));
    packet(e, bytes(header(e, h)));
  }

  /** What is about the reverse map table, by an address of it. */
  private void table(Event e, int type, long gpa, String words) {
    String what = EventCodec.kind(e) + " " + EventCodec.name(e) + ": " + words;
    packet(e, bytes(header(e, new Head(type, false, 0, 0, gpa, what))));
  }

  private void exchange(GhcbExchange x) {
    boolean isPrivate = x.page() == PageState.PRIVATE;
    ByteBuffer request = header(x, new Head(1, isPrivate, x.vc(), 0, x.ghcb(), EventCodec.name(x)));
    page(request, x, x.request());
    packet(x, bytes(request));
    ByteBuffer answer = header(x, new Head(2, isPrivate, x.vc(), 0, x.ghcb(), x.action()));
    page(answer, x, x.answer());
    packet(x, bytes(answer));
  }

  @Override
  public void accept(Event e) {
    switch (e) {
      case GhcbExchange x -> exchange(x);
      case MsrExchange x -> {
        String asked = EventCodec.request(x);
        String said = EventCodec.response(x);
        packet(e, bytes(header(e, new Head(3, false, x.vc(), 0, x.request(), asked))));
        packet(e, bytes(header(e, new Head(4, false, x.vc(), 0, x.response(), said))));
      }
      case VcRaised v -> vc(e, 5, v.vc(), v.exit());
      case VcReturned v -> vc(e, 6, v.vc(), v.exit());
      case AutomaticExit x -> noExchange();
      case WriteTrap x -> noExchange();
      case Injected x -> noExchange();
      case PageStateChanged x -> noExchange();
      case HostAccess x -> noExchange();
      case DmaNoise x -> noExchange();
      case ExecuteOnlyRead x -> noExchange();
      case VcpuStarted x -> noExchange();
      case Pvalidate x -> table(e, 7, x.gpa(), SnpWords.pvalidate(x));
      case Rmpadjust x -> table(e, 7, x.gpa(), SnpWords.rmpadjust(x));
      case Rmpquery x -> table(e, 7, x.gpa(), SnpWords.rmpquery(x));
      case RmpChanged x -> table(e, 8, x.gpa(), SnpWords.changed(x));
      case RmpViolation x -> table(e, 9, x.gpa(), SnpWords.violation(x));
      case ApCreationAsked x -> noExchange();
      case GhcbRegistered x -> noExchange();
      case GuestRequestAnswered x -> noExchange();
      case SvsmCalled x -> noExchange();
      case Omission x -> noExchange();
      case CpuidLaunched x -> noExchange();
      case KeyExposed x -> noExchange();
      case HostileRule x -> noExchange();
      case FlowFound x -> noExchange();
      case ConsoleLine x -> noExchange();
      case Place x -> noExchange();
      case Launched x -> noExchange();
      case Ended x -> noExchange();
    }
  }

  /** A capture has what crosses between guest and host, #VCs, and what makes pages cross. */
  private static void noExchange() {}

  @Override
  public void close() throws IOException {
    out.close();
  }
}
