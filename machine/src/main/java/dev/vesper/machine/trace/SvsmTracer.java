package dev.vesper.machine.trace;

import dev.vesper.ghcb.ApCreation;
import dev.vesper.ghcb.SvsmCall;
import dev.vesper.machine.cpu.Cpu;
import dev.vesper.machine.launch.SecretsPage;
import dev.vesper.machine.memory.Page;
import dev.vesper.machine.memory.PhysicalMemory;
import dev.vesper.machine.observe.Event.SvsmCalled;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import org.jspecify.annotations.Nullable;

/**
 * Follows calls of a service module at VMPL0 (spec: snp 4.3), which no host sees: a level asks for
 * VMPL0 with the call in its registers, and finds the answer in its save area when VMPL0 asks for
 * it again. Its calling area is where the copy of the secrets page says that it has been given, or
 * where calls of its own have put it; as long as that is not known, calls are those whose RAX is
 * known.
 */
final class SvsmTracer {
  private static final int VERSION_END = 16;
  private static final int KEYS = 0x20;
  private static final int CALLING_AREA = 0x150;
  private static final int RAX = 0x1F8;
  private static final int RCX = 0x308;
  private static final int RDX = 0x310;
  private static final int R8 = 0x340;

  /** Memory is searched for a copy of the secrets page so often, for each level. */
  private static final int MOST_SEARCHES = 8;

  private final Recorder recorder;
  private final byte[] page = new byte[Page.SIZE];
  private byte[][] keys = {};

  /** By vCPU and level. */
  private final Map<Integer, Long> saveAreas = new TreeMap<>();

  private final Map<Integer, Long> callingAreas = new TreeMap<>();
  private final Map<Integer, Request> open = new TreeMap<>();

  /** A call that was not answered yet, and what stands where it was made. */
  private record Request(
      CodePlaces.Shown there,
      long rip,
      int level,
      long rax,
      long rcx,
      long rdx,
      long r8,
      long r9,
      int pending,
      int entries,
      int next) {}

  private final int[] searches = new int[4];

  SvsmTracer(Recorder recorder) {
    this.recorder = recorder;
  }

  private static int key(int vcpu, int level) {
    return vcpu << 2 | level;
  }

  /** The page with the guest's keys was launched. */
  void launchedSecrets(byte[] secrets) {
    keys = SecretsPage.keys(secrets);
  }

  /** A save area was given to a level of a vCPU. */
  void created(long info1, long area) {
    ApCreation c = ApCreation.of(info1);
    saveAreas.put(key(c.apicId(), c.vmpl() & 3), area);
  }

  /** The vCPU whose turn it is has asked for another level, and runs it next. */
  void asked(long level) {
    Cpu c = recorder.cpu();
    int vcpu = recorder.running();
    if (level == 0 && c.vmpl() > 0) {
      call(c, vcpu, c.vmpl());
    } else if (c.vmpl() == 0 && level > 0 && level < searches.length) {
      answer(key(vcpu, (int) level));
    }
  }

  private void call(Cpu c, int vcpu, int level) {
    long rax = c.r[0];
    long rcx = c.r[1];
    Long area = callingArea(vcpu, level);
    if (area == null && SvsmCall.of(rax) == null) {
      return;
    }
    int entries = -1;
    int next = -1;
    if (rax == SvsmCall.CORE_PVALIDATE.rax() && read(rcx)) {
      entries = at(page, (int) rcx & 0xFFF, 2);
      next = at(page, ((int) rcx & 0xFFF) + 2, 2);
    }
    long rip = c.exitRip;
    open.put(
        key(vcpu, level),
        new Request(
            recorder.code(rip).shown(),
            rip,
            level,
            rax,
            rcx,
            c.r[2],
            c.r[8],
            c.r[9],
            pending(area),
            entries,
            next));
  }

