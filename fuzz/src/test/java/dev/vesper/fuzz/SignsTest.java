package dev.vesper.fuzz;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.Objects;
import org.junit.jupiter.api.Test;

/** Consoles of guests that have failed, and of guests that have stopped on purpose. */
final class SignsTest {
  private static final String OOPS =
      """
      [    0.512345] BUG: unable to handle page fault for address: ffffc90000000fff
      [    0.512400] #PF: supervisor read access in kernel mode
      [    0.512500] Oops: 0000 [#1] PREEMPT SMP NOPTI
      [    0.512600] RIP: 0010:acpi_tb_verify_checksum+0x12/0x40
      [    0.512700] Call Trace:
      [    0.512701]  <TASK>
      [    0.512710]  ? __die+0x1f/0x70
      [    0.512711]  ? page_fault_oops+0x15b/0x470
      [    0.512720]  acpi_tb_load_table+0x1a/0x90
      [    0.512730]  acpi_load_tables.isra.0+0x3f/0x60
      [    0.512740] ---[ end trace 0000000000000000 ]---
      [    0.512750]  later_function+0x3f/0x60
      """;

  private static Finding found(String console) {
    return Objects.requireNonNull(Signs.of(console), console);
  }

  @Test
  void anOopsIsKnownByItsFunctionsAndNotByItsNumbers() {
    Finding f = found(OOPS);
    assertThat(f.kind()).isEqualTo(Finding.Kind.OOPS);
    assertThat(f.title()).startsWith("BUG: unable to handle page fault");
    assertThat(f.stack())
        .containsExactly("acpi_tb_verify_checksum", "acpi_tb_load_table", "acpi_load_tables");
    Finding other = found(OOPS.replace("0.5", "7.9").replace("+0x12", "+0x31"));
    assertThat(other.name()).isEqualTo(f.name());
    assertThat(found(OOPS.replace("acpi_tb_verify", "pci_scan")).name()).isNotEqualTo(f.name());
  }

  @Test
  void aPanicThatSomebodyHasWrittenIsNoFinding() {
    assertThat(
            Signs.of("[    1.0] Kernel panic - not syncing: VFS: Unable to mount root fs on x\n"))
        .isNull();
    assertThat(Signs.of("[    1.0] Command line: panic=1 oops=panic\n")).isNull();
    assertThat(
            found(
                    "[ 1.0] Kernel panic - not syncing: stack-protector: Kernel stack is corrupted"
                        + " in: f+0x1/0x2\n")
                .kind())
        .isEqualTo(Finding.Kind.PANIC);
  }

  @Test
  void otherGuestsSayItInOtherWords() {
    assertThat(found("!!!! X64 Exception Type - 0D(#GP - General Protection)\n").kind())
        .isEqualTo(Finding.Kind.OOPS);
    assertThat(found("uvm_fault(0xffffffff, 0x0, 0, 1) -> e\n").kind())
        .isEqualTo(Finding.Kind.OOPS);
    assertThat(found("[ 2.0] BUG: KASAN: slab-out-of-bounds in f+0x1/0x2\n").kind())
        .isEqualTo(Finding.Kind.SANITIZER);
    assertThat(found("[ 2.0] watchdog: BUG: soft lockup - CPU#0 stuck for 26s!\n").kind())
        .isEqualTo(Finding.Kind.LOCKUP);
  }
}
