package dev.vesper.x86;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.BufferedReader;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.InputStreamReader;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Random;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.Assumptions;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/**
 * Random bytes against GNU objdump: what is an instruction, and how long it is. {@code
 * -Dfuzz.count=N} sets how many strings a mode gets.
 */
final class BinutilsFuzzTest {
  private static final int LONGEST = 15;

  @TempDir Path dir;

  private record Sample(byte[] bytes, int at, Insn ours, Decoder.Outcome outcome) {}

  @ParameterizedTest
  @ValueSource(ints = {16, 32, 64})
  void randomBytesMeanTheSame(int bits) throws IOException, InterruptedException {
    Assumptions.assumeTrue(BinutilsTest.available(), "objdump is not installed");
    int left = Integer.getInteger("fuzz.count", 40_000);
    Random r = new Random(bits);
    Map<String, List<String>> differences = new HashMap<>();
    while (left > 0) {
      int n = Math.min(left, 50_000);
      compare(bits, samples(bits, n, r), differences);
      left -= n;
    }
    assertThat(differences).as("differences that have no reason here, with examples").isEmpty();
  }

  private static List<Sample> samples(int bits, int n, Random r) {
    List<Sample> all = new ArrayList<>();
    int at = 0;
    for (int i = 0; i < n; i++) {
      byte[] b = new byte[LONGEST];
      r.nextBytes(b);
      // Half of them begin with an escape or a prefix, which pure chance gives too seldom.
      if (r.nextBoolean()) {
        byte[][] starts = {
          {0x0F},
          {0x0F, 0x38},
          {0x0F, 0x3A},
          {0x66, 0x0F},
          {(byte) 0xF3, 0x0F},
          {(byte) 0xF2, 0x0F},
          {0x66, 0x0F, 0x38},
          {0x66, 0x0F, 0x3A},
          {(byte) 0xC5},
          {(byte) 0xC4, (byte) 0xE1},
          {(byte) 0xC4, (byte) 0xE2},
          {(byte) 0xC4, (byte) 0xE3},
          {0x0F, 0x01},
          {0x0F, (byte) 0xAE},
          {0x48},
          {(byte) 0xF0},
          {0x62, (byte) 0xF1},
          {0x62, (byte) 0xF2},
          {0x62, (byte) 0xF3}
        };
        byte[] s = starts[r.nextInt(starts.length)];
        System.arraycopy(s, 0, b, 0, s.length);
      }
      Insn in = new Insn();
      Decoder.Outcome o = Decoder.decode(b, 0, LONGEST, bits, in);
      all.add(new Sample(b, at, in, o));
      at += LONGEST + 16;
    }
    return all;
  }

  private void compare(int bits, List<Sample> samples, Map<String, List<String>> differences)
      throws IOException, InterruptedException {
    ByteArrayOutputStream out = new ByteArrayOutputStream();
    byte[] nops = new byte[16];
    java.util.Arrays.fill(nops, (byte) 0x90);
    for (Sample s : samples) {
      out.writeBytes(s.bytes);
      out.writeBytes(nops);
    }
    Path f = dir.resolve("random.bin");
    Files.write(f, out.toByteArray());
    String arch = bits == 64 ? "i386:x86-64" : bits == 32 ? "i386" : "i8086";
    Process p =
        new ProcessBuilder(
                "objdump",
                "-D",
                "-z",
                "-w",
                "-b",
                "binary",
                "-m",
                arch,
                "-M",
                "intel",
                f.toString())
            .redirectErrorStream(true)
            .start();
    Map<Integer, String> text = new HashMap<>();
    try (BufferedReader lines =
        new BufferedReader(new InputStreamReader(p.getInputStream(), StandardCharsets.UTF_8))) {
      for (String l = lines.readLine(); l != null; l = lines.readLine()) {
        int colon = l.indexOf(":\t");
        if (colon > 0 && !l.endsWith("\tnop")) {
          text.put(Integer.parseInt(l.substring(0, colon).trim(), 16), l.substring(colon + 2));
        }
      }
    }
    assertThat(p.waitFor()).isZero();
    for (Sample s : samples) {
      String t = text.get(s.at);
      if (t == null) {
        continue;
      }
      String[] c = t.split("\t", 2);
      int length = c[0].trim().split("\\s+").length;
      String theirs = c.length > 1 ? c[1].trim() : "";
      boolean bad = theirs.contains("(bad)") || theirs.isEmpty();
      String reason = difference(s, theirs, bad, length);
      if (reason != null) {
        List<String> list = differences.computeIfAbsent(reason, k -> new ArrayList<>());
        if (list.size() < 4) {
          list.add(
              s.ours.hex()
                  + " {"
                  + new Formatter(Formatter.Syntax.INTEL).format(s.ours, 0)
                  + "} theirs "
                  + t);
        }
      }
    }
  }

