package dev.vesper.cli.boot;

import dev.vesper.cli.qemu.ShellWords;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/**
 * The initial RAM disk of {@code vesper boot}: the first program, a busybox if there is one, and
 * the modules that a shared folder needs.
 */
public final class BootImage {
  /** Tag of the shared folder, and where it is mounted. */
  public static final String TAG = "host";

  private static final String BUSYBOX = "bin/busybox";
  private static final String PATH = "PATH=/bin:/sbin:/usr/bin:/usr/sbin";

  /** Puts busybox's programs where they are looked for. */
  private static final String INSTALL = "/bin/busybox --install -s /bin\n";

  private BootImage() {}

  /**
   * What the guest does.
   *
   * @param busybox a static busybox for x86-64, or null for none
   * @param command what to run and its arguments, of which one alone is a line of the shell's;
   *     empty for a shell
   * @param folder whether a folder is shared
   * @param writable whether it can be written
   * @param terminal whether somebody sits at the console
   * @param term what kind of terminal that is
   */
  public record Plan(
      byte @Nullable [] busybox,
      List<String> command,
      boolean folder,
      boolean writable,
      boolean terminal,
      String term) {}

  /**
   * {@return the RAM disk}
   *
   * @param kernel beside which modules are looked for
   * @throws IOException if a module cannot be read
   * @throws IllegalArgumentException if without busybox there is nothing to run
   */
  public static byte[] of(Plan p, Path kernel) throws IOException {
    Initramfs fs = new Initramfs();
    for (String f : List.of("bin", "dev", "proc", "sys", "tmp", "root", TAG)) {
      fs.folder(f);
    }
    List<String> arguments = new ArrayList<>();
    byte[] busybox = p.busybox();
    if (busybox != null) {
      fs.program(BUSYBOX, busybox).link("bin/sh", "busybox");
      arguments.addAll(List.of("/bin/sh", "-c", INSTALL + script(p.command())));
    } else if (p.command().isEmpty()) {
      throw new IllegalArgumentException("a shell needs a busybox");
    } else {
      arguments.addAll(p.command());
    }
    Map<String, Path> modules = p.folder() ? KernelModules.beside(kernel) : new LinkedHashMap<>();
    List<String> loaded = new ArrayList<>();
    for (Map.Entry<String, Path> m : modules.entrySet()) {
      fs.program("modules/" + m.getKey(), Files.readAllBytes(m.getValue()));
      loaded.add("/modules/" + m.getKey());
    }
    FirstProgram.Plan first =
        new FirstProgram.Plan(
            arguments,
            List.of(PATH, "HOME=/root", "TERM=" + p.term()),
            loaded,
            p.folder(),
            p.writable(),
            p.terminal());
    return fs.program("init", FirstProgram.image(first)).finish();
  }

  private static String script(List<String> command) {
    if (command.isEmpty()) {
      return "exec /bin/sh -i";
    }
    return command.size() == 1 ? command.get(0) : ShellWords.join(command);
  }
}
