package dev.vesper.cli;

import dev.vesper.machine.CodeCache;
import dev.vesper.machine.Machine;
import dev.vesper.machine.spec.MachineSpec;
import java.io.Closeable;
import java.io.IOException;
import java.nio.file.Path;
import java.util.function.Consumer;
import org.jspecify.annotations.Nullable;

/**
 * The folder of {@code --code-cache}. What cannot be used is said in a line: of a folder that the
 * user has named always, of the usual one with {@code -v}.
 */
final class CodeFolder implements Closeable {
  private final @Nullable CodeCache cache;
  private final Consumer<String> notes;

  /**
   * Opens it, which a confined process cannot.
   *
   * @param spec the machine that will use it
   * @param shares no guest may reach the folder
   * @throws UserError if a guest could reach a folder that the user has named
   */
  CodeFolder(RunOptions said, MachineSpec spec, Shares shares) {
    boolean named = said.codeFolderIsNamed();
    notes =
        line -> {
          if (named) {
            Terminal.say(line);
          } else if (said.verbose) {
            Terminal.err("[code-cache] " + line);
          }
        };
    Path p = usable(said.codeFolder(), named, shares);
    cache = p == null ? null : UserError.of(() -> CodeCache.open(p, spec, notes));
  }

  private @Nullable Path usable(@Nullable Path p, boolean named, Shares shares) {
    // Whoever calls the system without leave is given it by Java: the sandbox asks for that leave.
    if (p == null
        || !Machine.class.getModule().isNativeAccessEnabled()
        || Machine.lackOfNativeCode() != null) {
      return null;
    }
    if (shares.reach(p.resolve("code"))) {
      String why = p + " lies in a shared folder, where the guest could change what is executed";
      if (named) {
        throw new UserError("--code-cache " + why + ": name another, or off");
      }
      notes.accept("no cache of native code: " + why);
      return null;
    }
    return p;
  }

  /** Has a machine use it. */
  void addTo(Machine m) {
    if (cache != null) {
      m.use(cache);
    }
  }

  /** Writes what machines have made. */
  void save() {
    if (cache != null) {
      cache.save();
    }
  }

  @Override
  public void close() throws IOException {
    if (cache != null) {
      cache.close();
    }
  }
}
