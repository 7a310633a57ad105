package dev.vesper.machine.observe.html;

import dev.vesper.machine.observe.format.JsonTree;
import java.io.ByteArrayInputStream;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.Base64;
import java.util.List;
import java.util.Map;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.zip.GZIPInputStream;

/**
 * What a page's script reads of it.
 *
 * @param head the element of data
 * @param chunks the columns of each chunk
 * @param details fields of each row
 * @param pages of each chunk which rows are about which pages of memory: number of the row, first
 *     page, how many, instructions
 */
public record PageData(
    Map<String, Object> head,
    List<Map<String, Object>> chunks,
    List<String> details,
    List<List<Long>> pages) {
  private static final Pattern ELEMENT =
      Pattern.compile("<script type=\"application/json\" (?:class|id)=\"(\\w+)\">([^<]*)</script>");

  /** {@return the data of a page} */
  public static PageData of(String page) throws IOException {
    Map<String, Object> head = Map.of();
    List<Map<String, Object>> chunks = new ArrayList<>();
    List<String> details = new ArrayList<>();
    List<List<Long>> pages = new ArrayList<>();
    Matcher m = ELEMENT.matcher(page);
    while (m.find()) {
      Object o = JsonTree.parse(m.group(2));
      if (m.group(1).equals("data")) {
        head = JsonTree.object(o);
      } else {
        List<Object> packed = JsonTree.array(o);
        chunks.add(JsonTree.object(JsonTree.parse(text(packed.get(0)))));
        for (Object d : JsonTree.array(JsonTree.parse(text(packed.get(1))))) {
          details.add(String.valueOf(d));
        }
        String index = packed.get(2).equals("") ? "[]" : text(packed.get(2));
        pages.add(JsonTree.array(JsonTree.parse(index)).stream().map(v -> (Long) v).toList());
      }
    }
    return new PageData(head, chunks, details, pages);
  }

  private static String text(Object packed) throws IOException {
    byte[] b = Base64.getDecoder().decode(String.valueOf(packed));
    try (GZIPInputStream in = new GZIPInputStream(new ByteArrayInputStream(b))) {
      return new String(in.readAllBytes(), StandardCharsets.UTF_8);
    }
  }

  /** {@return a column of all rows; of texts, the texts} */
  public List<Object> column(String name, boolean texts) {
    List<Object> all = new ArrayList<>();
    for (Map<String, Object> c : chunks) {
      List<Object> text = JsonTree.array(c.get("text"));
      for (Object v : JsonTree.array(c.get(name))) {
        all.add(texts ? text.get(Math.toIntExact((Long) v)) : v);
      }
    }
    return all;
  }

  /** {@return a finding} */
  public Map<String, Object> finding(int n) {
    return JsonTree.object(JsonTree.array(head.get("findings")).get(n));
  }
}
