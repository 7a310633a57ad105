package dev.vesper.x86;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Random;
import org.junit.jupiter.api.Assumptions;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** The decoder and the formatter against GNU objdump, over every form of the table. */
final class BinutilsTest {
  @TempDir Path dir;

  static boolean available() {
    boolean there = Files.isExecutable(Path.of("/usr/bin/objdump"));
    if (!there && "true".equals(System.getenv("CI"))) {
      throw new AssertionError("objdump is missing: .ci/run installs binutils");
    }
    return there;
  }

  @ParameterizedTest
  @ValueSource(ints = {16, 32, 64})
  void lengthsAndMnemonicsAgree(int bits) throws IOException, InterruptedException {
    Assumptions.assumeTrue(available(), "objdump is not installed");
    Random r = new Random(5);
    ByteArrayOutputStream out = new ByteArrayOutputStream();
    List<Insn> wanted = new ArrayList<>();
    for (Opcode op : OpcodeTable.all()) {
      for (int i = 0; i < 8; i++) {
        Insn in = op.alias ? null : RandomInsn.of(op, bits, r);
        if (in == null || knownDifference(op, in)) {
          continue;
        }
        try {
          byte[] code = Encoder.encode(op, in);
          wanted.add(Decoder.decode(code, bits));
          out.writeBytes(code);
          // Padding that objdump cannot merge with what precedes it.
          out.writeBytes(new byte[] {(byte) 0x90, (byte) 0x90});
        } catch (Encoder.Unencodable e) {
          // no such combination in this mode
        }
      }
    }
    Path f = dir.resolve("code.bin");
    Files.write(f, out.toByteArray());
    String arch = bits == 64 ? "i386:x86-64" : bits == 32 ? "i386" : "i8086";
    Process p =
        new ProcessBuilder(
                "objdump", "-D", "-w", "-b", "binary", "-m", arch, "-M", "intel", f.toString())
            .redirectErrorStream(true)
            .start();
    List<String> lines =
        new String(p.getInputStream().readAllBytes(), StandardCharsets.UTF_8)
            .lines()
            .filter(l -> l.matches("\\s*[0-9a-f]+:\\t.*"))
            .toList();
    assertThat(p.waitFor()).isZero();
    java.util.Map<Integer, String> at = new java.util.HashMap<>();
    for (String l : lines) {
      String[] c = l.split("\t");
      at.put(Integer.parseInt(c[0].trim().replace(":", ""), 16), l);
    }
    List<String> differences = new ArrayList<>();
    int pos = 0;
    for (Insn in : wanted) {
      String l = at.get(pos);
      int next = pos + in.length;
      String text = new Formatter(Formatter.Syntax.INTEL).format(in, pos);
      if (l == null || !at.containsKey(next)) {
        differences.add("length: ours " + in.hex() + " {" + text + "} theirs " + l);
      } else if (!same(l.split("\t", -1).length > 2 ? l.split("\t", -1)[2] : "", text, in)) {
        differences.add("text: ours " + in.hex() + " {" + text + "} theirs " + l);
      }
      pos = next + 2;
    }
    assertThat(differences)
        .as(
            "%d of %d differ: %s",
            differences.size(), wanted.size(), differences.stream().limit(12).toList())
        .isEmpty();
  }

  /**
   * Forms that objdump reads otherwise: UD0 with a ModRM byte, 66 before VMMCALL and RDPRU,
   * RMPREAD, fences with other r/m fields, the MPX names of two NOP opcodes, REX before WAIT.
   */
  private static boolean knownDifference(Opcode op, Insn in) {
    return switch (op.mnemonic) {
      case "ud0", "fwait", "rmpread" -> true;
      case "vmmcall", "rdpru" -> op.prefix == 1;
      case "lfence", "mfence", "sfence" -> in.rm != 0;
      case "nop" -> op.opcode == 0x1A || op.opcode == 0x1B;
      default -> false;
    };
  }

  /** Compares mnemonics; objdump's own spellings are listed here. */
  private static boolean same(String theirs, String ours, Insn in) {
    String t =
        theirs
            .replaceAll(
                "^(\\{evex\\}|lock|rep|repz|repnz|rex\\S*|data16|addr32|addr16|notrack|bnd|data32|[c-gs]s) +",
                "")
            .replaceAll("^(rex\\S*|data16|data32|addr32|addr16|[c-gs]s) +", "")
            .trim();
    String o = ours.replaceAll("^(lock|rep|repz|repnz) +", "");
    String tm = t.split("\\s+")[0];
    String om = o.split("\\s+")[0];
    if (tm.equals(om) || tm.equals("movabs") && om.equals("mov")) {
      return true;
    }
    String m = in.mnemonic();
    return switch (m) {
      case "movs", "cmps", "stos", "lods", "scas", "ins", "outs" -> tm.startsWith(m);
      case "push",
          "pop",
          "pushf",
          "popf",
          "pusha",
          "popa",
          "call",
          "jmp",
          "ret",
          "retf",
          "iret",
          "enter",
          "leave",
          "sysret",
          "sysexit" ->
          tm.startsWith(m) || tm.startsWith(m.equals("retf") ? "ret" : m);
      case "callf", "jmpf" -> m.startsWith(tm);
      case "fwait" -> tm.equals("fwait") || tm.equals("wait");
      case "xlat",
          "int1",
          "nop",
          "xchg",
          "prefetch",
          "prefetchw",
          "ud0",
          "ud1",
          "fstpnce",
          "fneni",
          "fndisi",
          "fnsetpm",
          "ffreep",
          "salc" ->
          true;
      case "movsx", "movsxd" -> tm.startsWith("movs");
      case "lgdt", "lidt", "sgdt", "sidt" -> tm.startsWith(m);
      case "monitor",
          "mwait",
          "monitorx",
          "mwaitx",
          "vmrun",
          "vmload",
          "vmsave",
          "invlpga",
          "clzero",
          "skinit" ->
          tm.startsWith(m);
      case "cmpps", "cmppd", "cmpss", "cmpsd" -> tm.startsWith("cmp");
      case "vcmpps", "vcmppd", "vcmpss", "vcmpsd" ->
          tm.startsWith("vcmp") && tm.endsWith(m.substring(4));
      case "pclmulqdq", "vpclmulqdq" ->
          tm.matches((m.charAt(0) == 'v' ? "v" : "") + "pclmul[lh]q[lh]qdq");
      case "vpcmpb", "vpcmpw", "vpcmpd", "vpcmpq" -> tm.matches("vpcmp[a-z]*" + m.substring(5));
      case "vpcmpub", "vpcmpuw", "vpcmpud", "vpcmpuq" -> tm.matches("vpcmp[a-z]*" + m.substring(5));
      case "vmovd", "vmovq" -> tm.startsWith("vmov");
      case "vpcmpestrmq", "vpcmpestriq", "vpcmpestrm", "vpcmpestri" ->
          tm.startsWith(m.substring(0, 10));
      case "fcom",
          "fcomp",
          "fxch",
          "fsub",
          "fsubr",
          "fdiv",
          "fdivr",
          "fsubp",
          "fsubrp",
          "fdivp",
          "fdivrp" ->
          tm.startsWith(m.substring(0, 4));
      case "fild", "fist", "fistp", "fisttp" -> tm.startsWith(m);
      case "fxsave", "fxrstor", "xsave", "xrstor" -> tm.startsWith(m);
      case "movd", "movq" -> tm.startsWith("mov");
      default -> false;
    };
  }
}
