package dev.vesper.cli.gdb;

/** Python for gdb: random steps backwards and forwards, which must come to the same. */
final class BackAndForth {
  private BackAndForth() {}

  /**
   * {@return commands that print {@code pairs: N different: 0} where all is well}
   *
   * @param memory bytes of physical memory that are compared now and then, each time in pairs that
   *     are a hundred apart; 0 if others run meanwhile, whose steps are not counted: the registers
   *     of the selected processor alone are compared then
   */
  static String commands(int pairs, long memory, long seed) {
    return """
    python
    import random, zlib
    chance = random.Random(%d)
    inferior = gdb.selected_inferior()

    def ask(line):
        return gdb.execute(line, to_string=True)

    def crc(start, length):
        sum = 0
        for at in range(start, start + length, 1 << 15):
            try:
                sum = zlib.crc32(bytes(inferior.read_memory(at, min(length, 1 << 15))), sum)
            except gdb.MemoryError:
                sum = zlib.crc32(b"none", sum)
        return sum

    def physical(length):
        ask("maintenance packet Qqemu.PhyMemMode:1")
        ask("maintenance flush dcache")
        try:
            return crc(0, length)
        finally:
            ask("maintenance packet Qqemu.PhyMemMode:0")
            ask("maintenance flush dcache")

    def state(memory, all):
        if not all:
            return [ask("p/x $%%s" %% r) .split("=")[1] for r in
                "rax rbx rcx rdx rsi rdi rbp rsp r8 r9 r10 r11 r12 r13 r14 r15 rip eflags".split()]
        said = [ask("info registers"), ask("maintenance packet g")]
        for r in ("$rsp", "$pc_linear"):
            said.append(crc(int(gdb.parse_and_eval(r)) & 0xFFFFFFFFFFFFF000, 4096))
        return said + [physical(memory) if memory else 0]

    def pairs(n, memory):
        different = 0
        for i in range(n):
            if chance.random() < 0.3:
                ask("stepi %%d" %% chance.randint(1, 60))
            far = memory if i %% 100 == 0 else 0
            before = state(far, memory != 0)
            k = chance.randint(1, 12)
            ask("stepi %%d" %% k)
            ask("reverse-stepi %%d" %% k)
            after = state(far, memory != 0)
            if after != before:
                different += 1
                if different < 3:
                    print("pair", i, "of", k, "\\n", before, "\\n", after)
        print("pairs: %%d different: %%d" %% (n, different))

    pairs(%d, %d)
    end
    """
        .formatted(seed, pairs, memory);
  }
}
