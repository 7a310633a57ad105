package dev.vesper.cli.monitor;

import dev.vesper.machine.observe.format.JsonTree;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.channels.ReadableByteChannel;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.function.Consumer;
import java.util.function.Function;
import java.util.function.Supplier;
import org.jspecify.annotations.Nullable;

/**
 * A client of QMP (QEMU, docs/interop/qmp-spec): a greeting, capabilities, then commands one after
 * another, and events between their answers.
 */
final class QmpMonitor implements Front {
  private static final int PART = 1 << 16;
  private static final String CAPABILITIES = "qmp_capabilities";
  private static final String END = "\r\n";

  private final Control control;
  private boolean negotiated;

  QmpMonitor(Control control) {
    this.control = control;
  }

  @Override
  public void talk(ReadableByteChannel in, Mailbox out) throws IOException {
    Map<String, Object> greeting = new LinkedHashMap<>();
    greeting.put("version", QmpCommands.version());
    greeting.put("capabilities", List.of());
    Consumer<Happening> events = h -> out.send(event(h) + END);
    try {
      if (out.send(JsonTree.text(Map.of("QMP", greeting)) + END)) {
        listen(in, out, events);
      }
    } finally {
      control.forget(events);
    }
  }

  private void listen(ReadableByteChannel in, Mailbox out, Consumer<Happening> events)
      throws IOException {
    Session s = new Session(control);
    JsonFramer framer = new JsonFramer();
    ByteBuffer part = ByteBuffer.allocate(PART);
    while (in.read(part) >= 0) {
      part.flip();
      while (part.hasRemaining()) {
        String answer = take(s, framer, part.get() & 0xFF, events, w -> asked(w, out));
        if (answer == null || !answer.isEmpty() && !out.send(answer + END)) {
          return;
        }
      }
      part.clear();
    }
  }

  /** {@return nothing, since what comes of it is sent at once, or null if the run is over} */
  private @Nullable String asked(Supplier<String> what, Mailbox out) {
    return control.ask(what, answer -> out.send(answer + END)) == null ? null : "";
  }

  /**
   * {@return what a byte is answered with, nothing for most, or null if the run is over}
   *
   * @param asks has something done where the machine stands still
   */
  @Nullable String take(
      Session s,
      JsonFramer framer,
      int b,
      Consumer<Happening> events,
      Function<Supplier<String>, @Nullable String> asks) {
    Object value;
    try {
      String text = framer.take(b);
      if (text == null) {
        return "";
      }
      value = parsed(text);
    } catch (JsonError e) {
      return error(new QmpError(String.valueOf(e.getMessage())), null);
    }
    if (!(value instanceof Map<?, ?> m)) {
      return error(new QmpError("QMP input must be a JSON object"), null);
    }
    Object id = m.get("id");
    try {
      Request r = Request.of(m);
      if (!negotiated || r.name.equals(CAPABILITIES)) {
        negotiate(r, events);
        return returned(Map.of(), id);
      }
      return asks.apply(() -> QmpMonitor.run(s, r, id));
    } catch (QmpError e) {
      return error(e, id);
    }
  }

  /** {@return what a text says} */
  static Object parsed(String text) throws JsonError {
    try {
      return JsonTree.strict(text);
    } catch (IllegalArgumentException e) {
      throw new JsonError("JSON parse error, " + e.getMessage());
    }
  }

  private void negotiate(Request r, Consumer<Happening> events) throws QmpError {
    if (!r.name.equals(CAPABILITIES)) {
      throw new QmpError(
          QmpError.NOT_FOUND, "Expecting capabilities negotiation with 'qmp_capabilities'");
    }
    if (negotiated) {
      throw new QmpError(
          QmpError.NOT_FOUND, "Capabilities negotiation is already complete, command ignored");
    }
    Object wanted = r.arguments.get("enable");
    if (wanted != null && !(wanted instanceof List<?> l && l.isEmpty())) {
      throw new QmpError("there are no capabilities to enable");
    }
    negotiated = true;
    control.listen(events);
  }

  /** What is asked for. */
  private record Request(String name, Map<String, Object> arguments) {
    static Request of(Map<?, ?> m) throws QmpError {
      for (Object key : m.keySet()) {
        if (!List.of("execute", "arguments", "id").contains(key)) {
          throw new QmpError("QMP input member '" + key + "' is unexpected");
        }
      }
      Object name = m.get("execute");
      if (name == null) {
        throw new QmpError("QMP input lacks member 'execute'");
      }
      if (!(name instanceof String s)) {
        throw new QmpError("QMP input member 'execute' must be a string");
      }
      Object arguments = m.get("arguments");
      if (arguments != null && !(arguments instanceof Map)) {
        throw new QmpError("QMP input member 'arguments' must be an object");
      }
      Map<String, Object> all = new LinkedHashMap<>();
      if (arguments instanceof Map<?, ?> a) {
        a.forEach((k, v) -> all.put(String.valueOf(k), v));
      }
      return new Request(s, all);
    }
  }

  private static String run(Session s, Request r, @Nullable Object id) {
    try {
      QmpCommand c = QmpCommands.find(r.name);
      if (c == null) {
        throw new QmpError(QmpError.NOT_FOUND, "The command " + r.name + " has not been found");
      }
      return returned(c.action().run(s, c.checked(r.arguments)), id);
    } catch (QmpError e) {
      return error(e, id);
    } catch (Refusal e) {
      return error(new QmpError(e.line()), id);
    } catch (IndexOutOfBoundsException e) {
      return error(new QmpError("Cannot access memory: " + e.getMessage()), id);
    } catch (RuntimeException | StackOverflowError e) {
      return error(new QmpError(Session.FAILED + e), id);
    }
  }

  private static String returned(Object value, @Nullable Object id) {
    Map<String, Object> m = new LinkedHashMap<>();
    m.put("return", value);
    return identified(m, id);
  }

  private static String error(QmpError e, @Nullable Object id) {
    Map<String, Object> m = new LinkedHashMap<>();
    m.put("class", e.kind());
    m.put("desc", String.valueOf(e.getMessage()));
    Map<String, Object> whole = new LinkedHashMap<>();
    whole.put("error", m);
    return identified(whole, id);
  }

  private static String identified(Map<String, Object> m, @Nullable Object id) {
    if (id != null) {
      m.put("id", id);
    }
    return JsonTree.text(m);
  }

  private static String event(Happening h) {
    Map<String, Object> time = new LinkedHashMap<>();
    time.put("seconds", h.millis() / 1000);
    time.put("microseconds", h.millis() % 1000 * 1000);
    Map<String, Object> m = new LinkedHashMap<>();
    m.put("timestamp", time);
    m.put("event", h.name());
    if (!h.data().isEmpty()) {
      m.put("data", h.data());
    }
    return JsonTree.text(m);
  }
}
