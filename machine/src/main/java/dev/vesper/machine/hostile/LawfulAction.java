package dev.vesper.machine.hostile;

import dev.vesper.ghcb.GhcbField;
import dev.vesper.machine.host.DescriptorField;
import dev.vesper.machine.host.NestedPaging;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/** What a host can do to a guest with what every host has. */
public sealed interface LawfulAction extends Action {
  /** What is done to memory, and to how it is mapped. */
  sealed interface OnMemory extends LawfulAction {}

  /** What a request is answered. */
  sealed interface OnAnswer extends LawfulAction {}

  /** What devices do, and other processors. */
  sealed interface OnDevice extends LawfulAction {}

  /**
   * Injects an event at the next VMRUN of the vCPU.
   *
   * @param vector 0 to 255
   * @param error its error code, or null for none
   */
  record Inject(int vector, EventType type, @Nullable HostValue error) implements LawfulAction {
    /** Makes an action. */
    public Inject {
      if (vector < 0 || vector > 0xFF) {
        throw new IllegalArgumentException("vectors are 0 to 255, not " + vector);
      }
    }

    /** {@return #VC with an error code, as WeSee injects it} */
    public static Inject vc(long code) {
      return new Inject(29, EventType.EXCEPTION, HostValue.of(code));
    }

    /** {@return an external interrupt, past any interrupt controller} */
    public static Inject interrupt(int vector) {
      return new Inject(vector, EventType.INTERRUPT, null);
    }
  }

  /** Types of EVENTINJ. */
  enum EventType {
    INTERRUPT(0),
    NMI(2),
    EXCEPTION(3),
    SOFTWARE(4);

    final int code;

    EventType(int code) {
      this.code = code;
    }
  }

  /** Does not inject again what an exit has interrupted the delivery of, nor what is to come. */
  record DropEvent() implements LawfulAction {}

  /** Sets what the guest may do with a page. */
  record Permit(Place page, NestedPaging.Mapping mapping) implements OnMemory {}

  /** Maps a guest physical page to another one of guest memory. */
  record MapTo(HostValue gpa, HostValue to) implements OnMemory {}

  /** Maps two guest physical pages to each other's memory. */
  record Swap(HostValue one, HostValue other) implements OnMemory {}

  /**
   * Keeps bytes as the bus carries them, under a name.
   *
   * @param length 1 to 1 MiB
   */
  record Capture(String name, HostValue gpa, int length) implements OnMemory {
    /** The most that a name is for. */
    public static final int MOST = 1 << 20;

    /** Makes an action. */
    public Capture {
      if (length < 1 || length > MOST) {
        throw new IllegalArgumentException("1 to " + MOST + " bytes are kept, not " + length);
      }
    }
  }

  /** Writes kept bytes to the bus. */
  record Replay(String name, HostValue gpa) implements OnMemory {}

  /** Writes bytes to the bus: what the guest sees there in a private page is another thing. */
  record WriteCiphertext(HostValue gpa, Hex bytes) implements OnMemory {}

  /**
   * Writes a little-endian number to shared memory.
   *
   * @param bytes 1, 2, 4 or 8
   */
  record PokeShared(HostValue gpa, int bytes, HostValue value) implements OnMemory {
    /** Makes an action. */
    public PokeShared {
      HostValue.requireWidth(bytes);
    }
  }

  /**
   * Writes a field of the GHCB. Trigger: {@link Trigger.Vmgexit}.
   *
   * @param valid marks it valid, too
   */
  record AnswerField(GhcbField field, HostValue value, boolean valid) implements OnAnswer {}

  /** Takes a field's valid bit away. Trigger: {@link Trigger.Vmgexit}. */
  record AnswerInvalid(GhcbField field) implements OnAnswer {}

  /** Has the profile not answer at all. Triggers: {@link Trigger.Vmgexit}, {@link Trigger.Msr}. */
  record Unanswered() implements OnAnswer {}

