package dev.vesper.cli.monitor;

import dev.vesper.machine.observe.Producer;
import dev.vesper.machine.observe.format.JsonTree;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.function.Function;
import java.util.stream.Collectors;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;

/**
 * The table of QMP's commands, and those that do something. Those that only ask are {@link
 * QmpQueries}.
 */
final class QmpCommands {
  private static final Map<String, Object> NOTHING = Map.of();

  private static final List<QmpCommand> OWN =
      List.of(
          QmpCommand.of("qmp_capabilities", "enable?:array", (s, a) -> NOTHING),
          QmpCommand.of("query-commands", "", (s, a) -> names()),
          QmpCommand.of("query-qmp-schema", "", (s, a) -> schema()),
          QmpCommand.of(
              "stop",
              "",
              (s, a) -> {
                s.control().hold();
                return NOTHING;
              }),
          QmpCommand.of(
              "cont",
              "",
              (s, a) -> {
                s.control().release();
                return NOTHING;
              }),
          QmpCommand.of(
              "system_reset",
              "",
              (s, a) -> {
                s.control().reset();
                return NOTHING;
              }),
          QmpCommand.of(
              "system_powerdown",
              "",
              (s, a) -> {
                RunCommands.powerDown(s.control());
                return NOTHING;
              }),
          QmpCommand.of(
              "inject-nmi",
              "",
              (s, a) -> {
                s.control().changes("nmi");
                s.machine().board().nmi();
                return NOTHING;
              }),
          QmpCommand.of(
              "quit",
              "",
              (s, a) -> {
                s.control().end("quit by QMP");
                return NOTHING;
              }),
          QmpCommand.of("send-key", "keys:array hold-time?:int", QmpCommands::sendKey),
          QmpCommand.of(
              "screendump",
              "filename:str device?:str head?:int format?:str",
              QmpCommands::screendump),
          QmpCommand.of(
              "human-monitor-command",
              "command-line:str cpu-index?:int",
              QmpCommands::humanMonitorCommand),
          QmpCommand.of(
              "memsave",
              "val:int size:int filename:str cpu-index?:int",
              (s, a) -> save(s, a, false)),
          QmpCommand.of("pmemsave", "val:int size:int filename:str", (s, a) -> save(s, a, true)),
          QmpCommand.of(
              "dump-guest-memory",
              "paging:bool protocol:str detach?:bool begin?:int length?:int format?:str",
              QmpCommands::dump));

  private static final Map<String, QmpCommand> ALL =
      Stream.of(OWN, QmpQueries.ALL, SecretCommands.QMP)
          .flatMap(List::stream)
          .collect(
              Collectors.toMap(
                  QmpCommand::name, Function.identity(), (x, y) -> x, LinkedHashMap::new));

  private static final List<String> EVENTS =
      List.of("STOP", "RESUME", "RESET", "SHUTDOWN", "POWERDOWN", "GUEST_PANICKED");

  private QmpCommands() {}

  /** {@return all commands in the order of the table} */
  static List<QmpCommand> all() {
    return List.copyOf(ALL.values());
  }

  /** {@return a command, or null if none has the name} */
  static @Nullable QmpCommand find(String name) {
    return ALL.get(name);
  }

  /** {@return what clients take for the version of QEMU: that whose forms these are} */
  static Map<String, Object> version() {
    Map<String, Object> qemu = new LinkedHashMap<>();
    qemu.put("micro", 0);
    qemu.put("minor", 2);
    qemu.put("major", 7);
    Map<String, Object> m = new LinkedHashMap<>();
    m.put("qemu", qemu);
    m.put("package", " (" + Producer.NAME + " " + Producer.VERSION + ")");
    return m;
  }

  private static List<Object> names() {
    return ALL.keySet().stream().<Object>map(n -> Map.of("name", n)).toList();
  }

  private static Map<String, Object> entity(String name, String kind) {
    Map<String, Object> m = new LinkedHashMap<>();
    m.put("name", name);
    m.put("meta-type", kind);
    return m;
  }

