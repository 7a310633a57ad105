package dev.vesper.cli.hostile;

import dev.vesper.ghcb.ExitCode;
import dev.vesper.ghcb.GhcbField;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.util.Random;

/**
 * Programs for {@link HostileKernel}. Most steps do what a driver or a kernel does, then something
 * that none would do; the last one ends the guest or never ends.
 */
final class HostileCode extends Source {
  // Physical addresses that nothing else uses in a guest of 32 MiB; linear ones where all is
  // shared.
  private static final int RINGS = 0x148_0000;
  private static final int BUFFERS = 0x150_0000;
  private static final int ANSWERS = 0x158_0000;
  private static final int SCRATCH = 0x160_0000;
  private static final int SCRATCH_BYTES = 0x80_0000;

  /** Where the kernel maps all of its memory as private. */
  private static final long DIRECT = 0xFFFF_8000_0000_0000L;

  private static final int QUEUE = 0x3000;
  private static final int ENTRIES = 8;
  private static final int MOST_SHOWN = 256;

  private static final int[] PORTS = {
    0x20, 0x21, 0xA0, 0xA1, 0x40, 0x41, 0x42, 0x43, 0x60, 0x61, 0x64, 0x70, 0x71, 0x80, 0xB2, 0xB3,
    0xCF8, 0xCFC, 0xCFD, 0xCFE, 0x3F8, 0x3F9, 0x3FA, 0x3FB, 0x3FC, 0x3FD, 0x2F8, 0x402, 0x4D0,
    0x4D1, 0x510, 0x511, 0x514, 0x518, 0x600, 0x602, 0x608, 0x620, 0x630, 0x3B4, 0x3C0, 0x3C2,
    0x3C4, 0x3C5, 0x3C8, 0x3C9, 0x3CE, 0x3CF, 0x3D4, 0x3D5, 0x3DA, 0x1CE, 0x1CF, 0xE0, 0xE4, 0x2000,
    0x92, 0x1F0, 0xE9, 0xC000, 0xC020, 0x1000, 0x2010
  };

  private static final long[] REGIONS = {
    0xFEE0_0000L,
    0xFEC0_0000L,
    0xFED0_0000L,
    0xA_0000L,
    0xC000_0000L,
    0xC000_4000L,
    0xC000_8000L,
    0xC100_0000L,
    0xE000_0000L,
    0xFF00_0000L,
    0xFFFF_0000L,
    0xE_0000L
  };

  private static final int[] MSRS = {
    0x10,
    0x1B,
    0x3A,
    0x8B,
    0xFE,
    0x11,
    0x12,
    0x174,
    0x175,
    0x176,
    0x179,
    0x17A,
    0x1D9,
    0x200,
    0x201,
    0x250,
    0x277,
    0x2FF,
    0x400,
    0x401,
    0x6E0,
    0x800,
    0x802,
    0x808,
    0x80B,
    0x80F,
    0x828,
    0x830,
    0x832,
    0x838,
    0x83F,
    0xDA0,
    0xC000_0081,
    0xC000_0082,
    0xC000_0083,
    0xC000_0084,
    0xC000_0100,
    0xC000_0102,
    0xC000_0103,
    0xC001_0010,
    0xC001_0015,
    0xC001_0114,
    0xC001_0117,
    0xC001_0130,
    0xC001_0131,
    0xC001_0200,
    0xC001_0000,
    0x4B56_4D00,
    0x4B56_4D01,
    0x4B56_4D02,
    0x4B56_4D03,
    0x4B56_4D04,
    0x4B56_4D05,
    0x4B56_4D06,
    0x4B56_4D07,
    0x4B56_4D08,
    0x4000_0000
  };

  private static final int[] GHCB_CODES = {
    ExitCode.CPUID,
    ExitCode.IOIO,
    ExitCode.IOIO,
    ExitCode.MSR,
    ExitCode.MMIO_READ,
    ExitCode.MMIO_READ,
    ExitCode.MMIO_WRITE,
    ExitCode.MMIO_WRITE,
    ExitCode.RDTSC,
    ExitCode.RDPMC,
    ExitCode.VMMCALL,
    ExitCode.DR7_WRITE,
    ExitCode.AP_JUMP_TABLE,
    ExitCode.HV_FEATURES,
    ExitCode.NMI_COMPLETE,
    ExitCode.MONITOR,
    ExitCode.MWAIT,
    ExitCode.RDTSCP,
    ExitCode.WBINVD,
    ExitCode.INVD,
    ExitCode.XSETBV,
    ExitCode.SNP_PAGE_STATE_CHANGE,
    ExitCode.SNP_GUEST_REQUEST,
    ExitCode.SNP_EXTENDED_GUEST_REQUEST,
    ExitCode.SNP_AP_CREATION,
    ExitCode.RDTSC
  };

  /** What ends most guests that ask for it. */
  private static final int[] LAST_CODES = {
    ExitCode.UNSUPPORTED_EVENT,
    ExitCode.AP_RESET_HOLD,
    ExitCode.TERMINATION,
    ExitCode.DR0_READ,
    ExitCode.DR7_READ,
    ExitCode.CR0_WRITE
  };

  private static final String[] NAMES = {
    "file",
    "folder",
    "link",
    "up",
    "absolute",
    "pipe",
    "new",
    "other",
    "..",
    ".",
    "",
    "/",
    "a/b",
    "../secret",
    "/etc/passwd",
    "folder/..",
    "deep",
    "\u00ff\u00fe",
    "n".repeat(255),
    "n".repeat(256),
    "n".repeat(4000),
    "secret",
    "con\u0001trol",
    "../../secret"
  };

  private static final String[] TARGETS = {
    "..",
    "../secret",
    "/",
    "/etc/passwd",
    "../kept/file",
    "file",
    "folder",
    "link",
    "t".repeat(4095),
    "t".repeat(5000),
    "../../secret",
    "/proc/self/root",
    "/dev/zero"
  };

  /** Another maker's VMMCALL. */
  private static final String VMCALL = "db 0x0f, 0x01, 0xc1";

  private static final String[] HARMFUL_DATA = {"fxsave", "fnsave", "sgdt", "sidt", "fnstenv"};

  private final Setting setting;

  private HostileCode(Random random, Setting setting) {
    super(random);
    this.setting = setting;
  }

  /** {@return source for both processors} */
  static String of(Random random, Setting setting) {
    HostileCode c = new HostileCode(random, setting);
    c.program("begin", 2 + random.nextInt(24), false);
    c.program("begin_ap", random.nextInt(12), true);
    return c.text.toString();
  }

  private void program(String name, int steps, boolean second) {
    text.append(name).append(":\n");
    for (int i = 0; i <= steps; i++) {
      String next = label();
      add("mov rax, %s", next);
      add("mov [%s], rax", HostileKernel.NEXT);
      if (i == steps) {
        // Nobody comes back from the end; where one does, the kernel counts.
        last(second && random.nextInt(8) != 0 ? LOOPS : LASTS);
      } else {
        step();
      }
      text.append(next).append(":\n");
    }
    add("mov rax, @hostile_end");
    add("jmp rax");
  }

