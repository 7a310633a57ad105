package dev.vesper.cli.hostile;

import dev.vesper.x86.Assembler;
import java.util.Random;

/**
 * Guests that stay in the modes before 64 bits: 32-bit protected mode with segments, tasks, gates
 * and both kinds of page tables, virtual-8086 and real mode. An exception in a step leads to the
 * next, if the step has left the guest so much. Multiboot kernels, or firmware in a ROM.
 */
final class LegacyCode extends Source {
  private static final int LOAD = 0x10_0000;
  private static final int SCRATCH = 0x40_0000;
  private static final int ROM_BYTES = 0x1_0000;
  private static final int RESET = 0xFFF0;

  /** The descriptors: flat code and data, 16-bit code and data, then what steps write. */
  private static final String PRELUDE =
      """
      equ NEXT 0x60000
      equ LEFT 0x60004
          jmp start
      gdtr:
          dw 0xff
          dd 0x61000
      idtr:
          dw 2047
          dd 0x62000
      gdt:
          dq 0, 0x00cf9b000000ffff, 0x00cf93000000ffff, 0x00009b000000ffff, 0x000093000000ffff
      start:
          mov esp, 0x50000
          mov esi, gdt
          mov edi, 0x61000
          mov ecx, 10
          rep movsd
          lgdt [gdtr]
          jmpf 8:flat
      flat:
          mov eax, 16
          mov ds, ax
          mov es, ax
          mov ss, ax
          mov dword [LEFT], 400
          mov edi, 0x62000
          mov ecx, 256
      gate:
          mov eax, fault
          cmp ecx, 224
          ja set
          mov eax, interrupt
      set:
          mov ebx, eax
          and ebx, 0xffff
          or ebx, 0x80000
          mov [edi], ebx
          and eax, 0xffff0000
          or eax, 0x8e00
          mov [edi+4], eax
          add edi, 8
          dec ecx
          jne gate
          lidt [idtr]
          jmp begin
      interrupt:
          push eax
          mov al, 0x20
          out 0x20, al
          out 0xa0, al
          pop eax
          iretd
      fault:
          cli
          cld
          mov eax, 0x11
          mov cr0, eax
          xor eax, eax
          mov cr4, eax
          mov eax, 16
          mov ds, ax
          mov es, ax
          mov ss, ax
          mov esp, 0x50000
          lgdt [gdtr]
          lidt [idtr]
          push 2
          popfd
          dec dword [LEFT]
          js end
          jmp dword [NEXT]
      end:
          mov al, 0x21
          out 0xf4, al
          jmp end
      """;

  private static final int[] PORTS = {
    0x20, 0x21, 0xA1, 0x40, 0x43, 0x60, 0x64, 0x70, 0x71, 0xCF8, 0xCFC, 0x3F8, 0x510, 0x514, 0x518,
    0x3C4, 0x3CE, 0x3CF, 0x1CE, 0x1CF, 0xE0, 0x2000, 0xB2, 0x600
  };

  private LegacyCode(Random random) {
    super(random);
  }

  /** {@return a multiboot kernel and its source} */
  static HostileGuest.Image kernel(Random random) {
    LegacyCode c = new LegacyCode(random);
    int flags = 0x1_0000;
    String head =
        "dd 0x1BADB002, %d, %d, %d, %d, 0, 0, %d\n"
            .formatted(flags, -(0x1BAD_B002 + flags), LOAD, LOAD, LOAD + 32);
    c.text.append(head).append(PRELUDE).append("begin:\n");
    int steps = 2 + random.nextInt(24);
    for (int i = 0; i <= steps; i++) {
      String next = c.label();
      c.add("mov dword [NEXT], %s", next);
      if (i == steps) {
        c.last();
      } else {
        c.step();
      }
      c.text.append(next).append(":\n");
    }
    c.add("jmp end");
    String source = c.text.toString();
    return new HostileGuest.Image(new Assembler(LOAD, 32).add(source).finish(), source);
  }

  /** {@return 64 KiB of firmware: real-mode code at its reset vector} */
  static HostileGuest.Image firmware(Random random) {
    LegacyCode c = new LegacyCode(random);
    c.text.append("bits 16\nbegin:\n");
    c.add("mov sp, 0x7000");
    for (int n = 4 + random.nextInt(40); n > 0; n--) {
      c.realStep();
    }
    c.last16();
    Assembler a = new Assembler(0, 16).add(c.text.toString());
    byte[] rom = new byte[ROM_BYTES];
    byte[] code = a.finish();
    System.arraycopy(code, 0, rom, 0, code.length);
    byte[] jump = Assembler.assemble(16, "jmpf 0xf000:0");
    System.arraycopy(jump, 0, rom, RESET, jump.length);
    return new HostileGuest.Image(rom, c.text.toString());
  }

