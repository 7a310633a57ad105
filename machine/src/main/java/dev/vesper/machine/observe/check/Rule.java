package dev.vesper.machine.observe.check;

import java.util.Locale;

/**
 * The rules of the GHCB protocol that a {@link Checker} holds guest and hypervisor to. Ids are
 * stable: files that allow findings name them. GHCB is the standard of AMD publication 56421, cited
 * by the names of its tables; APM is AMD's Architecture Programmer's Manual.
 */
public enum Rule {
  // ---- what the guest sends
  EXIT_FIELDS_VALID(
      Side.GUEST,
      Severity.ERROR,
      "GHCB, NAE events",
      "SW_EXITCODE, SW_EXITINFO1 and SW_EXITINFO2 are marked valid at VMGEXIT",
      "set the three bits of the valid bitmap after writing the fields",
      "edk2 6133e72c00, PR #1110"),
  SCRATCH_VALID(
      Side.GUEST,
      Severity.ERROR,
      "GHCB, NAE events: IOIO, MMIO",
      "SW_SCRATCH is marked valid for string I/O and MMIO",
      "set the bit of SW_SCRATCH (117) when the buffer's address is written",
      "edk2 8d9698ecf8, 12a0c11e81"),
  CPUID_INPUTS_VALID(
      Side.GUEST,
      Severity.ERROR,
      "GHCB, NAE events: CPUID",
      "CPUID marks RAX and RCX valid, and XCR0 for leaf 0xD",
      "export XCR0 too when EAX is 0xD (the reset value 1 while CR4.OSXSAVE is clear)",
      "svsm#684, 264c4a81"),
  INPUTS_VALID(
      Side.GUEST,
      Severity.ERROR,
      "GHCB, NAE events",
      "every field that the event needs is marked valid",
      "mark the named fields valid for this exit code",
      "edk2 PR #1110"),
  REGISTER_LEAK(
      Side.GUEST,
      Severity.ERROR,
      "GHCB, NAE events",
      "no register is exported that the event does not need",
      "clear the valid bitmap for each event and export only what the event's table row lists",
      "secret leak"),
  UNMARKED_LEAK(
      Side.GUEST,
      Severity.WARNING,
      "GHCB, NAE events",
      "no register is written to the shared page without need, marked valid or not",
      "the host reads the whole page: write only the fields that the event needs",
      "secret leak"),
  UPPER_HALF_LEAK(
      Side.GUEST,
      Severity.NOTE,
      "GHCB, NAE events",
      "only the bits that the instruction uses are exported",
      "mask the register to the operand's size before it goes into the page",
      "secret leak"),
  GHCB_NOT_SHARED(
      Side.GUEST,
      Severity.ERROR,
      "APM volume 2, 15.35.7; GHCB, layout",
      "the GHCB is a shared page: the guest maps it with the C-bit clear",
      "clear the C-bit in the page table entry and flush the TLB before the first use",
      "svsm 338cbc2d"),
  GHCB_STALE_TLB(
      Side.GUEST,
      Severity.ERROR,
      "APM volume 2, 15.34.5",
      "a change of the GHCB's C-bit is followed by a TLB flush",
      "INVLPG the page (on every processor that uses it) after the page table entry is changed",
      "svsm 338cbc2d"),
  GHCB_INTERRUPTIBLE(
      Side.GUEST,
      Severity.ERROR,
      "APM volume 2, 15.35.7",
      "interrupts are off while the GHCB is in use",
      "use an interrupt gate for #VC, and CLI around exchanges outside of it",
      "edk2 1b0db1ec87"),
  NESTED_CLOBBER(
      Side.GUEST,
      Severity.ERROR,
      "APM volume 2, 15.35.7",
      "a nested #VC leaves the GHCB of the interrupted exchange as it was",
      "save the page before a nested exchange and restore it, or use a second page",
      "edk2 5667dc43d8"),
  GHCB_IN_USE(
      Side.GUEST,
      Severity.ERROR,
      "APM volume 2, 15.35.7",
      "a GHCB page belongs to one vCPU and stays a GHCB while an exchange is open",
      "give each vCPU its own page, and finish the exchange before the page changes its state",
      "svsm 338cbc2d"),
  RESERVED_WRITE(
      Side.GUEST,
      Severity.ERROR,
      "GHCB, table 3: layout",
      "reserved bytes of the GHCB are zero",
      "check the offsets of the structure against the table at build time",
      "svsm 40b0b69b"),
  GHCB_USAGE(
      Side.GUEST,
      Severity.ERROR,
      "GHCB, table 3: layout",
      "GHCB_USAGE is 0 for the standard's layout",
      "zero the page before its first use",
      "linux-svsm#11"),
  PROTOCOL_VERSION(
      Side.GUEST,
      Severity.ERROR,
      "GHCB, 2.3.1: MSR protocol",
      "PROTOCOL_VERSION is 0 or within the range that the hypervisor offers",
      "write the version that was negotiated",
      "linux-svsm#11"),
  VERSION_NOT_NEGOTIATED(
      Side.GUEST,
      Severity.ERROR,
      "GHCB, 2.3.1: MSR protocol",
      "the protocol version is negotiated before the first GHCB exchange",
      "send SEV_INFO_REQ (2) by the MSR protocol, check the range, else ask for termination",
      "linux-svsm#11"),
  FEATURES_NOT_NEGOTIATED(
      Side.GUEST,
      Severity.ERROR,
      "GHCB, hypervisor features",
      "events of version 2 that are features are used only if the hypervisor offers them",
      "ask for the features (HV_FEATURES) first and look at the bit",
      "linux-svsm#11"),
  GHCB_UNREGISTERED(
      Side.GUEST,
      Severity.ERROR,
      "GHCB, 2.3.1: MSR protocol",
      "a GHCB whose registration was refused is not used",
      "compare the address in the response with the one sent; terminate if they differ",
      "linux-svsm#11"),
  MSR_NUMBER(
      Side.GUEST,
      Severity.ERROR,
      "GHCB, NAE events: MSR",
      "the MSR number is that of ECX",
      "export ECX of the interrupted code as RCX",
      "edk2 856bdc8eec"),
  MSR_DIRECTION(
      Side.GUEST,
      Severity.ERROR,
      "GHCB, NAE events: MSR",
      "SW_EXITINFO1 is 1 for WRMSR and 0 for RDMSR",
      "take the direction from the opcode: 0F 30 writes, 0F 32 reads",
      "oak#3871"),
  IOIO_INFO(
      Side.GUEST,
      Severity.ERROR,
      "GHCB, NAE events: IOIO",
      "SW_EXITINFO1 says port, direction, size and kind of the I/O instruction",
      "build it from the opcode and its prefixes (APM volume 2, figure 15-2)",
      "oak#3871"),
  MMIO_REQUEST(
      Side.GUEST,
      Severity.ERROR,
      "GHCB, NAE events: MMIO",
      "MMIO requests carry the physical address and the size of the access",
      "translate the operand by the interrupted page tables and mask the C-bit",
      "edk2 75d1a7903d"),
  EXPORT_VALUE(
      Side.GUEST,
      Severity.ERROR,
      "GHCB, NAE events",
      "exported values are those of the interrupted registers or memory",
      "fill each field from the register that the event's table row names",
      "oak#3871"),
  MMIO_PRIVATE(
      Side.GUEST,
      Severity.ERROR,
      "GHCB, NAE events: MMIO",
      "MMIO is done only for addresses that are mapped shared",
      "look at the C-bit of the mapping; refuse the access if it is set",
      "edk2 85b8eac59b"),
  SCRATCH_PRIVATE(
      Side.GUEST,
      Severity.ERROR,
      "GHCB, NAE events: IOIO, MMIO",
      "the scratch area is shared memory",
      "use the GHCB's own shared buffer",
      "svsm c225be2b"),
  SCRATCH_BOUNDS(
      Side.GUEST,
      Severity.ERROR,
      "GHCB, NAE events: IOIO, MMIO",
      "the data of a request lie within the shared buffer",
      "send at most 2032 bytes at once, at offset 0x800 of the GHCB",
      "svsm c225be2b"),
  DMA_PRIVATE(
      Side.GUEST,
      Severity.ERROR,
      "APM volume 2, 15.34.6",
      "devices are given shared memory only",
      "use bounce buffers that are mapped with the C-bit clear",
      "private memory used for I/O"),
  OPCODE_MISMATCH(
      Side.GUEST,
      Severity.ERROR,
      "APM volume 2, 15.35.5",
      "the instruction at RIP is one that can raise the error code",
      "decode the instruction and compare it with the error code before serving it",
      "CVE-2024-25742, edk2 e3fa6986ae"),
  USER_VC(
      Side.GUEST,
      Severity.ERROR,
      "APM volume 2, 15.35.5",
      "a #VC of user code is served only for what user code may do",
      "check CPL, the I/O permission map and the operand's address before serving it",
      "linux 63e44bc52047"),
  EXECUTE_ONLY_READ(
      Side.GUEST,
      Severity.ERROR,
      "APM volume 2, 15.35.5",
      "instruction bytes are not read from execute-only text as data",
      "take length and operands from the exit information, or read through another mapping",
      "OpenBSD review thread"),

