package dev.vesper.cli.monitor;

import dev.vesper.machine.Machine;
import java.io.IOException;
import java.nio.file.Path;
import java.util.List;

/** Commands that write files, in the folder of {@code --monitor-files}. */
final class FileCommands {
  static final List<Command> ALL =
      List.of(
          Command.of(
              "screendump",
              "filename [-f format]",
              "save screen as image: ppm (default) or png",
              FileCommands::screen),
          Command.of(
              "memsave",
              "addr size file",
              "save to disk virtual memory dump starting at 'addr' of size 'size'",
              c -> save(c, false)),
          Command.of(
              "pmemsave",
              "addr size file",
              "save to disk physical memory dump starting at 'addr' of size 'size'",
              c -> save(c, true)),
          Command.of(
              "dump-guest-memory",
              "filename",
              "save an ELF core of guest memory and registers: private pages in plaintext",
              FileCommands::core),
          Command.of("trace", "on FILE|off", "write every event to a file", FileCommands::trace),
          Command.of(
              "log",
              "item1[,...]",
              "refused: what is logged is said before the run",
              c -> {
                throw new Refusal("what is logged is said before the run: -d ITEMS");
              }),
          Command.of(
              "logfile",
              "filename",
              "refused: where is logged is said before the run",
              c -> {
                throw new Refusal("where is logged is said before the run: -D FILE");
              }));

  private static final int PART = 1 << 16;

  private FileCommands() {}

  private static void screen(Call c) throws Refusal {
    String name = c.words().string("screendump: filename");
    String format = c.words().flag('f') ? c.words().string("screendump: format") : "ppm";
    c.words().end();
    screen(c.control(), name, format);
  }

  static void screen(Control control, String name, String format) throws Refusal {
    Machine m = control.machine();
    if (m.spec().hardware().screen() == null) {
      throw new Refusal("There is no console to take a screendump from: -vga std");
    }
    byte[] picture =
        switch (format) {
          case "ppm" -> m.screenPpm();
          case "png" -> m.screenPng();
          default -> throw new Refusal("a picture is ppm or png, not '" + format + "'");
        };
    if (picture == null) {
      throw new Refusal("the screen shows no picture: it is text, and nobody has loaded a font");
    }
    control.files().write(name, out -> out.write(picture));
  }

  private static void save(Call c, boolean physical) throws Refusal {
    long from = c.words().number(c.vcpu());
    long size = c.words().number(c.vcpu());
    String name = c.words().string("filename");
    c.words().end();
    save(c.session(), physical, from, size, name);
  }

  static void save(Session s, boolean physical, long from, long size, String name) throws Refusal {
    long memory = s.machine().spec().memoryBytes();
    if (size < 0 || size > memory) {
      throw new Refusal("a size is at most that of guest memory, " + memory);
    }
    MemoryReader r = new MemoryReader(s, physical);
    s.control()
        .files()
        .write(
            name,
            out -> {
              for (long done = 0; done < size; ) {
                int n = (int) Math.min(PART, size - done);
                try {
                  out.write(r.read(from + done, n));
                } catch (IndexOutOfBoundsException e) {
                  throw new Refusal("Invalid addr 0x%016x/size %d specified".formatted(from, size));
                }
                done += n;
              }
            });
  }

  private static void core(Call c) throws Refusal {
    // Both are taken from QEMU's users: paging is none of a core's of physical memory.
    if (c.words().flag('p') || c.words().flag('d')) {
      throw new Refusal("a core is of physical memory, and written at once: leave -p and -d out");
    }
    String name = c.words().string("dump-guest-memory: filename");
    c.words().end();
    core(c.control(), name);
  }

  static void core(Control control, String name) throws Refusal {
    CoreFile f = new CoreFile(control.machine());
    control.files().write(name, f::write);
  }

  private static void trace(Call c) throws Refusal {
    TraceSwitch t = c.control().trace();
    if (c.words().atEnd()) {
      c.line(t.name().isEmpty() ? "events are not written" : "events are written to " + t.name());
      return;
    }
    String how = c.words().string("on or off");
    switch (how) {
      case "on" -> {
        String name = c.words().string("trace on: filename");
        c.words().end();
        Path p = c.control().files().place(name);
        try {
          t.begin(p);
        } catch (IOException e) {
          throw WrittenFiles.refused(name, e);
        }
      }
      case "off" -> {
        c.words().end();
        if (!t.close()) {
          throw new Refusal("the file did not take all of the trace");
        }
      }
      default -> throw new Refusal("trace takes on FILE, or off");
    }
  }
}
