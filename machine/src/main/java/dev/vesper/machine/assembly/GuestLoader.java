package dev.vesper.machine.assembly;

import dev.vesper.machine.boot.BootOptions;
import dev.vesper.machine.boot.ImageLoader;
import dev.vesper.machine.boot.LaunchChoices;
import dev.vesper.machine.boot.LegacyBios;
import dev.vesper.machine.boot.LoadedGuest;
import dev.vesper.machine.boot.SmbiosRemains;
import dev.vesper.machine.device.acpi.Board;
import dev.vesper.machine.device.smbios.SmbiosTables;
import dev.vesper.machine.host.GuestRam;
import dev.vesper.machine.igvm.IgvmFile;
import dev.vesper.machine.memory.HostView;
import dev.vesper.machine.model.CpuModel;
import dev.vesper.machine.spec.BootException;
import dev.vesper.machine.spec.Hardware;
import dev.vesper.machine.spec.MachineSpec;
import dev.vesper.machine.spec.SevMode;
import dev.vesper.machine.spec.Smbios;
import dev.vesper.machine.vmm.PcBoard;
import dev.vesper.machine.vmm.Profile;
import org.jspecify.annotations.Nullable;

/** Loads what a machine boots, for a launch and for its plan alike. */
public final class GuestLoader {
  private GuestLoader() {}

  /** {@return the C-bit's mask, 0 without SEV} */
  public static long cBit(SevMode mode, CpuModel model) {
    return mode == SevMode.OFF ? 0 : 1L << (model.leaf(0x8000_001F, 0).ebx() & 63);
  }

  /**
   * Loads what is booted into memory that the host sees.
   *
   * @throws BootException if it cannot be loaded
   */
  public static LoadedGuest load(MachineSpec o, Profile profile, CpuModel model, HostView view)
      throws BootException {
    MachineSpec.Boot b = o.boot();
    MachineSpec.Firmware firmware = b.firmware();
    MachineSpec.Launch l = o.launch();
    Integer signature = l.signature();
    LoadedGuest g =
        ImageLoader.load(
            new BootOptions(
                b.name(),
                b.image(),
                b.initrd(),
                b.commandLine(),
                b.entry32(),
                firmware == null ? null : firmware.code(),
                firmware == null ? new byte[0] : firmware.variables(),
                cBit(o.mode(), model),
                profile.openBsdLaunch(),
                profile.isVmd(),
                o.processors(),
                firmware == null || IgvmFile.isOne(firmware.code()) ? acpi(o, profile) : null,
                o.mode().encryptsState(),
                o.seed(),
                new LaunchChoices(
                    l.reset(),
                    signature != null ? signature : model.leaf(1, 0).eax(),
                    l.hashes(),
                    o.mode() == SevMode.SNP ? o.snp() : null)),
            view);
    SmbiosTables s = firmware == null ? smbios(o, profile) : null;
    return s == null ? g : SmbiosRemains.place(g, s.placed(), view);
  }

  private static @Nullable SmbiosTables smbios(MachineSpec o, Profile profile) {
    Smbios s = o.hardware().smbios();
    return s == null
        ? null
        : PcBoard.describe(s, board(o, profile), o.processors(), ram(o, profile));
  }

  /**
   * Loads what is booted again, after a reset that has kept memory: what an image finds in zeroed
   * memory is zeroed again. Firmware is where it is, but for the copy that a BIOS may have changed.
   *
   * @param before what was loaded first
   */
  static LoadedGuest again(
      MachineSpec o, Profile profile, CpuModel model, HostView view, LoadedGuest before) {
    MachineSpec.Firmware firmware = o.boot().firmware();
    if (firmware != null && !IgvmFile.isOne(firmware.code())) {
      if (o.mode() == SevMode.OFF) {
        LegacyBios.place(firmware.code(), view);
      }
      return before;
    }
    for (LoadedGuest.Range r : before.ranges()) {
      view.write(r.address(), new byte[(int) r.length()], 0, (int) r.length());
    }
    try {
      return load(o, profile, model, view);
    } catch (BootException e) {
      throw new AssertionError("what was loaded once cannot be loaded again", e);
    }
  }

  /** {@return the board that a machine has} */
  static Hardware.Board board(MachineSpec o, Profile profile) {
    return profile.board(o.hardware().board());
  }

  /** {@return where a machine has its RAM} */
  public static GuestRam ram(MachineSpec o, Profile profile) {
    return profile.ram(board(o, profile), o.memoryBytes());
  }

  private static @Nullable Board acpi(MachineSpec o, Profile profile) {
    Hardware.Board board = board(o, profile);
    return board == Hardware.Board.MINIMAL
        ? null
        : PcBoard.describe(board, o.processors(), ram(o, profile), o.mode() == SevMode.OFF);
  }
}