  // ---- what the guest does with the answer
  INFO1_UNREAD(
      Side.GUEST,
      Severity.ERROR,
      "GHCB, NAE events: SW_EXITINFO1",
      "SW_EXITINFO1 is looked at before anything of the answer is used",
      "read SW_EXITINFO1 first; 0 is success, 1 an exception, 2 a malformed request",
      "svsm 03135882"),
  ERROR_IGNORED(
      Side.GUEST,
      Severity.ERROR,
      "GHCB, NAE events: SW_EXITINFO1",
      "an answer with SW_EXITINFO1 other than 0 is no success",
      "raise the exception of SW_EXITINFO2 in the interrupted code, or terminate",
      "oak#3871"),
  OUTPUT_UNCHECKED(
      Side.GUEST,
      Severity.ERROR,
      "GHCB, NAE events",
      "a returned register is used only if it is marked valid",
      "test the register's bit of the valid bitmap first",
      "svsm 03135882"),
  DOUBLE_FETCH(
      Side.GUEST,
      Severity.ERROR,
      "GHCB, NAE events",
      "a field of the answer is read once: the host may change it between two reads",
      "copy the field to private memory and use the copy",
      "svsm c225be2b"),
  MSR_RESPONSE_UNREAD(
      Side.GUEST,
      Severity.ERROR,
      "GHCB, 2.3.1: MSR protocol",
      "the response to an MSR-protocol request is read",
      "RDMSR the GHCB MSR after VMGEXIT",
      "linux-svsm#11"),
  MSR_RESPONSE_UNCHECKED(
      Side.GUEST,
      Severity.ERROR,
      "GHCB, 2.3.1: MSR protocol",
      "the code of an MSR-protocol response is compared with the one expected",
      "compare bits 11:0 with the response code, and echoed data with what was sent",
      "linux-svsm#11"),
  MSR_RESPONSE_IGNORED(
      Side.GUEST,
      Severity.ERROR,
      "GHCB, 2.3.1: MSR protocol",
      "after a wrong MSR-protocol response the guest terminates",
      "send TERM_REQ (0x100) when the response code is not the one expected",
      "edk2 e3fa6986ae"),
  RIP_ADVANCE(
      Side.GUEST,
      Severity.ERROR,
      "APM volume 2, 15.35.5",
      "RIP goes on behind the instruction, or stays while a repetition is not finished",
      "add the length of the instruction, prefixes included",
      "oak#3871"),
  RESULT_RDTSCP(
      Side.GUEST,
      Severity.ERROR,
      "GHCB, NAE events: RDTSCP",
      "RDTSCP returns ECX too and is three bytes long",
      "copy RCX as well; distinguish 0F 01 F9 from 0F 31",
      "svsm 51f86548"),
  RESULT_ORDER(
      Side.GUEST,
      Severity.ERROR,
      "GHCB, NAE events",
      "each returned field goes to the register of its name",
      "mind that the layout's order is RCX, RDX, RBX",
      "oak#3871"),
  RESULT_EXTENSION(
      Side.GUEST,
      Severity.ERROR,
      "GHCB, NAE events: MMIO",
      "MMIO loads are extended as MOV, MOVZX or MOVSX says",
      "zero- or sign-extend to the destination's size; 32-bit results clear bits 63:32",
      "edk2 75d1a7903d, cc71bd9709"),
  RESULT_MERGE(
      Side.GUEST,
      Severity.ERROR,
      "GHCB, NAE events: IOIO",
      "8- and 16-bit results leave the rest of the register alone",
      "merge AL or AX into the interrupted RAX",
      "linux lower_bits()"),
  RESULT_ZERO_EXTEND(
      Side.GUEST,
      Severity.ERROR,
      "GHCB, NAE events",
      "32-bit results clear the upper half of the register",
      "write the zero-extended 32-bit value to the whole register",
      "edk2 75d1a7903d"),
  RESULT_DR7(
      Side.GUEST,
      Severity.ERROR,
      "GHCB, NAE events: DR7",
      "a read of DR7 gives the value that was written last",
      "keep the value of each DR7 write, 0x400 at first, for each vCPU",
      "edk2 31f5ebd6db, svsm f3825272"),
  RESULT_MEMORY(
      Side.GUEST,
      Severity.ERROR,
      "GHCB, NAE events: IOIO",
      "INS stores what the hypervisor answered, in the direction of DF",
      "copy the elements in the order in which the instruction would store them",
      "svsm c225be2b"),
  RESULT_REGISTER(
      Side.GUEST,
      Severity.ERROR,
      "GHCB, NAE events",
      "registers and flags are as the instruction would have left them",
      "change only the instruction's results; keep everything else",
      "edk2 856bdc8eec"),
  CPUID_XCR0(
      Side.GUEST,
      Severity.ERROR,
      "GHCB, NAE events: CPUID",
      "CPUID leaf 0xD is asked with the XCR0 in force, which decides the size of the XSAVE area",
      "read XCR0 with XGETBV while CR4.OSXSAVE is set",
      "edk2 ce781cf8bb, edacc551e6"),

