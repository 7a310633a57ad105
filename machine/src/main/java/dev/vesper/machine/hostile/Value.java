package dev.vesper.machine.hostile;

/** A number that is looked up when a rule fires: what hosts see, or what only observers do. */
public sealed interface Value permits HostValue, Value.Register, Value.Plaintext {
  /**
   * A register of the vCPU that the rule is about, which no host sees.
   *
   * @param name rax to r15, rip, rflags, cr0, cr2, cr3, cr4 or cpl
   */
  record Register(String name) implements Value {
    /** Makes a value. */
    public Register {
      if (!Watcher.REGISTERS.contains(name)) {
        throw new IllegalArgumentException(
            "there is no register '"
                + name
                + "': there are "
                + String.join(", ", Watcher.REGISTERS));
      }
    }
  }

  /**
   * A little-endian number in memory as the guest sees it, which no host does; 0 where nothing is.
   *
   * @param bytes 1, 2, 4 or 8
   */
  record Plaintext(Place where, int bytes) implements Value {
    /** Makes a value. */
    public Plaintext {
      HostValue.requireWidth(bytes);
    }
  }
}
