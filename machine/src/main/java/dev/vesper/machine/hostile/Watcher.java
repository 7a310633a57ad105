package dev.vesper.machine.hostile;

import java.util.List;
import java.util.Set;
import org.jspecify.annotations.Nullable;

/**
 * What only an observer of a machine sees. It serves triggers that name what no host sees, and
 * notes; lawful actions are not given it.
 */
public interface Watcher {
  /** Names of registers. */
  List<String> REGISTERS =
      List.of(
          "rax", "rcx", "rdx", "rbx", "rsp", "rbp", "rsi", "rdi", "r8", "r9", "r10", "r11", "r12",
          "r13", "r14", "r15", "rip", "rflags", "cr0", "cr2", "cr3", "cr4", "cpl");

  /** {@return a register of a vCPU, by a name of {@link #REGISTERS}} */
  long register(int vcpu, String name);

  /** {@return the linear address of a symbol where the guest runs it, or -1} */
  long address(String symbol);

  /** {@return the guest physical address of a linear one by a vCPU's page tables, or -1} */
  long physical(int vcpu, long linear);

  /**
   * {@return bytes as a vCPU's program sees them, null where nothing is mapped}
   *
   * @param linear address of the first
   */
  byte @Nullable [] memory(int vcpu, long linear, int length);

  /** {@return bytes of guest memory as the guest's private accesses see them, null outside} */
  byte @Nullable [] physicalMemory(long gpa, int length);

  /**
   * Has vCPUs come back to their host before they execute the instructions at some places.
   *
   * @param places all of them, linear or named, instead of those that were given before
   */
  void stopAt(Set<Place> places);
}