  private int number() {
    return switch (random.nextInt(5)) {
      case 0 -> random.nextInt(256);
      case 1 -> random.nextInt(0x1_0000);
      case 2 -> 1 << random.nextInt(32);
      case 3 -> SCRATCH + random.nextInt(0x10_0000);
      default -> random.nextInt();
    };
  }

  /** {@return an entry of a page table that most often names memory} */
  private int entry() {
    return chance(12) ? number() : number() & 0x1FF_FFFF;
  }

  private int port() {
    int p = chance(3) ? random.nextInt(0x520) : PORTS[random.nextInt(PORTS.length)];
    return p >= 0xF1 && p <= 0xF7 ? 0x80 : p;
  }

  private void bytes(int n) {
    StringBuilder s = new StringBuilder("db ");
    for (int i = 0; i < n; i++) {
      s.append(i == 0 ? "" : ", ")
          .append(chance(5) ? any(0x0F, 0x66, 0x67, 0xF3, 0xCC, 0xCF) : random.nextInt(256));
    }
    add("%s", s);
  }

  private void step() {
    switch (random.nextInt(12)) {
      case 0, 1 -> {
        for (int n = 1 + random.nextInt(10); n > 0; n--) {
          add("mov edx, %d", port());
          add("mov eax, %d", number() & 0x7F7F_7F7F);
          String r = new String[] {"al", "ax", "eax"}[random.nextInt(3)];
          add(chance(3) ? "in " + r + ", dx" : "out dx, " + r);
        }
      }
      case 2 -> {
        for (int n = 1 + random.nextInt(6); n > 0; n--) {
          add(
              "mov edi, %d",
              any(0xFEE0_0000, 0xFEC0_0000, 0xFED0_0000, 0xA_0000, 0xC000_0000)
                  + (random.nextInt(0x400) & any(-1, -16)));
          add(chance(3) ? "mov eax, [edi]" : "mov dword [edi], " + number());
        }
      }
      case 3, 4 -> tasks();
      case 5 -> gates();
      case 6 -> virtual8086();
      case 7, 8 -> paging();
      case 9 -> {
        for (String r : new String[] {"eax", "ebx", "ecx", "edx", "esi", "edi", "ebp"}) {
          add("mov %s, %d", r, number());
        }
        bytes(4 + random.nextInt(60));
        add("ud2");
      }
      case 10 -> realMode();
      default -> {
        add(
            "mov ecx, %d",
            any(
                0x10,
                0x1B,
                0x174,
                0x176,
                0x200,
                0x277,
                0x2FF,
                0xC000_0080,
                0xC000_0081,
                0x4B56_4D01,
                0x4B56_4D03,
                number()));
        add("mov eax, %d", number());
        add("mov edx, %d", chance(2) ? 0 : number());
        add(chance(3) ? "rdmsr" : "wrmsr");
        add("sysenter");
      }
    }
  }

  private void descriptor(int n, int base, int limit, int type, int attributes) {
    long d =
        limit & 0xFFFFL
            | (base & 0xFF_FFFFL) << 16
            | (type & 0xFFL) << 40
            | (limit >> 16 & 0xFL) << 48
            | (attributes & 0xFL) << 52
            | (base >>> 24 & 0xFFL) << 56;
    add("mov dword [%d], %d", 0x6_1000 + 8 * n, (int) d);
    add("mov dword [%d], %d", 0x6_1004 + 8 * n, (int) (d >>> 32));
  }