  private int number() {
    return switch (random.nextInt(6)) {
      case 0 -> random.nextInt(256);
      case 1 -> random.nextInt(0x1_0000);
      case 2 -> 1 << random.nextInt(32);
      case 3 -> -random.nextInt(256);
      case 4 -> SCRATCH + random.nextInt(SCRATCH_BYTES);
      default -> random.nextInt();
    };
  }

  private String wide() {
    long v =
        switch (random.nextInt(5)) {
          case 0 -> number() & 0xFFFF_FFFFL;
          case 1 -> 1L << random.nextInt(64);
          case 2 -> -random.nextInt(4096);
          case 3 -> address();
          default -> random.nextLong();
        };
    return hex(v);
  }

  private static String hex(long v) {
    return "0x" + Long.toHexString(v);
  }

  /** {@return a physical address that may have something} */
  private long address() {
    return switch (random.nextInt(10)) {
      case 0 ->
          REGIONS[random.nextInt(REGIONS.length)] + (random.nextInt(0x1000) & any(-1, -4, -8));
      case 1 -> setting.megabytes() * 0x10_0000L - random.nextInt(16);
      case 2 -> 0xFFFF_FFF8L + random.nextInt(8);
      case 3 -> random.nextLong() & 0xF_FFFF_FFFF_FFFFL;
      case 4 -> random.nextInt(0x10_0000);
      default -> SCRATCH + (random.nextInt(SCRATCH_BYTES) & any(-1, -4, -4096));
    };
  }

  private void step() {
    boolean es = setting.encryptedState();
    switch (random.nextInt(es ? 34 : 26)) {
      case 0, 1 -> ports();
      case 2 -> strings();
      case 3, 4 -> registers();
      case 5 -> modelSpecific();
      case 6 -> controlRegisters();
      case 7 -> descriptors();
      case 8 -> pageTables();
      case 9 -> changedCode();
      case 10 -> randomBytes();
      case 11, 12 -> interrupts();
      case 13 -> pci();
      case 14, 15, 16 -> virtio();
      case 17, 18 -> folder();
      case 19 -> disk();
      case 20 -> ahci();
      case 21 -> network();
      case 22 -> firmwareConfiguration();
      case 23 -> conversions();
      case 24 -> hypercalls();
      case 25 -> screen();
      case 26, 27, 28 -> ghcbProtocol();
      default -> ghcb();
    }
  }

  // ---- ports and device registers

  private int port() {
    int p =
        switch (random.nextInt(6)) {
          case 0 -> random.nextInt(0x1_0000);
          case 1 -> random.nextInt(0x520);
          default -> PORTS[random.nextInt(PORTS.length)] + (chance(4) ? random.nextInt(8) : 0);
        };
    // What ends the guest has a place of its own.
    boolean ends = p >= 0xF1 && p <= 0xF7 || p >= 0xCF6 && p <= 0xCF9 || p >= 0x602 && p <= 0x605;
    return ends && !chance(20) ? 0x80 : p & 0xFFFF;
  }

  private void ports() {
    for (int n = 1 + random.nextInt(12); n > 0; n--) {
      add("mov edx, %d", port());
      String register = new String[] {"al", "ax", "eax"}[random.nextInt(3)];
      if (chance(3)) {
        add("in %s, dx", register);
      } else {
        int v = number();
        // Not the command of the keyboard controller that resets.
        add("mov eax, %d", (v & 0xF0) == 0xF0 && !chance(8) ? v ^ 0x80 : v);
        add("out dx, %s", register);
      }
    }
  }

  private void strings() {
    add("mov edx, %d", port());
    add("mov edi, %d", (int) address());
    add("mov rsi, %s", chance(3) ? wide() : hex(BUFFERS));
    add("mov ecx, %d", random.nextInt(chance(30) ? 0x10_0000 : 5000));
    if (chance(4)) {
      add("std");
    }
    String[] all = {
      "rep insb",
      "rep insw",
      "rep insd",
      "rep outsb",
      "rep outsw",
      "rep outsd",
      "insb",
      "outsd",
      "rep movsb",
      "rep movsq",
      "rep stosd",
      "rep lodsb",
      "repe cmpsb",
      "repne scasw"
    };
    add("%s", all[random.nextInt(all.length)]);
    add("cld");
  }

  private void registers() {
    for (int n = 1 + random.nextInt(10); n > 0; n--) {
      long region = REGIONS[random.nextInt(REGIONS.length)];
      int in = random.nextInt(chance(3) ? 0x1_0000 : 0x400);
      add("mov edi, %s", hex((region + (chance(4) ? in : in & -16)) & 0xFFFF_FFFFL));
      switch (random.nextInt(10)) {
        case 0 -> add("mov eax, [rdi]");
        case 1 -> add("mov al, [rdi]");
        case 2 -> add("mov rax, [rdi]");
        case 3 -> add("mov word [rdi], %d", number() & 0xFFFF);
        case 4 -> add("mov byte [rdi], %d", number() & 0xFF);
        case 5 -> {
          add("mov rax, %s", wide());
          add("mov [rdi], rax");
        }
        case 6 -> odd();
        default -> add("mov dword [rdi], %d", number());
      }
    }
  }

  /** Accesses of a device's register by what is no MOV. */
  private void odd() {
    // The last ones leave little to go on with.
    switch (random.nextInt(chance(12) ? 12 : 8)) {
      case 0 -> add("lock add [rdi], eax");
      case 1 -> add("xchg [rdi], rax");
      case 2 -> add("movups xmm0, [rdi]");
      case 3 -> add("movups [rdi], xmm1");
      case 4 -> add("%s [rdi]", HARMFUL_DATA[random.nextInt(HARMFUL_DATA.length)]);
      case 5 -> add("push qword [rdi]");
      case 6 -> add("lock cmpxchg16b [rdi]");
      case 7 -> add("fld tword [rdi]");
      case 8 -> {
        add("mov rcx, 300");
        add("mov rsi, rdi");
        add("rep movsd");
      }
      case 9 -> add("jmp rdi");
      case 10 -> add("lgdt [rdi]");
      default -> {
        add("mov rsp, rdi");
        add("push rax");
      }
    }
  }

  private void modelSpecific() {
    for (int n = 1 + random.nextInt(8); n > 0; n--) {
      int msr =
          chance(4)
              ? any(0, 0x4B56_4D00, 0xC000_0000, 0xC001_0000) + random.nextInt(0x1000)
              : MSRS[random.nextInt(MSRS.length)] + (chance(6) ? random.nextInt(16) : 0);
      add("mov ecx, %d", msr);
      if (chance(3)) {
        add("rdmsr");
      } else {
        add("mov eax, %d", number());
        add("mov edx, %d", chance(2) ? 0 : number());
        add("wrmsr");
      }
      if (chance(4)) {
        add("sti");
        add("nop");
      }
    }
  }

