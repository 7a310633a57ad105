package dev.vesper.machine.boot;

import dev.vesper.machine.host.GuestRam;
import dev.vesper.machine.launch.SnpDigest;
import dev.vesper.machine.launch.SnpPageType;
import dev.vesper.machine.observe.Symbols;
import dev.vesper.machine.sev.LaunchState;
import dev.vesper.machine.sev.VmsaField;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/**
 * A guest in memory, ready to be launched.
 *
 * @param format what the image was recognised as
 * @param state registers to start with
 * @param apState registers of the other vCPUs
 * @param apsParked firmware is taken to have run: the other vCPUs start at once and park themselves
 * @param apJumpTable the AP jump table that such firmware has published, or 0
 * @param ranges guest physical ranges, aligned to 16 bytes, that LAUNCH_UPDATE_DATA must encrypt,
 *     in order
 * @param text guest physical ranges of code that nobody writes
 * @param symbols of the image
 * @param bios a BIOS is taken to have run, and has left the interrupt controllers and the timer
 * @param registers by vCPU, of those whose registers the image has brought itself
 * @param areas guest physical addresses of their save areas by vCPU if no others are launched, or
 *     null: {@link SnpDigest#VMSA_ADDRESS} where the launch adds it behind the ranges, which have
 *     it otherwise
 */
public record LoadedGuest(
    String format,
    LaunchState state,
    LaunchState apState,
    boolean apsParked,
    long apJumpTable,
    List<Range> ranges,
    List<Range> text,
    Symbols symbols,
    boolean bios,
    Map<Integer, LaunchState> registers,
    @Nullable Map<Integer, Long> areas) {
  /**
   * A guest physical range.
   *
   * @param what lies there, for people
   * @param type of its pages in an SNP launch
   */
  public record Range(long address, long length, String what, SnpPageType type) {
    /** A range of what is encrypted and measured. */
    public Range(long address, long length, String what) {
      this(address, length, what, SnpPageType.NORMAL);
    }
  }

  /** Makes a guest whose image has brought no registers of its own. */
  LoadedGuest(
      String format,
      LaunchState state,
      LaunchState apState,
      boolean apsParked,
      long apJumpTable,
      List<Range> ranges,
      List<Range> text,
      Symbols symbols,
      boolean bios) {
    this(
        format,
        state,
        apState,
        apsParked,
        apJumpTable,
        ranges,
        text,
        symbols,
        bios,
        Map.of(),
        null);
  }

  /** {@return a guest whose other vCPUs are as after RESET} */
  static LoadedGuest of(String format, LaunchState state, List<Range> ranges) {
    return new LoadedGuest(
        format, state, new LaunchState(), false, 0, ranges, List.of(), Symbols.NONE, false);
  }

  /** {@return registers that a vCPU starts with} */
  public LaunchState stateOf(int vcpu) {
    LaunchState own = registers.get(vcpu);
    return own != null ? own : vcpu == 0 ? state : apState;
  }

  /** {@return whether the launch adds a save area of a vCPU behind the ranges} */
  public boolean addsArea(int vcpu) {
    return areas == null || areas.getOrDefault(vcpu, 0L) == SnpDigest.VMSA_ADDRESS;
  }

  /** {@return the guest with registers that the image has brought} */
  LoadedGuest withRegisters(Map<Integer, LaunchState> own, @Nullable Map<Integer, Long> launched) {
    return new LoadedGuest(
        format,
        state,
        apState,
        apsParked,
        apJumpTable,
        ranges,
        text,
        symbols,
        bios,
        Map.copyOf(own),
        launched == null ? null : Map.copyOf(launched));
  }

  /** {@return the least address of what lies where firmware does; 4 GiB if nothing does} */
  public long firmwareBase() {
    return ranges.stream()
        .mapToLong(Range::address)
        .filter(a -> a >= IgvmLoader.FIRMWARE && a < GuestRam.FOUR_GIB)
        .min()
        .orElse(GuestRam.FOUR_GIB);
  }

  LoadedGuest startingAps(LaunchState aps) {
    return new LoadedGuest(
        format, state, aps, apsParked, apJumpTable, ranges, text, symbols, bios, registers, areas);
  }

  /** {@return the guest with other vCPUs where {@link FirmwareRemains} has left them} */
  LoadedGuest withParkedAps() {
    return new LoadedGuest(
        format,
        state,
        FirmwareRemains.parked(),
        true,
        FirmwareRemains.JUMP_TABLE,
        ranges,
        text,
        symbols,
        bios,
        registers,
        areas);
  }

  LoadedGuest with(List<Range> newText, Symbols newSymbols) {
    return new LoadedGuest(
        format,
        state,
        apState,
        apsParked,
        apJumpTable,
        ranges,
        newText,
        newSymbols,
        bios,
        registers,
        areas);
  }

  /** {@return the guest with other ranges, and SEV_FEATURES in all save areas} */
  LoadedGuest snp(List<Range> pages, long features) {
    return new LoadedGuest(
        format,
        state.copy().set(VmsaField.SEV_FEATURES, features),
        apState.copy().set(VmsaField.SEV_FEATURES, features),
        apsParked,
        apJumpTable,
        pages,
        text,
        symbols,
        bios,
        registers,
        areas);
  }

  /** {@return the guest with more ranges behind its own} */
  LoadedGuest also(List<Range> more) {
    List<Range> all = new ArrayList<>(ranges);
    all.addAll(more);
    return new LoadedGuest(
        format, state, apState, apsParked, apJumpTable, all, text, symbols, bios, registers, areas);
  }

  /** {@return the guest with other registers of the boot processor} */
  LoadedGuest startingAt(LaunchState s) {
    return new LoadedGuest(format, s, apState, apsParked, apJumpTable, ranges, text, symbols, bios);
  }

  /** {@return the guest with chips as a BIOS has left them} */
  LoadedGuest afterBios() {
    return new LoadedGuest(
        format,
        state,
        apState,
        apsParked,
        apJumpTable,
        ranges,
        text,
        symbols,
        true,
        registers,
        areas);
  }
}
