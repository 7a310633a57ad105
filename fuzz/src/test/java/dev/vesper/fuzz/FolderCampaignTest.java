package dev.vesper.fuzz;

import static org.assertj.core.api.Assertions.assertThat;

import dev.vesper.fixtures.DebianKernel;
import dev.vesper.fuzz.store.CampaignException;
import dev.vesper.fuzz.store.CampaignStore;
import dev.vesper.fuzz.store.MemoryStore;
import dev.vesper.machine.Until;
import dev.vesper.machine.device.share.FuseServer;
import dev.vesper.machine.spec.Hardware;
import dev.vesper.machine.spec.MachineSpec;
import dev.vesper.machine.spec.SevMode;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.condition.EnabledIfSystemProperty;
import org.junit.jupiter.api.io.TempDir;

/** A campaign against Linux's own virtio-fs, with {@code -Dlong=true}. */
@EnabledIfSystemProperty(named = "long", matches = "true")
final class FolderCampaignTest {
  private static final String MODULES = "drivers/virtio/virtio.*|fs/fuse/fuse|fs/fuse/virtiofs";

  private static final String INIT =
      """
      #!/bin/busybox sh
      b=/bin/busybox
      $b mount -t devtmpfs dev /dev
      for m in %s; do $b insmod /m/$m; done
      $b mkdir /mnt
      $b mount -t virtiofs folder /mnt
      echo READY
      $b ls -l /mnt
      $b cat /mnt/sub/from
      $b touch /mnt/new
      echo DONE
      $b poweroff -f
      """;

  @TempDir private Path folder;

  private Harness harness(FuseServer server, String only) throws IOException, CampaignException {
    Map<String, byte[]> modules = DebianKernel.modules(MODULES);
    Map<String, byte[]> files = new TreeMap<>();
    modules.forEach((n, b) -> files.put("m/" + n, b));
    byte[] initrd =
        DebianKernel.initramfs(INIT.formatted(String.join(" ", modules.keySet())), files);
    byte[] kernel = DebianKernel.image();
    return new Harness(
        () ->
            MachineSpec.builder(SevMode.ES, kernel, c -> {})
                .append("console=ttyS0 quiet cryptomgr.notests=1")
                .initrd(initrd)
                .hardware(
                    Hardware.NONE
                        .withBoard(Hardware.Board.PC)
                        .withShares(List.of(new Hardware.Share("folder", server))))
                .build(),
        Until.console("READY"),
        Until.console("DONE"),
        400_000_000,
        SiteFilter.of(only, ""),
        null);
  }

  @Test
  void theFolderIsReadAsItWasAndNobodyWritesToIt() throws Exception {
    Files.createDirectory(folder.resolve("sub"));
    Files.writeString(folder.resolve("sub/from"), "as it was");
    FuseServer server = FuseServer.frozen(folder);
    try (Executor x = new Executor(harness(server, "virtio"))) {
      Execution first = x.run(Input.HONEST);
      String state = x.stateHash();
      byte[] edges = first.edges().clone();
      assertThat(x.console()).contains("as it was", "Read-only file system");
      Files.writeString(folder.resolve("sub/from"), "changed");
      Execution again = x.run(Input.HONEST, true);
      Site bell = null;
      for (Seen s : x.noted().seen()) {
        bell = s.site().kind() == Site.Kind.MMIO_WRITE ? s.site() : bell;
      }
      assertThat(bell).as("%s", x.noted().seen()).isNotNull();
      assertThat(Arrays.equals(again.edges(), edges)).isTrue();
      assertThat(x.stateHash()).isEqualTo(state);
      Input lie =
          InputReader.read((bell + "@* used-id=0x7ff\n").getBytes(StandardCharsets.US_ASCII));
      assertThat(Arrays.equals(x.run(lie).edges(), edges)).isFalse();
      assertThat(Arrays.equals(x.run(Input.HONEST).edges(), edges)).isTrue();
      assertThat(x.stateHash()).isEqualTo(state);
    }
    MemoryStore store = new MemoryStore();
    new Campaign(
            harness(server, "virtio,shared"),
            store,
            new Campaign.Options("test", 1, 1, 60, 1e9, false))
        .run();
    assertThat(store.names(CampaignStore.Kind.QUEUE)).hasSizeGreaterThan(1);
    try (Stream<Path> s = Files.walk(folder)) {
      assertThat(s).hasSize(3);
    }
    assertThat(folder.resolve("sub/from")).hasContent("changed");
  }
}
