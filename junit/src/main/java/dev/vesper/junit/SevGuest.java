package dev.vesper.junit;

import dev.vesper.machine.observe.Event;
import dev.vesper.machine.spec.Hardware;
import dev.vesper.machine.spec.KernelHashing;
import dev.vesper.machine.spec.ResetState;
import dev.vesper.machine.spec.SevMode;
import dev.vesper.machine.spec.Translator;
import java.lang.annotation.Documented;
import java.lang.annotation.ElementType;
import java.lang.annotation.Inherited;
import java.lang.annotation.Retention;
import java.lang.annotation.RetentionPolicy;
import java.lang.annotation.Target;
import org.junit.jupiter.api.extension.ExtendWith;

/**
 * A guest for a test: as a finished {@link GuestRun}, or as a {@link dev.vesper.machine.Machine}
 * that has not run yet and that the test drives.
 *
 * {@snippet :
 * @SevGuest(kernel = "${vmlinuz}", initrd = "${initrd}", append = "console=ttyS0")
 * class BootTest {
 *   @Test
 *   void reachesUserSpace(GuestRun run) {
 *     assertThat(run).reached("start_kernel").printed("Welcome").hasNoFindings().poweredOff();
 *   }
 *
 *   @Test
 *   @SevGuest(smp = 2)
 *   void startsTheOtherProcessor(Machine machine) {
 *     machine.hypervisor().onEvent(ExitCode.AP_JUMP_TABLE, (exit, profile) -> profile.run());
 *     assertThat(machine).printed("smp: Brought up 1 node, 2 CPUs");
 *   }
 * }
 * }
 *
 * <p>The members are the options of {@code vesper run}, by their names. What is said at a parameter
 * goes before what is said at its method, that before its class, and that before the enclosing
 * class, each member for itself; what nobody says is as with the command. The annotation may stand
 * on another annotation, behind what is said beside that one. Members of array type take one value
 * without braces.
 *
 * <p>In texts, {@code ${NAME}} is a JUnit configuration parameter, system property or environment
 * variable, {@code ${NAME:OTHERWISE}} has a default. Files are in the file system, or with {@code
 * classpath:} in front, beside the test class or, after a slash, anywhere.
 *
 * <p>Within a test, and for a class whose {@code @BeforeAll} takes it, a guest that is described by
 * the same annotations is the same one: what {@code @BeforeEach} does with a machine goes before
 * what the test does. When the test is over, or the class, the machine is closed.
 *
 * <p>A test that fails with any exception says, besides, what the guest's console and the last
 * events were; what the guest did is kept in {@code target/vesper} as a page of HTML ({@code
 * build/vesper} with Gradle; the configuration parameter {@code vesper.reports} names another
 * folder).
 */
@Target({ElementType.TYPE, ElementType.METHOD, ElementType.PARAMETER})
@Retention(RetentionPolicy.RUNTIME)
@Inherited
@Documented
@ExtendWith(AnnotatedGuestExtension.class)
public @interface SevGuest {
  // ---- what is booted

  /** {@return file of the kernel or image: bzImage, multiboot, PVH, OpenBSD or ELF64} */
  String kernel() default "";

  /** {@return file of the initial RAM disk or multiboot module} */
  String initrd() default "";

  /** {@return the kernel's command line} */
  String append() default "";

  /** {@return file of the firmware, which is handed kernel, initrd and command line} */
  String bios() default "";

  /** {@return file of the firmware's variable store, which stays as it is} */
  String nvram() default "";

  /** {@return 32 or 64: the entry of a bzImage; 64 if unsaid} */
  int entry() default 0;

  /** {@return file with names of the guest's code: ELF, with DWARF for lines, or System.map} */
  String symbols() default "";

  // ---- the machine

  /** {@return protection of the guest, at most one; ES if unsaid. {@link SevModes} for several} */
  SevMode[] sev() default {};

  /** {@return hypervisor to behave as: kvm, openbsd, openbsd:2025-06, ...; kvm if unsaid} */
  String profile() default "";

  /**
   * {@return CPU model, as in {@code EPYC-v4,+xsave}; vesper-min if unsaid, EPYC-Milan with {@link
   * SevMode#SNP}}
   */
  String cpu() default "";

