package dev.vesper.cli.boot;

import java.nio.file.Files;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/** Modules that a kernel needs for virtio-fs, where they are not built into it. */
final class KernelModules {
  /** Each behind those that it needs. Their places are the same in a tree that was built. */
  private static final List<String> FOR_FOLDERS =
      List.of(
          "drivers/virtio/virtio_ring",
          "drivers/virtio/virtio",
          "drivers/virtio/virtio_pci_legacy_dev",
          "drivers/virtio/virtio_pci_modern_dev",
          "drivers/virtio/virtio_pci",
          "fs/fuse/fuse",
          "fs/fuse/virtiofs");

  private static final List<String> ENDINGS = List.of(".ko", ".ko.xz", ".ko.zst", ".ko.gz");
  private static final String NAME = "vmlinuz-";

  private KernelModules() {}

  /** {@return the files by their names, in the order to load them} */
  static Map<String, Path> beside(Path kernel) {
    Map<String, Path> found = new LinkedHashMap<>();
    Path folder = folder(kernel.toAbsolutePath().normalize());
    if (folder == null) {
      return found;
    }
    for (String m : FOR_FOLDERS) {
      for (String e : ENDINGS) {
        Path p = folder.resolve(m + e);
        if (Files.isReadable(p)) {
          found.put(String.valueOf(p.getFileName()), p);
          break;
        }
      }
    }
    return found;
  }

  /**
   * {@return where a kernel's modules are, or null} A kernel lies in a folder beside lib/modules as
   * vmlinuz-VERSION, in the folder of its version there, or in a tree in which it was built.
   */
  private static @Nullable Path folder(Path kernel) {
    String name = String.valueOf(kernel.getFileName());
    for (Path p = kernel.getParent(); p != null; p = p.getParent()) {
      if (name.startsWith(NAME)) {
        Path installed =
            p.resolve("lib/modules").resolve(name.substring(NAME.length())).resolve("kernel");
        if (Files.isDirectory(installed)) {
          return installed;
        }
      }
      if (Files.isDirectory(p.resolve("kernel/fs"))) {
        return p.resolve("kernel");
      }
      if (Files.isRegularFile(p.resolve("Kbuild")) && Files.isDirectory(p.resolve("fs/fuse"))) {
        return p;
      }
    }
    return null;
  }
}
