package dev.vesper.cli.qemu;

import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/** Where the guest's serial port and the ports for debugging lead. */
final class Consoles {
  private static final String SERIAL = "-serial";
  private static final String NONE = "none";
  private static final String FILE = "file:";
  private static final String CHARDEV = "chardev:";
  private static final String MONITOR = "-monitor";

  /** Where a monitor is to be, as QEMU's line has it. */
  private record Monitor(String option, String value) {}

  private final Line line;
  private final Map<String, String> named = new HashMap<>();
  private final List<String> serial = new ArrayList<>();
  private final List<Monitor> monitors = new ArrayList<>();
  private String debug = "";
  private String virtio = "";
  private boolean bare;
  private boolean nographic;

  Consoles(Line line) {
    this.line = line;
  }

  /** {@code -nographic}: the serial port is on the terminal, where Vesper has it anyway. */
  void nographic() {
    nographic = true;
  }

  /** {@code -nodefaults}: a serial port is what the line says, or none. */
  void nodefaults() {
    bare = true;
  }

  /** {@code -serial}; the first one is COM1. */
  void serial(String value) {
    serial.add(value);
  }

  /** {@code -monitor} or {@code -qmp}. */
  void monitor(String option, String value) {
    monitors.add(new Monitor(option, value));
  }

  /** {@code -mon}, a monitor at a character device. */
  void monitor(KeyValues k) {
    String mode = k.take("mode", "readline");
    String id = k.take("chardev", "");
    k.ignore(List.of("pretty"));
    line.refuseRest("-mon", k);
    monitor(mode.equals("control") ? "-qmp" : MONITOR, CHARDEV + id);
  }

  /** {@code -debugcon}, or its device. */
  void debug(String value) {
    debug = value;
  }

  /** A virtio console. */
  void virtio(String value) {
    virtio = value;
  }

  /** {@return how an option names a character device} */
  static String named(String id) {
    return CHARDEV + id;
  }

  /** {@code -chardev}. */
  void chardev(String value) {
    KeyValues k = new KeyValues(value, "backend");
    String kind = k.take("backend", "");
    String id = k.take("id", "");
    String path = k.take("path", "");
    named.put(
        id,
        switch (kind) {
          case "file" -> FILE + path;
          case "socket" -> socket(k, path);
          default -> kind;
        });
    k.ignore(List.of("mux", "signal"));
    if (k.takeFlag("append")) {
      line.refuse("-chardev file,append=on: the file is written anew; 'cat F >> ALL' joins them");
    }
    line.drop("-chardev", k.takeAny(List.of("logfile", "logappend")), "nothing is logged twice");
    line.refuseRest("-chardev", k);
  }

  /** {@return where a socket is, as -serial has it} */
  private static String socket(KeyValues k, String path) {
    String place =
        path.isEmpty() ? "tcp:" + k.take("host", "") + ":" + k.take("port", "") : "unix:" + path;
    // A flag that is not there is off, but who listens waits.
    String wait = k.take("wait", "on");
    boolean waits = !k.takeFlag("nowait") && !wait.equals("off");
    return k.takeFlag("server") ? place + ",server" + (waits ? "" : ",wait=off") : place;
  }

  /** {@return where an option leads in Vesper's words, null if it is refused} */
  private @Nullable String place(String option, String value) {
    String v = value.startsWith("mon:") ? value.substring(4) : value;
    if (v.startsWith(CHARDEV)) {
      String id = v.substring(CHARDEV.length());
      String there = named.get(id);
      if (there == null) {
        line.refuse("%s: no -chardev is named '%s'; use %s stdio".formatted(option, id, option));
        return null;
      }
      v = there;
    }
    switch (v) {
      case "stdio", "stderr", NONE -> {
        return v;
      }
      case "null", "/dev/null", "file:/dev/null" -> {
        return NONE;
      }
      default -> {
        if (v.startsWith(FILE)) {
          return v;
        }
        // Sockets are looked at by who opens them.
        boolean line = v.startsWith("tcp:") || v.startsWith("unix:") || v.equals("pty");
        if (line && (option.equals(SERIAL) || isMonitor(option) && !v.equals("pty"))) {
          return v;
        }
      }
    }
    line.refuse("%s %s: %s".formatted(option, value, way(option, v)));
    return null;
  }

  private static boolean isMonitor(String option) {
    return option.equals(MONITOR) || option.equals("-qmp");
  }

  private static String way(String option, String value) {
    String kind = value.contains(":") ? value.substring(0, value.indexOf(':')) : value;
    if (isMonitor(option)) {
      return "use " + option + " unix:PATH,server or tcp:127.0.0.1:PORT,server";
    }
    return switch (kind) {
      case "tcp", "unix", "pty" -> "only -serial leads to a socket or a terminal of its own";
      case "telnet", "udp", "websocket" ->
          "-serial tcp:127.0.0.1:PORT,server is a socket; socat makes another protocol of it";
      case "pipe" -> "name what is read of the pipe, as in " + option + " file:F";
      case "vc" -> "there is no window; use " + option + " stdio";
      default -> "it takes stdio, stderr, file:F or none";
    };
  }

  /** Puts all together. */
  void finish() {
    if (serial.isEmpty() && bare && !nographic) {
      line.set(SERIAL, NONE);
    }
    for (int i = 0; i < serial.size(); i++) {
      String p = place(SERIAL, serial.get(i));
      if (i == 0 && p != null) {
        line.set(SERIAL, p);
      } else if (p != null && !p.equals(NONE)) {
        line.refuse(
            "-serial %s: COM1 is the only one; use --virtio-console file:F for a second console"
                .formatted(serial.get(i)));
      }
    }
    for (Monitor m : monitors) {
      String p = place(m.option, m.value);
      if (p == null || p.equals(NONE)) {
        continue;
      }
      if (m.option.equals(MONITOR)) {
        line.set(MONITOR, p);
      } else {
        line.add(m.option, p);
      }
    }
    put("--debugcon", debug);
    put("--virtio-console", virtio);
  }

  private void put(String option, String value) {
    String p = value.isEmpty() ? null : place(option, value);
    if (p != null) {
      line.set(option, p);
    }
  }
}
