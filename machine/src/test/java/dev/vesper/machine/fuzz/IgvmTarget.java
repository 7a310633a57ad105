package dev.vesper.machine.fuzz;

import dev.vesper.fixtures.IgvmBuilder;
import dev.vesper.fixtures.fuzz.FuzzInput;
import dev.vesper.fixtures.fuzz.FuzzTarget;
import dev.vesper.machine.IgvmImage;
import dev.vesper.machine.boot.BootOptions;
import dev.vesper.machine.boot.ImageLoader;
import dev.vesper.machine.boot.LaunchChoices;
import dev.vesper.machine.boot.LoadedGuest;
import dev.vesper.machine.host.GuestRam;
import dev.vesper.machine.memory.HostView;
import dev.vesper.machine.memory.PhysicalMemory;
import dev.vesper.machine.spec.BootException;
import dev.vesper.machine.spec.Hardware;
import dev.vesper.machine.spec.KernelHashing;
import dev.vesper.machine.spec.MachineSpec;
import dev.vesper.machine.spec.ResetState;
import dev.vesper.machine.spec.SevMode;
import dev.vesper.machine.vmm.OpenBsdLaunch;
import dev.vesper.machine.vmm.PcBoard;
import java.util.ArrayList;
import java.util.List;
import java.util.stream.Stream;

/** IGVM files: a byte of options, then the file, whose sum is made right unless they say no. */
public final class IgvmTarget implements FuzzTarget {
  private static final int PAGE = 4096;

  /** Bits of the first byte; the lowest two are a mode. */
  private static final int TWO_PROCESSORS = 4;

  private static final int NO_BOARD = 8;
  private static final int AS_IT_IS = 16;

  private final HostView memory =
      new PhysicalMemory(GuestRam.below(4 << 20), 1 << 20, 0).hostView();

  @Override
  public String name() {
    return "igvm";
  }

  @Override
  public List<String> covers() {
    return Stream.of("assembly.IgvmLaunch", "boot.DeviceTree", "boot.Igvm", "igvm.")
        .map("dev.vesper.machine."::concat)
        .toList();
  }

  private static byte[] with(int options, IgvmBuilder b) {
    return new Words().u8(options).bytes(b.build()).done();
  }