  /** Task state segments that name each other, most of them complete. */
  private void tasks() {
    for (int t = 0; t < 3; t++) {
      int at = 0x6_4000 + 0x100 * t;
      String there = label();
      add("jmp %s_", there);
      text.append(there).append(":\n");
      add("inc dword [0x60010]");
      add(
          chance(2)
              ? "iretd"
              : chance(2) ? "ud2" : "jmpf %d:0".formatted(0x28 + 8 * random.nextInt(4)));
      add("jmp dword [NEXT]");
      text.append(there).append("_:\n");
      for (int i = 0; i < 26; i++) {
        add("mov dword [%d], %d", at + 4 * i, chance(12) ? number() : 0);
      }
      add("mov dword [%d], %s", at + 32, chance(8) ? String.valueOf(number()) : there);
      add("mov dword [%d], %d", at + 36, chance(4) ? number() : 2);
      add("mov dword [%d], 0x4f000", at + 56);
      int[] selectors = {16, 8, 16, 16, 0, 0};
      for (int s = 0; s < 6; s++) {
        add(
            "mov dword [%d], %d",
            at + 72 + 4 * s, chance(10) ? random.nextInt(0x100) : selectors[s]);
      }
      add("mov dword [%d], %d", at, 0x28 + 8 * random.nextInt(4));
      descriptor(
          5 + t,
          at,
          chance(8) ? random.nextInt(0x80) : 0x67 + random.nextInt(40),
          any(0x89, 0x89, 0x89, 0x8B, 0x81, 0xE9),
          0);
    }
    // A task gate, in both tables.
    add("mov dword [%d], %d", 0x6_1040, (0x28 + 8 * random.nextInt(3)) << 16);
    add("mov dword [%d], 0x8500", 0x6_1044);
    int vector = any(3, 6, 8, 13, 14, 0x80);
    add("mov dword [%d], %d", 0x6_2000 + 8 * vector, (0x28 + 8 * random.nextInt(3)) << 16);
    add("mov dword [%d], 0x8500", 0x6_2004 + 8 * vector);
    add("mov eax, 0x28");
    add("ltr ax");
    switch (random.nextInt(4)) {
      case 0 -> add("jmpf %d:%d", 0x30 + 8 * random.nextInt(3), number());
      case 1 -> add("callf %d:0", 0x30 + 8 * random.nextInt(3));
      case 2 -> add("int %d", vector);
      default -> {
        add("push 0x4002");
        add("popfd");
        add("iretd");
      }
    }
    if (chance(4)) {
      // The tables as they were: a task in the place of a handler is for this step.
      add("mov dword [%d], 0", 0x6_2000 + 8 * vector);
    }
  }

  private void gates() {
    for (int n = 5; n < 16; n++) {
      descriptor(n, entry(), number(), random.nextInt(256) | 0x80, random.nextInt(16));
    }
    for (int n = 1 + random.nextInt(5); n > 0; n--) {
      int s = 0x28 + 8 * random.nextInt(11) | random.nextInt(4);
      add("mov eax, %d", s);
      switch (random.nextInt(8)) {
        case 0 -> add("callf %d:%d", s, number());
        case 1 -> add("jmpf %d:%d", s, number());
        case 2 -> add("lldt ax");
        case 3 -> add("mov ss, ax");
        case 4 -> {
          add("mov fs, ax");
          add("mov eax, [fs:%d]", random.nextInt(0x1000));
        }
        case 5 -> {
          for (int i = 0; i < 5; i++) {
            add("push dword %d", i == 3 || i == 0 ? s | 3 : number());
          }
          add(chance(2) ? "iretd" : "retf");
        }
        case 6 -> add("lsl ebx, ax");
        default -> add("verw ax");
      }
    }
    add("ud2");
  }

  private void virtual8086() {
    String code = label();
    String over = label();
    add("jmp %s", over);
    text.append(code).append(":\n");
    bytes(2 + random.nextInt(60));
    text.append(over).append(":\n");
    add("mov esi, %s", code);
    add("mov edi, 0x20000");
    add("mov ecx, 64");
    add("rep movsb");
    descriptor(5, 0x6_4000, any(0x67, 0x2067), 0x89, 0);
    add("mov dword [0x64004], 0x50000");
    add("mov dword [0x64008], 16");
    add("mov eax, 0x28");
    add("ltr ax");
    if (chance(2)) {
      add("mov eax, %d", any(1, 2, 3));
      add("mov cr4, eax");
    }
    for (int i = 0; i < 4; i++) {
      add("push dword %d", random.nextInt(0x1_0000));
    }
    add("push dword %d", random.nextInt(0x3000));
    add("push dword 0x1000");
    add(
        "push dword %d",
        0x2_0002 | random.nextInt(4) << 12 | random.nextInt(2) << 9 | (chance(4) ? 0x100 : 0));
    add("push dword 0x2000");
    add("push dword 0");
    add("iretd");
  }

