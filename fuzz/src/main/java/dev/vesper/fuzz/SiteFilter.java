package dev.vesper.fuzz;

import dev.vesper.fuzz.store.CampaignException;
import java.util.ArrayList;
import java.util.List;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/** Which answers may be changed, and how: {@code --only} and {@code --not} of a campaign. */
public final class SiteFilter {
  /** All but COM1, on which the guest says what has become of it. */
  public static final SiteFilter ALL = new SiteFilter(List.of(), List.of());

  private static final Pattern TERM =
      Pattern.compile("([a-z_]{2,8})(?::([0-9a-fx]{1,18})(?:-([0-9a-fx]{1,18}))?)?");

  private static final long COM1 = 0x3F8;
  private static final long COM1_END = 0x3FF;

  /** Ways to change that are no sites: they are allowed or not as a whole. */
  enum Way {
    VIRTIO,
    FW_CFG,
    /** Memory that the guest shares, between two questions. */
    SHARED,
    IRQ,
    /** #VC that no instruction has raised. */
    INJECT,
    TIME,
    /** Errors, exceptions and fields that are not valid. */
    ERROR
  }

  private record Term(String word, long from, long to) {
    boolean takes(Site s) {
      boolean named =
          switch (word) {
            case "cpuid" -> s.kind() == Site.Kind.CPUID;
            case "msr" -> s.kind() == Site.Kind.MSR || s.kind() == Site.Kind.WRMSR;
            case "port" -> s.kind() == Site.Kind.PORT || s.kind() == Site.Kind.OUT;
            case "pci" -> s.kind() == Site.Kind.PCI;
            case "mmio" -> s.kind() == Site.Kind.MMIO || s.kind() == Site.Kind.MMIO_WRITE;
            case "proto" -> s.kind() == Site.Kind.PROTO;
            case "vc" -> s.kind() != Site.Kind.PROTO;
            default -> false;
          };
      long key = word.equals("vc") ? s.code() & 0xFFFF_FFFFL : s.key();
      return named && Long.compareUnsigned(key, from) >= 0 && Long.compareUnsigned(key, to) <= 0;
    }
  }

  private final List<Term> only;
  private final List<Term> not;

  private SiteFilter(List<Term> only, List<Term> not) {
    this.only = List.copyOf(only);
    this.not = List.copyOf(not);
  }

  /**
   * {@return what two lists of terms let through} A term is a word, {@code cpuid}, {@code msr},
   * {@code port}, {@code pci}, {@code mmio}, {@code vc}, {@code proto}, with a number or a range
   * behind a colon if need be, or {@code virtio}, {@code fw_cfg}, {@code shared}, {@code irq},
   * {@code inject}, {@code time}, {@code error}; terms are parted by commas.
   *
   * @throws CampaignException saying which is none
   */
  public static SiteFilter of(String only, String not) throws CampaignException {
    return new SiteFilter(terms("--only", only), terms("--not", not));
  }

  private static List<Term> terms(String option, String text) throws CampaignException {
    List<Term> all = new ArrayList<>();
    int from = 0;
    for (int i = 0; i <= text.length(); i++) {
      if (i == text.length() || text.charAt(i) == ',') {
        if (i > from) {
          all.add(term(option, text.substring(from, i)));
        }
        from = i + 1;
      }
    }
    return all;
  }

  private static Term term(String option, String text) throws CampaignException {
    Matcher m = TERM.matcher(text);
    boolean way = m.matches() && way(m.group(1));
    if (!m.matches()
        || !way
            && !List.of("cpuid", "msr", "port", "pci", "mmio", "proto", "vc").contains(m.group(1))
        || way && m.group(2) != null) {
      throw new CampaignException(
          option
              + ": no such answers: cpuid, msr, port, pci, mmio, proto and vc, with a number or a"
              + " range as in port:0x3f8-0x3ff, or virtio, fw_cfg, shared, irq, inject, time and"
              + " error");
    }
    try {
      String a = m.group(2);
      String b = m.group(3);
      long from = a == null ? 0 : InputReader.number(a);
      return new Term(m.group(1), from, a == null ? -1 : b == null ? from : InputReader.number(b));
    } catch (NumberFormatException e) {
      throw new CampaignException(option + ": a number is decimal, or hexadecimal behind 0x");
    }
  }

  private static boolean way(String word) {
    for (Way w : Way.values()) {
      if (w.name().equalsIgnoreCase(word)) {
        return true;
      }
    }
    return false;
  }

  /** {@return whether answers to a question may be changed} */
  boolean takes(Site s) {
    boolean port = s.kind() == Site.Kind.PORT || s.kind() == Site.Kind.OUT;
    boolean sites = only.stream().anyMatch(t -> !way(t.word));
    if (sites
        ? only.stream().noneMatch(t -> t.takes(s))
        : port && COM1 <= s.key() && s.key() <= COM1_END) {
      return false;
    }
    return not.stream().noneMatch(t -> t.takes(s));
  }

  /** {@return whether answers may be changed in a way} */
  boolean takes(Way w) {
    boolean named = only.stream().anyMatch(t -> t.word.equalsIgnoreCase(w.name()));
    return (only.isEmpty() || named)
        && not.stream().noneMatch(t -> t.word.equalsIgnoreCase(w.name()));
  }

  /** {@return whether values of answers may be changed at all} */
  boolean takesValues() {
    return only.isEmpty() || only.stream().anyMatch(t -> !way(t.word));
  }
}