  /** VMPL0 is done, or does something else meanwhile: the answer is what the level goes on with. */
  private void answer(int key) {
    Request c = open.remove(key);
    Long area = saveAreas.get(key);
    if (c == null || area == null || !read(area)) {
      return;
    }
    long rax = (long) Page.LONG.get(page, RAX);
    long rcx = (long) Page.LONG.get(page, RCX);
    long rdx = (long) Page.LONG.get(page, RDX);
    long r8 = (long) Page.LONG.get(page, R8);
    int left = pending(callingAreas.get(key));
    if (rax == 0 && left <= 0) {
      learn(key, c);
    }
    record(c, true, rax, rcx, rdx, r8, left);
  }

  private void record(
      Request c, boolean answered, long rax, long rcx, long rdx, long r8, int left) {
    recorder.record(
        new SvsmCalled(
            recorder.at(c.rip, c.there),
            c.level,
            c.rax,
            c.rcx,
            c.rdx,
            c.r8,
            c.r9,
            c.pending,
            c.entries,
            c.next,
            answered,
            rax,
            rcx,
            rdx,
            r8,
            left));
  }

  /** The run is over: what was not answered is told as it is. */
  void ended() {
    List<Request> rest = new ArrayList<>(open.values());
    open.clear();
    rest.forEach(c -> record(c, false, 0, 0, 0, 0, SvsmCalled.NOT_KNOWN));
  }

  // ---- calling areas

  private void learn(int key, Request c) {
    if (c.rax == SvsmCall.CORE_REMAP_CA.rax()) {
      callingAreas.put(key, c.rcx);
    } else if (c.rax == SvsmCall.CORE_CREATE_VCPU.rax()) {
      callingAreas.put(key((int) c.r8, key & 3), c.rdx);
    }
  }

  private @Nullable Long callingArea(int vcpu, int level) {
    Long known = callingAreas.get(key(vcpu, level));
    if (known != null || keys.length <= level || searches[level] >= MOST_SEARCHES) {
      return known;
    }
    searches[level]++;
    PhysicalMemory memory = recorder.memory();
    List<Long> found = new ArrayList<>();
    memory.forEachPage(
        p -> {
          if (memory.ram().hasPage(p.frame) && read((long) p.frame << 12) && isCopy(level)) {
            found.add((long) Page.LONG.get(page, CALLING_AREA));
          }
        });
    if (!found.isEmpty()) {
      // The copy is given to the processor that starts.
      callingAreas.put(key(0, level), found.get(0));
    }
    return callingAreas.get(key(vcpu, level));
  }

  /** {@return whether the page is a secrets page in which a service module has said where it is} */
  private boolean isCopy(int level) {
    int version = at(page, 0, 4);
    int from = KEYS + SecretsPage.KEY_BYTES * level;
    long area = (long) Page.LONG.get(page, CALLING_AREA);
    return version > 0
        && version < VERSION_END
        && area != 0
        && (area & 0xFFF) == 0
        && recorder.memory().ram().contains(area, Page.SIZE)
        && Arrays.equals(
            page, from, from + SecretsPage.KEY_BYTES, keys[level], 0, SecretsPage.KEY_BYTES);
  }

  /** {@return call_pending of a calling area, or that it is not known} */
  private int pending(@Nullable Long area) {
    return area == null || !read(area) ? SvsmCalled.NOT_KNOWN : page[0] & 0xFF;
  }

  /** Copies the page of an address as the guest sees it; {@return whether there is one} */
  private boolean read(long gpa) {
    PhysicalMemory memory = recorder.memory();
    long frame = gpa >>> 12;
    if (!memory.ram().hasPage(frame)) {
      return false;
    }
    memory.peek((int) frame, memory.domain((int) frame), page);
    return true;
  }

  private static int at(byte[] b, int at, int bytes) {
    int v = 0;
    for (int i = 0; i < bytes && at + i < b.length; i++) {
      v |= (b[at + i] & 0xFF) << 8 * i;
    }
    return v;
  }
}
