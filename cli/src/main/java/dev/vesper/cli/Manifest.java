package dev.vesper.cli;

import dev.vesper.machine.LaunchPlan;
import dev.vesper.machine.observe.Event;
import dev.vesper.machine.observe.format.Json;
import dev.vesper.machine.observe.format.JsonTree;
import java.security.MessageDigest;
import java.util.ArrayList;
import java.util.HexFormat;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/**
 * What went into a launch digest, in order, as {@code vesper measure --explain} shows it and {@code
 * --diff} compares it.
 *
 * @param digest of the launch, hex
 * @param inputs what the launch was computed from, by name: options as they were given, files by
 *     their size and SHA-256
 * @param pages in order
 * @param processors fields of each VMSA that are not zero, the boot processor's first
 */
record Manifest(
    String digest,
    Map<String, String> inputs,
    List<Page> pages,
    List<Map<String, String>> processors) {
  static final String SCHEMA = "vesper.measure/1";

  /**
   * A piece of LAUNCH_UPDATE_DATA.
   *
   * @param running digest of everything up to and with it
   */
  record Page(String what, String address, long bytes, String sha256, String running) {}

  static Manifest of(LaunchPlan plan, Map<String, String> inputs) {
    List<Page> pages = new ArrayList<>();
    List<Map<String, String>> processors = new ArrayList<>();
    MessageDigest all = LaunchPlan.sha256();
    for (LaunchPlan.Item i : plan.items()) {
      all.update(i.bytes());
      switch (i) {
        case LaunchPlan.Data d ->
            pages.add(
                new Page(
                    d.what(),
                    Event.hex(d.address()),
                    d.bytes().length,
                    sha256(d.bytes()),
                    running(all)));
        case LaunchPlan.Vmsa v -> {
          Map<String, String> fields = new LinkedHashMap<>();
          v.fields().forEach((name, value) -> fields.put(name, Event.hex(value)));
          fields.put("sha256", sha256(v.bytes()));
          fields.put("running", running(all));
          processors.add(fields);
        }
      }
    }
    return new Manifest(HexFormat.of().formatHex(plan.digest()), inputs, pages, processors);
  }

  static String sha256(byte[] b) {
    return HexFormat.of().formatHex(LaunchPlan.sha256().digest(b));
  }

  private static String running(MessageDigest d) {
    try {
      return HexFormat.of().formatHex(((MessageDigest) d.clone()).digest());
    } catch (CloneNotSupportedException e) {
      throw new IllegalStateException("this Java runtime's SHA-256 cannot be copied", e);
    }
  }

  /** Writes the parts of a JSON object. */
  void write(Json j, boolean explain) {
    j.key("launch_digest").value(digest);
    j.key("inputs").object();
    inputs.forEach((k, v) -> j.key(k).value(v));
    j.end();
    if (!explain) {
      return;
    }
    j.key("pages").array();
    for (Page p : pages) {
      j.object().key("what").value(p.what).key("address").value(p.address);
      j.key("bytes").value(p.bytes).key("sha256").value(p.sha256);
      j.key("running").value(p.running).end();
    }
    j.end().key("vmsa").array();
    for (Map<String, String> fields : processors) {
      j.object();
      fields.forEach((k, v) -> j.key(k).value(v));
      j.end();
    }
    j.end();
  }

  /**
   * {@return a manifest from its JSON text}
   *
   * @throws UserError if it is none
   */
  static Manifest parse(String name, String text) {
    try {
      Map<String, Object> o = JsonTree.object(JsonTree.parse(text));
      if (!SCHEMA.equals(o.get("schema"))) {
        throw new UserError(name + " is not written by 'vesper measure --json'");
      }
      if (!o.containsKey("pages")) {
        throw new UserError(
            name + " says nothing of pages: write it with 'vesper measure --explain --json'");
      }
      List<Page> pages = new ArrayList<>();
      for (Object p : JsonTree.array(o.get("pages"))) {
        Map<String, String> f = texts(p);
        pages.add(
            new Page(
                of(f, "what"),
                of(f, "address"),
                Long.parseLong(of(f, "bytes")),
                of(f, "sha256"),
                of(f, "running")));
      }
      List<Map<String, String>> processors = new ArrayList<>();
      for (Object p : JsonTree.array(o.get("vmsa"))) {
        processors.add(texts(p));
      }
      return new Manifest(
          String.valueOf(o.get("launch_digest")), texts(o.get("inputs")), pages, processors);
    } catch (IllegalArgumentException e) {
      throw new UserError(name + " is damaged: " + e.getMessage());
    }
  }

  private static String of(Map<String, String> fields, String key) {
    return fields.getOrDefault(key, "");
  }

  private static Map<String, String> texts(@Nullable Object object) {
    Map<String, String> out = new LinkedHashMap<>();
    JsonTree.object(object).forEach((k, v) -> out.put(k, String.valueOf(v)));
    return out;
  }
}