  private void paging() {
    boolean wide = chance(2);
    int top = SCRATCH + (random.nextInt(16) << 12);
    // The first megabytes are where they are; the rest is anything.
    add("mov edi, %d", top);
    add("mov ecx, 1024");
    add("mov eax, %d", (SCRATCH + (random.nextInt(64) << 12)) | random.nextInt(256));
    add("rep stosd");
    int low = SCRATCH + 0x4_0000;
    if (wide) {
      add("mov dword [%d], %d", top, low | 1);
      add("mov dword [%d], 0", top + 4);
      for (int i = 1; i < 4; i++) {
        add("mov dword [%d], %d", top + 8 * i, chance(2) ? top | 1 : entry());
        add("mov dword [%d], %d", top + 8 * i + 4, chance(16) ? number() : 0);
      }
      for (int i = 0; i < 4; i++) {
        add("mov dword [%d], %d", low + 8 * i, i << 21 | 0x83);
        add("mov dword [%d], 0", low + 8 * i + 4);
      }
    } else {
      add("mov dword [%d], 0x83", top);
      add("mov dword [%d], 0x400083", top + 4);
      for (int i = 0; i < 6; i++) {
        add(
            "mov dword [%d], %d",
            top + 4 * (2 + random.nextInt(1022)), chance(2) ? top | 7 : entry());
      }
    }
    add("mov eax, %d", wide ? any(0x20, 0x30, 0xB0) : any(0x10, 0x90, 0x10));
    add("mov cr4, eax");
    add("mov eax, %d", top);
    add("mov cr3, eax");
    add("mov eax, cr0");
    add("or eax, %d", 1 << 31 | (chance(3) ? 1 << 16 : 0));
    add("mov cr0, eax");
    for (int i = 0; i < 8; i++) {
      add("mov edi, %d", random.nextInt());
      add(chance(3) ? "mov [edi], eax" : chance(4) ? "invlpg [edi]" : "mov eax, [edi]");
    }
    if (wide && chance(3)) {
      add("mov ecx, 0xc0000080");
      add("mov eax, 0x100");
      add("xor edx, edx");
      add("wrmsr");
    }
    add("ud2");
  }

  /** Real mode, with a table of vectors of its own. */
  private void realMode() {
    String code = label();
    String over = label();
    add("jmp %s", over);
    text.append(code).append(":\n");
    add("bits 16");
    add("mov eax, cr0");
    add("and al, 0xfe");
    add("mov cr0, eax");
    add("jmpf 0x2000:%d", 32);
    add("bits 32");
    text.append(over).append(":\n");
    add("mov esi, %s", code);
    add("mov edi, 0x20000");
    add("mov ecx, 32");
    add("rep movsb");
    String real = label();
    String end = label();
    add("jmp %s", end);
    text.append(real).append(":\n");
    add("bits 16");
    for (int n = 1 + random.nextInt(8); n > 0; n--) {
      realStep();
    }
    // Back, if there is a way.
    add("lgdt [cs:0x600]");
    add("mov eax, cr0");
    add("or al, 1");
    add("mov cr0, eax");
    add("int 3");
    add("bits 32");
    text.append(end).append(":\n");
    add("mov esi, %s", real);
    add("mov edi, 0x20020");
    add("mov ecx, 1024");
    add("rep movsb");
    add("jmpf 24:0");
  }

  private void realStep() {
    switch (random.nextInt(10)) {
      case 0, 1, 2 -> {
        add("mov dx, %d", port());
        add("mov al, %d", random.nextInt(128));
        add(chance(3) ? "in al, dx" : chance(3) ? "out dx, ax" : "out dx, al");
      }
      case 3 -> {
        add("mov ax, %d", random.nextInt(0x1_0000));
        add("mov %s, ax", new String[] {"ds", "es", "fs", "gs"}[random.nextInt(4)]);
      }
      case 4 -> {
        add("mov di, %d", random.nextInt(0x1_0000));
        add("mov cx, %d", random.nextInt(200));
        add(chance(2) ? "rep stosb" : chance(2) ? "rep movsw" : "rep insb");
      }
      case 5 -> bytes(1 + random.nextInt(8));
      case 6 -> add("int %d", any(0x10, 0x13, 0x15, 0x16, 0x1A, random.nextInt(256)));
      case 7 -> add("mov dword [%d], %d", random.nextInt(0x8000), number());
      case 8 -> add("cpuid");
      default -> {
        add("sti");
        add("nop");
        add("cli");
      }
    }
  }

  private void last16() {
    switch (random.nextInt(3)) {
      case 0 -> add("mov al, 5\n    out 0xf4, al");
      case 1 -> add("sti\n    hlt");
      default -> text.append("forever:\n    jmp forever\n");
    }
    text.append("again:\n    jmp again\n");
  }

  private void last() {
    String loop = label();
    switch (random.nextInt(6)) {
      case 0 -> {
        add("sti");
        text.append(loop).append(":\n    hlt\n");
        add("jmp %s", loop);
      }
      case 1 -> {
        text.append(loop).append(":\n");
        add("jmp %s", loop);
      }
      case 2 -> {
        text.append(loop).append(":\n");
        tasks();
        add("jmp %s", loop);
      }
      case 3 -> {
        add("mov eax, %d", number());
        add("mov cr3, eax");
        add("mov eax, 0x80000011");
        add("mov cr0, eax");
      }
      case 4 -> {
        add("mov edx, 0x604");
        add("mov eax, %d", 0x2000 | random.nextInt(8) << 10);
        add("out dx, ax");
      }
      default -> {
        add("mov al, %d", random.nextInt(128));
        add("out 0xf4, al");
      }
    }
  }
}
