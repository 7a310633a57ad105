package dev.vesper.machine.vmm;

import dev.vesper.machine.host.Exit;
import dev.vesper.machine.host.HostMemory;
import dev.vesper.machine.memory.HostRmp;
import dev.vesper.machine.memory.RmpEntry;
import dev.vesper.machine.memory.RmpFault;
import dev.vesper.machine.memory.RmpResult;
import dev.vesper.machine.spec.Outcome;
import java.util.LinkedHashMap;
import java.util.Locale;
import java.util.Map;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.jspecify.annotations.Nullable;

/**
 * What a hypervisor does to a page of a guest under SEV-SNP at a moment that the user names: {@code
 * take}, {@code remap}, {@code swap} and the names of {@link RmpFault}.
 *
 * <p>Guest memory lies at its guest physical addresses here, so that a page which nested paging
 * maps elsewhere is one whose entry names the other address: the guest's access meets the same
 * check (AMD APM volume 2, table 15-39: GPA).
 */
final class PageTampering {
  /** How such a fault is written, for people. */
  static final String FORM = "ACTION:GPA@INSTRUCTIONS or swap:GPA:GPA@INSTRUCTIONS, ACTION ";

  private static final Pattern WRITTEN =
      Pattern.compile("([a-z-]+):0x([0-9a-fA-F]{1,13})(?::0x([0-9a-fA-F]{1,13}))?@([0-9]{1,18})");

  private static final String SWAP = "swap";
  private static final int PAGE = 4096;

  /** What is done to the page. */
  private interface Action {
    RmpResult on(PageTampering p, HostMemory memory, HostRmp table);
  }

  private static final Map<String, Action> ACTIONS = new LinkedHashMap<>();

  static {
    ACTIONS.put("take", (p, memory, table) -> give(table, p.page, RmpEntry.HYPERVISOR));
    ACTIONS.put("remap", PageTampering::remap);
    ACTIONS.put(SWAP, PageTampering::swap);
    for (RmpFault f : RmpFault.values()) {
      String name = f.name().toLowerCase(Locale.ROOT).replace('_', '-');
      ACTIONS.put(name, (p, memory, table) -> table.inject(p.page, f));
    }
  }

  private final String name;
  private final Action action;
  private final long page;
  private final long other;
  private final long instructions;

  private PageTampering(String name, Action action, long page, long other, long instructions) {
    this.name = name;
    this.action = action;
    this.page = page;
    this.other = other;
    this.instructions = instructions;
  }

  /**
   * {@return what a user has written, null if it is of another form}
   *
   * @throws IllegalArgumentException for an action that is none, a second address where there is
   *     none or none where there is one, and an address that is not that of a page
   */
  static @Nullable PageTampering parse(String text) {
    Matcher m = WRITTEN.matcher(text);
    if (!m.matches() || m.group(1).equals("vc")) {
      return null;
    }
    Action action = ACTIONS.get(m.group(1));
    boolean two = m.group(3) != null;
    if (action == null || two != m.group(1).equals(SWAP)) {
      throw new IllegalArgumentException(
          "the hypervisor has no fault '" + text + "': write " + FORM + names());
    }
    long page = Long.parseLong(m.group(2), 16);
    long other = two ? Long.parseLong(m.group(3), 16) : page;
    if ((page | other) % PAGE != 0 || two && page == other) {
      throw new IllegalArgumentException(
          "the fault '" + text + "' is of pages: give addresses of " + PAGE + " bytes each");
    }
    return new PageTampering(m.group(1), action, page, other, Long.parseLong(m.group(4)));
  }

  /** {@return the names of the actions, for people} */
  static String names() {
    return String.join(", ", ACTIONS.keySet());
  }

  /** {@return when it is done: instructions that all vCPUs have executed together} */
  long instructions() {
    return instructions;
  }

  /** Does it, or ends the run with what the table has against it. */
  void commit(Exit.Appointment host, HostRmp table) {
    boolean owned = table.read(page).assigned() && table.read(other).assigned();
    RmpResult r = owned ? action.on(this, host.memory(), table) : RmpResult.FAIL_PERMISSION;
    if (r != RmpResult.SUCCESS) {
      host.end(
          Outcome.GAVE_UP,
          "the hypervisor cannot "
              + (owned ? name + ": " + r : name + " what is not the guest's own")
              + ", "
              + at()
              + ": name private pages that no processor has for its save area");
    }
  }

  private String at() {
    return "GPA 0x"
        + Long.toHexString(page)
        + (other == page ? "" : " and 0x" + Long.toHexString(other));
  }

  /** Takes the page, writes what was in it as hosts see it, and gives it back. */
  private RmpResult remap(HostMemory memory, HostRmp table) {
    byte[] sealed = memory.bytes(page, PAGE);
    int asid = table.read(page).asid();
    RmpResult taken = give(table, page, RmpEntry.HYPERVISOR);
    if (taken != RmpResult.SUCCESS) {
      return taken;
    }
    memory.write(page, sealed, 0, PAGE);
    return give(table, page, RmpEntry.guest(page, asid));
  }

  private RmpResult swap(HostMemory memory, HostRmp table) {
    RmpResult r = give(table, page, RmpEntry.guest(other, table.read(page).asid()));
    return r != RmpResult.SUCCESS
        ? r
        : give(table, other, RmpEntry.guest(page, table.read(other).asid()));
  }

  /** RMPUPDATE of 4 KiB, behind PSMASH where the entry is of 2 MiB. */
  private static RmpResult give(HostRmp table, long page, RmpEntry e) {
    if (table.read(page).large()) {
      RmpResult r = table.psmash(page & -(long) PAGE * 512);
      if (r != RmpResult.SUCCESS) {
        return r;
      }
    }
    return table.update(page, e);
  }
}
