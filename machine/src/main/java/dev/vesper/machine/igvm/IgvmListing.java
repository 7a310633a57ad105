package dev.vesper.machine.igvm;

import java.util.ArrayList;
import java.util.HexFormat;
import java.util.List;
import java.util.Objects;

/**
 * The headers of an IGVM file in words, a line each; pages of one kind that follow each other in
 * memory are one line.
 */
public final class IgvmListing {
  private static final HexFormat HEX = HexFormat.of();

  private final IgvmFile file;
  private final List<String> lines = new ArrayList<>();

  /** The first of the pages that are one line, and how many they are. */
  private IgvmHeader.PageData first = new IgvmHeader.PageData(0, 0, 0, 0, 0);

  private long pages;

  private IgvmListing(IgvmFile file) {
    this.file = file;
  }

  /** {@return the lines} */
  public static List<String> of(IgvmFile file) {
    IgvmListing l = new IgvmListing(file);
    l.lines.add(
        "IGVM format version " + file.version() + ", " + file.headers().size() + " headers");
    for (IgvmHeader h : file.headers()) {
      if (h instanceof IgvmHeader.PageData p) {
        l.page(p);
      } else {
        l.endOfPages();
        l.lines.add(l.line(h));
      }
    }
    l.endOfPages();
    return l.lines;
  }

  private void page(IgvmHeader.PageData p) {
    boolean goesOn =
        pages > 0
            && p.address() == first.address() + pages * first.length()
            && p.mask() == first.mask()
            && p.words().equals(first.words());
    if (!goesOn) {
      endOfPages();
      first = p;
    }
    pages++;
  }

  private void endOfPages() {
    if (pages == 0) {
      return;
    }
    String place = range(first.address(), pages * first.length());
    lines.add(
        head(first) + place + ", " + pages + (pages == 1 ? " page: " : " pages: ") + first.words());
    pages = 0;
  }

  private static String hex(long v) {
    return "0x" + Long.toHexString(v);
  }

  private static String range(long address, long length) {
    return hex(address) + " to " + hex(address + length);
  }

  private static String head(IgvmHeader h) {
    String type = Objects.requireNonNull(h.type()).words();
    return type + " for " + masks(h.mask()) + ": ";
  }

  private static String masks(int mask) {
    return mask == IgvmHeader.ALL ? "all" : hex(mask & 0xFFFF_FFFFL);
  }

  private String line(IgvmHeader h) {
    return switch (h) {
      case IgvmHeader.Platform p ->
          head(p)
              + name(p)
              + " version "
              + p.version()
              + (p.vtl() == 0 ? "" : ", highest VTL " + p.vtl())
              + (p.sharedBoundary() == 0 ? "" : ", shared from " + hex(p.sharedBoundary()) + " on");
      case IgvmHeader.Policy p -> head(p) + policy(p);
      case IgvmHeader.Region r ->
          head(r) + range(r.address(), r.length()) + " may be put elsewhere, and is left there";
      case IgvmHeader.ParameterArea a ->
          head(a)
              + "area "
              + a.index()
              + ", "
              + a.length()
              + " bytes"
              + (a.offset() == 0 ? "" : ", at first what lies at " + hex(a.offset()));
      case IgvmHeader.Parameter p -> head(p) + "into area " + p.area() + " at " + hex(p.offset());
      case IgvmHeader.ParameterInsert i -> head(i) + "area " + i.area() + " at " + hex(i.address());
      case IgvmHeader.PageData p -> throw new AssertionError("pages have lines of their own");
      case IgvmHeader.VpContext c ->
          head(c)
              + "registers of processor "
              + c.processor()
              + ", save area at "
              + hex(c.address());
      case IgvmHeader.RequiredMemory m ->
          head(m) + range(m.address(), m.length()) + " must be memory";
      case IgvmHeader.ErrorRange r ->
          head(r) + range(r.address(), r.length()) + " is shared, for reports of errors";
      case IgvmHeader.SnpIdBlock b ->
          head(b)
              + "launch digest "
              + HEX.formatHex(b.block().digest())
              + ", family "
              + HEX.formatHex(b.block().familyId())
              + ", image "
              + HEX.formatHex(b.block().imageId())
              + ", security version "
              + Integer.toUnsignedString(b.block().guestSvn())
              + (b.authorKey() ? ", with an author key" : "");
      case IgvmHeader.Foreign f -> head(f) + "says nothing to a loader for AMD's processors";
      case IgvmHeader.Unknown u ->
          "header of type " + hex(u.code()) + ", " + u.length() + " bytes: may be passed over";
    };
  }

  private static String name(IgvmHeader.Platform p) {
    IgvmPlatform there = p.platform();
    return there == null ? "platform " + p.number() : there.words();
  }

  /** A policy is the platform's own: under SEV-SNP its bits have names. */
  private String policy(IgvmHeader.Policy p) {
    for (IgvmHeader h : file.headers()) {
      if (h instanceof IgvmHeader.Platform of
          && of.platform() == IgvmPlatform.SEV_SNP
          && (of.mask() & p.mask()) != 0) {
        return new dev.vesper.machine.launch.SnpPolicy(p.bits()).toString();
      }
    }
    return hex(p.bits());
  }
}