  /**
   * {@return commands with their parameters, and events; what is returned is said to be anything}
   */
  private static List<Object> schema() {
    List<Object> all = new ArrayList<>();
    for (String builtin : List.of("str:string", "int:int", "bool:boolean", "any:value")) {
      String[] names = builtin.split(":");
      Map<String, Object> m = entity(names[0], "builtin");
      m.put("json-type", names[1]);
      all.add(m);
    }
    Map<String, Object> array = entity("[any]", "array");
    array.put("element-type", "any");
    all.add(array);
    Map<String, Object> nothing = entity("0", "object");
    nothing.put("members", List.of());
    all.add(nothing);
    int number = 1;
    for (QmpCommand c : ALL.values()) {
      String arguments = c.parameters().isEmpty() ? "0" : String.valueOf(number++);
      if (!c.parameters().isEmpty()) {
        Map<String, Object> object = entity(arguments, "object");
        object.put("members", c.parameters().stream().map(QmpCommands::member).toList());
        all.add(object);
      }
      Map<String, Object> m = entity(c.name(), "command");
      m.put("arg-type", arguments);
      m.put("ret-type", c.name().startsWith("query-") ? "any" : "0");
      m.put("allow-oob", false);
      all.add(m);
    }
    for (String e : EVENTS) {
      Map<String, Object> m = entity(e, "event");
      m.put("arg-type", "0");
      all.add(m);
    }
    return all;
  }

  private static Map<String, Object> member(QmpCommand.Parameter p) {
    Map<String, Object> m = new LinkedHashMap<>();
    m.put("name", p.name());
    m.put("type", p.type().equals("array") ? "[any]" : p.type());
    if (p.optional()) {
      m.put("default", JsonTree.NULL);
    }
    return m;
  }

  // ---- what does something

  private static Object sendKey(Session s, QmpCommand.Arguments a) throws QmpError, Refusal {
    List<Integer> keys = new ArrayList<>();
    for (Object k : a.list("keys")) {
      if (!(k instanceof Map<?, ?> m)) {
        throw new QmpError(
            "Invalid parameter type for 'keys[" + keys.size() + "]', expected: object");
      }
      Object data = m.get("data");
      if ("number".equals(m.get("type")) && data instanceof Long n && n > 0 && n < 0x1_0000) {
        keys.add(Keys.number(n.intValue()));
      } else if ("qcode".equals(m.get("type")) && data instanceof String name) {
        try {
          keys.add(Keys.code(name));
        } catch (Refusal e) {
          throw new QmpError("Parameter 'data' does not accept value '" + name + "'");
        }
      } else {
        throw new QmpError(
            "Parameter 'keys' takes {type: qcode, data: NAME} or {type: number, ...}");
      }
    }
    Keys.press(s.control(), keys);
    return NOTHING;
  }

  private static Object screendump(Session s, QmpCommand.Arguments a) throws Refusal {
    String format = a.stringOrNull("format");
    FileCommands.screen(s.control(), a.string("filename"), format == null ? "ppm" : format);
    return NOTHING;
  }

  private static Object humanMonitorCommand(Session s, QmpCommand.Arguments a) throws QmpError {
    Session human = new Session(s.control());
    human.cpu(cpu(s, a));
    return human.run(a.string("command-line")).replace("\n", "\r\n");
  }

  private static int cpu(Session s, QmpCommand.Arguments a) throws QmpError {
    long cpu = a.number("cpu-index", 0);
    if (cpu < 0 || cpu >= s.machine().observer().vcpus().size()) {
      throw new QmpError("Parameter 'cpu-index' expects a CPU number");
    }
    return (int) cpu;
  }

  private static Object save(Session s, QmpCommand.Arguments a, boolean physical)
      throws QmpError, Refusal {
    Session own = new Session(s.control());
    own.cpu(physical ? 0 : cpu(s, a));
    FileCommands.save(own, physical, a.number("val", 0), a.number("size", 0), a.string("filename"));
    return NOTHING;
  }

  private static Object dump(Session s, QmpCommand.Arguments a) throws QmpError, Refusal {
    String format = a.stringOrNull("format");
    String protocol = a.string("protocol");
    if (a.is("paging")
        || a.is("detach")
        || a.all().containsKey("begin")
        || a.all().containsKey("length")
        || format != null && !format.equals("elf")) {
      throw new QmpError(
          "a core is ELF, of all physical memory, and written at once: leave paging, detach, begin,"
              + " length and format out");
    }
    if (!protocol.startsWith("file:")) {
      throw new QmpError("Parameter 'protocol' expects file:NAME");
    }
    FileCommands.core(s.control(), protocol.substring("file:".length()));
    return NOTHING;
  }
}
