package dev.vesper.machine.vmm;

import static org.assertj.core.api.Assertions.assertThat;

import dev.vesper.machine.cpu.Cpu;
import dev.vesper.machine.cpu.CpuFeatures;
import dev.vesper.machine.cpu.NestedMap;
import dev.vesper.machine.cpu.interp.Interpreter;
import dev.vesper.machine.device.InterruptMessages;
import dev.vesper.machine.device.LocalApic;
import dev.vesper.machine.input.InputLog;
import dev.vesper.machine.memory.HostView;
import dev.vesper.machine.memory.PhysicalMemory;
import dev.vesper.machine.model.CpuModel;
import dev.vesper.machine.sev.PlainVcpu;
import dev.vesper.machine.spec.ConsoleInput;
import dev.vesper.machine.spec.Hardware;
import dev.vesper.machine.spec.SevMode;
import dev.vesper.machine.spec.SnpLaunch;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.Test;

/** Which of four processors gets an interrupt that a device or another processor sends. */
final class InterruptDeliveryTest {
  private static final long TO_ALL = 0xFEE0_0000L | 0xFF << 12;
  private static final int LOWEST_PRIORITY = 1 << 8;
  private static final int TASK_PRIORITY = 0x80;
  private static final int COMMAND = 0x300;

  private final List<LocalApic> apics = new ArrayList<>();
  private final List<InterruptMessages> devices = new ArrayList<>();

  InterruptDeliveryTest() {
    PhysicalMemory memory = new PhysicalMemory(1 << 20, 16);
    HostView view = memory.hostView();
    CpuFeatures f = CpuFeatures.ALL;
    NestedMap map = frame -> frame < 256 ? NestedMap.RAM : NestedMap.ABSENT;
    List<PlainVcpu> vcpus = new ArrayList<>();
    for (int i = 0; i < 4; i++) {
      vcpus.add(new PlainVcpu(new Cpu(memory, map, f, new Interpreter(f), 1), memory, false));
    }
    Profile kvm = new KvmProfile();
    Hypervisor host =
        new Hypervisor(
            vcpus,
            true,
            view,
            (clock, messages) -> {
              devices.add(messages);
              return kvm.platform(
                  new Platform.Parts(
                      clock,
                      messages,
                      view,
                      false,
                      4,
                      b -> {},
                      b -> {},
                      b -> {},
                      Hardware.NONE,
                      Hardware.Board.MINIMAL,
                      new MmioMap(),
                      1,
                      0,
                      null));
            },
            kvm,
            CpuModel.named("EPYC-Genoa"),
            SevMode.OFF,
            SnpLaunch.DEFAULT,
            new MmioMap(),
            new Inputs(InputLog.live(), ConsoleInput.NONE));
    host.interrupts.deliver(a -> !apics.add(a), 0, 0x20, false);
    apics.forEach(a -> a.write(0xF0, 0x1FF, 0));
  }

  private void send(long address, int data) {
    devices.get(0).send(address, data);
  }

  /** {@return which have requests, which are forgotten} */
  private List<Integer> took() {
    List<Integer> numbers = new ArrayList<>();
    for (int i = 0; i < apics.size(); i++) {
      LocalApic a = apics.get(i);
      boolean any = false;
      for (int r = 0x200; r < 0x280; r += 16) {
        any |= a.read(r, 0) != 0;
      }
      if (any) {
        numbers.add(i);
        int priority = a.taskPriority();
        a.write(TASK_PRIORITY, 0, 0);
        while (a.requesting()) {
          a.acknowledge();
          a.write(0xB0, 0, 0);
        }
        a.write(TASK_PRIORITY, priority << 4, 0);
      }
    }
    return numbers;
  }

  @Test
  void aFixedOneGoesToAllThatAreMeant() {
    send(TO_ALL, 0x41);
    assertThat(took()).containsExactly(0, 1, 2, 3);
    send(0xFEE0_2000L, 0x41);
    assertThat(took()).containsExactly(2);
    send(0xFEE0_9000L, 0x41);
    assertThat(took()).isEmpty();
  }

  @Test
  void oneForTheLowestPriorityGoesToTheOneThatHasLeastToDo() {
    send(TO_ALL, LOWEST_PRIORITY | 0x41);
    assertThat(took()).as("all alike").containsExactly(0);
    apics.get(0).write(TASK_PRIORITY, 0x40, 0);
    apics.get(1).write(TASK_PRIORITY, 0x30, 0);
    apics.get(2).write(TASK_PRIORITY, 0x20, 0);
    apics.get(3).request(0x61, false);
    apics.get(3).acknowledge();
    send(TO_ALL, LOWEST_PRIORITY | 0x31);
    assertThat(took()).as("three have tasks, one serves an interrupt").containsExactly(2);
    apics.get(3).write(0xB0, 0, 0);
    apics.get(3).write(0xF0, 0xFF, 0);
    send(TO_ALL, LOWEST_PRIORITY | 0x31);
    assertThat(took()).as("the one that has nothing to do is disabled").containsExactly(2);
    send(TO_ALL | 8, 0x31);
    assertThat(took()).as("redirection hint").containsExactly(2);
  }

  @Test
  void commandsReachShorthandsLogicalNumbersAndNobodyDisabled() {
    apics.get(1).write(0xD0, 0x0200_0000, 0);
    apics.get(2).write(0xD0, 0x0400_0000, 0);
    apics.get(0).write(0x310, 0x0600_0000, 0);
    apics.get(0).write(COMMAND, 0x4841, 0);
    assertThat(took()).as("logical").containsExactly(1, 2);
    apics.get(1).write(COMMAND, 0xC_4041, 0);
    assertThat(took()).as("all but itself").containsExactly(0, 2, 3);
    apics.get(1).write(COMMAND, 0x4_4041, 0);
    assertThat(took()).as("itself").containsExactly(1);
    apics.get(1).write(COMMAND, 0xC_8041, 0);
    assertThat(took()).as("a level that falls").isEmpty();
    assertThat(apics.get(3).setBase(LocalApic.BASE, 0)).isTrue();
    apics.get(1).write(COMMAND, 0x8_4041, 0);
    assertThat(took()).as("all that are enabled").containsExactly(0, 1, 2);
  }
}
