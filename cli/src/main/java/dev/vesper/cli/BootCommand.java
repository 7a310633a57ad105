package dev.vesper.cli;

import dev.vesper.cli.boot.BootImage;
import dev.vesper.cli.boot.Kernels;
import dev.vesper.cli.confine.Confinement;
import dev.vesper.cli.confine.Policy;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.function.Function;
import org.jspecify.annotations.Nullable;

/** {@code vesper boot}: a run of a kernel with an initial RAM disk that is made for it. */
final class BootCommand implements Options.Command {
  /** Where a static busybox is looked for. */
  private static final List<String> BUSYBOXES =
      List.of(
          "/bin/busybox", "/usr/bin/busybox", "/usr/sbin/busybox.static", "/bin/busybox.static");

  private static final String ARGUMENTS = "console=ttyS0 quiet panic=-1";

  private static final int EM_X86_64 = 62;
  private static final int PT_INTERP = 3;

  private final RunCommand run;
  private @Nullable Path kernel;
  private @Nullable Path busybox;
  private boolean writable;
  private boolean alone;
  private List<String> command = List.of();

  /**
   * @param confine gives up the process's rights for good; null if others need them
   */
  BootCommand(@Nullable Function<Policy, Confinement> confine) {
    run = new RunCommand(confine);
  }

  @Override
  public Options options() {
    Options o =
        new Options(
            "Boots a Linux kernel to a shell, or runs COMMAND behind -- and ends with its status.",
            "",
            "The guest's files are a busybox; the current folder is at "
                + "/"
                + BootImage.TAG
                + ".",
            "One word behind -- is a line for the shell. Without KERNEL it is Debian's, fetched once",
            "by apt into ~/.cache/vesper. Options of 'vesper run' are taken besides.",
            "Example: vesper boot arch/x86/boot/bzImage -- 'dmesg | grep SEV'");
    o.positional("KERNEL", "bzImage (default: Debian's, or the computer's own)", v -> kernel = v);
    o.flag("let the guest write to the current folder", () -> writable = true, "--rw");
    o.flag("share no folder", () -> alone = true, "--no-share");
    o.path(
        "F",
        "a static busybox for x86-64 (default: the computer's; without one, a static program of"
            + " the current folder can be run)",
        v -> busybox = v,
        "--busybox");
    run.addTo(o);
    return o;
  }

  @Override
  public List<String> words(List<String> args) {
    int end = args.indexOf("--");
    if (end < 0) {
      return args;
    }
    command = List.copyOf(args.subList(end + 1, args.size()));
    return args.subList(0, end);
  }

  @Override
  public List<String> translated(List<String> args) {
    return run.translated(args, options());
  }

  @Override
  public Integer call() {
    try {
      Path k = kernel();
      boolean folder = !alone && System.getProperty("os.name").equals("Linux");
      boolean terminal = Terminal.isInteractive();
      String term = System.getenv().getOrDefault("TERM", "dumb");
      byte[] initrd =
          UserError.of(
              () -> {
                try {
                  return BootImage.of(
                      new BootImage.Plan(
                          busybox(),
                          command,
                          folder,
                          writable,
                          terminal,
                          term.matches("[\\w.+-]+") ? term : "dumb"),
                      k);
                } catch (IOException e) {
                  throw new UserError("cannot read the kernel's modules: " + UserError.reason(e));
                }
              });
      return run.boot(
          new RunCommand.Boot(
              k,
              initrd,
              ARGUMENTS,
              folder ? "path=.,tag=" + BootImage.TAG + (writable ? "" : ",readonly=on") : null,
              !command.isEmpty(),
              terminal));
    } catch (IOException e) {
      throw new UserError("boot: " + e.getMessage());
    }
  }

  /** {@return the kernel that is named, or one that is there, or one that apt fetches} */
  private Path kernel() throws IOException {
    Path named = run.kernel();
    if (kernel != null && named != null) {
      throw new UserError("give the kernel once: as KERNEL or with -kernel");
    }
    if (kernel != null) {
      return kernel;
    }
    if (named != null) {
      return named;
    }
    Kernels all = new Kernels(cache().resolve("kernels"));
    Path k = all.newest();
    if (k != null) {
      return k;
    }
    try {
      Terminal.say("fetching Debian's kernel by apt into " + cache().resolve("kernels"));
      return all.fetch();
    } catch (IOException e) {
      k = Kernels.installed();
      if (k == null) {
        throw new UserError("name a KERNEL; none could be fetched: " + UserError.reason(e));
      }
      Terminal.say("booting " + k + "; none could be fetched: " + UserError.reason(e));
      return k;
    }
  }

  /** {@return the folder of what is fetched} */
  private static Path cache() {
    String named = System.getenv().getOrDefault("VESPER_CACHE", "");
    return named.isEmpty() ? Caches.folder() : Path.of(named);
  }

  private byte @Nullable [] busybox() {
    Path named = busybox;
    if (named != null) {
      byte[] b = UserFiles.read(named, "busybox");
      if (!isStatic(b)) {
        throw new UserError("--busybox " + named + " is no static program for x86-64");
      }
      return b;
    }
    for (String s : BUSYBOXES) {
      if (Files.isReadable(Path.of(s))) {
        byte[] b = UserFiles.read(Path.of(s), "busybox");
        if (isStatic(b)) {
          return b;
        }
      }
    }
    if (command.isEmpty()) {
      throw new UserError(
          "a shell needs a static busybox for x86-64: install busybox-static, or name one with"
              + " --busybox");
    }
    return null;
  }

  /** {@return whether a file is an ELF64 program for x86-64 that asks for no interpreter} */
  private static boolean isStatic(byte[] b) {
    java.nio.ByteBuffer f = java.nio.ByteBuffer.wrap(b).order(java.nio.ByteOrder.LITTLE_ENDIAN);
    if (b.length < 64 || f.getInt(0) != 0x464C_457F || b[4] != 2 || f.getShort(18) != EM_X86_64) {
      return false;
    }
    long at = f.getLong(32);
    int size = f.getShort(54) & 0xFFFF;
    for (int i = 0; i < (f.getShort(56) & 0xFFFF); i++, at += size) {
      if (at < 0 || at > b.length - 4 || f.getInt((int) at) == PT_INTERP) {
        return false;
      }
    }
    return true;
  }
}
