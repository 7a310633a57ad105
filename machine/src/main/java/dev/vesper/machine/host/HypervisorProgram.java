package dev.vesper.machine.host;

import java.util.function.Consumer;

/**
 * A hypervisor that a program takes part in. What is given last is asked first. Everything happens
 * on the thread that runs the machine, and is a function of what the guest does: runs stay
 * repeatable if the program is.
 */
public interface HypervisorProgram {
  /**
   * Answers requests in a GHCB.
   *
   * @param code SW_EXITCODE
   */
  void onEvent(int code, Answer<Exit.Event> answer);

  /** Answers all requests in a GHCB. */
  void onEvents(Answer<Exit.Event> answer);

  /**
   * Answers requests of the MSR protocol.
   *
   * @param info GHCBInfo: bits 11:0 of the request
   */
  void onMsr(int info, Answer<Exit.Msr> answer);

  /** Answers all requests of the MSR protocol. */
  void onMsrs(Answer<Exit.Msr> answer);

  /**
   * Answers exits that are no VMGEXIT, whether the guest is told of them or not.
   *
   * @param code EXITCODE
   */
  void onExit(int code, Answer<Exit.Automatic> answer);

  /**
   * Has the machine come back to its host when its vCPUs have executed so many instructions
   * together, exactly there. An event whose delivery was interrupted is delivered before.
   *
   * @param instructions not less than the machine has executed
   */
  void at(long instructions, Consumer<Exit.Appointment> host);

  /**
   * Has the machine come back to its host at a virtual time: before the first instruction of the
   * vCPU that has reached it.
   *
   * @param nanos since the machine began
   */
  void atTime(long nanos, Consumer<Exit.Appointment> host);

  /**
   * Has the machine come back to its host when a vCPU has executed so many more instructions,
   * exactly there.
   *
   * @param vcpu its number
   * @param instructions at least 1
   */
  void after(int vcpu, long instructions, Consumer<Exit.Appointment> host);

  /** Is told of each VMRUN before it. */
  void onEntry(Consumer<Exit.Appointment> host);

  /**
   * Comes back to its host before the next VMRUN of a vCPU.
   *
   * @param vcpu its number, or -1 for whichever runs next
   */
  void next(int vcpu, Consumer<Exit.Appointment> host);

  /** {@return the nested page tables} */
  NestedPaging nested();

  /** {@return devices and processors} */
  HostPlatform platform();
}
