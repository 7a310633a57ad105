package dev.vesper.fuzz;

import dev.vesper.fuzz.store.Entries;
import java.nio.charset.StandardCharsets;
import java.util.List;
import java.util.stream.Collectors;

/**
 * What a host answers otherwise in one execution. Its bytes are a text, a line for each lie, as
 * {@code cpuid:0x40000000:0x0@2 rbx=0x6e65704f}; see docs/campaigns.md.
 *
 * @param lies in the order in which they were made
 */
public record Input(List<Lie> lies) {
  /** The most lies of an input. */
  public static final int MOST = 1024;

  /** A host that answers as its profile does. */
  public static final Input HONEST = new Input(List.of());

  /** Makes an input. */
  public Input {
    lies = List.copyOf(lies);
    if (lies.size() > MOST) {
      throw new IllegalArgumentException("an input has at most " + MOST + " lies");
    }
  }

  /** {@return how many changes there are in all} */
  public int size() {
    return lies.stream().mapToInt(l -> l.changes().size()).sum();
  }

  /** {@return it as text, a line for each lie} */
  public String text() {
    return lies.stream().map(l -> l + "\n").collect(Collectors.joining());
  }

  /** {@return {@link #text()} in ASCII} */
  public byte[] encode() {
    return text().getBytes(StandardCharsets.US_ASCII);
  }

  /** {@return its name in a store} */
  public String name() {
    return Entries.name(encode());
  }
}