  // ---- what a guest under SEV-SNP does
  PAGE_NOT_VALIDATED(
      Side.GUEST,
      Severity.ERROR,
      "APM volume 2, 15.36.6",
      "a private page is validated before it is touched",
      "execute PVALIDATE for the page, after a page state change if it was shared",
      "AMDSEV#138, #261, edk2 PR #6285"),
  DOUBLE_VALIDATION(
      Side.GUEST,
      Severity.ERROR,
      "APM volume 2, 15.36.6",
      "a page that PVALIDATE finds validated already (CF set) is not used",
      "take CF for an attack and terminate: the host may have mapped another page there",
      "linux pvalidate(), svsm FAIL_UNCHANGED"),
  PVALIDATE_RESULT(
      Side.GUEST,
      Severity.ERROR,
      "APM volume 2, 15.36.6",
      "the result of PVALIDATE and RMPADJUST, EAX, is looked at",
      "compare EAX with 0, and 6 (size mismatch) for 2M; terminate otherwise",
      "linux pvalidate()"),
  PVALIDATE_CARRY(
      Side.GUEST,
      Severity.ERROR,
      "APM volume 2, 15.36.6",
      "CF is looked at when PVALIDATE validates a page",
      "test CF behind PVALIDATE, before another instruction changes it",
      "oak#3874"),
  SHARED_WHILE_VALID(
      Side.GUEST,
      Severity.ERROR,
      "APM volume 2, 15.36.6; GHCB, NAE events: SNP Page State Change",
      "validation is taken back by PVALIDATE before a page is asked to be shared",
      "execute PVALIDATE with EDX 0 first, then ask for the change of state",
      "linux set_memory_decrypted()"),
  IMPLICIT_CONVERSION(
      Side.GUEST,
      Severity.ERROR,
      "APM volume 2, 15.36.10; GHCB, NAE events: SNP Page State Change",
      "a page is touched with the C-bit of its state",
      "ask for the change of state before the page table entry is changed, and flush the TLB",
      "AMDSEV#287"),
  GHCB_NOT_REGISTERED(
      Side.GUEST,
      Severity.ERROR,
      "GHCB, 2.3.2: GHCB GPA Register",
      "under SEV-SNP each vCPU registers its GHCB before it uses it",
      "send the page's address by the MSR protocol (012) whenever a vCPU changes its GHCB",
      "KVM sev_es_validate_vmgexit"),
  PAGE_STATE_LIST(
      Side.GUEST,
      Severity.ERROR,
      "GHCB, NAE events: SNP Page State Change",
      "the list of a page state change lies in the shared buffer and is well formed",
      "send at most 253 entries at once, reserved bits zero, 2M pages aligned",
      "KVM snp_begin_psc"),
  VMSA_FREED(
      Side.GUEST,
      Severity.ERROR,
      "APM volume 2, 15.36.12; GHCB, NAE events: SNP AP Creation",
      "the page of a save area stays one while a vCPU runs from it",
      "destroy the vCPU or give it another save area first",
      "linux snp_cleanup_vmsa()"),
  VMSA_ALIGNMENT(
      Side.GUEST,
      Severity.ERROR,
      "AMD erratum; KVM sev_snp_ap_creation",
      "a save area is not at a multiple of 2 MiB, where processors may take it for a large page",
      "allocate two pages and take the one that is not aligned",
      "linux snp_alloc_vmsa_page()"),
  CPUID_FROM_HOST(
      Side.GUEST,
      Severity.WARNING,
      "APM volume 2, 15.34.10; GHCB, NAE events: CPUID",
      "CPUID that the CPUID page has is taken from there, not from the host",
      "look into the CPUID page first, and ask the host for APIC IDs only",
      "linux snp_cpuid()"),
  SECRETS_SHARED(
      Side.GUEST,
      Severity.ERROR,
      "SEV-SNP firmware ABI: secrets page",
      "the secrets page and the keys in it stay private",
      "keep the page out of what is shared with the host, and copy its keys to private memory only",
      "linux snp_init()"),
  EVICTION_MISSING(
      Side.GUEST,
      Severity.NOTE,
      "CVE-2025-38560; CPUID Fn8000_001F EBX bit 31",
      "where CPUID does not say that it is needless, a page that was validated is evicted from"
          + " caches",
      "read the first and the last byte of each page of 4K behind PVALIDATE",
      "CVE-2025-38560"),
  VMPL0_ONLY(
      Side.GUEST,
      Severity.ERROR,
      "APM volume 2, 15.36.6 and 15.36.7",
      "PVALIDATE, and save areas by RMPADJUST, are asked for at VMPL0 alone",
      "call the service module at VMPL0 instead",
      "linux fcd042e86422"),

