package dev.vesper.cli.boot;

import dev.vesper.x86.Assembler;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.List;

/**
 * The guest's first program, /init: it mounts what programs expect, loads modules, mounts the
 * shared folder, starts one program on the first serial port, and ends the machine with that
 * program's exit status by port 0xf4, as a shell counts it: 128 and the signal's number if a signal
 * has ended it. An ELF64 without libraries; system calls are those of Linux on x86-64.
 */
final class FirstProgram {
  /** Where the program is loaded. */
  private static final long BASE = 0x40_0000;

  private static final int HEADERS = 64 + 56;

  private static final int WRITE = 1;
  private static final int OPEN = 2;
  private static final int IOCTL = 16;
  private static final int PAUSE = 34;
  private static final int DUP2 = 33;
  private static final int FORK = 57;
  private static final int EXECVE = 59;
  private static final int EXIT = 60;
  private static final int WAIT4 = 61;
  private static final int CHDIR = 80;
  private static final int SETSID = 112;
  private static final int SYNC = 162;
  private static final int MOUNT = 165;
  private static final int SETHOSTNAME = 170;
  private static final int IOPERM = 173;
  private static final int FINIT_MODULE = 313;

  private static final int MS_RDONLY = 1;
  private static final int TCGETS = 0x5401;
  private static final int TCSETS = 0x5402;
  private static final int TIOCSCTTY = 0x540E;
  private static final int ECHO = 8;
  private static final int OPOST = 1;
  private static final int STDERR = 2;

  /** Status of a program that cannot be started, as of shells. */
  private static final int NOT_STARTED = 127;

  /** The exit port. */
  private static final int PORT = 0xF4;

  private static final List<String> REGISTERS = List.of("rdi", "rsi", "rdx", "r10", "r8", "r9");

  private final StringBuilder code = new StringBuilder();
  private final StringBuilder data = new StringBuilder();
  private int texts;

  /**
   * What is started and with what.
   *
   * @param arguments of the program, its path first
   * @param environment its variables, each with its value
   * @param modules paths of kernel modules in the order to load them
   * @param folder whether there is a folder to mount
   * @param writable whether it can be written
   * @param processed whether the serial port is somebody's terminal, whose lines are echoed and end
   *     in CR LF; if not, a NUL comes before what the program writes
   */
  record Plan(
      List<String> arguments,
      List<String> environment,
      List<String> modules,
      boolean folder,
      boolean writable,
      boolean processed) {}

  private FirstProgram() {}

  /** {@return the program} */
  static byte[] image(Plan p) {
    FirstProgram f = new FirstProgram();
    f.write(p);
    Assembler a = new Assembler(BASE + HEADERS, 64);
    a.add(f.code.toString());
    a.add("align 8");
    a.add(f.data.toString());
    return elf(a.finish());
  }

  private void write(Plan p) {
    mount("dev", "/dev", "devtmpfs", 0);
    mount("proc", "/proc", "proc", 0);
    mount("sys", "/sys", "sysfs", 0);
    mount("tmp", "/tmp", "tmpfs", 0);
    call(SETHOSTNAME, text("vesper"), "6");
    p.modules.forEach(this::load);
    if (p.folder) {
      mount(BootImage.TAG, "/" + BootImage.TAG, "virtiofs", p.writable ? 0 : MS_RDONLY);
      line("test rax, rax");
      line("jns shared");
      say("vesper: this kernel has no virtio-fs, so that the folder is not shared\n");
      label("shared");
    }
    call(FORK);
    line("test rax, rax");
    line("je child");
    line("mov rbx, rax");
    awaited();
    label("child");
    started(p);
  }

  /** The parent's part: takes every orphan's end, and that of the program for its own. */
  private void awaited() {
    label("wait");
    call(WAIT4, "-1", "status", "0", "0");
    line("test rax, rax");
    line("js end");
    line("cmp rax, rbx");
    line("jne wait");
    label("end");
    call(SYNC);
    call(IOPERM, String.valueOf(PORT), "1", "1");
    line("mov ecx, dword ptr [rel status]");
    line("mov eax, ecx");
    line("shr eax, 8");
    line("and ecx, 0x7f");
    line("je out");
    line("lea eax, [rcx + 128]");
    label("out");
    line("out 0xf4, al");
    label("stay");
    call(PAUSE);
    line("jmp stay");
    data("align 8");
    data("status: dq 0");
  }

