package dev.vesper.machine.observe;

import dev.vesper.ghcb.GhcbField;
import dev.vesper.machine.observe.flow.FlowKind;
import java.util.List;
import org.jspecify.annotations.Nullable;

/**
 * One observed event. What is written to files for each is said in docs/trace.md.
 *
 * <p>Numbers of #VCs count from 1 in the order in which they are delivered; 0 is none.
 */
public sealed interface Event {
  /** {@return when and where it happened} */
  At at();

  /** {@return a number in hex with its prefix} */
  static String hex(long v) {
    return "0x" + Long.toHexString(v);
  }

  /**
   * #VC is about to be delivered.
   *
   * @param exit the error code: an exit code
   * @param vc its number
   * @param bytes of the instruction, empty if it cannot be read
   * @param operand its memory operand, or null
   * @param source what a string instruction reads, or null
   * @param dest what a string instruction writes, or null
   * @param portsAllowed for port I/O of user code, whether the ports are open to it; null otherwise
   * @param memory what OUTS is about to send
   * @param xcr0 XCR0, for CPUID alone
   * @param ghcbOpen what the GHCB holds that the handler must keep
   * @param nestedIn the #VC whose handler it interrupts, 0 for none
   */
  record VcRaised(
      At at,
      int exit,
      long vc,
      long rflags,
      Registers registers,
      Bytes bytes,
      @Nullable Operand operand,
      @Nullable Operand source,
      @Nullable Operand dest,
      @Nullable Boolean portsAllowed,
      Bytes memory,
      long xcr0,
      GhcbUse ghcbOpen,
      long nestedIn)
      implements Event {}

  /**
   * IRET from the handler of a #VC.
   *
   * @param exit error code of the #VC
   * @param vc its number
   * @param vcRip address of the instruction that it interrupted
   * @param spent instructions since
   * @param memory what INS has stored
   * @param ghcbChanged bytes of an open GHCB that changed meanwhile
   */
  record VcReturned(
      At at,
      int exit,
      long vc,
      long vcRip,
      long rflags,
      long spent,
      Registers registers,
      Bytes memory,
      List<ByteRange> ghcbChanged)
      implements Event {}

  /**
   * VMGEXIT with a GHCB, and its answer.
   *
   * @param vc the #VC in service, 0 for none
   * @param ghcb address of the page
   * @param msr the GHCB MSR
   * @param page how the page was written last; {@link PageState#OUTSIDE} if there is no such page,
   *     and then there is nothing but {@code vc}, {@code rflags}, {@code ghcb} and {@code action}
   * @param mapping how the guest's page tables have the page now
   * @param version PROTOCOL_VERSION of the request
   * @param usage GHCB_USAGE of the request
   * @param reserved reserved bytes that are not zero
   * @param changed bytes that the host has written
   * @param scratch the page of SW_SCRATCH, for events that use it
   * @param action what the answer says, in words
   * @param ended why the run ends with it, or null
   */
  record GhcbExchange(
      At at,
      long vc,
      long rflags,
      long ghcb,
      long msr,
      PageState page,
      PageState mapping,
      GhcbContents request,
      GhcbContents answer,
      int version,
      long usage,
      List<ByteRange> reserved,
      List<ByteRange> changed,
      PageState scratch,
      String action,
      @Nullable String ended)
      implements Event {
    /** {@return SW_EXITCODE} */
    public int exit() {
      return (int) request.get(GhcbField.SW_EXITCODE);
    }

    /** {@return the low half of SW_EXITINFO1 of the answer: 0 for done} */
    public int status() {
      return (int) answer.get(GhcbField.SW_EXITINFO1);
    }
  }

  /**
   * VMGEXIT with a request of the MSR protocol, and the response.
   *
   * @param vc the #VC in service, 0 for none
   * @param ended why the run ends with it, or null
   */
  record MsrExchange(
      At at, long vc, long rflags, long request, long response, @Nullable String ended)
      implements Event {}

  /** An exit that the guest is not told of. */
  record AutomaticExit(At at, int exit, long info1, long info2) implements Event {}

  /**
   * An automatic exit after a register was written.
   *
   * @param info1 its new value
   */
  record WriteTrap(At at, int exit, long info1, long info2) implements Event {}

  /**
   * The host injects an event.
   *
   * @param event in EVENTINJ format
   */
  record Injected(At at, long event) implements Event {
    /** {@return the interrupt or exception vector} */
    public int vector() {
      return (int) event & 0xFF;
    }

    /** {@return 0 interrupt, 2 NMI, 3 exception, 4 software interrupt} */
    public int type() {
      return (int) (event >>> 8) & 7;
    }
  }