  private void controlRegisters() {
    for (int n = 1 + random.nextInt(4); n > 0; n--) {
      add("mov rbx, %s", hex(chance(3) ? random.nextLong() : 1L << random.nextInt(32)));
      switch (random.nextInt(7)) {
        case 0, 1, 2 -> {
          String c = new String[] {"cr0", "cr4", "cr8", "cr3"}[random.nextInt(chance(8) ? 4 : 3)];
          add("mov rax, %s", c);
          add("xor rax, rbx");
          add("mov %s, rax", c);
        }
        case 3, 4 -> add("mov dr%d, rbx", any(0, 1, 2, 3, 6, 7));
        case 5 -> {
          add("xor ecx, ecx");
          add("mov eax, %d", any(1, 3, 7, 0, 2, random.nextInt()));
          add("xor edx, edx");
          add("xsetbv");
        }
        default -> {
          add("pushfq");
          add("xor [rsp], rbx");
          add("popfq");
        }
      }
    }
    add("ud2");
  }

  // ---- what only the processor is asked

  private void descriptors() {
    long table = DIRECT + SCRATCH + (random.nextInt(64) << 12);
    // What the kernel's handlers need stays, for most.
    add("mov rsi, @gdt");
    add("mov rdi, %s", hex(table));
    add("mov ecx, 7");
    add("rep movsq");
    add("mov rdi, %s", hex(table));
    for (int i = chance(12) ? 0 : 7; i < 16; i++) {
      boolean plain = chance(2);
      long d =
          plain
              ? (0x00CF_0000_0000_FFFFL | (long) random.nextInt(256) << 40 | 0x80L << 40)
              : random.nextLong();
      add("mov rax, %s", hex(d));
      add("mov [rdi+%d], rax", 8 * i);
    }
    String pointer = label();
    String over = label();
    add("jmp %s", over);
    text.append(pointer).append(":\n");
    boolean lost = chance(10);
    add("dw %d", lost ? random.nextInt(0x1_0000) : any(127, 0xFFFF));
    add("dq %s", lost ? wide() : hex(table));
    text.append(over).append(":\n");
    add("%s [rel %s]", lost && chance(2) ? "lidt" : "lgdt", pointer);
    for (int n = 1 + random.nextInt(6); n > 0; n--) {
      int selector =
          (chance(4) ? random.nextInt(16) : 7 + random.nextInt(9)) << 3
              | (chance(3) ? random.nextInt(8) : 0);
      add("mov eax, %d", selector);
      switch (random.nextInt(12)) {
        case 0 -> add("ltr ax");
        case 1 -> add("lldt ax");
        case 2 -> add("mov ds, ax");
        case 3 -> add("mov ss, ax");
        case 4 -> add("mov fs, ax");
        case 5 -> add("int %d", random.nextInt(256));
        case 6 -> {
          add("push rax");
          String to = label();
          add("mov rbx, %s", to);
          add("push rbx");
          add("retfq");
          text.append(to).append(":\n");
        }
        case 7 -> {
          for (int i = 0; i < 5; i++) {
            add("mov rbx, %s", chance(2) ? "begin" : wide());
            add("push rbx");
          }
          add("iretq");
        }
        case 8 -> add("lar ebx, ax");
        case 9 -> add("syscall");
        case 10 -> add("sysretq");
        default -> {
          add("mov rbx, %s", hex(table + random.nextInt(256)));
          add("callf [rbx]");
        }
      }
    }
    add("ud2");
  }

  private void pageTables() {
    int at = SCRATCH + (random.nextInt(32) << 12);
    // A copy of the kernel's top level, with something else in the lower half.
    add("mov rsi, [@proc0paddr]");
    add("mov rax, %s", hex(DIRECT));
    add("add rsi, rax");
    add("mov rdi, %s", hex(DIRECT + at));
    add("mov r9, rdi");
    add("mov ecx, 512");
    add("rep movsq");
    for (int i = 0; i < 16; i++) {
      long entry =
          switch (random.nextInt(5)) {
            case 0 -> at;
            case 1 -> SCRATCH + (random.nextInt(64) << 12);
            case 2 -> address() & -4096L;
            case 3 -> random.nextLong() & -4096L;
            default -> random.nextInt(0x2000) << 12;
          };
      add("mov rax, %s", hex(entry | random.nextInt(0x1000) & 0x1E7 | 1));
      if (chance(2)) {
        add("or rax, [@pg_crypt]");
      }
      add("mov [r9+%d], rax", 8 * random.nextInt(255));
    }
    if (chance(3)) {
      // All of a table, the same.
      add("mov rdi, %s", hex(DIRECT + SCRATCH + (random.nextInt(64) << 12)));
      add("mov ecx, 512");
      add("rep stosq");
    }
    add("mov eax, %d", at);
    if (!chance(4)) {
      add("or rax, [@pg_crypt]");
    }
    add("mov cr3, rax");
    for (int i = 0; i < 8; i++) {
      add("mov rdi, %s", hex(random.nextLong() & 0x7FFF_FFFF_FFFFL));
      add(chance(3) ? "mov [rdi], rax" : chance(4) ? "invlpg [rdi]" : "mov rax, [rdi]");
    }
    add("ud2");
  }

  private void changedCode() {
    String code = label();
    add("mov rdi, %s", code);
    add("mov rax, 0x7fffffff");
    add("and rdi, rax");
    add("mov rax, %s", hex(DIRECT));
    add("add rdi, rax");
    add("mov r12d, %d", 2 + random.nextInt(60));
    text.append(code).append(":\n");
    add("nop");
    add("mov eax, %d", random.nextInt(256));
    add("nop");
    add(
        "%s [rdi+%d], %d",
        chance(2) ? "add byte" : "xor dword", random.nextInt(7), random.nextInt(4));
    add("dec r12d");
    add("jne %s", code);
  }

  private void randomBytes() {
    StringBuilder s = new StringBuilder("db ");
    for (int n = 4 + random.nextInt(60); n >= 0; n--) {
      int prefix = any(0x0F, 0x66, 0xF2, 0xF3, 0x48, 0xC4, 0xC5, 0x67);
      s.append(chance(4) ? prefix : random.nextInt(256)).append(n == 0 ? "" : ", ");
    }
    for (String r : new String[] {"rax", "rbx", "rcx", "rdx", "rsi", "rdi", "r8", "r9"}) {
      if (chance(2)) {
        add("mov %s, %s", r, wide());
      }
    }
    add("%s", s);
    add("ud2");
  }

  // ---- interrupts and timers

