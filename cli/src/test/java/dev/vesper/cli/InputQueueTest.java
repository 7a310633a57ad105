package dev.vesper.cli;

import static org.assertj.core.api.Assertions.assertThat;

import dev.vesper.guest.FlatGuest;
import dev.vesper.machine.Machine;
import dev.vesper.machine.Stop;
import dev.vesper.machine.Until;
import dev.vesper.machine.spec.MachineSpec;
import dev.vesper.machine.spec.SevMode;
import java.time.Duration;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

/** Who waits for input is woken by all that there is to do. */
@Timeout(60)
final class InputQueueTest {
  private static final long DAY = Duration.ofDays(1).toNanos();

  private static Thread waiting(InputQueue q) {
    Thread t = new Thread(() -> q.await(DAY));
    t.start();
    while (t.getState() != Thread.State.TIMED_WAITING) {
      Thread.onSpinWait();
    }
    return t;
  }

  @Test
  void aWakeAByteAndTheEndEndTheWait() throws Exception {
    InputQueue q = new InputQueue();
    Thread t = waiting(q);
    q.wake();
    t.join();
    t = waiting(q);
    q.put('a', true);
    t.join();
    assertThat(q.poll()).isEqualTo('a');
    t = waiting(q);
    q.end();
    t.join();
    assertThat(q.closed()).isTrue();
  }

  /** A wake that comes before the wait is not lost, and ends one wait alone. */
  @Test
  void aWakeIsKeptForTheNextWait() {
    InputQueue q = new InputQueue();
    q.wake();
    q.await(DAY);
    long start = System.nanoTime();
    q.await(TimeUnit.MILLISECONDS.toNanos(50));
    assertThat(System.nanoTime() - start).isGreaterThanOrEqualTo(TimeUnit.MILLISECONDS.toNanos(50));
    assertThat(q.poll()).isEqualTo(-1);
  }

  /** A guest whose timer is far away waits in one piece, and a stop ends that. */
  @Test
  void aStopWakesAMachineThatWaits() throws Exception {
    InputQueue q = new InputQueue();
    // The local APIC's timer divides by 128: its 2^32 ticks of ten ns come in an hour and a half.
    String code =
        """
        mov eax, 0xfee00000
        mov dword [rax + 0xf0], 0x1ff
        mov dword [rax + 0x3e0], 10
        mov dword [rax + 0x320], 0x40
        mov dword [rax + 0x380], -1
        L: sti
        hlt
        jmp short L
        """;
    byte[] guest = FlatGuest.image(code);
    MachineSpec spec =
        MachineSpec.builder(SevMode.OFF, guest, b -> {})
            .ports(new MachineSpec.Ports(b -> {}, b -> {}, b -> {}, q))
            .build();
    try (Machine m = new Machine(spec)) {
      Thread runs = Thread.currentThread();
      Thread stops =
          new Thread(
              () -> {
                while (runs.getState() != Thread.State.TIMED_WAITING) {
                  Thread.onSpinWait();
                }
                m.stop();
              });
      stops.start();
      assertThat(m.run(Until.end())).isEqualTo(new Stop.Requested());
      stops.join();
    }
  }
}
