package dev.vesper.machine.guests;

import java.util.Random;

/**
 * Random sources of guests under SEV-SNP: requests to the host by both protocols with values from
 * the edges of what there is, PVALIDATE and RMPADJUST of any page, save areas with wrong fields,
 * and a second processor and a second VMPL that do the same.
 */
final class HostileSnpSource {
  /** Bytes of memory that the guest takes itself to have. */
  static final long MEMORY = 8L << 20;

  /** A save area at RDI whose processor begins at RAX with level EDX and stack RSI. */
  private static final String AREA =
      """
      hv: iretq
      vc: jmp end
      selector:
          mov [rdi+rcx], r8w
          mov [rdi+rcx+2], bx
          mov dword [rdi+rcx+4], -1
          mov qword [rdi+rcx+8], 0
          ret
      area:
          mov [rdi+0x178], rax
          mov [rdi+0x1d8], rsi
          mov byte [rdi+0xca], dl
          mov ebx, 0xc93
          mov r8d, 0x18
          xor ecx, ecx
          call selector
          mov ecx, 0x20
          call selector
          mov ecx, 0x30
          call selector
          mov ecx, 0x10
          mov ebx, 0xa9b
          mov r8d, 0x10
          call selector
          lea rax, [rel gdt]
          mov [rdi+0x68], rax
          mov dword [rdi+0x64], 31
          mov eax, IDT
          mov [rdi+0x88], rax
          mov dword [rdi+0x84], 511
          mov qword [rdi+0xd0], 0x1500
          mov qword [rdi+0x148], 0x620
          mov rax, cr3
          mov [rdi+0x150], rax
          mov rax, 0x80000011
          mov [rdi+0x158], rax
          mov qword [rdi+0x160], 0x400
          mov eax, 0xffff0ff0
          mov [rdi+0x168], rax
          mov qword [rdi+0x170], 2
          mov rax, 0x0007040600070406
          mov [rdi+0x268], rax
          mov qword [rdi+0x3e8], 1
          mov dword [rdi+0x408], 0x1f80
          mov word [rdi+0x410], 0x37f
          mov rax, rdi
          xor ecx, ecx
          mov edx, 0x10001
          rmpadjust
          ret
      grant:
          mov rax, rdi
          xor ecx, ecx
          mov edx, 0x0f02
          rmpadjust
          add rdi, 0x1000
          cmp rdi, rsi
          jb grant
          ret
      """;

  private static final long[] AREAS = {0x40_1000, 0x40_3000, 0x40_5000, 0x40_0000};

  private static final long[] ADDRESSES = {
    0,
    0xFFF,
    0x10_0000,
    0x20_3000,
    0x30_0000,
    0x30_1000,
    0x30_2000,
    0x30_3000,
    0x40_0000,
    0x40_1000,
    0x40_3000,
    0x60_0000,
    0x7F_F000,
    MEMORY - 0x20_0000,
    MEMORY,
    MEMORY + 0x1000,
    MEMORY + 0x4000,
    0xFEE0_0000L,
    0xFFC0_0000L,
    1L << 32,
    1L << 44,
    (1L << 44) + 0x30_0000,
    0xFFFF_FFFF_F000L,
    Long.MAX_VALUE - 0xFFF,
    Long.MAX_VALUE,
    Long.MIN_VALUE,
    -0x1000,
    -1,
  };

  private static final int[] CODES = {
    0x8000_0010,
    0x8000_0010,
    0x8000_0011,
    0x8000_0012,
    0x8000_0013,
    0x8000_0013,
    0x8000_0013,
    0x8000_0014,
    0x8000_0014,
    0x8000_0015,
    0x8000_0015,
    0x8000_0017,
    0x8000_0018,
    0x8000_0018,
    0x8000_0004,
    0x8000_0005,
    0x8000_0006,
    0x8000_0003,
    0x8000_FFFD,
    0x72,
    0x7C,
    0x7B,
    0x8000_0001,
    0x8000_0002,
    0x81,
    0x33
  };

