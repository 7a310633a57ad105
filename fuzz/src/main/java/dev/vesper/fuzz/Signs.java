package dev.vesper.fuzz;

import java.util.ArrayList;
import java.util.List;
import java.util.Set;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.jspecify.annotations.Nullable;

/**
 * Reads on a guest's console that it has failed: Linux's, OVMF's and OpenBSD's words for it. A
 * panic that somebody has written because a host might lie is none.
 */
final class Signs {
  private static final int LONGEST = 200;

  private record Sign(Pattern words, Finding.Kind kind) {
    static Sign of(String regex, Finding.Kind kind) {
      return new Sign(Pattern.compile(regex), kind);
    }
  }

  /** The first that is met counts. */
  private static final List<Sign> SIGNS =
      List.of(
          Sign.of("BUG: K[AMC]SAN: .*", Finding.Kind.SANITIZER),
          Sign.of("UBSAN: .*", Finding.Kind.SANITIZER),
          Sign.of("(?:watchdog: )?BUG: soft lockup.*", Finding.Kind.LOCKUP),
          Sign.of(
              "(?:watchdog: |NMI watchdog: )?Watchdog detected hard LOCKUP.*", Finding.Kind.LOCKUP),
          Sign.of("rcu: INFO: .* detected .*stalls.*", Finding.Kind.LOCKUP),
          Sign.of("INFO: task .* blocked for more than .*", Finding.Kind.LOCKUP),
          Sign.of("kernel BUG at .*", Finding.Kind.OOPS),
          Sign.of("BUG: .*", Finding.Kind.OOPS),
          Sign.of("Oops: .*", Finding.Kind.OOPS),
          Sign.of(
              "(?:general protection fault|divide error|invalid opcode|stack segment|double fault"
                  + "|segment not present|bounds|int3|PANIC: double fault)[:, ].*",
              Finding.Kind.OOPS),
          Sign.of("PANIC: early exception .*", Finding.Kind.OOPS),
          Sign.of("!!!! X64 Exception Type - .*", Finding.Kind.OOPS),
          Sign.of(
              "ASSERT(?:_EFI_ERROR)? (?:\\[|\\().*|ASSERT .*\\.c\\(\\d+\\):.*", Finding.Kind.PANIC),
          Sign.of(
              "panic: (?:unexpected (?:exception|trap|fault)|trap |page fault|protection fault"
                  + "|general protection|double fault|privileged instruction|stack overflow).*",
              Finding.Kind.OOPS),
          Sign.of("(?:uvm_fault\\(|kernel: .* trap|fatal .* fault).*", Finding.Kind.OOPS),
          Sign.of(
              "Kernel panic - not syncing: (?:stack-protector|Fatal exception"
                  + "|Attempted to kill|.*corrupt).*",
              Finding.Kind.PANIC));

  /** What stands before a stack's functions in any of them. */
  private static final Pattern PLACE =
      Pattern.compile(
          "(?:RIP:"
              + " [0-9a-f]{4}:|^(?:\\[[^\\]]*\\])?\\s+)([A-Za-z_][\\w.]*)\\+0x[0-9a-f]+/0x[0-9a-f]+");

  private static final Pattern HANDLERS =
      Pattern.compile(
          "(?:__)?(?:dump_stack|show_stack|print_report|kasan_|asan_|ubsan_|die|oops_|exc_|asm_exc"
              + "|panic|warn|report_bug|handle_bug|fixup_|page_fault|no_context|show_regs"
              + "|handle_shift|val_to_string).*");

  private static final Pattern STAMP = Pattern.compile("^\\s*(?:<\\d>)?(?:\\[[ .0-9T]*\\]\\s?)?");
  private static final int MOST_NAMES = 8;
  private static final Set<String> ENDS =
      Set.of("---[ end Kernel panic", "Rebooting in ", "CpuDeadLoop", "ddb>");

  private Signs() {}

  /** {@return whether no guest goes on after a line} */
  static boolean isEnd(String line) {
    for (String e : ENDS) {
      if (line.contains(e)) {
        return true;
      }
    }
    return false;
  }

  /** {@return whether a kernel says that it ends, of itself} */
  static boolean panics(String console) {
    return console.contains("Kernel panic - not syncing: ");
  }

  /** {@return what a console says of a failure, or null} */
  static @Nullable Finding of(String console) {
    Finding.Kind kind = null;
    String title = "";
    List<String> stack = new ArrayList<>();
    boolean reads = false;
    for (String whole : console.lines().toList()) {
      String line = STAMP.matcher(whole).replaceFirst("");
      if (kind == null) {
        Sign s = sign(line);
        if (s != null) {
          kind = s.kind;
          title = line.length() > LONGEST ? line.substring(0, LONGEST) : line;
          reads = true;
        }
        continue;
      }
      if (line.startsWith("---[ end")
          || line.startsWith("Kernel Offset")
          || stack.size() == MOST_NAMES) {
        reads = false;
      }
      Matcher m = PLACE.matcher(whole);
      if (reads && m.find() && !HANDLERS.matcher(m.group(1)).matches()) {
        String name = m.group(1).replaceAll("\\.(?:isra|constprop|part|cold)[.0-9]*", "");
        if (stack.isEmpty() || !stack.getLast().equals(name)) {
          stack.add(name);
        }
      }
    }
    return kind == null ? null : new Finding(kind, title, stack);
  }

  private static @Nullable Sign sign(String line) {
    // Few lines have any of these, and regular expressions take long.
    if (!isSuspect(line)) {
      return null;
    }
    for (Sign s : SIGNS) {
      Matcher m = s.words.matcher(line);
      if (m.lookingAt()) {
        return s;
      }
    }
    return null;
  }

  private static boolean isSuspect(String line) {
    for (String w :
        List.of(
            "BUG",
            "SAN",
            "Oops",
            "PANIC",
            "panic",
            "fault",
            "error",
            "invalid opcode",
            "stack segment",
            "LOCKUP",
            "stall",
            "blocked",
            "!!!!",
            "ASSERT",
            "trap",
            "int3",
            "segment not",
            "bounds")) {
      if (line.contains(w)) {
        return true;
      }
    }
    return false;
  }
}
