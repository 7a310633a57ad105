package dev.vesper.bench;

/**
 * Guests under SEV-SNP that validate a page, rescind it, lend it to the host and take it back,
 * without a #VC: PVALIDATE is the processor's, page state changes are asked for by VMGEXIT.
 */
final class PageStateGuest {
  private static final int PRIVATE = 1;
  private static final int SHARED = 2;

  private static final String PVALIDATE =
      """
      mov eax, PAGE
      xor ecx, ecx
      mov edx, HOW
      pvalidate
      jb F
      test eax, eax
      jne F
      """;

  private static final String VALIDATE = PVALIDATE.replace("HOW", "1");
  private static final String RESCIND = PVALIDATE.replace("HOW", "0");

  private PageStateGuest() {}

  /** {@return a loop of PVALIDATE of a page and back: two a round} */
  static String validate(int rounds) {
    return source(rounds, RESCIND + VALIDATE);
  }

  /** {@return a loop of a page that is shared and taken back by the MSR protocol} */
  static String byRequest(int rounds) {
    return source(rounds, RESCIND + request(SHARED) + request(PRIVATE) + VALIDATE);
  }

  /** {@return the same by the event, in lists of one page} */
  static String byEvent(int rounds) {
    return source(rounds, RESCIND + event(SHARED) + event(PRIVATE) + VALIDATE);
  }

  private static String request(int operation) {
    return """
        mov eax, PAGE+0x14
        mov edx, HOW
        mov ecx, 0xc0010130
        wrmsr
        vmgexit
        rdmsr
        cmp eax, 0x15
        jne F
        """
        .replace("HOW", Integer.toString(operation << 20));
  }

  private static String event(int operation) {
    return """
        mov qword [GHCB+0x800], 0
        mov rax, HOW+PAGE
        mov [GHCB+0x808], rax
        mov eax, 0x80000010
        mov [GHCB+0x390], rax
        mov qword [GHCB+0x398], 0
        mov qword [GHCB+0x3a0], 0
        mov qword [GHCB+0x3a8], GHCB+0x800
        mov qword [GHCB+0x3f0], 0
        mov rax, 0x003c000000000000
        mov [GHCB+0x3f8], rax
        mov eax, GHCB
        xor edx, edx
        mov ecx, 0xc0010130
        wrmsr
        vmgexit
        cmp qword [GHCB+0x3a0], 0
        jne F
        """
        .replace("HOW", "0x" + Long.toHexString((long) operation << 52));
  }

  /** The GHCB is rescinded, shared and registered first; the end is a termination. */
  private static String source(int rounds, String body) {
    return """
        equ GHCB 0x300000
        equ PAGE 0x340000
        mov rsp, 0x280000
        OWN
        MAPPING
        mov eax, GHCB+0x12
        xor edx, edx
        mov ecx, 0xc0010130
        wrmsr
        vmgexit
        rdmsr
        cmp eax, GHCB+0x13
        jne F
        mov r15d, ROUNDS
        L: BODY
        dec r15d
        jne L
        mov eax, 0x100
        xor edx, edx
        mov ecx, 0xc0010130
        wrmsr
        vmgexit
        F: hlt
        """
        .replace("OWN", (RESCIND + request(SHARED)).replace("PAGE", "GHCB"))
        .replace("MAPPING", VcGuest.MAP_GHCB)
        .replace("ROUNDS", Integer.toString(rounds))
        .replace("BODY", body);
  }
}