  private void interrupts() {
    for (int n = 1 + random.nextInt(6); n > 0; n--) {
      switch (random.nextInt(9)) {
        case 0 -> {
          apic(0x3E0, any(0, 1, 0xB, random.nextInt(16)));
          apic(0x320, random.nextInt(256) | any(0, 1, 2, 3) << 17 | (chance(8) ? 1 << 16 : 0));
          apic(0x380, any(1, 100, 10_000, random.nextInt()));
        }
        case 1 -> {
          apic(0x310, random.nextInt(4) << 24);
          // INIT and SIPI among the rest.
          int kind = chance(12) ? any(0x500, 0x600, 0x200) : any(0, 0, 0x100, 0x400);
          apic(0x300, 0x20 + random.nextInt(224) | kind | 0x4000 | random.nextInt(4) << 18);
        }
        case 2 ->
            apic(any(0x80, 0xB0, 0xD0, 0xE0, 0xF0, 0x20, 0x280, 0x350, 0x360, 0x370), number());
        case 3 -> {
          add("mov edi, 0xfec00000");
          add("mov dword [rdi], %d", 0x10 + random.nextInt(56));
          add("mov dword [rdi+16], %d", chance(3) ? number() : 0x20 + random.nextInt(200));
        }
        case 4 -> {
          add("mov edi, 0xfed00000");
          add("mov dword [rdi+16], %d", any(0, 1, 3));
          int timer = 0x100 + 0x20 * random.nextInt(4);
          add("mov dword [rdi+%d], %d", timer, any(0x4, 0x4C, 0x144, 0x400C, number()));
          add("mov dword [rdi+%d], %d", timer + 8, any(0, 1, 100, number()));
          add("mov dword [rdi+%d], %d", timer + 0x10, 0x30 + random.nextInt(100));
          add("mov dword [rdi+%d], %d", timer + 0x14, any(0xFEE0_0000, number()));
        }
        case 5 -> {
          add("mov al, %d", random.nextInt(256));
          add("out 0x43, al");
          add("mov al, %d", random.nextInt(4));
          add("out %d, al", 0x40 + random.nextInt(3));
          add("out %d, al", 0x40 + random.nextInt(3));
        }
        case 6 -> {
          int chip = any(0x20, 0xA0);
          add("mov al, 0x11");
          add("out %d, al", chip);
          for (int v :
              new int[] {random.nextInt(256), 4, random.nextInt(32), random.nextInt(256)}) {
            add("mov al, %d", v);
            add("out %d, al", chip + 1);
          }
        }
        case 7 -> {
          add("mov al, %d", any(0xA, 0xB, 0xC, 1, 3, 5));
          add("out 0x70, al");
          add("mov al, %d", random.nextInt(256));
          add("out 0x71, al");
        }
        default -> {
          String loop = label();
          add("sti");
          add("mov ecx, %d", random.nextInt(3000));
          text.append(loop).append(":\n");
          add(chance(8) ? "hlt" : "pause");
          add("dec ecx");
          add("jne %s", loop);
          add("cli");
        }
      }
    }
  }

  private void apic(int register, int value) {
    add("mov edi, 0xfee00000");
    add("mov dword [rdi+%d], %d", register, value);
  }

  private void pci() {
    for (int n = 1 + random.nextInt(8); n > 0; n--) {
      int register = any(0, 4, 0x10, 0x14, 0x20, 0x24, 0x30, 0x3C, 0x34, random.nextInt(256));
      int device = chance(6) ? random.nextInt(0x1_0000) << 8 : random.nextInt(8) << 11;
      int where = 1 << 31 | device | register;
      add("mov edx, 0xcf8");
      add("mov eax, %d", where);
      add("out dx, eax");
      add("mov edx, %d", 0xCFC + (chance(4) ? random.nextInt(4) : 0));
      String width = new String[] {"eax", "eax", "ax", "al"}[random.nextInt(4)];
      if (chance(3)) {
        add("in %s, dx", width);
      } else {
        add(
            "mov eax, %d",
            any(
                -1,
                7,
                0x407,
                0xC000_0000,
                0xC100_000C,
                0xFEE0_0000,
                0xE000_0000,
                0,
                0xA_0000,
                0x100_0000,
                number()));
        add("out dx, %s", width);
      }
    }
  }

  // ---- virtio

  /** Finds a device: its registers are at R15, or the step is over. */
  private void findVirtio(int type, int pass) {
    String found = label();
    add("mov edi, %s", hex((setting.vmd() ? legacyId(type) : 0x1040 + type) << 16 | 0x1AF4L));
    add("mov esi, %d", pass);
    add("mov rax, @hostile_find");
    add("call rax");
    add("test eax, eax");
    add("jne %s", found);
    add("ud2");
    text.append(found).append(":\n");
    add("add eax, %d", setting.vmd() ? 0x10 : 0x20);
    add("mov rbx, @hostile_config");
    add("call rbx");
    add("and eax, %d", setting.vmd() ? -4 : -16);
    add("mov r15d, eax");
  }

  private static int legacyId(int type) {
    return switch (type) {
      case 1 -> 0x1000;
      case 2 -> 0x1001;
      case 3 -> 0x1003;
      default -> 0x1005;
    };
  }

  private static int table(int type, int queue) {
    return RINGS + type % 8 * 0x1_0000 + queue * QUEUE;
  }

  /** Resets the device at R15 and gives it queues of eight entries. */
  private void startVirtio(int type, int queues) {
    if (setting.vmd()) {
      legacy(0x12, 1, 0);
      legacy(0x12, 1, 3);
      for (int q = 0; q < queues; q++) {
        legacy(0x0E, 2, q);
        legacy(0x08, 4, table(type, q) >> 12);
      }
      legacy(0x12, 1, 7);
      return;
    }
    add("mov byte [r15+0x14], 0");
    add("mov byte [r15+0x14], 3");
    add("mov dword [r15+8], 1");
    add("mov dword [r15+12], %d", chance(8) ? number() : setting.encrypted() ? 3 : 1);
    add("mov dword [r15+8], 0");
    add("mov dword [r15+12], %s", hex(any(0, 0x1000_0000, 0x3000_0000)));
    add("mov byte [r15+0x14], 11");
    for (int q = 0; q < queues; q++) {
      add("mov word [r15+0x16], %d", q);
      add("mov word [r15+0x18], %d", ENTRIES);
      for (int part = 0; part < 3; part++) {
        add("mov dword [r15+%d], %d", 0x20 + 8 * part, table(type, q) + 0x1000 * part);
        add("mov dword [r15+%d], 0", 0x24 + 8 * part);
      }
      add("mov word [r15+0x1c], 1");
    }
    add("mov byte [r15+0x14], 15");
    for (int q = 0; q < queues; q++) {
      // Whatever was before is no request of this step.
      add("mov dword [%d], 0", table(type, q) + available());
    }
  }

