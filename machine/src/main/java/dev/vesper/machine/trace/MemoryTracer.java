package dev.vesper.machine.trace;

import dev.vesper.machine.cpu.Cpu;
import dev.vesper.machine.memory.MemoryObserver;
import dev.vesper.machine.memory.Page;
import dev.vesper.machine.memory.RmpEntry;
import dev.vesper.machine.observe.Event.DmaNoise;
import dev.vesper.machine.observe.Event.HostAccess;
import dev.vesper.machine.observe.Event.PageStateChanged;
import dev.vesper.machine.observe.GhcbUse;
import dev.vesper.machine.observe.PageState;
import java.util.HashMap;
import java.util.Map;

/** Follows memory: who touches which page with which C-bit. */
final class MemoryTracer implements MemoryObserver {
  private final Recorder recorder;
  private final boolean deep;
  private final ExchangeTracer exchanges;
  private final RmpTracer table;

  /** Bytes that a device has written to a page while it was private, by its frame. */
  private final Map<Integer, int[]> deviceWrites = new HashMap<>();

  /**
   * @param deep finds out whether the guest reads what devices write to private pages
   * @param table is told of changes of the reverse map table
   */
  MemoryTracer(Recorder recorder, boolean deep, ExchangeTracer exchanges, RmpTracer table) {
    this.table = table;
    this.recorder = recorder;
    this.deep = deep;
    this.exchanges = exchanges;
  }

  private boolean isGuests(int frame) {
    return recorder.memory().ram().hasPage(frame);
  }

  private static PageState state(int domain) {
    return domain == Page.SHARED ? PageState.SHARED : PageState.PRIVATE;
  }

  @Override
  public void converted(int frame, int from, int to) {
    if (!isGuests(frame)) {
      return;
    }
    TracedVcpu v = recorder.vcpu();
    recorder.record(
        new PageStateChanged(
            recorder.at(recorder.cpu().instructionRip()),
            (long) frame << 12,
            state(from),
            state(to),
            frame == v.ghcbFrame ? v.open : GhcbUse.NONE));
  }

  @Override
  public void hostReads(int frame, boolean device) {
    if (isGuests(frame) && !exchanges.serving((long) frame << 12)) {
      hostAccess(false, (long) frame << 12, device, false);
    }
  }

  @Override
  public void hostWrites(int frame, int offset, int length, boolean device) {
    if (!isGuests(frame)) {
      return;
    }
    hostAccess(true, ((long) frame << 12) + offset, device, false);
    if (deep && device) {
      // Whether the guest has shared the page meanwhile shows when it looks at these bytes.
      deviceWrites.put(frame, new int[] {offset, offset + length});
      recorder.watch(frame, Recorder.Watcher.DEVICE, true);
    }
  }

  @Override
  public void hostRefused(int frame, int offset, int length, boolean device) {
    if (isGuests(frame)) {
      hostAccess(true, ((long) frame << 12) + offset, device, true);
    }
  }

  @Override
  public void entryChanged(String instruction, long address, RmpEntry before, RmpEntry after) {
    table.entryChanged(instruction, address, before, after);
  }

  private void hostAccess(boolean write, long gpa, boolean device, boolean refused) {
    recorder.record(
        new HostAccess(recorder.at(recorder.cpu().instructionRip()), write, gpa, device, refused));
  }

  /** The guest accesses a watched page, which a device may have written to while it was private. */
  void afterDevice(Cpu c, Page page, int offset, int bytes, boolean write) {
    int[] range = deviceWrites.get(page.frame);
    if (range == null) {
      return;
    }
    boolean isPrivate = recorder.memory().domain(page.frame) != Page.SHARED;
    boolean overlaps = offset < range[1] && range[0] < offset + bytes;
    if (isPrivate && !overlaps) {
      return;
    }
    if (isPrivate && !write) {
      long gpa = ((long) page.frame << 12) + offset;
      recorder.record(new DmaNoise(recorder.at(c.instructionRip()), gpa));
    }
    deviceWrites.remove(page.frame);
    recorder.watch(page.frame, Recorder.Watcher.DEVICE, false);
  }
}
