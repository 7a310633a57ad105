package dev.vesper.cli;

import java.util.ArrayList;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;

/** Says in words what differs between two launches: causes first, then where they show. */
final class ManifestDiff {
  private static final int MOST_PAGES = 16;
  private static final Set<String> CHECKSUMS = Set.of("sha256", "sha384", "running");

  private final Manifest a;
  private final Manifest b;
  private final List<String> lines = new ArrayList<>();

  private ManifestDiff(Manifest a, Manifest b) {
    this.a = a;
    this.b = b;
  }

  /** {@return a line for each difference; none if everything is the same} */
  static List<String> of(Manifest a, Manifest b) {
    ManifestDiff d = new ManifestDiff(a, b);
    d.inputs();
    d.pages();
    d.processors();
    return d.lines;
  }

  private static Set<String> both(Map<String, ?> x, Map<String, ?> y) {
    Set<String> keys = new LinkedHashSet<>(x.keySet());
    keys.addAll(y.keySet());
    return keys;
  }

  private void inputs() {
    for (String key : both(a.inputs(), b.inputs())) {
      String x = a.inputs().getOrDefault(key, "none");
      String y = b.inputs().getOrDefault(key, "none");
      if (!x.equals(y)) {
        lines.add(key + ": '" + x + "' in A, '" + y + "' in B");
      }
    }
  }

  private static Map<String, Manifest.Page> byAddress(Manifest m) {
    Map<String, Manifest.Page> pages = new LinkedHashMap<>();
    m.pages().forEach(p -> pages.put(p.address(), p));
    return pages;
  }

  private void pages() {
    Map<String, Manifest.Page> x = byAddress(a);
    Map<String, Manifest.Page> y = byAddress(b);
    List<String> found = new ArrayList<>();
    for (String address : both(x, y)) {
      Manifest.Page p = x.get(address);
      Manifest.Page q = y.get(address);
      if (p == null || q == null) {
        Manifest.Page only = p == null ? q : p;
        String what = only == null ? "" : only.what();
        found.add("page " + address + " (" + what + ") is only in " + (p == null ? "B" : "A"));
      } else if (!p.type().equals(q.type())) {
        String types = none(p.type()) + " in A, " + none(q.type()) + " in B";
        found.add("page " + address + " (" + name(p, q) + ") is " + types);
      } else if (p.bytes() != q.bytes()) {
        String sizes = p.bytes() + " bytes in A, " + q.bytes() + " bytes in B";
        found.add("page " + address + " (" + name(p, q) + ") has " + sizes);
      } else if (!p.hash().equals(q.hash())) {
        found.add("page " + address + " (" + name(p, q) + ") differs");
      }
    }
    lines.addAll(found.subList(0, Math.min(found.size(), MOST_PAGES)));
    if (found.size() > MOST_PAGES) {
      lines.add("and " + (found.size() - MOST_PAGES) + " more pages");
    }
    if (found.isEmpty() && !order(a).equals(order(b))) {
      lines.add("the same pages, encrypted in another order");
    }
  }

  private static String none(String type) {
    return type.isEmpty() ? "of no SNP type" : type;
  }

  private static String name(Manifest.Page p, Manifest.Page q) {
    return p.what().equals(q.what()) ? p.what() : p.what() + " in A, " + q.what() + " in B";
  }

  private static List<String> order(Manifest m) {
    return m.pages().stream().map(Manifest.Page::address).toList();
  }

  private void processors() {
    int n = Math.min(a.processors().size(), b.processors().size());
    int more = Math.max(a.processors().size(), b.processors().size());
    for (int i = 0; i < n; i++) {
      Map<String, String> x = new HashMap<>(a.processors().get(i));
      Map<String, String> y = new HashMap<>(b.processors().get(i));
      for (String field : both(a.processors().get(i), b.processors().get(i))) {
        String v = x.getOrDefault(field, "0x0");
        String w = y.getOrDefault(field, "0x0");
        if (!CHECKSUMS.contains(field) && !v.equals(w)) {
          lines.add("VMSA field " + field + " of vCPU " + i + ": " + v + " in A, " + w + " in B");
        }
      }
    }
    if (n < more) {
      lines.add(
          "VMSA of vCPU "
              + n
              + (more - n > 1 ? " to " + (more - 1) + " are" : " is")
              + " only in "
              + (a.processors().size() > n ? "A" : "B"));
    }
  }
}