  private void legacy(int at, int bytes, int value) {
    add("lea edx, [r15+%d]", at);
    add("mov eax, %d", value);
    add("out dx, %s", bytes == 1 ? "al" : bytes == 2 ? "ax" : "eax");
  }

  /** {@return where the list of what is available begins in a queue} */
  private int available() {
    return setting.vmd() ? 0x800 : 0x1000;
  }

  private void describe(int type, int queue, int n, long at, int length, int flags, int next) {
    int d = table(type, queue) + 16 * n;
    add("mov dword [%d], %s", d, hex(at & 0xFFFF_FFFFL));
    add("mov dword [%d], %s", d + 4, hex(at >>> 32));
    add("mov dword [%d], %s", d + 8, hex(length & 0xFFFF_FFFFL));
    add("mov dword [%d], %s", d + 12, hex((flags & 0xFFFF | next << 16) & 0xFFFF_FFFFL));
  }

  /** Offers the chain that begins with a descriptor and tells the device. */
  private void offer(int type, int queue, int head) {
    int list = table(type, queue) + available();
    add("movzx ecx, word [%d]", list + 2);
    add("mov ebx, ecx");
    add("and ebx, %d", setting.vmd() ? 127 : ENTRIES - 1);
    add("mov word [rbx*2+%d], %d", list + 4, head);
    add("inc ecx");
    add("mov [%d], cx", list + 2);
    if (setting.vmd()) {
      legacy(0x10, 2, queue);
    } else {
      add("mov word [r15+%d], %d", 0x3000 + 4 * queue, queue);
    }
  }

  /** Copies bytes into what is shared. */
  private void put(int at, byte[] bytes) {
    String data = label();
    String over = label();
    add("jmp %s", over);
    text.append(data).append(":\n");
    for (int i = 0; i < bytes.length; i += 32) {
      StringBuilder s = new StringBuilder("db ");
      for (int k = i; k < Math.min(i + 32, bytes.length); k++) {
        s.append(k == i ? "" : ",").append(bytes[k] & 0xFF);
      }
      add("%s", s);
    }
    text.append(over).append(":\n");
    add("mov rsi, %s", data);
    add("mov edi, %d", at);
    add("mov ecx, %d", bytes.length);
    add("rep movsb");
  }

  private static ByteBuffer room(int n) {
    return ByteBuffer.allocate(n).order(ByteOrder.LITTLE_ENDIAN);
  }

  /** Writes what a driver keeps to itself. */
  private void damage(int type, int queue) {
    for (int n = 1 + random.nextInt(5); n > 0; n--) {
      switch (random.nextInt(setting.vmd() ? 4 : 8)) {
        case 0 ->
            describe(
                type,
                queue,
                random.nextInt(ENTRIES),
                address(),
                number(),
                random.nextInt(8),
                random.nextInt(chance(4) ? 0x1_0000 : ENTRIES));
        case 1 -> add("mov word [%d], %d", table(type, queue) + available() + 2, number() & 0xFFFF);
        case 2 -> add("mov dword [%d], %d", table(type, queue) + random.nextInt(QUEUE), number());
        case 3 -> {
          // A chain that leads back, and one that is a table of others.
          describe(type, queue, 0, table(type, queue), 128, any(1, 4, 5, 7), 0);
          describe(type, queue, 1, table(type, queue) + 16, any(16, 4096, -16), any(4, 6), 1);
        }
        case 4 -> add("mov dword [r15+%d], %d", random.nextInt(0x40), number());
        case 5 ->
            add("mov word [r15+%d], %d", any(0x16, 0x18, 0x1A, 0x1C, 0x10), random.nextInt(8));
        case 6 -> add("mov dword [r15+%d], %d", 0x2000 + random.nextInt(64), number());
        default ->
            add("mov word [r15+%d], %d", 0x3000 + 4 * random.nextInt(80), random.nextInt(80));
      }
    }
    offer(type, queue, random.nextInt(ENTRIES));
  }

  private void virtio() {
    int type = any(1, 2, 3, 4, 26, 2);
    int queues = type == 1 || type == 3 || type == 26 ? 2 : 1;
    findVirtio(type, chance(4) ? 1 : 0);
    startVirtio(type, queues);
    int queue = random.nextInt(queues);
    int length = random.nextInt(chance(4) ? 0x1_0000 : 2048);
    describe(type, queue, 0, BUFFERS, 16 + random.nextInt(64), 1, 1);
    describe(type, queue, 1, ANSWERS, length, any(2, 3, 0, 1), 2);
    describe(type, queue, 2, ANSWERS + 0x1_0000, 1, 2, 0);
    byte[] any = new byte[64];
    random.nextBytes(any);
    put(BUFFERS, any);
    offer(type, queue, 0);
    if (chance(2)) {
      damage(type, queue);
    }
  }

  private void disk() {
    findVirtio(2, chance(3) ? 1 : 0);
    startVirtio(2, 1);
    for (int n = 1 + random.nextInt(5); n > 0; n--) {
      ByteBuffer header = room(64);
      header.putInt(any(0, 1, 1, 4, 8, 11, 13, random.nextInt(16))).putInt(0);
      header.putLong(chance(4) ? random.nextLong() : random.nextInt(0x1_0000));
      // A QFI in front: what the disk must not become.
      header.putInt(0xFB49_4651).putInt(2 << 24);
      put(BUFFERS, header.array());
      describe(2, 0, 0, BUFFERS, 16, 1, 1);
      int length = any(512, 1024, 4096, 0x1_0000, 513, 0, 0x7FFF_FE00);
      describe(2, 0, 1, chance(4) ? address() : BUFFERS + 16, length, any(1, 3), 2);
      describe(2, 0, 2, ANSWERS, 1, 2, 0);
      offer(2, 0, 0);
    }
    if (chance(2)) {
      damage(2, 0);
    }
  }

  private void network() {
    findVirtio(1, 0);
    startVirtio(1, 2);
    for (int i = 0; i < 4; i++) {
      describe(1, 0, i, ANSWERS + 0x800 * i, 2048, 2, 0);
      offer(1, 0, i);
    }
    for (int n = 1 + random.nextInt(4); n > 0; n--) {
      put(BUFFERS, frame());
      describe(1, 1, 0, BUFFERS, chance(6) ? number() : 12 + 14 + random.nextInt(200), 0, 0);
      offer(1, 1, 0);
    }
    if (chance(2)) {
      damage(1, random.nextInt(2));
    }
  }