  @Override
  public List<byte[]> seeds() {
    byte[] area = IgvmBuilder.area(IgvmBuilder.CODE, 1);
    byte[] none = new byte[0];
    IgvmBuilder parameters = IgvmBuilder.snp().area(0, 2L * PAGE, none);
    for (int type = 0x307; type < 0x314; type++) {
      if (type != 0x30B && type != 0x30D && type != 0x311) {
        boolean there = type != 0x308 && type != 0x30F && type != 0x310;
        parameters.parameter(type, there ? 0 : 1, (type & 15) * 0x180);
        if (!there) {
          parameters.area(1, PAGE, none);
        }
      }
    }
    IgvmBuilder known =
        IgvmBuilder.snp()
            .area(0, 2L * PAGE, new byte[2 * PAGE])
            .parameter(0x307, 0, 0)
            .parameter(0x309, 0, 0x100)
            .parameter(0x30A, 0, 8)
            .parameter(0x30C, 0, 0x40)
            .parameter(0x30E, 0, 0x90)
            .parameter(0x312, 0, 0x800)
            .parameter(0x313, 0, 4)
            .insert(0x1_0000, 0);
    List<byte[]> all = new ArrayList<>();
    for (int mode = 0; mode < SevMode.values().length; mode++) {
      int number = SevMode.values()[mode] == SevMode.OFF ? 0 : new int[] {0, 4, 5, 2}[mode];
      byte[] registers = mode < 2 ? new byte[PAGE] : area;
      IgvmBuilder b = new IgvmBuilder(2).platform(1, 0, number);
      b.page(0x1000, 1, 0, 0, new byte[PAGE]).page(0x2000, 1, 2, 0, none);
      b.context(0, 1, 0, registers).range(0x305, 0, PAGE).relocatable(0, 1 << 20);
      all.add(with(mode, b));
    }
    int snp = SevMode.SNP.ordinal();
    IgvmBuilder kinds = IgvmBuilder.snp().policy(0x3_0000);
    for (int kind = 0; kind < 4; kind++) {
      kinds.page((long) kind * PAGE, 1, 0, kind, none);
    }
    kinds
        .page(2 << 20, 1, 1, 0, none)
        .page(0x8000, 1, 4, 0, none)
        .page(0xFFFF_F000L, 1, 0, 0, none);
    kinds.context(0x9000, 1, 0, area).range(0x30D, 0xA000, PAGE).header(0x8000_0777, new byte[5]);
    all.add(with(snp, kinds));
    all.add(with(snp | TWO_PROCESSORS, IgvmBuilder.snp().context(0, area).context(1, area)));
    all.add(with(snp, IgvmBuilder.snp().platform(2, 2, 3).platform(4, 0, 9).context(1, area)));
    all.add(with(snp, IgvmBuilder.snp().idBlock(new byte[0x60], new byte[PAGE])));
    byte[] block = new byte[0x60];
    block[0x50] = 1;
    all.add(with(snp, IgvmBuilder.snp().idBlock(block, new byte[PAGE]).context(0, area)));
    all.add(with(snp, parameters.insert(0x1_0000, 0)));
    all.add(with(snp, parameters.insert(0x2_0000, 1)));
    all.add(with(snp, known));
    all.add(with(snp | NO_BOARD, known));
    all.add(with(snp, IgvmBuilder.snp().header(0x103, new byte[32]).header(0x104, new byte[16])));
    all.add(with(snp | AS_IT_IS, IgvmBuilder.snp().header(0x106, new byte[32])));
    all.add(with(snp, IgvmBuilder.snp().header(0x311, new byte[864]).header(0x777, new byte[8])));
    return all;
  }

  @Override
  public void take(byte[] input) {
    FuzzInput in = new FuzzInput(input);
    int o = in.u8();
    byte[] rest = in.rest();
    byte[] file = (o & AS_IT_IS) != 0 ? rest : IgvmBuilder.signed(rest);
    SevMode mode = SevMode.values()[o & 3];
    try {
      IgvmImage.describe(file);
    } catch (BootException e) {
      Refusals.requireLine(e);
    }
    try {
      MachineSpec spec =
          IgvmImage.settled(
              MachineSpec.builder().mode(mode).firmware(MachineSpec.Firmware.of(file)).build());
      load(spec, o, file);
    } catch (BootException e) {
      Refusals.requireLine(e);
    }
  }

  private void load(MachineSpec spec, int o, byte[] file) throws BootException {
    boolean snp = spec.mode() == SevMode.SNP;
    LaunchChoices choices =
        new LaunchChoices(ResetState.QEMU, 0x800F12, KernelHashing.AUTO, snp ? spec.snp() : null);
    int processors = (o & TWO_PROCESSORS) == 0 ? 1 : 2;
    LoadedGuest g =
        ImageLoader.load(
            new BootOptions(
                "kernel",
                new byte[0],
                null,
                "console=ttyS0",
                false,
                file,
                new byte[0],
                spec.mode() == SevMode.OFF ? 0 : 1L << 51,
                OpenBsdLaunch.BOOTX64,
                false,
                processors,
                (o & NO_BOARD) != 0
                    ? null
                    : PcBoard.describe(Hardware.Board.PC, processors, memory.ram(), false),
                spec.mode().encryptsState(),
                1,
                choices),
            memory);
    for (LoadedGuest.Range r : g.ranges()) {
      if (r.address() < 0 || r.length() <= 0) {
        throw new IllegalStateException("a range that is none: " + r);
      }
    }
    if (g.firmwareBase() < GuestRam.FOUR_GIB - (16 << 20)) {
      throw new IllegalStateException("firmware at " + g.firmwareBase());
    }
  }
}
