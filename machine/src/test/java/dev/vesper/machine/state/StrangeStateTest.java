package dev.vesper.machine.state;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.vesper.machine.foreign.Damaged;
import java.io.ByteArrayOutputStream;
import java.io.DataOutputStream;
import java.io.IOException;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

/** State that somebody has made who means harm: to be read, it must not take all that there is. */
@Timeout(value = 2, unit = TimeUnit.MINUTES)
final class StrangeStateTest {
  private static final String NO_FIELDS = "|||";

  private final ByteArrayOutputStream bytes = new ByteArrayOutputStream();
  private final DataOutputStream out = new DataOutputStream(bytes);

  private void classes(String... names) throws IOException {
    out.writeInt(names.length);
    for (String n : names) {
      out.writeUTF(n);
      out.writeUTF(NO_FIELDS);
    }
  }

  private void reference(int node) throws IOException {
    out.writeByte(StateTag.NODE.ordinal());
    out.writeInt(node);
  }

  @Test
  void arraysWithinArraysHaveAnEnd() throws Exception {
    classes("[Ljava.lang.Object;");
    out.writeInt(1);
    out.writeInt(0);
    out.writeInt(1);
    for (int i = 0; i < 100_000; i++) {
      out.writeByte(StateTag.VALUES.ordinal());
      out.writeInt(0);
      out.writeInt(1);
    }
    out.writeByte(StateTag.NULL.ordinal());
    assertThatThrownBy(() -> StateReader.read(bytes.toByteArray(), List.of((Object) new Object[1])))
        .isInstanceOf(Damaged.class)
        .hasMessageContaining("arrays within arrays without end");
  }

  /** A map with one key: a list that has a list twice, which has another one twice, and so on. */
  private byte[] keyOfLists(int lists, int last) throws IOException {
    classes(HashMap.class.getName(), ArrayList.class.getName());
    out.writeInt(1 + lists);
    out.writeInt(0);
    out.writeInt(2);
    reference(1);
    out.writeByte(StateTag.NULL.ordinal());
    for (int i = 1; i <= lists; i++) {
      out.writeInt(1);
      out.writeInt(2);
      reference(i < lists ? i + 1 : last);
      reference(i < lists ? i + 1 : last);
    }
    return bytes.toByteArray();
  }

  @Test
  void aKeyWhoseHashTakesYearsIsRefused() throws Exception {
    byte[] state = keyOfLists(60, 0);
    assertThatThrownBy(() -> StateReader.read(state, List.of(new HashMap<>())))
        .isInstanceOf(Damaged.class)
        .hasMessageContaining("a key that is made of too much");
  }

  @Test
  void aKeyThatHasItselfIsRefused() throws Exception {
    byte[] state = keyOfLists(1, 1);
    assertThatThrownBy(() -> StateReader.read(state, List.of(new HashMap<>())))
        .isInstanceOf(Damaged.class)
        .hasMessageContaining("a key that is made of too much");
  }

  /** A key that says of itself what it likes, as hostile records can. */
  record Alike(int number) {
    @Override
    public int hashCode() {
      return 1;
    }
  }

  @Test
  void keysOfOneHashAreRefused() {
    HashMap<Object, Object> few = new HashMap<>();
    HashMap<Object, Object> many = new HashMap<>();
    for (int i = 0; i < 2000; i++) {
      many.put(new Alike(i), i);
      if (i < 100) {
        few.put(new Alike(i), i);
      }
    }
    byte[] state = StateWriter.write(StateImage.of(List.of(many), null));
    assertThatThrownBy(() -> StateReader.read(state, List.of(new HashMap<>())))
        .isInstanceOf(Damaged.class)
        .hasMessageContaining("too many keys of one hash");
    HashMap<Object, Object> read = new HashMap<>();
    StateReader.read(StateWriter.write(StateImage.of(List.of(few), null)), List.of(read));
    assertThat(read).isEqualTo(few);
  }
}