  /**
   * Somebody touches a page with another C-bit than before.
   *
   * @param ghcbOpen what it holds, if it is the vCPU's GHCB
   */
  record PageStateChanged(At at, long gpa, PageState from, PageState to, GhcbUse ghcbOpen)
      implements Event {}

  /**
   * The host's side touches a page that the guest touched last as private.
   *
   * @param device a device does; the hypervisor otherwise
   * @param refused the page is the guest's by the reverse map table: the write changes nothing
   */
  record HostAccess(At at, boolean write, long gpa, boolean device, boolean refused)
      implements Event {}

  /** The guest reads, by a private mapping, what a device has written. */
  record DmaNoise(At at, long gpa) implements Event {}

  /**
   * Execute-only text is read as data.
   *
   * @param vc the #VC in service, 0 for none
   * @param vcRip address of the instruction that it interrupted
   */
  record ExecuteOnlyRead(At at, long address, long vc, long vcRip) implements Event {}

  /**
   * A vCPU that waited is started.
   *
   * @param how by SIPI, or out of AP reset hold
   */
  record VcpuStarted(At at, int vcpu, String how) implements Event {}

  /** {@link Pvalidate#gpa} where the operand was refused before it was translated. */
  long NO_ADDRESS = -1;

  /**
   * PVALIDATE, or several that the same instruction has executed for one page after the other with
   * the same result, and nothing between them.
   *
   * @param gva linear address of the first operand, as RAX says it
   * @param gpa guest physical address of the first, or {@link #NO_ADDRESS}
   * @param large the pages are of 2 MiB
   * @param validate the pages are accepted; given up otherwise
   * @param eax the result, or -1 if the instruction faults
   * @param carry CF: nothing was changed
   * @param before what the table said of the first page
   * @param why which check has refused it, or that nothing changed
   * @param count how many pages of that size
   */
  record Pvalidate(
      At at,
      long gva,
      long gpa,
      boolean large,
      boolean validate,
      int eax,
      boolean carry,
      RmpState before,
      RmpCheck why,
      long count)
      implements Event {}

  /**
   * RMPADJUST.
   *
   * @param gva linear address of the operand
   * @param gpa guest physical address, or {@link #NO_ADDRESS}
   * @param large the page is of 2 MiB
   * @param vmpl target privilege level
   * @param permissions that it is given
   * @param vmsa the page is to be a save area
   * @param eax the result, or -1 if the instruction faults
   * @param before what the table said
   * @param after what it says now
   * @param why which check has refused it
   */
  record Rmpadjust(
      At at,
      long gva,
      long gpa,
      boolean large,
      int vmpl,
      int permissions,
      boolean vmsa,
      int eax,
      RmpState before,
      RmpState after,
      RmpCheck why)
      implements Event {}

  /**
   * RMPQUERY.
   *
   * @param gva linear address of the operand
   * @param gpa guest physical address, or {@link #NO_ADDRESS}
   * @param vmpl target privilege level
   * @param eax the result, or -1 if the instruction faults
   * @param state what the table says
   * @param why which check has refused it
   */
  record Rmpquery(At at, long gva, long gpa, int vmpl, int eax, RmpState state, RmpCheck why)
      implements Event {}

  /**
   * The host has changed entries of the reverse map table, or was asked to and has not: pages that
   * follow each other, of which each was changed as the first was.
   *
   * @param cause why
   * @param what the type of launched pages, what the guest has asked for, or the host's instruction
   * @param gpa of the first page; of a page that no guest has, in system memory
   * @param pages of 4 KiB
   * @param before what the table said of the first page
   * @param after what it says of it now, the same if nothing was changed
   * @param first number of the first page's entry in the list of a page state change; -1 without
   * @param last number of the last page's
   * @param why what has failed, in words, empty if nothing has
   */
  record RmpChanged(
      At at,
      RmpCause cause,
      String what,
      long gpa,
      long pages,
      RmpState before,
      RmpState after,
      int first,
      int last,
      String why)
      implements Event {}

  /**
   * The reverse map table refuses the guest an access: #VC with error code 404 if the page is not
   * validated, #NPF otherwise.
   *
   * @param access how
   * @param gva linear address
   * @param gpa guest physical address
   * @param encrypted the access is one with the C-bit, as fetches and walks are
   * @param info1 EXITINFO1 of #NPF; 0 for #VC
   * @param state what the table says of the page
   * @param why which check has failed
   */
  record RmpViolation(
      At at,
      RmpAccess access,
      long gva,
      long gpa,
      boolean encrypted,
      long info1,
      RmpState state,
      RmpCheck why)
      implements Event {}