  /** The child's part: a session on the serial port, and the program. */
  private void started(Plan p) {
    call(SETSID);
    call(OPEN, text("/dev/ttyS0"), "2");
    line("mov rbx, rax");
    for (int fd = 0; fd <= STDERR; fd++) {
      call(DUP2, "rbx", String.valueOf(fd));
    }
    call(IOCTL, "0", String.valueOf(TIOCSCTTY), "0");
    if (!p.processed) {
      // Of struct termios: c_iflag, c_oflag, c_cflag, c_lflag, of 32 bits each.
      data("align 8");
      data("modes: skip 64");
      call(IOCTL, "0", String.valueOf(TCGETS), "modes");
      line("and dword ptr [rel modes + 4], " + ~OPOST);
      line("and dword ptr [rel modes + 12], " + ~ECHO);
      call(IOCTL, "0", String.valueOf(TCSETS), "modes");
      // From here on the console is the program's.
      call(WRITE, "0", text(""), "1");
    }
    if (p.folder) {
      call(CHDIR, text("/" + BootImage.TAG));
    }
    call(EXECVE, text(p.arguments.get(0)), table(p.arguments), table(p.environment));
    say("vesper: cannot start " + p.arguments.get(0) + "\n");
    call(EXIT, String.valueOf(NOT_STARTED));
  }

  private void mount(String source, String target, String type, int flags) {
    call(MOUNT, text(source), text(target), text(type), String.valueOf(flags), "0");
  }

  private void load(String module) {
    call(OPEN, text(module), "0");
    boolean packed = !module.endsWith(".ko");
    // MODULE_INIT_COMPRESSED_FILE: the kernel unpacks it. What is there already is refused, and may
    // be.
    call(FINIT_MODULE, "rax", text(""), packed ? "4" : "0");
  }

  private void say(String message) {
    int length = message.getBytes(StandardCharsets.UTF_8).length;
    call(WRITE, String.valueOf(STDERR), text(message), String.valueOf(length));
  }

  /** Makes a system call of numbers, labels and registers. */
  private void call(int number, String... arguments) {
    for (int i = 0; i < arguments.length; i++) {
      String a = arguments[i];
      String r = REGISTERS.get(i);
      if (a.matches("-?[0-9]+")) {
        line("mov " + r + ", " + a);
      } else if (a.matches("r[a-z0-9]{2}")) {
        line("mov " + r + ", " + a);
      } else {
        line("lea " + r + ", [rel " + a + "]");
      }
    }
    line("mov eax, " + number);
    line("syscall");
  }

  /** {@return the label of a text that ends with a zero} */
  private String text(String s) {
    String label = "text" + texts++;
    StringBuilder bytes = new StringBuilder();
    for (byte b : s.getBytes(StandardCharsets.UTF_8)) {
      bytes.append(b & 0xFF).append(',');
    }
    data(label + ": db " + bytes + "0");
    return label;
  }

  /** {@return the label of a table of texts that ends with a zero} */
  private String table(List<String> all) {
    List<String> labels = new ArrayList<>();
    all.forEach(s -> labels.add(text(s)));
    labels.add("0");
    String label = "table" + texts++;
    data("align 8");
    data(label + ": dq " + String.join(",", labels));
    return label;
  }

  private void line(String s) {
    code.append(s).append('\n');
  }

  private void label(String s) {
    code.append(s).append(":\n");
  }

  private void data(String s) {
    data.append(s).append('\n');
  }

  /** {@return an executable of one segment, which is loaded with its headers} */
  private static byte[] elf(byte[] content) {
    ByteBuffer b = ByteBuffer.allocate(HEADERS + content.length).order(ByteOrder.LITTLE_ENDIAN);
    b.put(new byte[] {0x7F, 'E', 'L', 'F', 2, 1, 1}).position(16);
    b.putShort((short) 2).putShort((short) 62).putInt(1);
    b.putLong(BASE + HEADERS).putLong(64).putLong(0).putInt(0);
    b.putShort((short) 64).putShort((short) 56).putShort((short) 1).position(64);
    b.putInt(1).putInt(7).putLong(0).putLong(BASE).putLong(BASE);
    b.putLong(b.capacity()).putLong(b.capacity()).putLong(0x1000);
    return b.put(content).array();
  }
}