  /**
   * Fields that VMRUN loads: segments from ES to TR, descriptor tables, CPL, EFER, CR4, CR3, CR0,
   * DR7, DR6, RFLAGS, RIP, RSP, MSRs, PAT, DBGCTL, XSS, PKRU, TSC_AUX, VMPL, virtual TOM, XCR0, of
   * the FPU, of Secure TSC and of what a more privileged level injects.
   */
  private static final int[] FIELDS = {
    0, 8, 0x10, 0x18, 0x20, 0x28, 0x30, 0x40, 0x50, 0x58, 0x60, 0x68, 0x70, 0x80, 0x88, 0x90, 0x98,
    0xC8, 0xD0, 0xD0, 0x140, 0x148, 0x148, 0x150, 0x158, 0x158, 0x160, 0x168, 0x170, 0x178, 0x1D8,
    0x200, 0x208, 0x218, 0x220, 0x268, 0x270, 0x2E8, 0x3B0, 0x3C8, 0x3E8, 0x3E8, 0x400, 0x408,
    0x410, 0x2F0, 0x2F8, 0x3B8, 0x3E0
  };

  /** SEV_FEATURES of levels that a more privileged one serves: injection, #VC, time. */
  private static final long[] SERVED = {0x5, 0x11, 0x15, 0x15, 0x211, 0x215, 0xD};

  private static final int[] COMMANDS = {
    0x4050, 0x4400, 0x4_4050, 0x4_4400, 0xC_4500, 0xC_4610, 0xC_4400, 0xC_4051, 0x4500, 0x4610
  };

  private final Random random;
  private final StringBuilder code = new StringBuilder();

  private final long features;

  /** Those of the area that was made last. */
  private long levelFeatures;

  private HostileSnpSource(long seed, long features) {
    random = new Random(seed);
    this.features = features;
    levelFeatures = features;
  }

  /**
   * {@return the source of a guest for {@code SnpGuest}}
   *
   * @param features SEV_FEATURES that it is launched with
   */
  static String of(long seed, long features) {
    return new HostileSnpSource(seed, features).source();
  }

  private long address() {
    long a = ADDRESSES[random.nextInt(ADDRESSES.length)];
    return switch (random.nextInt(8)) {
      case 0 -> a + 0x1000L * random.nextInt(64);
      case 1 -> a + random.nextInt(0x2000);
      default -> a;
    };
  }

  private long page() {
    return 0x20_0000 + 0x1000L * random.nextInt((int) (MEMORY - 0x20_0000 >>> 12));
  }

  private long small() {
    return switch (random.nextInt(6)) {
      case 0 -> 1L << random.nextInt(64);
      case 1 -> -1 - random.nextInt(3);
      default -> random.nextInt(6);
    };
  }

  private void add(String line, Object... args) {
    code.append(line.formatted(args)).append('\n');
  }

  private void set(String register, long v) {
    add("mov %s, 0x%x", register, v);
  }

  private void event(int number, long info1, long info2, long rax, long rbx) {
    set("r8", number & 0xFFFF_FFFFL);
    set("r9", info1);
    set("r10", info2);
    set("rbx", rax);
    set("rsi", rbx);
    set("rdi", random.nextInt(3));
    add("call event");
  }

  private void create() {
    long area = random.nextInt(8) == 0 ? address() : AREAS[random.nextInt(AREAS.length)];
    long info1 =
        (long) random.nextInt(3) << 32
            | (random.nextInt(4) == 0 ? random.nextInt(6) << 16 : 0)
            | random.nextInt(random.nextInt(8) == 0 ? 5 : 3);
    event(0x8000_0013, info1, area, random.nextInt(5) == 0 ? small() : levelFeatures, 0);
  }

  private void damage() {
    long at = AREAS[random.nextInt(AREAS.length)];
    set("rdi", at + (random.nextInt(3) == 0 ? random.nextInt(0xFF8) : 8 * random.nextInt(0x90)));
    set("rax", random.nextBoolean() ? random.nextLong() : small());
    add(random.nextBoolean() ? "mov [rdi], rax" : "mov byte [rdi], al");
  }

