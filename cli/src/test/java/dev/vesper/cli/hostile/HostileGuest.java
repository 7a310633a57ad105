package dev.vesper.cli.hostile;

import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.Random;

/**
 * A guest that means harm, made from a number: the same number, the same guest.
 *
 * @param board a board that a campaign is for
 * @param seed the number
 * @param setting what it runs on
 * @param image what is run
 * @param source what the image was assembled from
 * @param firmware the image is a ROM
 */
public record HostileGuest(
    Board board, long seed, Setting setting, byte[] image, String source, boolean firmware) {
  /** Boards. */
  public enum Board {
    /** The minimal one of profile kvm, and vmd's. */
    MINIMAL,
    /** QEMU's i440FX. */
    PC,
    /** QEMU's Q35. */
    Q35
  }

  /** An image and its source. */
  record Image(byte[] bytes, String source) {}

  private static final String[] OPENBSD = {
    "openbsd",
    "openbsd:2025-06",
    "openbsd:2025-09",
    "openbsd:2026",
    "openbsd:2026-08",
    "openbsd,cr8=trap"
  };

  private static final String[] MODELS = {
    "vesper-min",
    "vesper-min,+xsave",
    "EPYC-Genoa",
    "EPYC-Milan",
    "EPYC-v4",
    "EPYC-Genoa,-x2apic",
    "vesper-min,+tsc-deadline"
  };

  private static final String[] FAULTS = {
    "no-valid-bits",
    "stale-info",
    "touch-save-area",
    "touch-private",
    "msr-code",
    "msr-register",
    "xsave-size",
    "bad-exception",
    "refuse",
    "fatal-unknown",
    "vc:0x72@60000"
  };

  /** {@return the guest of a number on a board, in a place} */
  public static HostileGuest of(Board board, long seed, Arena arena) {
    Random r = new Random(seed * 31 + board.ordinal());
    // The first numbers of seeds that follow each other are alike.
    r.nextLong();
    Setting s = setting(board, r, arena);
    boolean firmware = s.kernel32() && board != Board.MINIMAL && r.nextInt(4) == 0;
    Image image;
    if (firmware) {
      image = LegacyCode.firmware(r);
    } else if (s.kernel32()) {
      image = LegacyCode.kernel(r);
    } else {
      String source = HostileCode.of(r, s);
      image = new Image(HostileKernel.image(source), source);
    }
    return new HostileGuest(board, seed, s, image.bytes, image.source, firmware);
  }

  private static Setting setting(Board board, Random r, Arena arena) {
    List<String> o = new ArrayList<>();
    boolean vmd = board == Board.MINIMAL && r.nextInt(3) == 0;
    boolean kernel32 = !vmd && r.nextInt(6) == 0;
    String mode = kernel32 ? "off" : new String[] {"off", "sev", "es", "es"}[r.nextInt(4)];
    o.addAll(List.of("--sev", mode));
    int megabytes = 32 + r.nextInt(3) * 16;
    o.addAll(List.of("-m", megabytes + "M"));
    if (vmd) {
      o.addAll(List.of("--profile", OPENBSD[r.nextInt(OPENBSD.length)]));
    } else {
      o.addAll(List.of("-M", board.name().toLowerCase(Locale.ROOT)));
      o.addAll(List.of("-smp", String.valueOf(1 + r.nextInt(2))));
    }
    o.addAll(List.of("-cpu", MODELS[r.nextInt(MODELS.length)]));
    if (r.nextInt(6) == 0) {
      o.addAll(List.of("--translate-after", String.valueOf(new int[] {0, 1, 20}[r.nextInt(3)])));
    } else if (r.nextInt(4) == 0) {
      o.addAll(List.of("--translator", "regions"));
    }
    if (board != Board.MINIMAL || vmd) {
      devices(o, r, arena, vmd);
    }
    observers(o, r, arena, mode);
    return new Setting(List.copyOf(o), mode, vmd, megabytes, kernel32);
  }

  private static void devices(List<String> o, Random r, Arena arena, boolean vmd) {
    String disk = arena.disk().toString();
    switch (r.nextInt(6)) {
      case 0 -> o.addAll(List.of("-drive", "format=raw,file=" + disk));
      case 1 -> o.addAll(List.of("-drive", "file=" + disk));
      case 2 -> o.addAll(List.of("-drive", "file=" + arena.image()));
      case 3 -> o.addAll(List.of("-drive", "snapshot=on,file=" + arena.keptDisk()));
      default -> {
        // none
      }
    }
    if (r.nextInt(4) == 0) {
      o.addAll(List.of("-drive", "format=raw,readonly=on,file=" + arena.keptDisk()));
    }
    if (r.nextBoolean()) {
      o.addAll(List.of("-nic", "user"));
    }
    if (r.nextInt(4) == 0) {
      o.addAll(List.of("--virtio-console", "file:" + arena.output("second")));
    }
    if (vmd) {
      return;
    }
    if (r.nextInt(3) == 0) {
      String more = r.nextBoolean() ? "" : ",snapshot=on";
      o.addAll(List.of("-drive", "if=ide,format=raw,file=" + arena.secondDisk() + more));
    }
    if (r.nextInt(3) != 0) {
      o.addAll(List.of("--share", "tag=one,path=" + arena.share()));
    }
    if (r.nextInt(4) == 0) {
      o.addAll(List.of("--share", "tag=kept,readonly=on,path=" + arena.keptShare()));
    }
    if (r.nextInt(3) == 0) {
      o.addAll(List.of("-vga", "std"));
      if (r.nextBoolean()) {
        o.addAll(List.of("--screenshot", arena.output("screen.txt").toString()));
      }
    }
    if (r.nextInt(4) == 0) {
      o.addAll(List.of("-device", "pc-testdev"));
    }
  }

  private static void observers(List<String> o, Random r, Arena arena, String mode) {
    if (mode.equals("es") && r.nextInt(8) == 0) {
      o.add("--check");
    }
    if (mode.equals("es") && r.nextInt(12) == 0) {
      o.addAll(List.of("--host-fault", FAULTS[r.nextInt(FAULTS.length)]));
    }
    if (r.nextInt(12) == 0) {
      String ending = new String[] {"jsonl", "txt", "html", "perfetto", "pcapng"}[r.nextInt(5)];
      o.addAll(List.of("--trace", arena.output("trace." + ending).toString()));
    }
    if (r.nextInt(12) == 0) {
      o.addAll(List.of("--coverage", arena.output("c.drcov").toString()));
    }
    if (r.nextInt(12) == 0) {
      o.addAll(List.of("--intercept", "rdtsc,rdpmc,dr7"));
    }
    if (r.nextInt(6) == 0) {
      o.add("--json");
    }
  }

  /** {@return the command's words, but for limits} */
  public List<String> command(Arena arena) {
    List<String> c = new ArrayList<>(List.of("run"));
    c.addAll(setting.options());
    c.addAll(List.of("-serial", "file:" + arena.output("console"), "--max-output", "4M"));
    if (firmware) {
      c.add("-bios");
    }
    c.add(arena.output("image").toString());
    return c;
  }
}
