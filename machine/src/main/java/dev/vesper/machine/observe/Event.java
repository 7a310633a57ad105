package dev.vesper.machine.observe;

import dev.vesper.ghcb.GhcbField;
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
   */
  record HostAccess(At at, boolean write, long gpa, boolean device) implements Event {}

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
