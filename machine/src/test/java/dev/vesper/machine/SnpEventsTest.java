package dev.vesper.machine;

import static org.assertj.core.api.Assertions.assertThat;

import dev.vesper.guest.FlatGuest;
import dev.vesper.machine.observe.Event;
import dev.vesper.machine.observe.Event.Pvalidate;
import dev.vesper.machine.observe.PageSpan;
import dev.vesper.machine.observe.RmpMap;
import dev.vesper.machine.observe.RmpState;
import dev.vesper.machine.spec.BootException;
import dev.vesper.machine.spec.MachineSpec;
import dev.vesper.machine.spec.SevMode;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.Test;

/** Who is told of pages that change one after the other, and when. */
final class SnpEventsTest {
  private static final int PAGES = 8;
  private static final long FIRST = 0x30_0000;

  /** Gives up eight pages, and asks for termination. */
  private static final byte[] IMAGE =
      FlatGuest.image(
          """
          mov ebx, 0x300000
          again:
          mov eax, ebx
          xor ecx, ecx
          xor edx, edx
          pvalidate
          jc end
          test eax, eax
          jne end
          add ebx, 0x1000
          cmp ebx, 0x308000
          jne again
          end:
          mov ecx, 0xc0010130
          mov eax, 0x100
          xor edx, edx
          wrmsr
          vmgexit
          """);

  private static TestMachine machine() throws BootException {
    return TestMachine.of(MachineSpec.builder(SevMode.SNP, IMAGE, b -> {}).memoryBytes(16 << 20));
  }

  private static List<Pvalidate> pvalidates(List<Event> events) {
    return events.stream().filter(Pvalidate.class::isInstance).map(Pvalidate.class::cast).toList();
  }

  private static long rescinded(Machine m) {
    return m.memoryMap().areas().stream()
        .filter(a -> a.kind() == RmpState.Kind.GUEST_INVALID)
        .map(RmpMap.Area::span)
        .mapToLong(PageSpan::pages)
        .sum();
  }

  @Test
  void aTraceHasOneEventAndAListenerEach() throws BootException {
    TestMachine t = machine().traced();
    List<Event> each = new ArrayList<>();
    t.machine().on(Pvalidate.class, each::add);
    t.run(1000);
    assertThat(pvalidates(t.events()))
        .singleElement()
        .returns((long) PAGES, Pvalidate::count)
        .returns(FIRST, Pvalidate::gpa);
    assertThat(each).hasSize(PAGES).allMatch(e -> ((Pvalidate) e).count() == 1);
    assertThat(rescinded(t.machine())).isEqualTo(PAGES);
  }

  /** The run stands still where the event is, and listeners have been told; traces come later. */
  @Test
  void aRunStopsAtTheEvent() throws BootException {
    TestMachine t = machine().traced();
    List<Pvalidate> each = new ArrayList<>();
    t.machine().on(Pvalidate.class, each::add);
    for (int n = 1; n <= PAGES; n++) {
      Stop s = t.machine().run(Until.event(Pvalidate.class));
      assertThat(s).isInstanceOf(Stop.Happened.class);
      assertThat(rescinded(t.machine())).isEqualTo(n);
      assertThat(each).hasSize(n);
      assertThat(each.getLast().gpa()).isEqualTo(FIRST + 4096L * (n - 1));
    }
    t.run(1000);
    assertThat(pvalidates(t.events())).as("stops divide no event").hasSize(1);
  }
}
