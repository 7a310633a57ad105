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
   * together, exactly there.
   *
   * @param instructions not less than the machine has executed
   */
  void at(long instructions, Consumer<Exit.Appointment> host);
}