  /**
   * Instructions of other processors that objdump knows: VMX, SGX, SMX, TSX, CET, key locker, user
   * waits, PTWRITE, direct stores, RAO-INT, CMPccXADD, VIA PadLock, 3DNow!, FMA4 and XOP, the
   * AVX-512 masks, AVX-VNNI and its successors, SNP and broadcast invalidations, the 287's FRSTPM,
   * the 386's test registers.
   */
  private static final String ELSEWHERE =
      "vm[a-z]+|invept|invvpid|encl[suv]|getsec|xbegin|xend|xtest|xabort|clrssbsy|incssp[dq]|"
          + "rdssp[dq]|rstorssp|saveprevssp|setssbsy|wru?ss[dq]|endbr..|ptwrite|u?mwait|umonitor|"
          + "tpause|movdir64b|movdiri|enqcmds?|aadd|aand|aor|axor|cmpn?[a-z]+xadd|xcrypt-.*|"
          + "xstore-?.*|xsha.*|montmul|femms|pf.*|pi2f.|pswapd|pmulhrw|pavgusb|"
          + "vfn?m(add|sub)(add|sub)?[ps][sd]|vpermil2p.|vpdp.*|\\{vex\\}|k[a-z0-9]+|invlpgb|"
          + "tlbsync|rmp[a-z]+|pvalidate|psmash|serialize|pconfig|wrmsrns|frstpm\\(287|mov|"
          + "(aes|encode|load).*|[ls][dt]tilecfg|tile.*|tdp.*|tdcall|seam.*|senduipi|clui|stui|"
          + "uiret|testui|vbcstn.*|vcvtne.*";

  /**
   * Instructions whose encoding has no prefix; objdump prints one before them all the same. Real
   * processors raise #UD: tried for FXSAVE, STMXCSR, XSAVEC, VZEROUPPER and PMOVMSKB. Also forms
   * that belong to 64-bit mode, and EXTRQ with a reg field that is not zero.
   */
  private static final String NO_PREFIX =
      "(data16|data32|data|repz|repnz|rep) .*|(rd|wr)[fg]sbase .*|extrq .*|(v?ldmxcsr|v?stmxcsr|vzeroupper|vzeroall|swapgs) ?.*";

  /**
   * Forms that real processors take and objdump does not, or decode and refuse to execute: gathers
   * whose registers are not three.
   */
  private static final String UNKNOWN_TO_THEM =
      "fwait|v(p?gather).*|bsf|bsr|fcomp?|fstp|fstpnce|fxch|mfence|sfence|lfence|monitorx?|mwaitx?|nop|salc|wbinvd|"
          + "clzero|rdpru|rmpread|rmpquery|rmpadjust|rmpupdate|psmash|pvalidate|swapgs|rdtscp|invlpga|skinit|vm[a-z]+|stgi|clgi|rdrand|rdseed|ud[01]|"
          + "prefetch.*|xchg|popcnt|l?tzcnt|clts|invd|syscall|sysret|"
          // AMD processors ignore VEX.W of these.
          + "vpermq|vpermpd";

  /** {@return what kind of difference there is, or null if there is none or it has a reason} */
  private static @Nullable String difference(Sample s, String theirs, boolean bad, int length) {
    boolean ok = s.outcome == Decoder.Outcome.OK;
    String m = s.ours.mnemonic();
    if (ok && !bad) {
      // UD0 has no ModRM byte on AMD processors; FWAIT is no prefix of an x87 instruction.
      return length == s.ours.length || prefixAlone(theirs) || m.equals("ud0") || m.equals("fwait")
          ? null
          : "length of " + m;
    }
    if (ok) {
      return m.matches(UNKNOWN_TO_THEM) ? null : "they do not know " + m;
    }
    if (bad || s.outcome == Decoder.Outcome.TOO_LONG || prefixAlone(theirs)) {
      return null;
    }
    String hex = s.ours.hex().replaceAll("^((66|67|f2|f3|2e|3e|26|36|64|65|4.) )*", "");
    if (hex.startsWith("62") || hex.startsWith("8f")) {
      // EVEX and XOP.
      return null;
    }
    String w = word(theirs);
    if (theirs.matches("(.* )?lock .*")
        || theirs.matches("rex(\\.[WRXB]+)? v.*")
        || w.matches(ELSEWHERE)
        || theirs.matches(NO_PREFIX)) {
      // LOCK is undefined but with a memory destination, and REX before VEX.
      return null;
    }
    return "they know " + w;
  }

  private static String word(String text) {
    return text.replaceAll(
            "^((rep|repz|repnz|lock|data16|data32|addr16|addr32|rex\\S*|[c-gs]s|"
                + "notrack|bnd|xacquire|xrelease) +)*",
            "")
        .split("\\s+")[0];
  }

  /** objdump prints a prefix that it cannot attach as an instruction of its own. */
  private static boolean prefixAlone(String theirs) {
    return theirs.matches(
        "(rep|repz|repnz|lock|data16|data32|addr16|addr32|rex\\S*|[c-gs]s|notrack|bnd|xacquire|"
            + "xrelease)( (rep|repz|repnz|lock|data16|data32|addr16|addr32|rex\\S*|[c-gs]s|"
            + "notrack|bnd))*");
  }
}