  private byte[] frame() {
    byte[] b = new byte[256];
    random.nextBytes(b);
    ByteBuffer f = ByteBuffer.wrap(b);
    f.putLong(0, 0).putInt(8, 0);
    f.position(12).put(new byte[] {0x52, 0x55, 10, 0, 2, 2, 0x52, 0x54, 0, 0x12, 0x34, 0x56});
    switch (random.nextInt(4)) {
      case 0 -> f.putShort(24, (short) 0x806).putLong(26, 0x0001_0800_0604_0001L);
      case 1 -> {
        f.putShort(24, (short) 0x86DD).put(26, (byte) 0x60);
        f.put(32, (byte) any(58, 6, 17, 0, 44));
      }
      default -> {
        f.putShort(24, (short) 0x800).put(26, (byte) (chance(6) ? random.nextInt(256) : 0x45));
        f.putShort(28, (short) random.nextInt(chance(4) ? 0x1_0000 : 230));
        f.putShort(32, (short) (chance(4) ? random.nextInt() : 0));
        f.put(35, (byte) any(1, 6, 6, 17, 17));
        f.putInt(38, 0x0A00_020F).putInt(42, chance(3) ? random.nextInt() : 0x0A00_0202);
        f.putShort(46, (short) any(68, 1000, random.nextInt(0x1_0000)));
        f.putShort(48, (short) any(67, 80, 7, 53, random.nextInt(0x1_0000)));
        f.put(58, (byte) 0x50).put(59, (byte) any(2, 16, 18, 1, 4, random.nextInt(64)));
      }
    }
    return b;
  }

  // ---- shared folders

  private String name() {
    return NAMES[random.nextInt(chance(2) ? NAMES.length : 8)];
  }

  private static byte[] named(ByteBuffer head, String... names) {
    byte[] n = (String.join("\0", names) + "\0").getBytes(StandardCharsets.ISO_8859_1);
    return room(head.capacity() + n.length).put(head.array()).put(n).array();
  }

  private byte[] arguments(int code) {
    return switch (code) {
      case 1, 10, 11, 22, 24 -> named(room(0), name());
      case 2 -> room(8).putLong(random.nextInt(3)).array();
      case 3 -> room(16).putInt(random.nextInt(2)).putInt(0).putLong(random.nextInt(6)).array();
      case 4 -> {
        ByteBuffer b = room(88).putInt(random.nextInt(0x400)).putInt(0).putLong(random.nextInt(6));
        b.putLong(chance(4) ? random.nextLong() : random.nextInt(100_000));
        yield b.putLong(32, random.nextLong()).putInt(56, number()).putInt(68, number()).array();
      }
      case 6 -> named(room(0), name(), TARGETS[random.nextInt(TARGETS.length)]);
      case 8 -> named(room(16).putInt(any(0x81A4, 0x11FF, 0x21FF, 0x61FF, number())), name());
      case 9 -> named(room(8).putInt(number()), name());
      case 12 -> named(room(8).putLong(random.nextInt(8)), name(), name());
      case 13 -> named(room(8).putLong(random.nextInt(8)), name());
      case 14, 27 -> room(8).putInt(any(0, 1, 2, 0x202, 0x10000, number())).array();
      case 16 -> {
        byte[] b = new byte[40 + random.nextInt(200)];
        ByteBuffer w = ByteBuffer.wrap(b).order(ByteOrder.LITTLE_ENDIAN);
        w.putLong(random.nextInt(6)).putLong(chance(6) ? random.nextLong() : random.nextInt(9000));
        yield w.putInt(chance(4) ? number() : b.length - 40).array();
      }
      case 26 -> room(16).putInt(chance(6) ? number() : 7).putInt(31).putInt(1 << 17).array();
      case 35 -> named(room(16).putInt(any(0x42, 0x242, 0xC1, number())).putInt(number()), name());
      case 45 ->
          named(room(16).putLong(random.nextInt(8)).putInt(random.nextInt(4)), name(), name());
      default -> {
        ByteBuffer b = room(40).putLong(random.nextInt(6));
        b.putLong(chance(6) ? random.nextLong() : random.nextInt(3000));
        yield b.putInt(chance(6) ? number() : random.nextInt(8192)).array();
      }
    };
  }

  private void folder() {
    findVirtio(26, chance(3) ? 1 : 0);
    startVirtio(26, 2);
    boolean show = chance(3);
    ask(26, 0, room(16).putInt(7).putInt(31).putInt(1 << 17).array(), false);
    for (int n = 2 + random.nextInt(16); n > 0; n--) {
      int code =
          any(
              1,
              1,
              1,
              1,
              3,
              4,
              5,
              6,
              6,
              8,
              9,
              10,
              11,
              12,
              12,
              13,
              14,
              14,
              15,
              15,
              16,
              16,
              17,
              18,
              20,
              25,
              27,
              28,
              28,
              29,
              30,
              34,
              35,
              35,
              36,
              44,
              45,
              2,
              42,
              random.nextInt(64));
      long node = chance(12) ? random.nextLong() : chance(2) ? 1 : random.nextInt(8);
      ask(code, node, arguments(code), show);
    }
    if (chance(3)) {
      damage(26, 1);
    }
  }

  /** Asks the folder, by what the last answer named or by a number; the console may show it. */
  private void ask(int code, long node, byte[] arguments, boolean show) {
    int length = 40 + arguments.length;
    ByteBuffer r = room(length).putInt(chance(20) ? number() : length).putInt(code).putLong(7);
    put(BUFFERS, r.putLong(node).position(40).put(arguments).array());
    if (chance(3) && code != 26) {
      String none = label();
      add("cmp dword [%d], 0", ANSWERS + 4);
      add("jne %s", none);
      add("mov rax, [%d]", ANSWERS + 16);
      // Lookups come back with a node, openings with a handle.
      boolean byHandle = code == 15 || code == 16 || code == 18 || code == 28 || code == 44;
      add("mov [%d], rax", BUFFERS + (byHandle ? 40 : 16));
      text.append(none).append(":\n");
    }
    describe(26, 1, 0, BUFFERS, length, 1, 1);
    describe(26, 1, 1, ANSWERS, any(4096, 4096, 0x2_0000, random.nextInt(200)), 2, 0);
    offer(26, 1, 0);
    if (show) {
      add("mov esi, %d", ANSWERS);
      add("mov ecx, %d", MOST_SHOWN);
      add("mov edx, 0x3f8");
      add("rep outsb");
    }
  }

  // ---- other devices that reach into memory

