package dev.vesper.machine.hostile;

import java.util.List;
import java.util.Random;

/** Texts of scripts for tests: one with everything, and what strangers may make of it. */
public final class ScriptSamples {
  /** Everything that a script can say. */
  public static final String ALL =
      """
      # Everything that a script can say.
      when fetch 0x1000 times 3
        inject vc 0x81
      when fetch-seq 0x1000, 0x2000, symbol main+0x10 always
        inject 0x80 interrupt
        inject 13 exception error 0 | (1 << 3)
        inject 2 nmi
      maybe when write 0x3000 in later
        drop-event
        nx 0x1000
        ro symbol data
        ro-nx 0x1000
        absent 0x2000
        mmio linear 0xffffffff81000000
        present 0x1000
      when read 0x3000 if page == 0x3000 and page != u32[0x4000+4]
        map page to 0x5000
        swap 0x1000 with 0x2000
        capture old from page length 32
        replay old to page
        write-ct page = "00 11 22 33"
        poke u16[page + 2] = vmcb[0x78] ^ 1
        take 0x1000
        assign 0x1000 as 0x2000
      when insn 1000
        tsc offset -1000000
        tsc scale 500
        tsc hold
        port 0x71 = 9
        cmos 9 = 0x24
        used id 0xffff length 1 << 31 times 3
        used desc-len 0xffffffff times 2
        device 0xfeb00000 = 0xffffffff
        out 0x70 u8 = 1
        fw-cfg "etc/acpi/tables" at 16 = "0102"
      when rip symbol start+4
        sipi 1 vector 8
        skip-wake 1 times 2
        run-twice
        delay 5ms
      when vmgexit CPUID nth 2 if request.rax == 0xd
        answer rbx = request.rbx + 64
        put rcx = answer.rcx
        invalid rdx
        let page = request.sw_exitinfo1
        goto later
      when vmgexit 0x80000001
        unanswered
      when msr CPUID_REQ nth 3
        msr-answer msr.answer & 0xffffffff | msr.request >> 1
      when entry 5
        cpuid 0x8000001f eax = 0 ebx = 51
        cpuid 4:1 edx = insns & time
      when time 3us
        end "enough"
      when console "login:"
        note rip = reg rip
        note word = plain u64[symbol secret]
        note bus = u8[0x1000]
      when launch loaded
        poke u8[0x100000] = 0xf4
      silicon when write linear 0x7000
        write-back stack symbol stack length 64
        drop-stores stack
        move-rsp -8 for 1
        keep-tlb
        flush-tlb
        alias 0x1000 at 0x9000
        rmp 0x1000 as 0x2000
        set rax = 0
      expect status 3
      expect terminated 0:0
      expect console "refused"
      expect no console "root"
      expect note rip >= 0x1000
      expect rule 1 fired == 3
      """;

  private static final List<String> LINES = ALL.lines().toList();

  private ScriptSamples() {}

  /** {@return some lines of it, damaged} */
  public static String mutated(Random r) {
    StringBuilder b = new StringBuilder();
    int from = r.nextInt(LINES.size());
    for (int n = from; n < Math.min(LINES.size(), from + 1 + r.nextInt(12)); n++) {
      b.append(LINES.get(n)).append('\n');
    }
    for (int n = r.nextInt(4); n >= 0; n--) {
      mutate(b, r);
    }
    return b.toString();
  }

  private static void mutate(StringBuilder b, Random r) {
    if (b.isEmpty()) {
      return;
    }
    int at = r.nextInt(b.length());
    switch (r.nextInt(6)) {
      case 0 -> b.deleteCharAt(at);
      case 1 -> b.insert(at, (char) r.nextInt(0x180));
      case 2 -> b.setCharAt(at, "0x=[](){}\"#:,+-& \n\t\u001b".charAt(r.nextInt(20)));
      case 3 -> b.insert(at, b.substring(at, Math.min(b.length(), at + r.nextInt(30))));
      case 4 -> b.delete(at, Math.min(b.length(), at + r.nextInt(30)));
      default -> b.insert(at, "(".repeat(r.nextInt(200)));
    }
  }
}
