package dev.vesper.machine;

import static com.tngtech.archunit.lang.syntax.ArchRuleDefinition.noClasses;
import static com.tngtech.archunit.library.Architectures.layeredArchitecture;
import static org.assertj.core.api.Assertions.assertThat;

import com.tngtech.archunit.core.domain.JavaClasses;
import com.tngtech.archunit.core.importer.ClassFileImporter;
import com.tngtech.archunit.core.importer.ImportOption;
import dev.vesper.machine.sev.EncryptedVcpu;
import dev.vesper.machine.sev.VirtualCpu;
import java.lang.reflect.Method;
import java.lang.reflect.Modifier;
import java.util.Arrays;
import java.util.List;
import java.util.regex.Pattern;
import org.junit.jupiter.api.Test;

/** The arrows between packages, and confidentiality by type. */
final class ArchitectureTest {
  private static final JavaClasses CLASSES =
      new ClassFileImporter()
          .withImportOption(ImportOption.Predefined.DO_NOT_INCLUDE_TESTS)
          .importPackages("dev.vesper.machine");

  private static final String ROOT = "dev.vesper.machine";

  @Test
  void arrowsGoDownOnly() {
    layeredArchitecture()
        .consideringOnlyDependenciesInLayers()
        .layer("face")
        .definedBy(ROOT)
        .layer("assembly")
        .definedBy(ROOT + ".assembly..")
        .layer("flow")
        .definedBy(ROOT + ".flow..")
        .layer("trace")
        .definedBy(ROOT + ".trace..")
        .layer("boot")
        .definedBy(ROOT + ".boot..")
        .layer("vmm")
        .definedBy(ROOT + ".vmm..")
        .layer("device")
        .definedBy(ROOT + ".device..")
        .layer("sev")
        .definedBy(ROOT + ".sev..")
        .layer("cpu")
        .definedBy(ROOT + ".cpu..")
        .layer("spec")
        .definedBy(ROOT + ".spec..")
        .layer("memory")
        .definedBy(ROOT + ".memory..")
        .layer("input")
        .definedBy(ROOT + ".input..")
        .layer("model")
        .definedBy(ROOT + ".model..")
        .whereLayer("model")
        .mayNotAccessAnyLayer()
        .whereLayer("face")
        .mayNotBeAccessedByAnyLayer()
        .whereLayer("assembly")
        .mayOnlyBeAccessedByLayers("face")
        .whereLayer("flow")
        .mayOnlyBeAccessedByLayers("face")
        .whereLayer("trace")
        .mayOnlyBeAccessedByLayers("face", "flow")
        .whereLayer("boot")
        .mayOnlyBeAccessedByLayers("face", "assembly")
        .whereLayer("vmm")
        .mayOnlyBeAccessedByLayers("face", "assembly", "boot")
        .whereLayer("device")
        .mayOnlyBeAccessedByLayers("face", "assembly", "spec", "boot", "vmm")
        .whereLayer("sev")
        .mayOnlyBeAccessedByLayers("face", "assembly", "boot", "vmm", "device")
        .whereLayer("cpu")
        .mayOnlyBeAccessedByLayers("face", "assembly", "flow", "trace", "sev")
        .whereLayer("input")
        .mayOnlyBeAccessedByLayers("face", "assembly", "spec", "vmm", "device")
        .check(CLASSES);
  }

  @Test
  void anythingOfOutsideIsAskedForBelowAllWhoAsk() {
    noClasses()
        .that()
        .resideInAPackage(ROOT + ".input..")
        .should()
        .dependOnClassesThat()
        .resideOutsideOfPackages(
            "java..", "org.jspecify..", ROOT + ".foreign..", ROOT + ".state..", ROOT + ".input..")
        .check(CLASSES);
  }