  // ---- what a guest at another level asks of the service module at VMPL0
  SVSM_NOT_PENDING(
      Side.GUEST,
      Severity.ERROR,
      "SVSM, 5: calling convention",
      "a service module is called with call_pending of the calling area set",
      "set byte 0 of the calling area to 1 before VMGEXIT: the module may have been left for another"
          + " reason",
      "linux svsm_issue_call()"),
  SVSM_NOT_TAKEN(
      Side.GUEST,
      Severity.ERROR,
      "SVSM, 5: calling convention",
      "a call whose call_pending is still set was not taken, and its result is none",
      "exchange call_pending with 0 when the level runs again, and make the call again if it was 1",
      "linux svsm_perform_ghcb_protocol()"),
  SVSM_NOT_RETRIED(
      Side.GUEST,
      Severity.ERROR,
      "SVSM, table 4: result codes",
      "a call that is incomplete or finds the module busy is made again",
      "repeat the call as long as RAX is 80000000h or 80000007h",
      "linux svsm_perform_call_protocol()"),
  SVSM_UNKNOWN_CALL(
      Side.GUEST,
      Severity.ERROR,
      "SVSM, 6: protocols",
      "RAX is a call of a protocol that there is",
      "put the protocol into bits 63:32 and the call into bits 31:0; ask for protocols first",
      "SVSM, core protocol"),
  SVSM_LIST(
      Side.GUEST,
      Severity.ERROR,
      "SVSM, core protocol: SVSM_CORE_PVALIDATE",
      "a list of pages to validate lies in one page, and the next entry is one of it",
      "send at most 511 entries at once, and begin with entry 0",
      "svsm core_pvalidate()"),