  private void makeArea() {
    makeArea(random.nextInt(3), random.nextInt(3) == 0 ? random.nextInt(5) : random.nextInt(2) * 2);
  }

  private void makeArea(int area, int level) {
    set("rdi", AREAS[area]);
    set("rsi", 0x18_0000 + 0x4000L * (1 + random.nextInt(4)));
    set("rdx", level);
    add("lea rax, [rel low]");
    add("call area");
    levelFeatures = level == 0 || random.nextInt(3) == 0 ? features : SERVED[random.nextInt(7)];
    set("rax", levelFeatures);
    add("mov [rdi+0x3b0], rax");
    if (level != 0) {
      inject();
    }
  }

  /** Queues an interrupt or NMI, or injects an event, in the area at RDI. */
  private void inject() {
    long control =
        (long) random.nextInt(32) << 32
            | random.nextInt(1 << 21) & 0x1F_1F0F
            | (random.nextInt(8) == 0 ? 1L << 63 : 0)
            | (random.nextBoolean() ? 1 << 26 : 0);
    set("rax", random.nextInt(4) == 0 ? random.nextLong() : control);
    add("mov [rdi+0x3b8], rax");
    long event = 1L << 31 | random.nextInt(1 << 12) & 0xB1F;
    set("rax", random.nextInt(3) == 0 ? event : random.nextInt(9) == 0 ? random.nextLong() : 0);
    add("mov [rdi+0x3e0], rax");
  }

  /** Injects into an area that there may be. */
  private void injectAgain() {
    set("rdi", AREAS[random.nextInt(AREAS.length)]);
    inject();
  }

  /**
   * Starts the second processor, or another level, with one or two fields of a good area changed.
   */
  private void oddProcessor() {
    int area = random.nextInt(3);
    int level = random.nextInt(3) == 0 ? 2 : 0;
    makeArea(area, level);
    for (int n = random.nextInt(2); n >= 0; n--) {
      int field = FIELDS[random.nextInt(FIELDS.length)];
      add("mov rax, [rdi+0x%x]", field);
      set("rcx", random.nextInt(3) == 0 ? random.nextLong() : 1L << random.nextInt(64));
      add("xor rax, rcx");
      add("mov [rdi+0x%x], rax", field);
    }
    event(0x8000_0013, 0x1_0000_0001L | (long) level << 16, AREAS[area], levelFeatures, 0);
  }

  private void list(String ghcb) {
    add("mov rbx, SHARED");
    add(
        "mov rax, 0x%x",
        random.nextInt(6) == 0 ? random.nextLong() : (long) random.nextInt(3) << 16);
    add("mov [rbx+%s+0x800], rax", ghcb);
    for (int i = 0; i < 3; i++) {
      long gpa = random.nextBoolean() ? address() : page();
      boolean large = random.nextInt(4) == 0;
      long entry =
          gpa & (large ? 0xF_FFFF_FFE0_0000L : 0xF_FFFF_FFFF_F000L)
              | (long) (1 + random.nextInt(random.nextInt(4) == 0 ? 15 : 2)) << 52
              | (large ? 1L << 56 : 0)
              | (random.nextInt(6) == 0 ? random.nextInt(514) : 0);
      set("rax", random.nextInt(12) == 0 ? random.nextLong() : entry);
      add("mov [rbx+%s+%d], rax", ghcb, 0x808 + 8 * i);
    }
    event(0x8000_0010, 0, 0, 0, 0);
  }