  @Test
  void hostAndDevicesCannotReachTheProcessorOrPlaintext() {
    noClasses()
        .that()
        .resideInAnyPackage(ROOT + ".vmm..", ROOT + ".device..", ROOT + ".boot..")
        .should()
        .dependOnClassesThat()
        .resideInAnyPackage(ROOT + ".cpu..")
        .orShould()
        .dependOnClassesThat()
        .haveFullyQualifiedName(ROOT + ".memory.PhysicalMemory")
        .orShould()
        .dependOnClassesThat()
        .haveFullyQualifiedName(ROOT + ".memory.Rmp")
        .because("hosts have the reverse map table as HostRmp")
        .check(CLASSES);
  }

  @Test
  void nothingElseIsUsed() {
    noClasses()
        .should()
        .dependOnClassesThat()
        .resideOutsideOfPackages("java..", "javax.crypto..", "dev.vesper..", "org.jspecify..")
        .check(CLASSES);
  }

  @Test
  void observersAreUsedByAllAndUseNone() {
    noClasses()
        .that()
        .resideInAPackage(ROOT + ".observe..")
        .should()
        .dependOnClassesThat()
        .resideInAnyPackage(
            ROOT + ".cpu..",
            ROOT + ".sev..",
            ROOT + ".vmm..",
            ROOT + ".device..",
            ROOT + ".memory..",
            ROOT + ".boot..")
        .check(CLASSES);
  }

  @Test
  void aHypervisorProgramIsGivenWhatAHostHasAndNothingElse() {
    noClasses()
        .that()
        .resideInAPackage(ROOT + ".host..")
        .should()
        .dependOnClassesThat()
        .resideOutsideOfPackages("java..", "dev.vesper.ghcb..", "org.jspecify..", ROOT + ".host..")
        .check(CLASSES);
  }

  @Test
  void scriptsUseWhatProgramsOfHostsHaveAndWhatTheyAreGiven() {
    noClasses()
        .that()
        .resideInAPackage(ROOT + ".hostile..")
        .should()
        .dependOnClassesThat()
        .resideOutsideOfPackages(
            "java..", "dev.vesper.ghcb..", "org.jspecify..", ROOT + ".host..", ROOT + ".hostile..")
        .check(CLASSES);
  }

  @Test
  void lawfulRulesReachNeitherObserversNorSilicon() {
    String hostile = ROOT + ".hostile.";
    noClasses()
        .that()
        .haveNameMatching(
            Pattern.quote(hostile) + "(Lawful|HostValue|HostKnowledge|CpuidLies|TscLies|Moment).*")
        .should()
        .dependOnClassesThat()
        .haveNameMatching(
            Pattern.quote(hostile)
                + "(Silicon|Watcher|Broken|Value.(Register|Plaintext)|ScriptRunner).*")
        .because("they use what a host sees, and a guest is judged by it")
        .check(CLASSES);
  }

  @Test
  void onlyObserversUseRegistersOfGuests() {
    noClasses()
        .that()
        .resideOutsideOfPackages(ROOT, ROOT + ".sev..")
        .should()
        .dependOnClassesThat()
        .haveFullyQualifiedName(ROOT + ".sev.GuestRegisters")
        .check(CLASSES);
  }

  @Test
  void anEncryptedVcpuHasNoWayToRegisters() {
    List<String> reachable =
        Arrays.stream(EncryptedVcpu.class.getMethods())
            .filter(
                m ->
                    m.getDeclaringClass() == EncryptedVcpu.class
                        || m.getDeclaringClass() == VirtualCpu.class)
            .filter(m -> Modifier.isPublic(m.getModifiers()))
            .map(Method::getName)
            .sorted()
            .distinct()
            .toList();
    // A host's performance counters count guests too; what is counted are numbers of events. Of
    // stale memory there are places.
    assertThat(reachable)
        .containsExactly(
            "countEvents",
            "counts",
            "digest",
            "events",
            "goOn",
            "idleUntil",
            "instructions",
            "interrupt",
            "interruptWithin",
            "now",
            "pauseAt",
            "pauseSoon",
            "paused",
            "resume",
            "run",
            "stale",
            "stop",
            "vmcb");
  }
}