  // ---- what the hypervisor does
  HOST_OUTPUT_INVALID(
      Side.HYPERVISOR,
      Severity.ERROR,
      "GHCB, NAE events",
      "the answer marks SW_EXITINFO1, SW_EXITINFO2 and the event's results valid",
      "set the bits of the valid bitmap for everything that is returned",
      "svsm 03135882"),
  HOST_STALE_INFO(
      Side.HYPERVISOR,
      Severity.ERROR,
      "GHCB, NAE events: SW_EXITINFO1",
      "SW_EXITINFO1 of an answer is 0, 1 or 2",
      "clear SW_EXITINFO1 on success",
      "cloud-hypervisor#6604"),
  HOST_TOUCHES(
      Side.HYPERVISOR,
      Severity.ERROR,
      "GHCB, table 3: layout",
      "the hypervisor writes only the event's results, the infos and the valid bitmap",
      "leave the rest of the page, and private memory, alone",
      "svsm#34"),
  HOST_EVENT_FATAL(
      Side.HYPERVISOR,
      Severity.ERROR,
      "GHCB, NAE events: SW_EXITINFO1",
      "a request that cannot be served is answered, not fatal",
      "answer with SW_EXITINFO1 2 and the reason in SW_EXITINFO2",
      "cloud-hypervisor#7934, #7703; openvmm#2631"),
  HOST_MSR_RESPONSE(
      Side.HYPERVISOR,
      Severity.ERROR,
      "GHCB, 2.3.1: MSR protocol",
      "an MSR-protocol response has the code and the echoed data of its request",
      "answer with the request's response code; echo register and address",
      "linux-svsm#11"),
  HOST_XSAVE_SIZE(
      Side.HYPERVISOR,
      Severity.ERROR,
      "GHCB, NAE events: CPUID",
      "CPUID leaf 0xD returns the XSAVE size for the XCR0 that came with the request",
      "compute EBX from the request's XCR0, not from the host's",
      "edk2 ce781cf8bb"),
  HOST_INJECTED_VC(
      Side.HYPERVISOR,
      Severity.ERROR,
      "APM volume 2, 15.35.5",
      "the hypervisor does not inject #VC",
      "vector 29 is the processor's: inject another event",
      "CVE-2024-25742"),
  HOST_BAD_EXCEPTION(
      Side.HYPERVISOR,
      Severity.ERROR,
      "GHCB, NAE events: SW_EXITINFO1",
      "an exception that the answer asks for is a valid EVENTINJ of type 3",
      "set valid (bit 31), type 3 and vector 6 or 13",
      "svsm#34"),