  /** {@return number of processors; 1 if unsaid} */
  int smp() default 0;

  /** {@return size of memory, as in 512M or 2G; 512M if unsaid} */
  String memory() default "";

  /** {@return the board, at most one; AUTO if unsaid} */
  Hardware.Board[] machine() default {};

  /** {@return disks: {@code file=F[,format=raw|qcow2][,if=virtio|ide][,readonly=on]}} */
  String[] drive() default {};

  /**
   * {@return whether what the guest writes to disks is forgotten, which is so if unsaid} The
   * command keeps it unless told otherwise.
   */
  boolean[] snapshot() default {};

  /** {@return networks: {@code user[,hostfwd=...][,guestfwd=...]}} */
  String[] nic() default {};

  /** {@return items of fw_cfg: {@code name=opt/NAME,string=TEXT} or {@code ...,file=F}} */
  String[] fwCfg() default {};

  /** {@return folders that the guest can mount: {@code path=DIR,tag=TAG[,readonly=on]}} */
  String[] share() default {};

  /** {@return the screen: none, std or {@code std,romfile=F}; none if unsaid} */
  String vga() default "";

  /** {@return whether there is QEMU's pc-testdev} */
  boolean[] testDevice() default {};

  /** {@return whether there is a virtio console; see {@link GuestRun#virtioConsole}} */
  boolean[] virtioConsole() default {};

  /** {@return where the clock starts: base=utc, base=localtime or base=DATE; 2027 if unsaid} */
  String rtc() default "";

  /** {@return what the console is answered, each behind the one before} */
  Answer[] answers() default {};

  // ---- how it is launched

  /** {@return what decides keys and RDRAND, at most one; 1 if unsaid} */
  long[] seed() default {};

  /** {@return guest policy of SEV and SEV-ES, at most one; the profile's if unsaid} */
  long[] policy() default {};

  /** {@return whether the hashes of what firmware is handed are measured; AUTO if unsaid} */
  KernelHashing[] kernelHashes() default {};

  /** {@return FPU of the save areas of firmware; QEMU if unsaid} */
  ResetState[] fpuReset() default {};

  // ---- what its host does

  /** {@return instructions to intercept besides those of the profile: rdtsc, ...} */
  String[] intercept() default {};

  /**
   * {@return breaches of the protocol that the hypervisor commits: no-valid-bits, vc:CODE@N, ...}
   */
  String[] hostFault() default {};

  /**
   * {@return a script of a host that means harm, as {@code vesper run --hostile} takes from a file}
   */
  String hostile() default "";

  /** {@return whether data reads of the image's text fault while paging is on} */
  boolean[] executeOnly() default {};

  /** {@return what else is to be done with its description and its machine, in order} */
  Class<? extends GuestSetup>[] setup() default {};

  // ---- how it runs

  /**
   * {@return most instructions, at most one; 5,000,000,000 if unsaid} A guest that does not end
   * must not keep a build from its end.
   */
  long[] limitInsns() default {};

  /** {@return most seconds of real time since the machine was made, at most one} */
  double[] timeout() default {};

  /**
   * {@return what executes guest code, at most one; native code where there can be any if unsaid}
   * Results do not depend on it.
   */
  Translator[] translator() default {};

  /**
   * {@return how often code is interpreted before it is translated, at most one; 0 for never} For
   * {@link Translator#REGIONS}, which it chooses.
   */
  int[] translateAfter() default {};

  // ---- what is looked at

  /**
   * {@return whether a test fails whose guest or hypervisor breaks the GHCB protocol} Notes do not
   * count; there is no protocol without {@link SevMode#ES} or {@link SevMode#SNP}.
   */
  boolean[] check() default {};

  /** {@return ids of rules whose findings are known and do not count} */
  String[] allow() default {};

  /** {@return file of fingerprints of findings that are known and do not count} */
  String baseline() default "";

  /** {@return types of events that {@link GuestRun#events} is to have} */
  Class<? extends Event>[] keep() default {};

  /** {@return whether the console is on stdout too} */
  boolean[] echo() default {};

  /** Something typed when the console has said something. */
  @interface Answer {
    /** {@return what the console says} */
    String to();

    /** {@return what is typed then; a line ends with a line feed} */
    String with();
  }
}
