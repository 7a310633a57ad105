package dev.vesper.machine.launch;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.UUID;

/**
 * The certificates that an extended guest request gives a guest (spec: snp 7.6): entries of 24
 * bytes, a GUID whose bytes are in the order of its text, offset from the table's start u32 and
 * length u32; an entry of zeros ends them; the certificates follow.
 */
public final class CertificateTable {
  /** The chip's key. */
  public static final UUID VCEK = UUID.fromString("63da758d-e664-4564-adc5-f4b93be8accd");

  /** A key that was lent to who runs the machine. */
  public static final UUID VLEK = UUID.fromString("a8074bc2-a25a-483e-aae6-39c045a0b8a1");

  /** Who has signed the chip's key, or the one that was lent. */
  public static final UUID ASK = UUID.fromString("4ab7b379-bbac-4fe4-a02f-05aef327c782");

  /** Who has signed that. */
  public static final UUID ARK = UUID.fromString("c0b406a4-a803-4952-9743-3fb6014cd0ae");

  /** Which of them hold no more: a list that the last has signed. */
  public static final UUID CRL = UUID.fromString("92f81bc3-5811-4d3d-97ff-d19f88dc67ea");

  /** Bytes of an entry, and of a table that has none. */
  public static final int ENTRY = 24;

  /** Most bytes of a table that is read: Linux takes no more. */
  private static final int MOST_BYTES = 0x4000;

  private static final int OFFSET = 16;
  private static final int LENGTH = 20;

  /** A certificate, whose form is what the GUID says. */
  public record Entry(UUID guid, byte[] bytes) {}

  private final List<Entry> entries = new ArrayList<>();

  /** {@return this, with another certificate} */
  public CertificateTable with(UUID guid, byte[] bytes) {
    entries.add(new Entry(guid, bytes.clone()));
    return this;
  }

  /** {@return the certificates} */
  public List<Entry> entries() {
    return List.copyOf(entries);
  }

  /** {@return the bytes} */
  public byte[] encode() {
    int at = ENTRY * (entries.size() + 1);
    int size = at;
    for (Entry e : entries) {
      size += e.bytes.length;
    }
    byte[] b = new byte[size];
    for (int i = 0; i < entries.size(); i++) {
      Entry e = entries.get(i);
      putGuid(b, ENTRY * i, e.guid);
      LittleEndian.put32(b, ENTRY * i + OFFSET, at);
      LittleEndian.put32(b, ENTRY * i + LENGTH, e.bytes.length);
      System.arraycopy(e.bytes, 0, b, at, e.bytes.length);
      at += e.bytes.length;
    }
    return b;
  }

  private static void putGuid(byte[] b, int at, UUID guid) {
    for (int i = 0; i < 8; i++) {
      b[at + i] = (byte) (guid.getMostSignificantBits() >>> 56 - 8 * i);
      b[at + 8 + i] = (byte) (guid.getLeastSignificantBits() >>> 56 - 8 * i);
    }
  }

  private static long big(byte[] b, int at) {
    long v = 0;
    for (int i = 0; i < 8; i++) {
      v = v << 8 | b[at + i] & 0xFF;
    }
    return v;
  }

  /**
   * {@return a table from its bytes, which may go on behind it}
   *
   * @throws IllegalArgumentException if it is too long, does not end, or a certificate does not lie
   *     in it
   */
  public static CertificateTable parse(byte[] b) {
    if (b.length > MOST_BYTES) {
      throw new IllegalArgumentException(
          "a certificate table has at most 16384 bytes, not " + b.length);
    }
    CertificateTable t = new CertificateTable();
    for (int at = 0; ; at += ENTRY) {
      if (at + ENTRY > b.length) {
        throw new IllegalArgumentException("the certificate table has no end");
      }
      UUID guid = new UUID(big(b, at), big(b, at + 8));
      int offset = LittleEndian.u32(b, at + OFFSET);
      int length = LittleEndian.u32(b, at + LENGTH);
      if (guid.equals(new UUID(0, 0)) && offset == 0 && length == 0) {
        return t;
      }
      if (offset < 0 || length < 0 || offset > b.length - length) {
        throw new IllegalArgumentException(
            "certificate "
                + guid
                + " does not lie in the table: offset "
                + Integer.toUnsignedString(offset)
                + ", length "
                + Integer.toUnsignedString(length));
      }
      t.entries.add(new Entry(guid, Arrays.copyOfRange(b, offset, offset + length)));
    }
  }
}