  // ---- what the hypervisor of a guest under SEV-SNP does
  HOST_PAGE_STATE(
      Side.HYPERVISOR,
      Severity.ERROR,
      "GHCB, NAE events: SNP Page State Change",
      "what the answer to a page state change says is done is done, and it goes on",
      "advance the current entry as far as RMPUPDATE has succeeded, and say so",
      "KVM snp_complete_psc"),
  HOST_INVALIDATES(
      Side.HYPERVISOR,
      Severity.ERROR,
      "APM volume 2, 15.36.5; GHCB, NAE events: SNP Page State Change",
      "a private page that is asked to be private keeps its validation",
      "leave the entry of a page alone that is what it is asked to be",
      "KVM, private to private"),
  HOST_TAKES_PAGE(
      Side.HYPERVISOR,
      Severity.ERROR,
      "APM volume 2, 15.36.5",
      "the host changes no page of the guest that it is not asked for",
      "change entries of the reverse map table for requests of the guest alone",
      "APM volume 2, 15.36.5"),
  HOST_GUEST_PAGE(
      Side.HYPERVISOR,
      Severity.ERROR,
      "APM volume 2, 15.36.10",
      "the hypervisor neither reads nor writes pages of the guest",
      "use pages that the guest has shared",
      "svsm#34"),
  HOST_CPUID(
      Side.HYPERVISOR,
      Severity.ERROR,
      "SEV-SNP firmware ABI: CPUID page; GHCB, NAE events: CPUID",
      "the host says of CPUID what the page that it has launched says",
      "answer from the same table that the CPUID page was made of",
      "nvtrust#91"),
  HOST_UNREGISTERED(
      Side.HYPERVISOR,
      Severity.ERROR,
      "GHCB, 2.3.2: GHCB GPA Register",
      "a GHCB that was not registered, or whose registration was refused, is not served",
      "answer with SW_EXITINFO1 2 and SW_EXITINFO2 1",
      "KVM sev_es_validate_vmgexit");

  /** Whose rule it is. */
  public enum Side {
    GUEST,
    HYPERVISOR;

    @Override
    public String toString() {
      return name().toLowerCase(Locale.ROOT);
    }
  }

  /** How bad a breach is; notes do not fail a run. */
  public enum Severity {
    ERROR,
    WARNING,
    NOTE;

    @Override
    public String toString() {
      return name().toLowerCase(Locale.ROOT);
    }
  }

  /** Who must keep it. */
  public final Side side;

  /** How bad a breach is. */
  public final Severity severity;

  /** Where it is written. */
  public final String section;

  /** The rule in one sentence. */
  public final String text;

  /** How a breach is mended. */
  public final String mend;

  /** A real defect of this kind, or where the rule comes from. */
  public final String evidence;

  Rule(Side side, Severity severity, String section, String text, String mend, String evidence) {
    this.side = side;
    this.severity = severity;
    this.section = section;
    this.text = text;
    this.mend = mend;
    this.evidence = evidence;
  }

  /** {@return the stable id, as in {@code ghcb-not-shared}} */
  public String id() {
    return name().toLowerCase(Locale.ROOT).replace('_', '-');
  }

  /** {@return the rule of an id, or null} */
  public static @org.jspecify.annotations.Nullable Rule of(String id) {
    for (Rule r : values()) {
      if (r.id().equals(id)) {
        return r;
      }
    }
    return null;
  }
}
