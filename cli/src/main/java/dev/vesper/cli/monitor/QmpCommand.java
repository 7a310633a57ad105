package dev.vesper.cli.monitor;

import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/**
 * A command of QMP.
 *
 * @param parameters that it takes
 * @param action does it
 */
record QmpCommand(String name, List<Parameter> parameters, Action action) {
  /** A command with parameters as in {@code "val:int filename:str cpu-index?:int"}. */
  static QmpCommand of(String name, String parameters, Action action) {
    List<Parameter> all = new ArrayList<>();
    for (String p : parameters.isEmpty() ? new String[0] : parameters.split(" ")) {
      int colon = p.indexOf(':');
      boolean optional = p.charAt(colon - 1) == '?';
      all.add(
          new Parameter(
              p.substring(0, optional ? colon - 1 : colon), p.substring(colon + 1), optional));
    }
    return new QmpCommand(name, all, action);
  }

  /**
   * A parameter.
   *
   * @param type str, int, bool or array
   */
  record Parameter(String name, String type, boolean optional) {
    private boolean takes(Object v) {
      return switch (type) {
        case "str" -> v instanceof String;
        case "int" -> v instanceof Long;
        case "bool" -> v instanceof Boolean;
        default -> v instanceof List;
      };
    }

    private String words() {
      return switch (type) {
        case "str" -> "string";
        case "int" -> "integer";
        case "bool" -> "boolean";
        default -> type;
      };
    }
  }

  /** What a command does. */
  interface Action {
    /**
     * Does it.
     *
     * @return what is returned
     */
    Object run(Session s, Arguments a) throws QmpError, Refusal;
  }

  /** Arguments that are those that the command has, of their types. */
  record Arguments(Map<String, Object> all) {
    String string(String name) {
      return String.valueOf(all.get(name));
    }

    @Nullable String stringOrNull(String name) {
      return all.get(name) instanceof String s ? s : null;
    }

    long number(String name, long otherwise) {
      return all.get(name) instanceof Long l ? l : otherwise;
    }

    List<?> list(String name) {
      return all.get(name) instanceof List<?> l ? l : List.of();
    }

    boolean is(String name) {
      return Boolean.TRUE.equals(all.get(name));
    }
  }

  /** {@return arguments} */
  Arguments checked(Map<String, Object> given) throws QmpError {
    for (Parameter p : parameters) {
      Object v = given.get(p.name);
      if (v == null && !p.optional) {
        throw new QmpError("Parameter '" + p.name + "' is missing");
      }
      if (v != null && !p.takes(v)) {
        throw new QmpError("Invalid parameter type for '" + p.name + "', expected: " + p.words());
      }
    }
    for (String name : given.keySet()) {
      if (parameters.stream().noneMatch(p -> p.name.equals(name))) {
        throw new QmpError("Parameter '" + name + "' is unexpected");
      }
    }
    return new Arguments(given);
  }
}
