package dev.vesper.cli.confine;

import java.io.ByteArrayOutputStream;
import java.lang.foreign.Arena;
import java.net.URI;
import java.nio.file.Files;
import java.nio.file.Path;

/**
 * Landlock: the calling thread, and every thread that it starts, can open what it is granted and
 * nothing else. Structures and numbers are those of linux/landlock.h.
 */
final class Landlock {
  /** Rights to files and folders. */
  static final long EXECUTE = 1;

  static final long WRITE_FILE = 1 << 1;
  static final long READ_FILE = 1 << 2;
  static final long READ_DIR = 1 << 3;
  static final long REMOVE_DIR = 1 << 4;
  static final long REMOVE_FILE = 1 << 5;
  static final long MAKE_CHAR = 1 << 6;
  static final long MAKE_DIR = 1 << 7;
  static final long MAKE_REG = 1 << 8;
  static final long MAKE_SOCK = 1 << 9;
  static final long MAKE_FIFO = 1 << 10;
  static final long MAKE_BLOCK = 1 << 11;
  static final long MAKE_SYM = 1 << 12;

  /** Since ABI 2; before, nothing can be moved from one folder to another. */
  static final long REFER = 1 << 13;

  /** Since ABI 3. */
  static final long TRUNCATE = 1 << 14;

  /** Since ABI 5. */
  static final long IOCTL_DEV = 1 << 15;

  /** Rights that a file can have that is no folder. */
  private static final long OF_FILES = EXECUTE | WRITE_FILE | READ_FILE | TRUNCATE | IOCTL_DEV;

  /** Rights to TCP ports, since ABI 4. */
  private static final long BIND_TCP = 1;

  private static final long CONNECT_TCP = 2;

  /** Sockets with abstract names that others have bound, since ABI 6. */
  private static final long SCOPE_ABSTRACT_UNIX_SOCKET = 1;

  private static final int VERSION = 1;
  private static final int RULE_PATH_BENEATH = 1;
  private static final int RULE_NET_PORT = 2;
  private static final int PATH_BENEATH_BYTES = 12;
  private static final int NET_PORT_BYTES = 16;

  private static final int AT_FDCWD = -100;
  private static final int O_PATH = 0x20_0000;
  private static final int O_CLOEXEC = 0x8_0000;

  private final SystemCalls system;

  /** What the kernel knows, 1 and more, or {@link SystemCalls#FAILED}. */
  private final int abi;

  Landlock(SystemCalls system) {
    this.system = system;
    abi = (int) system.call(SystemCall.LANDLOCK_CREATE_RULESET, 0, 0, VERSION, 0, 0);
  }

  int abi() {
    return abi;
  }

  /** {@return every right to files that an ABI knows} */
  static long rights(int abi) {
    long all = (MAKE_SYM << 1) - 1;
    all |= abi >= 2 ? REFER : 0;
    all |= abi >= 3 ? TRUNCATE : 0;
    return all | (abi >= 5 ? IOCTL_DEV : 0);
  }

  /** {@return the rights that a use takes} */
  static long rights(Policy.Use u) {
    return switch (u) {
      case READ -> READ_FILE | READ_DIR;
      case CHANGE ->
          READ_FILE
              | READ_DIR
              | WRITE_FILE
              | TRUNCATE
              | MAKE_REG
              | MAKE_DIR
              | MAKE_SYM
              | REMOVE_FILE
              | REMOVE_DIR
              | REFER;
      case WRITE -> READ_FILE | WRITE_FILE | TRUNCATE;
    };
  }

  /**
   * Restricts the calling thread; it must have given up new privileges.
   *
   * @throws Refused if the system does not do it, or a place that is needed is not there
   */
  void restrict(Policy p) throws Refused {
    try (Arena arena = Arena.ofConfined()) {
      int bytes = abi >= 6 ? 24 : abi >= 4 ? 16 : 8;
      SystemCalls.Structure attr = SystemCalls.Structure.of(arena, 24);
      attr.bytes()
          .putLong(rights(abi))
          .putLong(BIND_TCP | CONNECT_TCP)
          .putLong(SCOPE_ABSTRACT_UNIX_SOCKET);
      long rules = system.call(SystemCall.LANDLOCK_CREATE_RULESET, attr.address(), bytes, 0, 0, 0);
      Refused.check("landlock_create_ruleset", rules);
      try {
        for (Policy.Grant g : p.grants()) {
          add(arena, rules, g);
        }
        if (abi >= 4) {
          for (int port : p.connects()) {
            SystemCalls.Structure rule = SystemCalls.Structure.of(arena, NET_PORT_BYTES);
            rule.bytes().putLong(CONNECT_TCP).putLong(port);
            add("port " + port, rules, RULE_NET_PORT, rule);
          }
        }
        Refused.check(
            "landlock_restrict_self",
            system.call(SystemCall.LANDLOCK_RESTRICT_SELF, rules, 0, 0, 0, 0));
      } finally {
        close(rules);
      }
    }
  }

  private void add(String what, long rules, int type, SystemCalls.Structure rule) throws Refused {
    Refused.check(
        what, system.call(SystemCall.LANDLOCK_ADD_RULE, rules, type, rule.address(), 0, 0));
  }

  private void add(Arena arena, long rules, Policy.Grant g) throws Refused {
    byte[] bytes = name(g.path());
    SystemCalls.Structure name = SystemCalls.Structure.of(arena, bytes.length);
    name.bytes().put(bytes);
    long file = system.call(SystemCall.OPENAT, AT_FDCWD, name.address(), O_PATH | O_CLOEXEC, 0, 0);
    if (file < 0 && !g.needed()) {
      return;
    }
    Refused.check(g.path().toString(), file);
    try {
      long wanted = rights(g.use()) & rights(abi);
      SystemCalls.Structure rule = SystemCalls.Structure.of(arena, PATH_BENEATH_BYTES);
      rule.bytes()
          .putLong(Files.isDirectory(g.path()) ? wanted : wanted & OF_FILES)
          .putInt((int) file);
      add(g.path().toString(), rules, RULE_PATH_BENEATH, rule);
    } finally {
      close(file);
    }
  }

  private void close(long file) {
    system.call(SystemCall.CLOSE, file, 0, 0, 0, 0);
  }

  /**
   * {@return a path as the system takes it, with a zero behind} Its bytes may be none of a
   * character set's; a URI has them all.
   */
  static byte[] name(Path p) {
    URI u = p.toAbsolutePath().toUri();
    String s = u.getRawPath();
    ByteArrayOutputStream b = new ByteArrayOutputStream();
    for (int i = 0; i < s.length(); i++) {
      if (s.charAt(i) == '%') {
        b.write(Integer.parseInt(s, i + 1, i + 3, 16));
        i += 2;
      } else {
        b.write(s.charAt(i));
      }
    }
    b.write(0);
    return b.toByteArray();
  }
}
