package dev.vesper.machine;

import dev.vesper.machine.cpu.CpuFeatures;
import dev.vesper.machine.cpu.emit.KeptCode;
import dev.vesper.machine.model.CpuModel;
import dev.vesper.machine.spec.MachineSpec;
import java.io.Closeable;
import java.io.IOException;
import java.nio.file.Path;
import java.util.function.Consumer;
import org.jspecify.annotations.Nullable;

/**
 * A folder of native code that outlives runs: a machine that is given it uses code that earlier
 * runs have made of the same bytes. Results are the same.
 */
public final class CodeCache implements Closeable {
  private final @Nullable KeptCode code;

  private CodeCache(@Nullable KeptCode code) {
    this.code = code;
  }

  /**
   * Opens the cache of machines with the processors of one. After that no file is opened any more,
   * so that the process may give up the right to.
   *
   * @param folder which is made if need be; code in it is executed with the rights of this process,
   *     so that one is not used that others may write to
   * @param notes told in a line each what is not used, and why; nothing of it is a reason to fail
   * @throws IllegalArgumentException if there is no such model
   */
  public static CodeCache open(Path folder, MachineSpec spec, Consumer<String> notes) {
    CpuFeatures features = new CpuFeatures(CpuModel.named(spec.cpuModel()).features());
    return new CodeCache(KeptCode.open(folder, features, notes));
  }

  @Nullable KeptCode code() {
    return code;
  }

  /** Writes native code into the folder, if enough of it is new. */
  public void save() {
    if (code != null) {
      code.save();
    }
  }

  @Override
  public void close() throws IOException {
    if (code != null) {
      code.close();
    }
  }
}