  /**
   * The guest asks for a processor to be given a save area, or to be stopped.
   *
   * @param info1 SW_EXITINFO1: request, VMPL and APIC ID, as {@link dev.vesper.ghcb.ApCreation} has
   *     them
   * @param area guest physical address of the save area
   * @param features SEV_FEATURES as the guest says them
   * @param why what has failed, in words, empty if nothing has
   */
  record ApCreationAsked(At at, long info1, long area, long features, String why)
      implements Event {}

  /**
   * The guest registers a GHCB, by code 012 of the MSR protocol.
   *
   * @param gpa of the page that the host answers with: all ones if it takes none
   */
  record GhcbRegistered(At at, long gpa) implements Event {}

  /**
   * The host answers a guest request.
   *
   * @param extended the request is one with data pages
   * @param request address of the page with the message
   * @param response address of the page for the answer
   * @param info1 SW_EXITINFO1 of the answer: 0 for served, 2 for malformed
   * @param info2 SW_EXITINFO2: the statuses of hypervisor and firmware
   * @param why which check has failed, in words, empty if none has
   */
  record GuestRequestAnswered(
      At at, boolean extended, long request, long response, long info1, long info2, String why)
      implements Event {}

  /**
   * A less privileged level has called the service module at VMPL0. It is told when VMPL0 runs the
   * level again, or at the end of the run.
   *
   * @param at when it is told, and where the call was made
   * @param level the VMPL that calls
   * @param call RAX: protocol and number, as {@link dev.vesper.ghcb.SvsmCall} has them
   * @param rcx an input, as the others
   * @param pending call_pending of its calling area at the call; {@link #NOT_KNOWN} if nobody knows
   *     where that is
   * @param entries of a list that the call gives, or -1
   * @param next entry of the list with which to begin, or -1
   * @param answered the level has run again
   * @param result RAX of the answer
   * @param outRcx an output, as the others
   * @param left call_pending when the level runs again: if it is not 0 the call was not taken
   */
  record SvsmCalled(
      At at,
      int level,
      long call,
      long rcx,
      long rdx,
      long r8,
      long r9,
      int pending,
      int entries,
      int next,
      boolean answered,
      long result,
      long outRcx,
      long outRdx,
      long outR8,
      int left)
      implements Event {
    /** The calling area is not known. */
    public static final int NOT_KNOWN = -1;
  }

  /**
   * The guest leaves something out that SEV-SNP asks of it. Deep traces alone have it, and of an
   * instruction that is executed again and again only the first times.
   *
   * @param at of the instruction that has left it out, or of the one that uses the page
   * @param gpa guest physical address of the page
   */
  record Omission(At at, Omitted what, long gpa) implements Event {}

  /**
   * The page from which the guest takes CPUID was launched.
   *
   * @param gpa its guest physical address
   * @param page its header and its entries
   */
  record CpuidLaunched(At at, long gpa, Bytes page) implements Event {}

  /**
   * When the run ends, the host can read a key of the guest's secrets page in shared memory.
   *
   * @param key number of the VMPCK
   * @param gpa guest physical address of the copy
   */
  record KeyExposed(At at, int key, long gpa) implements Event {}

  /**
   * A rule of a host's script has fired.
   *
   * @param at where the vCPU is that it is about
   * @param rule its number in the script, from 1 on
   * @param line of the script's text, 0 for none
   * @param silicon the rule may break the machine's own rules, as no host can
   * @param aided its trigger takes somebody who sees more than a host
   * @param trigger in words
   * @param what was done, in words
   */
  record HostileRule(
      At at, int rule, int line, boolean silicon, boolean aided, String trigger, String what)
      implements Event {}

  /**
   * The oracle of flows has found something the first time.
   *
   * @param at the instruction
   * @param kind what has happened
   * @param origin where the value comes from, in words
   * @param sink where it has gone, in words
   * @param exchange number of the exchange that it came by or would go by, or 0
   */
  record FlowFound(At at, FlowKind kind, String origin, String sink, long exchange)
      implements Event {}

  /** A line of the console. */
  record ConsoleLine(At at, String text) implements Event {}

  /** The name of an address from which a GHCB was accessed, before the first event that says so. */
  record Place(At at) implements Event {}

  /**
   * The guest was launched.
   *
   * @param policy in words
   * @param digest launch digest
   * @param measurement what LAUNCH_MEASURE returned
   * @param nonce that it is keyed with
   */
  record Launched(At at, String policy, Bytes digest, Bytes measurement, Bytes nonce)
      implements Event {}

  /**
   * The run is over.
   *
   * @param status exit status
   */
  record Ended(At at, int status, String reason) implements Event {}
}