  /** Sets what the guest reads from the GHCB MSR. Trigger: {@link Trigger.Msr}. */
  record MsrAnswer(HostValue value) implements OnAnswer {}

  /**
   * Has CPUID, asked by event or by the MSR protocol, answer so from now on.
   *
   * @param subleaf ECX, or -1 for any
   * @param registers what of EAX to EDX is to be what, by RAX, RBX, RCX and RDX
   */
  record CpuidAnswer(int leaf, int subleaf, Map<GhcbField, HostValue> registers)
      implements OnAnswer {
    /** Makes an action. */
    public CpuidAnswer {
      registers = Map.copyOf(registers);
    }
  }

  /** Changes the guest's time-stamp counter by the offset in the VMCB, from now on. */
  record Tsc(TscChange change, long amount) implements LawfulAction {}

  /** How a time-stamp counter is changed. */
  enum TscChange {
    /** It is so much more: two's complement. */
    OFFSET,
    /**
     * Between VMRUNs it runs so many thousandths as fast: the offset follows at each VMRUN, and
     * within one it runs as it does.
     */
    SCALE,
    /** At each VMRUN it is what it was when the rule fired. */
    HOLD
  }

  /** Reads of a port give this from now on, whatever the device has. */
  record PortAnswer(int port, HostValue value) implements OnDevice {}

  /** Reads of a byte of the clock's memory, 0 to 127, give this from now on. */
  record CmosAnswer(int index, HostValue value) implements OnDevice {}

  /**
   * Virtio devices say other things of the next requests that they have done.
   *
   * @param times of how many
   * @param id of the descriptor chain, or null for the device's own
   * @param length that was written, or null
   */
  record UsedElement(long times, @Nullable HostValue id, @Nullable HostValue length)
      implements OnDevice {}

  /**
   * Virtio devices change the first descriptor of the next requests that they have done.
   *
   * @param times of how many
   */
  record UsedDescriptor(long times, DescriptorField field, HostValue value) implements OnDevice {}

  /** Reads of device memory give this from now on. */
  record MmioAnswer(long gpa, HostValue value) implements OnDevice {}

  /** Writes a register of the device that answers at a port, as its driver would. */
  record PortWrite(int port, int bytes, HostValue value) implements OnDevice {}

  /**
   * Replaces what fw_cfg has for a file, as ACPI tables or a boot order are.
   *
   * @param name as in {@code etc/acpi/tables}
   */
  record FwCfgFile(String name, int offset, Hex bytes) implements OnDevice {}

  /**
   * RMPUPDATE, which takes a page of a guest under SEV-SNP, or gives it one. What the guest finds
   * there is not validated.
   *
   * @param gpa that the entry has, or null for a page of the hypervisor's
   */
  record Assign(HostValue page, @Nullable HostValue gpa) implements OnMemory {}

  /** Sends a SIPI to a vCPU. */
  record Sipi(int vcpu, int vector) implements OnDevice {}

  /** Passes over the next SIPIs to a vCPU, whoever sends them. */
  record SkipWake(int vcpu, int times) implements OnDevice {}

  /** Has a vCPU's save area be what it was before this VMRUN, when that has exited. */
  record RunTwice() implements LawfulAction {}

  /** Lets virtual time pass before the vCPU goes on. */
  record Delay(long nanos) implements LawfulAction {
    /** The most: 1,000 seconds. */
    public static final long MOST = 1_000_000_000_000L;

    /** Makes an action. */
    public Delay {
      if (nanos < 0 || nanos > MOST) {
        throw new IllegalArgumentException("a delay is 0 to " + MOST + " ns, not " + nanos);
      }
    }
  }

  /** Gives a name to a value. */
  record Let(String name, HostValue value) implements LawfulAction {}

  /** Goes on in a state, whose rules count from now on. */
  record Goto(String state) implements LawfulAction {}

  /** Gives the guest up. */
  record End(String reason) implements LawfulAction {}
}