  private void message() {
    add("mov rbx, SHARED");
    for (int at = 0x20; at < 0x40; at += 8) {
      set("rax", random.nextInt(4) == 0 ? random.nextLong() : small());
      add("mov [rbx+RESULTS+%d], rax", at);
    }
    if (random.nextBoolean()) {
      set("rax", 0x60_0101L | (long) (1 + random.nextInt(20)) << 32 | 0x0060_0100_0000_0000L);
      add("mov [rbx+RESULTS+0x30], rax");
    }
    event(
        0x8000_0011 + random.nextInt(2),
        random.nextInt(4) == 0 ? address() : 0x30_2000,
        random.nextInt(4) == 0 ? address() : 0x30_1000,
        random.nextInt(4) == 0 ? address() : 0x30_2000,
        small());
  }

  private void protocol() {
    long v =
        switch (random.nextInt(8)) {
          case 0 -> 0x12 | address() & -0x1000;
          case 1, 2 -> 0x14 | address() & 0xF_FFFF_FFFF_F000L | (long) random.nextInt(4) << 52;
          case 3, 4 -> 0x16 | (long) random.nextInt(5) << 32;
          case 5 -> 0x80;
          case 6 -> random.nextLong() & 0xFFF | address() & -0x1000;
          default -> 4 | (long) random.nextInt() << 32;
        };
    if ((v & 0xFFF) != 0x100) {
      set("rax", v);
      add("call protocol");
    }
  }

  private void instruction() {
    set("rax", random.nextBoolean() ? page() : AREAS[random.nextInt(AREAS.length)]);
    set("rcx", random.nextInt(8) == 0 ? 2 : random.nextInt(4) == 0 ? 1 : 0);
    if (random.nextBoolean()) {
      set("rdx", random.nextInt(2));
      add("pvalidate");
    } else {
      set(
          "rdx",
          random.nextInt(5) | random.nextInt(32) << 8 | (random.nextBoolean() ? 0x1_0000 : 0));
      add("rmpadjust");
    }
  }

  private void step(String ghcb) {
    switch (random.nextInt(18)) {
      case 0, 1 -> list(ghcb);
      case 2 -> create();
      case 3 -> {
        if (random.nextInt(3) == 0) {
          injectAgain();
        } else {
          damage();
        }
      }
      case 4 -> makeArea();
      case 5 -> message();
      case 6 -> protocol();
      case 7 -> instruction();
      case 8 -> event(0x8000_0018, random.nextInt(5), 0, 0, 0);
      case 9 ->
          event(0x8000_0015, COMMANDS[random.nextInt(COMMANDS.length)] | small() << 32, 0, 0, 0);
      case 10 ->
          event(
              0x8000_0014,
              random.nextInt(5),
              random.nextInt(3) == 0 ? address() : 0x30_1000 + 0x1000L * random.nextInt(2),
              0,
              0);
      case 11, 12, 13, 14 -> oddProcessor();
      case 15 -> {
        set("rdi", page());
        set("rsi", random.nextInt(2) == 0 ? 0x1_0000_0000L : 0);
        add("mov [rdi+rsi], rdi");
      }
      default ->
          event(
              CODES[random.nextInt(CODES.length)],
              random.nextBoolean() ? address() : small(),
              random.nextBoolean() ? address() : small(),
              random.nextBoolean() ? address() : small(),
              small());
    }
  }

  private String source() {
    code.append(AREA);
    add("begin:");
    add("mov edi, 0x303000");
    add("call share");
    add("xor edi, edi\nmov esi, 0xa0000\ncall grant");
    add("mov edi, 0x100000\nmov esi, 0x300000\ncall grant");
    makeArea();
    if (random.nextInt(4) != 0) {
      event(
          0x8000_0013,
          random.nextBoolean() ? 0x1_0000_0001L : 0x2_0001,
          AREAS[random.nextInt(3)],
          levelFeatures,
          0);
    }
    for (int i = 0; i < 30; i++) {
      step("GHCB");
    }
    add("jmp begin");
    add("low:");
    add("mov eax, 0x303012");
    add("call protocol");
    add("mov ebp, 0x303000");
    for (int i = 0; i < 20; i++) {
      step("0x303000");
    }
    add("jmp low");
    return code.toString();
  }
}
