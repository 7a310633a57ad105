package dev.vesper.cli.attack;

import dev.vesper.ghcb.ExitCode;
import dev.vesper.ghcb.GhcbField;
import dev.vesper.ghcb.MsrRequest;
import dev.vesper.machine.host.HypervisorProgram;
import dev.vesper.machine.observe.Event;
import dev.vesper.machine.spec.Outcome;
import dev.vesper.machine.spec.SevMode;
import java.util.List;
import java.util.function.LongUnaryOperator;
import java.util.function.Predicate;

/** A host answers CPUID wrongly, in pages and by the MSR protocol. */
final class CpuidLies {
  private static final int EAX = 0;
  private static final int EBX = 1;
  private static final int ECX = 2;

  private static final List<GhcbField> FIELDS =
      List.of(GhcbField.RAX, GhcbField.RBX, GhcbField.RCX, GhcbField.RDX);

  private static final String RADEV = "Radev and Morbitzer, ROOTS 2020";
  private static final String ASKS = "the guest asks its host for CPUID";
  private static final String OPEN = "pages that were private are touched as shared";
  private static final String TAKEN = "the #VC of the CPUID returns with the host's value";
  private static final String NOT_ASKED = "the guest does not ask its host for this leaf";

  private static final String PAGE = "asks the CPUID page that was launched, and not its host";

  private static final int LEAF_SEV = 0x8000_001F;

  private CpuidLies() {}

  static List<Attack> all() {
    return List.of(
        hiding(
            "cpuid-no-sev",
            "CPUID 8000001F says that there is no SEV",
            RADEV + "; Linux ed7b895f3efb",
            LEAF_SEV,
            EAX,
            v -> v & ~2),
        hiding(
            "cpuid-max-leaf",
            "CPUID 80000000 says that leaf 8000001F does not exist",
            RADEV + "; edk2 bd0c1c8e22",
            0x8000_0000,
            EAX,
            v -> 0x8000_001EL),
        hiding(
            "cpuid-vendor",
            "CPUID 0 says that the processor is not AMD's",
            RADEV,
            0,
            EBX,
            v -> 0x756E_6547L),
        hiding(
            "cbit-low",
            "the C-bit is said to be below bit 32",
            RADEV,
            LEAF_SEV,
            EBX,
            v -> v & ~0x3FL | 31),
        hiding(
            "cbit-elsewhere",
            "the C-bit is said to be one bit lower than it is",
            "Linux 86ce43f7dde8, c9f09539e16e; edk2 7cb96c47a9",
            LEAF_SEV,
            EBX,
            v -> v - 1),
        value(
            "cpuid-xsave-size",
            "the XSAVE area is said to be 64 bytes long",
            RADEV,
            0xD,
            EBX,
            v -> 64,
            r -> r.registers().rbx() == 64),
        value(
            "cpuid-rdrand",
            "RDRAND is said not to exist",
            RADEV + "; Linux 99485c4c026f",
            1,
            ECX,
            v -> v & ~(1L << 30),
            r -> (r.registers().rcx() & 1 << 30) == 0));
  }

  private static Attack hiding(
      String name, String title, String source, int leaf, int register, LongUnaryOperator lie) {
    return Attack.lawful(
        name,
        title,
        source,
        ASKS,
        OPEN,
        run -> {
          try (Trial t = run.trial()) {
            lie(t, leaf, register, lie);
            Outcome o = t.run(false);
            if (t.lies() == 0 && run.target().spec().mode() == SevMode.SNP) {
              return Verdict.defended(PAGE);
            }
            return Judge.unencrypted(run, t, o, NOT_ASKED);
          }
        });
  }

  private static Attack value(
      String name,
      String title,
      String source,
      int leaf,
      int register,
      LongUnaryOperator lie,
      Predicate<Event.VcReturned> shows) {
    return Attack.lawful(
        name,
        title,
        source,
        ASKS,
        TAKEN,
        run -> {
          try (Trial t = run.trial()) {
            lie(t, leaf, register, lie);
            Outcome o = t.run();
            if (t.lies() == 0 && run.target().spec().mode() == SevMode.SNP) {
              return Verdict.defended(PAGE);
            }
            return Judge.believed(t, o, NOT_ASKED, shows, "takes the value");
          }
        });
  }

  /** Has the host answer one register of a leaf wrongly whenever it is asked. */
  static void lie(Trial t, int leaf, int register, LongUnaryOperator lie) {
    HypervisorProgram host = t.machine().hypervisor();
    host.onMsr(
        MsrRequest.CPUID_REQ,
        (exit, profile) -> {
          profile.run();
          long r = exit.request();
          if ((int) (r >>> 32) == leaf && (int) (r >>> 30 & 3) == register) {
            long value = exit.response() >>> 32;
            exit.respond(exit.response() & 0xFFFF_FFFFL | lie.applyAsLong(value) << 32);
            t.lied(exit);
          }
        });
    host.onEvent(
        ExitCode.CPUID,
        (exit, profile) -> {
          profile.run();
          if ((int) exit.request(GhcbField.RAX) == leaf) {
            GhcbField f = FIELDS.get(register);
            exit.set(f, lie.applyAsLong(exit.get(f)) & 0xFFFF_FFFFL);
            t.lied(exit);
          }
        });
  }
}