  private void ahci() {
    String found = label();
    add("mov edi, 0x29228086");
    add("xor esi, esi");
    add("mov rax, @hostile_find");
    add("call rax");
    add("test eax, eax");
    add("jne %s", found);
    add("ud2");
    text.append(found).append(":\n");
    add("add eax, 0x24");
    add("mov rbx, @hostile_config");
    add("call rbx");
    add("and eax, -16");
    add("mov r15d, eax");
    int list = SCRATCH + 0x2_0000;
    int table = SCRATCH + 0x3_0000;
    int port = 0x100 + 0x80 * (chance(4) ? random.nextInt(6) : 0);
    add("mov dword [r15+4], %s", hex(any(0x8000_0002, 0x8000_0000) & 0xFFFF_FFFFL));
    add("mov dword [r15+%d], %d", port, list);
    add("mov dword [r15+%d], %d", port + 8, list + 0x8000);
    add("mov dword [r15+%d], %d", port + 0x14, -1);
    add("mov dword [r15+%d], 0x11", port + 0x18);
    for (int n = 1 + random.nextInt(4); n > 0; n--) {
      int slot = random.nextInt(4);
      int header = list + 32 * slot;
      int prds = any(1, 2, 8, random.nextInt(0x1_0000));
      add("mov dword [%d], %s", header, hex(5 | random.nextInt(8) << 5 | (long) prds << 16));
      add("mov dword [%d], %s", header + 8, hex(chance(8) ? address() & 0xFFFF_FFFFL : table));
      int command =
          any(
              0x25,
              0x35,
              0x60,
              0x61,
              0xEC,
              0xA1,
              0xA0,
              0xEA,
              0xC8,
              0xCA,
              0xEF,
              0x06,
              0xE7,
              0xF8,
              random.nextInt(256));
      add("mov dword [%d], %d", table, command << 16 | 0x8027);
      add(
          "mov dword [%d], %d",
          table + 4, chance(4) ? number() : random.nextInt(0x8000) | 0x4000_0000);
      add("mov dword [%d], %d", table + 8, chance(4) ? number() : 0);
      add("mov dword [%d], %d", table + 12, any(1, 8, 128, 0, 0xFFFF));
      byte[] packet = new byte[16];
      random.nextBytes(packet);
      put(table + 0x40, packet);
      for (int i = 0; i < 4; i++) {
        add("mov dword [%d], %s", table + 0x80 + 16 * i, hex(address() & 0xFFFF_FFFFL));
        add("mov dword [%d], %d", table + 0x84 + 16 * i, chance(8) ? number() : 0);
        add("mov dword [%d], %d", table + 0x8C + 16 * i, any(511, 4095, 0x3F_FFFF, number()));
      }
      add("mov dword [r15+%d], %d", port + 0x38, chance(4) ? number() : 1 << slot);
      if (chance(3)) {
        add("mov dword [r15+%d], %d", port + 4 * random.nextInt(32), number());
      }
    }
  }

  private void firmwareConfiguration() {
    for (int n = 1 + random.nextInt(4); n > 0; n--) {
      int at = SCRATCH + 0x4_0000;
      add("mov edx, 0x510");
      add("mov eax, %d", any(0, 1, 5, 0x19, 0x20, 0x21, 0x22, 0x8000, random.nextInt(0x1_0000)));
      add("out dx, ax");
      // Big-endian: what to do, how much, where.
      int control = any(2, 2, 0x10, 4, 8, 10, 1) | random.nextInt(64) << 16;
      add("mov dword [%d], %d", at, Integer.reverseBytes(control));
      add(
          "mov dword [%d], %d",
          at + 4, Integer.reverseBytes(any(16, 4096, 0x100_0000, -1, number())));
      add("mov rax, %s", hex(Long.reverseBytes(chance(6) ? at - 4 : address())));
      add("mov [%d], rax", at + 8);
      add("mov edx, 0x514");
      add("xor eax, eax");
      add("out dx, eax");
      add("mov edx, 0x518");
      add("mov eax, %d", Integer.reverseBytes(chance(5) ? (int) address() : at));
      add("out dx, eax");
      add("mov edx, 0x511");
      add("mov edi, %d", SCRATCH);
      add("mov ecx, %d", random.nextInt(600));
      add("rep insb");
    }
  }

  private void screen() {
    int[][] pairs = {{0x3C4, 0x3C5}, {0x3CE, 0x3CF}, {0x3D4, 0x3D5}, {0x1CE, 0x1CF}};
    for (int n = 2 + random.nextInt(12); n > 0; n--) {
      int[] p = pairs[random.nextInt(4)];
      boolean wide = p[0] == 0x1CE;
      add("mov edx, %d", p[0]);
      add("mov eax, %d", random.nextInt(wide ? 12 : 32));
      add("out dx, %s", wide ? "ax" : "al");
      add("mov edx, %d", p[1]);
      add("mov eax, %d", any(0, 1, 0x41, 8, 32, 640, 1024, 0xFFFF, number()));
      add("out dx, %s", wide ? "ax" : "al");
    }
    add("mov edi, %d", 0xA_0000 + random.nextInt(0x1_8000));
    add("mov eax, %d", random.nextInt());
    add("mov ecx, %d", random.nextInt(400));
    add(chance(2) ? "rep stosb" : "rep stosd");
  }

  /** A page that is private and shared in turn. */
  private void conversions() {
    int at = SCRATCH + (random.nextInt(0x400) << 12);
    String loop = label();
    add("mov esi, %d", at);
    add("mov rdi, %s", hex(DIRECT + at));
    add("mov ecx, %d", 1 + random.nextInt(40));
    text.append(loop).append(":\n");
    add("mov [rsi+rcx], ecx");
    add("mov [rdi+rcx*8], rcx");
    if (chance(2)) {
      add("add esi, 0x%x", any(0x1000, 0xFFC));
    }
    add("dec ecx");
    add("jne %s", loop);
    if (chance(3)) {
      add("mov byte [rsi], 0xc3");
      add("call rsi");
    }
  }

  private void hypercalls() {
    for (int n = 1 + random.nextInt(4); n > 0; n--) {
      add("mov eax, %d", any(1, 5, 9, 10, 11, 12, number()));
      add("mov rbx, %s", wide());
      add("mov rcx, %s", wide());
      add("mov rdx, %s", wide());
      add("mov rsi, %s", wide());
      add(chance(4) ? VMCALL : "vmmcall");
    }
  }

  // ---- the GHCB

  private void ghcbProtocol() {
    for (int n = 1 + random.nextInt(4); n > 0; n--) {
      int info =
          any(
              0,
              1,
              2,
              4,
              5,
              chance(8) ? 6 : 4,
              7,
              0x10,
              0x11,
              0x12,
              0x13,
              0x14,
              0x15,
              0x16,
              0x80,
              0x81,
              chance(8) ? 0x100 : 0x82,
              random.nextInt(0x1000));
      long v =
          switch (random.nextInt(3)) {
            case 0 -> random.nextLong();
            case 1 -> (long) number() << 32 | random.nextInt();
            default -> address();
          };
      long msr = v & -4096L | info;
      add("mov eax, %s", hex(msr & 0xFFFF_FFFFL));
      add("mov edx, %s", hex(msr >>> 32));
      add("mov ecx, 0xc0010130");
      add("wrmsr");
      add("rep vmmcall");
      add("rdmsr");
    }
  }

