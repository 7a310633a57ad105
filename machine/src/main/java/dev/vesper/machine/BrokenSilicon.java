package dev.vesper.machine;

import dev.vesper.machine.assembly.Assembly;
import dev.vesper.machine.hostile.Silicon;
import dev.vesper.machine.hostile.Watcher;
import dev.vesper.machine.memory.Page;
import dev.vesper.machine.memory.Rmp;
import java.util.Arrays;

/** How a script has a machine break its own rules: see {@link Silicon}. */
final class BrokenSilicon implements Silicon {
  private static final String RIP = "rip";

  private final Assembly parts;
  private final Changes changes;
  private final Watcher watcher;

  BrokenSilicon(Assembly parts, Changes changes, Watcher watcher) {
    this.parts = parts;
    this.changes = changes;
    this.watcher = watcher;
  }

  @Override
  public long register(int vcpu, String name) {
    return watcher.register(vcpu, name);
  }

  @Override
  public void register(int vcpu, String name, long value) {
    int number = Watcher.REGISTERS.indexOf(name);
    if (name.equals(RIP)) {
      changes.setRip(vcpu, value);
    } else if (number >= 0 && number < 16) {
      changes.setGpr(vcpu, number, value);
    } else {
      throw new IllegalArgumentException("general registers and rip are set, not " + name);
    }
  }

  @Override
  public byte[] plaintext(long gpa, int length) {
    return parts.memory.peek(gpa, length, parts.key);
  }

  @Override
  public void plaintext(long gpa, byte[] bytes) {
    for (int done = 0; done < bytes.length; ) {
      long at = gpa + done;
      int n = Math.min(bytes.length - done, Page.SIZE - ((int) at & Page.SIZE - 1));
      if (parts.memory.domain((int) (at >>> 12)) == parts.key) {
        parts.memory.poke(at, Arrays.copyOfRange(bytes, done, done + n), parts.key);
      }
      done += n;
    }
  }

  @Override
  public void keepTranslations(boolean on) {
    parts.cpus.forEach(c -> c.keepTranslations(on));
  }

  @Override
  public void constantRandom(long number) {
    parts.cpus.forEach(c -> c.stickRandom(number));
  }

  @Override
  public void alias(long page, long second) {
    parts.memory.alias((int) (page >>> 12), (int) (second >>> 12));
  }

  @Override
  public boolean moveEntry(long page, long gpa) {
    Rmp rmp = parts.memory.rmp();
    return rmp != null && rmp.misdirect(page, gpa);
  }
}
