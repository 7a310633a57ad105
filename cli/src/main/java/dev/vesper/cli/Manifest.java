package dev.vesper.cli;

import dev.vesper.machine.LaunchPlan;
import dev.vesper.machine.observe.Event;
import dev.vesper.machine.observe.format.Json;
import dev.vesper.machine.observe.format.JsonTree;
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
 * @param hash by what its parts are hashed: sha256, or sha384 under SEV-SNP
 * @param inputs what the launch was computed from, by name: options as they were given, files by
 *     their size and SHA-256
 * @param pages in order
 * @param processors fields of each VMSA that are not zero, the boot processor's first
 */
record Manifest(
    String digest,
    String hash,
    Map<String, String> inputs,
    List<Page> pages,
    List<Map<String, String>> processors) {
  static final String SCHEMA = "vesper.measure/1";
  private static final String SHA256 = "sha256";
  private static final String SHA384 = "sha384";
  private static final int HEX_OF_SHA384 = 96;

  /**
   * A piece of LAUNCH_UPDATE_DATA or SNP_LAUNCH_UPDATE.
   *
   * @param type of its pages under SEV-SNP, else empty
   * @param hash of its contents; empty if only its place is measured
   * @param running digest of everything up to and with it
   */
  record Page(String what, String address, long bytes, String type, String hash, String running) {}

  static Manifest of(LaunchPlan plan, Map<String, String> inputs) {
    List<Page> pages = new ArrayList<>();
    List<Map<String, String>> processors = new ArrayList<>();
    boolean snp = plan.snp() != null;
    String algorithm = snp ? SHA384 : SHA256;
    LaunchPlan.Digest all = plan.start();
    for (LaunchPlan.Item i : plan.items()) {
      all.add(i);
      String contents = hex(all.contents(i));
      String running = hex(all.value());
      switch (i) {
        case LaunchPlan.Data d ->
            pages.add(
                new Page(
                    d.what(),
                    Event.hex(d.address()),
                    d.length(),
                    snp ? d.type().name() : "",
                    contents,
                    running));
        case LaunchPlan.Vmsa v -> {
          Map<String, String> fields = new LinkedHashMap<>();
          v.fields().forEach((name, value) -> fields.put(name, Event.hex(value)));
          fields.put(algorithm, contents);
          fields.put("running", running);
          processors.add(fields);
        }
      }
    }
    return new Manifest(hex(plan.digest()), algorithm, inputs, pages, processors);
  }

  static String sha256(byte[] b) {
    return hex(LaunchPlan.sha256().digest(b));
  }

  private static String hex(byte[] b) {
    return HexFormat.of().formatHex(b);
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
      j.key("bytes").value(p.bytes);
      if (!p.type.isEmpty()) {
        j.key("type").value(p.type);
      }
      j.key(hash).value(p.hash);
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
                of(f, "type"),
                f.getOrDefault(SHA256, of(f, SHA384)),
                of(f, "running")));
      }
      List<Map<String, String>> processors = new ArrayList<>();
      for (Object p : JsonTree.array(o.get("vmsa"))) {
        processors.add(texts(p));
      }
      String digest = String.valueOf(o.get("launch_digest"));
      return new Manifest(
          digest,
          digest.length() == HEX_OF_SHA384 ? SHA384 : SHA256,
          texts(o.get("inputs")),
          pages,
          processors);
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