  private void ghcb() {
    add("mov r8, [gs:16]");
    add("mov r9, [gs:8]");
    for (int n = 1 + random.nextInt(5); n > 0; n--) {
      int code =
          chance(40)
              ? any(LAST_CODES)
              : chance(16) ? number() : GHCB_CODES[random.nextInt(GHCB_CODES.length)];
      add("mov rdi, r8");
      add("mov ecx, 512");
      add("xor eax, eax");
      add("rep stosq");
      field(GhcbField.SW_EXITCODE, hex(code & 0xFFFF_FFFFL | (chance(20) ? 1L << 40 : 0)));
      ghcbInformation(code);
      for (GhcbField f : GhcbField.values()) {
        boolean usual =
            f == GhcbField.RAX || f == GhcbField.RCX || f == GhcbField.RDX || f == GhcbField.RBX;
        if (f.name().startsWith("SW_")) {
          continue;
        }
        if (usual ? !chance(5) : chance(12)) {
          field(
              f,
              f == GhcbField.RCX && code == ExitCode.MSR && !chance(3)
                  ? hex(MSRS[random.nextInt(MSRS.length)] & 0xFFFF_FFFFL)
                  : wide());
        }
      }
      if (chance(6)) {
        add("mov dword [r8+%d], %d", any(0xFFA, 0xFFC, 0x3F0, 0x3F4, 0x3F8), number());
      }
      if (!chance(6)) {
        entries(code);
      }
      add("mov rax, r9");
      if (chance(10)) {
        add("mov rax, %s", hex(address() & any(-1, -4096)));
      }
      add("mov rdx, rax");
      add("shr rdx, 32");
      add("mov ecx, 0xc0010130");
      add("wrmsr");
      add("rep vmmcall");
    }
  }

  private void field(GhcbField f, String value) {
    add("mov rax, %s", value);
    field(f);
  }

  /** Puts RAX into a field, and says so in most cases. */
  private void field(GhcbField f) {
    add("mov [r8+%d], rax", f.offset);
    if (!chance(16)) {
      add("bts dword [r8+%d], %d", 0x3F0 + f.offset / 8 / 32 * 4, f.offset / 8 % 32);
    }
  }

  private void ghcbInformation(int code) {
    int kind = random.nextInt(6);
    if (kind < 2) {
      field(GhcbField.SW_SCRATCH, kind == 0 ? wide() : hex(address()));
    } else {
      add("lea rax, [r9+%d]", any(0x800, 0x800, 0x7F8, 0xFE0, 0xFF0));
      field(GhcbField.SW_SCRATCH);
    }
    if (chance(6)) {
      field(GhcbField.SW_EXITINFO1, wide());
      field(GhcbField.SW_EXITINFO2, wide());
      return;
    }
    switch (code) {
      case ExitCode.IOIO -> {
        int how =
            any(1, 0)
                | any(0, 4, 8, 12)
                | any(0x10, 0x20, 0x40, 0x70, 0)
                | any(0x100, 0x200, 0x80)
                | random.nextInt(8) << 10;
        field(GhcbField.SW_EXITINFO1, hex((long) port() << 16 | how));
        field(GhcbField.SW_EXITINFO2, hex(any(1, 2, 16, 2032, 4096, number()) & 0xFFFF_FFFFL));
      }
      case ExitCode.MMIO_READ, ExitCode.MMIO_WRITE -> {
        long at =
            chance(4)
                ? address()
                : REGIONS[random.nextInt(REGIONS.length)] + (random.nextInt(0x400) & -16);
        field(GhcbField.SW_EXITINFO1, hex(at));
        field(
            GhcbField.SW_EXITINFO2,
            hex(any(1, 2, 4, 4, 4, 8, 3, 0, 16, 2032, number()) & 0xFFFF_FFFFL));
      }
      default -> {
        field(GhcbField.SW_EXITINFO1, hex(any(0, 1, 2, 3, number()) & 0xFFFF_FFFFL));
        field(GhcbField.SW_EXITINFO2, chance(2) ? hex(address()) : "0");
      }
    }
  }

  /** What lies in the shared buffer: bytes, or a list of pages whose state is to change. */
  private void entries(int code) {
    if (code == ExitCode.SNP_PAGE_STATE_CHANGE) {
      add("mov dword [r8+0x800], %d", any(0, 1, 252, number()));
      add("mov dword [r8+0x804], %d", any(0, 3, 252, number()));
      for (int i = 0; i < 4; i++) {
        add(
            "mov rax, %s",
            hex(address() & -4096L | (long) random.nextInt(8) << 52 | random.nextInt(513)));
        add("mov [r8+%d], rax", 0x808 + 8 * i);
      }
      return;
    }
    add("lea rdi, [r8+0x800]");
    add("mov eax, %d", number());
    add("mov ecx, %d", random.nextInt(508));
    add("rep stosd");
  }

  // ---- the end

  /** How many ways there are to end: never, by what waits for the others, and all of them. */
  private static final int LOOPS = 7;

  private static final int LASTS = 16;

  private void last(int kinds) {
    String loop = label();
    switch (random.nextInt(kinds)) {
      case 0 -> {
        add("sti");
        text.append(loop).append(":\n");
        add("hlt");
        add("jmp %s", loop);
      }
      case 1 -> {
        text.append(loop).append(":\n");
        add("cpuid");
        add("jmp %s", loop);
      }
      case 2 -> {
        text.append(loop).append(":\n");
        add("jmp %s", loop);
      }
      case 3 -> {
        add("mov rcx, -1");
        add("mov edi, %d", SCRATCH);
        text.append(loop).append(":\n");
        add("mov edi, %d", SCRATCH);
        add("mov ecx, 0x100000");
        add("rep stosb");
        add("jmp %s", loop);
      }
      case 4 -> {
        text.append(loop).append(":\n");
        ports();
        registers();
        add("jmp %s", loop);
      }
      case 5 -> {
        text.append(loop).append(":\n");
        conversions();
        add("jmp %s", loop);
      }
      case 7 -> {
        // An exception whose handler is one.
        descriptors();
      }
      case 13 -> add("cli\n    hlt");
      case 8 -> {
        add("mov edx, 0xcf9");
        add("mov al, 6");
        add("out dx, al");
      }
      case 9 -> {
        add("mov edx, 0x604");
        add("mov eax, %d", 0x2000 | random.nextInt(8) << 10);
        add("out dx, ax");
      }
      case 10 -> {
        add("mov eax, %d", 0x100 | random.nextInt(0x1000) << 12);
        add("xor edx, edx");
        add("mov ecx, 0xc0010130");
        add("wrmsr");
        add("rep vmmcall");
      }
      case 11 -> {
        text.append(loop).append(":\n");
        interrupts();
        add("sti");
        add("jmp %s", loop);
      }
      case 12 -> {
        add("mov al, 0xfe");
        add("out 0x64, al");
      }
      case 6 -> {
        text.append(loop).append(":\n");
        folder();
        add("jmp %s", loop);
      }
      default -> {
        add("mov al, %d", random.nextInt(128));
        add("out 0xf4, al");
      }
    }
  }
}
